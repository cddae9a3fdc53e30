//! The `annotations` directive: hints to clients about what a tool does.

use serde_json::{Map, Value};

use super::ConfigError;
use crate::ProtocolVersion;

const HINTS: [&str; 4] = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];

/// `annotations HINT[=on|off] … [title=TEXT]`
pub(super) fn parse(args: &[&str]) -> Result<Map<String, Value>, ConfigError> {
    let allowed = || format!("allowed are: {}, each alone or with =on or =off, and title=TEXT", HINTS.join(", "));
    if args.is_empty() {
        return Err(ConfigError(format!("\"annotations\" needs at least one hint; {}", allowed())));
    }
    let mut annotations = Map::new();
    for word in args {
        let (key, value) = word.split_once('=').unwrap_or((word, "on"));
        let value = match value {
            _ if key == "title" && word.contains('=') && !value.is_empty() => Value::from(value),
            "on" if HINTS.contains(&key) => Value::Bool(true),
            "off" if HINTS.contains(&key) => Value::Bool(false),
            _ => return Err(ConfigError(format!("invalid annotation \"{word}\"; {}", allowed()))),
        };
        if annotations.insert(key.into(), value).is_some() {
            return Err(ConfigError(format!("annotation \"{key}\" is given twice")));
        }
    }
    Ok(annotations)
}

/// The annotations that a revision knows. 2025-03-26 has no `title` of the tool, only this one.
pub(crate) fn published(
    annotations: Option<&Map<String, Value>>,
    title: Option<&str>,
    version: ProtocolVersion,
) -> Option<Map<String, Value>> {
    if version < ProtocolVersion::V2025_03_26 {
        return None;
    }
    let mut published = annotations.cloned().unwrap_or_default();
    if version == ProtocolVersion::V2025_03_26 && !published.contains_key("title") {
        published.extend(title.map(|title| ("title".into(), title.into())));
    }
    (!published.is_empty()).then_some(published)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hint_is_on_unless_it_says_otherwise() {
        let annotations = parse(&["readOnlyHint", "destructiveHint=off", "openWorldHint=on", "title=Get it"]).unwrap();
        let expected =
            json!({"readOnlyHint": true, "destructiveHint": false, "openWorldHint": true, "title": "Get it"});
        assert_eq!(Value::Object(annotations), expected);
    }

    #[test]
    fn anything_else_is_refused_with_what_is_allowed() {
        for args in [&["read_only"][..], &["readOnlyHint=yes"], &["title"], &["title="], &[]] {
            assert!(parse(args).unwrap_err().0.contains("allowed are: readOnlyHint, "), "{args:?}");
        }
        assert_eq!(
            parse(&["readOnlyHint", "readOnlyHint=off"]).unwrap_err().0,
            "annotation \"readOnlyHint\" is given twice"
        );
    }

    #[test]
    fn each_revision_gets_what_it_knows() {
        let hints = parse(&["readOnlyHint"]).unwrap();
        let of = |version| published(Some(&hints), Some("T"), version).map(Value::Object);
        assert_eq!(of(ProtocolVersion::V2024_11_05), None);
        assert_eq!(of(ProtocolVersion::V2025_03_26), Some(json!({"readOnlyHint": true, "title": "T"})));
        assert_eq!(of(ProtocolVersion::V2025_06_18), Some(json!({"readOnlyHint": true})));
        assert_eq!(published(None, Some("T"), ProtocolVersion::V2025_06_18), None);
    }
}
