//! The `annotations` directive of a resource: for whom it is, how important, and how old.

use serde_json::{Map, Value, json};

use crate::ProtocolVersion;
use crate::date::iso8601;
use crate::tool::ConfigError;

/// `annotations [audience=user,assistant] [priority=0.5] [lastModified=TIME]`
pub(super) fn parse(args: &[&str]) -> Result<Map<String, Value>, ConfigError> {
    const TAKES: &str =
        "\"annotations\" takes audience=user,assistant, priority= from 0 to 1, and lastModified=2025-01-12T15:00:58Z";
    if args.is_empty() {
        return Err(ConfigError(TAKES.into()));
    }
    let mut annotations = Map::new();
    for word in args {
        let role = |role: &str| matches!(role, "user" | "assistant");
        let (name, value) = match word.split_once('=') {
            Some(("audience", roles)) if roles.split(',').all(role) => {
                ("audience", roles.split(',').collect::<Vec<_>>().into())
            }
            Some(("priority", text)) => match text.parse::<f64>() {
                Ok(priority) if (0.0..=1.0).contains(&priority) => ("priority", json!(priority)),
                _ => return Err(ConfigError(format!("invalid annotation \"{word}\": {TAKES}"))),
            },
            Some(("lastModified", time)) if is_time(time) => ("lastModified", json!(time)),
            _ => return Err(ConfigError(format!("invalid annotation \"{word}\": {TAKES}"))),
        };
        if annotations.insert(name.to_owned(), value).is_some() {
            return Err(ConfigError(format!("annotation \"{name}\" is given twice")));
        }
    }
    Ok(annotations)
}

/// Whether a text has the form of an ISO 8601 date, with or without a time.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let rest = shape.strip_prefix("0000-00-00");
    let rest = rest.and_then(|rest| if rest.is_empty() { Some("Z") } else { rest.strip_prefix("T00:00:00") });
    let fraction = |rest: &str| rest.trim_start_matches('.').trim_start_matches('0').to_owned();
    rest.map(fraction).is_some_and(|zone| zone == "Z" || zone == "+00:00" || zone == "-00:00")
}

/// What a revision knows of them, with the time of a file's last change unless they have another one.
pub(super) fn published(
    annotations: &Map<String, Value>,
    version: ProtocolVersion,
    modified: Option<u64>,
) -> Map<String, Value> {
    let mut published = annotations.clone();
    if let Some(modified) = modified {
        published.entry("lastModified").or_insert_with(|| iso8601(modified).into());
    }
    if version < ProtocolVersion::V2025_06_18 {
        published.shift_remove("lastModified");
    }
    published
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_typed() {
        let annotations = parse(&["audience=user,assistant", "priority=0.5", "lastModified=2025-01-12T15:00:58Z"]);
        let all = json!({
            "audience": ["user", "assistant"], "priority": 0.5, "lastModified": "2025-01-12T15:00:58Z",
        });
        let annotations = annotations.unwrap();
        assert_eq!(Value::Object(published(&annotations, ProtocolVersion::V2025_06_18, None)), all);
        let older = Value::Object(published(&annotations, ProtocolVersion::V2025_03_26, None));
        assert_eq!(older, json!({"audience": ["user", "assistant"], "priority": 0.5}));
        let of_file = published(&parse(&["priority=1"]).unwrap(), ProtocolVersion::V2025_06_18, Some(0));
        assert_eq!(Value::Object(of_file), json!({"priority": 1.0, "lastModified": "1970-01-01T00:00:00Z"}));
        for time in ["2025-01-12", "2025-01-12T15:00:58.123Z", "2025-01-12T15:00:58+02:00"] {
            assert!(parse(&[&format!("lastModified={time}")]).is_ok(), "{time}");
        }
    }

    #[test]
    fn wrong_ones_say_what_is_right() {
        for args in [
            &[][..],
            &["audience"],
            &["audience=model"],
            &["audience="],
            &["priority=2"],
            &["priority=NaN"],
            &["lastModified=yesterday"],
            &["lastModified=2025-01-12T15:00"],
            &["readOnlyHint"],
        ] {
            assert!(parse(args).unwrap_err().0.contains("\"annotations\" takes audience="), "{args:?}");
        }
        assert!(parse(&["priority=1", "priority=1"]).unwrap_err().0.contains("twice"));
    }
}
