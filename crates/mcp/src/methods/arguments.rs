//! The arguments of a call.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::facts::Facts;
use crate::jsonrpc::text;
use crate::scan::{NotJson, Scanner};

/// The arguments that a request has, if any.
pub(crate) fn of(facts: &Facts) -> Result<Map<String, Value>, Error> {
    facts.arguments().map_or_else(|| Ok(Map::new()), parse)
}

/// Reads arguments, the text of a JSON object. One that is given twice is refused: nobody can tell which was meant, and
/// what stands before this server may have read the other one.
pub(crate) fn parse(json: &str) -> Result<Map<String, Value>, Error> {
    let mut arguments = Map::new();
    let mut problem = None;
    let mut scanner = Scanner::new(json);
    let walked = scanner.object(|name, scanner| {
        // A name with half a surrogate pair is no text; the scanner leaves it in its quotes.
        if name.starts_with('"') && name.contains("\\u") {
            problem.get_or_insert_with(|| format!("{name} is not text"));
        }
        match (arguments.entry(name), value(scanner.value()?)) {
            (Entry::Vacant(place), Ok(value)) => _ = place.insert(value),
            (Entry::Occupied(_), _) => _ = problem.get_or_insert_with(|| format!("\"{name}\" is given twice")),
            (_, Err(error)) => _ = problem.get_or_insert_with(|| format!("\"{name}\": {error}")),
        }
        Ok(())
    });
    let problem = match walked {
        Ok(()) => problem,
        Err(NotJson) => Some("they are nested too deeply".to_owned()),
    };
    match problem {
        None => Ok(arguments),
        Some(why) => Err(Error::InvalidParams(format!("the arguments cannot be read: {why}").into())),
    }
}

/// A value's text, read. What most arguments are needs no parser.
fn value(json: &str) -> Result<Value, serde_json::Error> {
    /// Digits that a `u64` has room for, whatever they are.
    const DIGITS: usize = 19;
    match json.as_bytes() {
        b"true" => Ok(Value::Bool(true)),
        b"false" => Ok(Value::Bool(false)),
        b"null" => Ok(Value::Null),
        digits if digits.len() <= DIGITS && digits.iter().all(u8::is_ascii_digit) => {
            Ok(Value::from(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))))
        }
        _ => match json.starts_with('"').then(|| text(json)).flatten() {
            Some(text) => Ok(Value::String(text.into_owned())),
            None => serde_json::from_str(json),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_serde_json_reads_them() {
        for json in [
            "true",
            "false",
            "null",
            "0",
            "7",
            "-7",
            "-0",
            "1234567890123456789",
            "9999999999999999999",
            "18446744073709551615",
            "18446744073709551616",
            "1.5",
            "1e3",
            r#""""#,
            r#""plain é""#,
            r#""a\"b\u00e9\ud83d\ude00""#,
            "[1, [\"\\n\"]]",
            r#"{"a": {"b": 1.0}}"#,
        ] {
            assert_eq!(value(json).unwrap(), serde_json::from_str::<Value>(json).unwrap(), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let why = |json| match parse(json) {
            Err(Error::InvalidParams(why)) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(why(r#"{"a":1,"\u0061":2}"#), "the arguments cannot be read: \"a\" is given twice");
        assert!(why(r#"{"a":"\ud800"}"#).starts_with("the arguments cannot be read: \"a\": "));
        assert!(why(r#"{"a":[1e999]}"#).starts_with("the arguments cannot be read: \"a\": "));
        assert_eq!(why(r#"{"\udc00":1}"#), "the arguments cannot be read: \"\\udc00\" is not text");
    }
}
