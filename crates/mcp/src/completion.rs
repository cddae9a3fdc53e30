//! What an argument's value may become: the answers to `completion/complete`.

use serde_json::{Map, Value};

use crate::http::UpstreamResponse;
use crate::jsonrpc::write_json;
use crate::tool::{Argument, ConfigError, Endpoint, EndpointBuilder, checked_json};

/// Values that one answer holds at the most, by the specification.
const MOST: usize = 100;

/// What completes one argument of a prompt or one variable of a resource's URI.
#[derive(Debug)]
pub(crate) struct Completer {
    pub(crate) argument: String,
    pub(crate) source: Suggestions,
}

/// Where suggestions come from.
#[derive(Debug)]
pub(crate) enum Suggestions {
    Values(Vec<String>),
    Upstream {
        endpoint: Box<Endpoint>,
        /// Its number among those of the server.
        site: usize,
    },
}

impl Completer {
    /// The number of its endpoint, if it has one.
    pub(crate) fn site(&mut self) -> Option<&mut usize> {
        match &mut self.source {
            Suggestions::Upstream { site, .. } => Some(site),
            Suggestions::Values(_) => None,
        }
    }
}

/// What the `complete` lines of a block said.
#[derive(Debug, Default)]
pub(crate) struct CompletionBuilder(Vec<Vec<String>>);

impl CompletionBuilder {
    /// `complete ARGUMENT VALUE …` or `complete ARGUMENT METHOD URL`
    pub(crate) fn add(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let [name, _, ..] = args else {
            return Err(ConfigError("\"complete\" takes an argument's name and values, or a method and a URL".into()));
        };
        if self.0.iter().any(|line| line[0] == *name) {
            return Err(ConfigError(format!("\"complete\" has argument \"{name}\" twice")));
        }
        self.0.push(args.iter().map(ToString::to_string).collect());
        Ok(())
    }

    /// The completers of a block with these arguments. One that has an `enum` and no line is completed by that.
    pub(crate) fn build(self, arguments: &[Argument]) -> Result<Vec<Completer>, ConfigError> {
        let mut completers = Vec::new();
        for line in self.0 {
            let words: Vec<&str> = line.iter().map(String::as_str).collect();
            let (argument, words) = (words[0], &words[1..]);
            if !arguments.iter().any(|known| known.name == argument) {
                return Err(ConfigError(format!("\"complete\" is for \"{argument}\", but there is no such argument")));
            }
            let source = match words {
                [_, url] if url.starts_with("http://") || url.starts_with("https://") => {
                    Suggestions::Upstream { endpoint: Box::new(endpoint(argument, words, arguments)?), site: 0 }
                }
                values => Suggestions::Values(values.iter().map(ToString::to_string).collect()),
            };
            completers.push(Completer { argument: argument.to_owned(), source });
        }
        for argument in arguments {
            let values = argument.choices();
            if !values.is_empty() && !completers.iter().any(|completer| completer.argument == argument.name) {
                completers.push(Completer { argument: argument.name.clone(), source: Suggestions::Values(values) });
            }
        }
        Ok(completers)
    }
}

/// The call that asks for suggestions: it sends what was typed, and of the other arguments those that its URL names.
fn endpoint(argument: &str, call: &[&str], arguments: &[Argument]) -> Result<Endpoint, ConfigError> {
    let url = call.last().copied().unwrap_or_default();
    let sent = |name: &str| name == argument || url.contains(&format!("{{{name}}}"));
    let names = arguments.iter().map(|argument| argument.name.as_str()).filter(|name| sent(name));
    let in_path = |name: &str| url.split('?').next().unwrap_or_default().contains(&format!("{{{name}}}"));
    EndpointBuilder::call("complete", call, names.map(|name| Argument::plain(name, in_path(name))).collect())
}

/// The arguments that a completer's call takes, out of all that the client knows.
pub(crate) fn sent(endpoint: &Endpoint, mut arguments: Map<String, Value>) -> Map<String, Value> {
    arguments.retain(|name, _| endpoint.takes(name));
    arguments
}

/// `completion` from fixed values: those that begin as what was typed, then those in which it occurs.
pub(crate) fn from_values(values: &[String], typed: &str) -> String {
    let typed = typed.to_lowercase();
    let (mut found, mut within) = (Vec::new(), Vec::new());
    for value in values {
        let lower = value.to_lowercase();
        if lower.starts_with(&typed) {
            found.push(value.as_str());
        } else if lower.contains(&typed) {
            within.push(value.as_str());
        }
    }
    found.extend(within);
    written(&found, Some(found.len() as u64), false)
}

/// `completion` from what an upstream answered: a list of strings, or an object with them as `values`, and as it likes
/// `total` and `hasMore`, by itself or as `completion`. The error is for the log.
pub(crate) fn from_answer(response: &UpstreamResponse<'_>) -> Result<String, String> {
    let json = checked_json(response.body)?;
    let wrong = || "it is neither a list of strings nor an object with such a list as \"values\"".to_owned();
    let mut value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if let Some(inner) = value.get_mut("completion") {
        value = inner.take();
    }
    let (values, total, more) = match &value {
        Value::Array(_) => (&value, None, false),
        Value::Object(object) => (
            object.get("values").ok_or_else(wrong)?,
            object.get("total").and_then(Value::as_u64),
            object.get("hasMore").and_then(Value::as_bool).unwrap_or(false),
        ),
        _ => return Err(wrong()),
    };
    let values = values.as_array().ok_or_else(wrong)?;
    let values: Vec<&str> = values.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?;
    let total = total.or((!more).then_some(values.len() as u64));
    Ok(written(&values, total, more))
}

fn written(values: &[&str], total: Option<u64>, more: bool) -> String {
    let shown = &values[..values.len().min(MOST)];
    let mut out = b"{\"values\":".to_vec();
    write_json(shown, &mut out);
    let mut text = String::from_utf8(out).unwrap_or_default();
    if let Some(total) = total {
        text.push_str(&format!(",\"total\":{}", total.max(shown.len() as u64)));
    }
    let more = more || shown.len() < values.len() || total.is_some_and(|total| total > shown.len() as u64);
    text.push_str(&format!(",\"hasMore\":{more}}}"));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_begins_so_comes_before_what_has_it_in_it() {
        let known = ["Berlin", "Hamburg", "Amberg", "Köln"].map(String::from);
        for (typed, expected) in [
            ("", json!(["Berlin", "Hamburg", "Amberg", "Köln"])),
            ("b", json!(["Berlin", "Hamburg", "Amberg"])),
            ("AM", json!(["Amberg", "Hamburg"])),
            ("KÖ", json!(["Köln"])),
            ("x", json!([])),
        ] {
            let completion = values(&from_values(&known, typed));
            let count = expected.as_array().unwrap().len();
            assert_eq!(completion, json!({"values": expected, "total": count, "hasMore": false}), "{typed}");
        }
    }

    #[test]
    fn no_answer_holds_more_than_a_hundred() {
        let many: Vec<String> = (0..150).map(|number| number.to_string()).collect();
        let completion = values(&from_values(&many, ""));
        assert_eq!(completion["values"].as_array().unwrap().len(), 100);
        assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(150), &json!(true)));
    }

    #[test]
    fn an_upstream_answers_with_a_list_or_more() {
        let answer = |body: Value| {
            let body = body.to_string();
            let response = UpstreamResponse { status: 200, body: body.as_bytes(), ..UpstreamResponse::default() };
            from_answer(&response).map(|text| values(&text))
        };
        for (body, expected) in [
            (json!(["a", "b"]), json!({"values": ["a", "b"], "total": 2, "hasMore": false})),
            (json!({"values": ["a"], "total": 7}), json!({"values": ["a"], "total": 7, "hasMore": true})),
            (json!({"values": ["a"], "hasMore": true}), json!({"values": ["a"], "hasMore": true})),
            (json!({"completion": {"values": []}}), json!({"values": [], "total": 0, "hasMore": false})),
            (json!({"values": ["a", "b"], "total": 1}), json!({"values": ["a", "b"], "total": 2, "hasMore": false})),
        ] {
            assert_eq!(answer(body), Ok(expected));
        }
        for body in [json!(1), json!([1]), json!({}), json!({"values": "a"}), json!([["a"]])] {
            assert!(answer(body.clone()).is_err(), "{body}");
        }
    }
}
