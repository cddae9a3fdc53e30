//! What people and models read of an operation, and what clients may assume of it.

use serde_json::{Map, Value};

use crate::node::Node;
use crate::paths::Found;

const MAX_TITLE: usize = 200;

/// Title and version of the document.
pub(crate) fn info(root: &Node<'_>) -> Option<(String, String)> {
    let info = root.get("info")?;
    let text = |keyword: &str| {
        let text = match info.value.get(keyword)? {
            Value::String(text) => text.trim().to_owned(),
            // What YAML takes a version for.
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then(|| shorten(&text, MAX_TITLE))
    };
    Some((text("title")?, text("version")?))
}

pub(crate) fn title(found: &Found<'_>) -> Option<String> {
    let summary = found.operation.text("summary")?.trim();
    (!summary.is_empty()).then(|| shorten(summary, MAX_TITLE))
}

/// The description, else the summary, else method and path.
pub(crate) fn description(found: &Found<'_>, limit: usize) -> String {
    let text = |keyword: &str| found.operation.text(keyword).map(str::trim).filter(|text| !text.is_empty());
    let of_item = || found.items.iter().find_map(|item| item.text("description").or_else(|| item.text("summary")));
    let text = text("description").or_else(|| text("summary")).or_else(|| of_item().map(str::trim));
    let text = match text.filter(|text| !text.is_empty()) {
        Some(text) => shorten(text, limit),
        None => format!("{} {}", found.method, found.path),
    };
    if found.operation.flag("deprecated") == Some(true) { format!("Deprecated. {text}") } else { text }
}

/// What the method promises (RFC 9110, section 9.2). POST and PATCH promise nothing, so nothing is said of them, and a
/// client takes them for what may destroy.
pub(crate) fn annotations(method: &str) -> Map<String, Value> {
    let hints: &[&str] = match method {
        "GET" | "HEAD" | "OPTIONS" | "QUERY" => &["readOnlyHint"],
        "PUT" => &["idempotentHint"],
        "DELETE" => &["destructiveHint", "idempotentHint"],
        _ => &[],
    };
    hints.iter().map(|hint| ((*hint).to_owned(), true.into())).collect()
}

pub(crate) fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_says_what_it_is() {
        let cases = [
            (json!({"info": {"title": " Pets ", "version": "1.0.0"}}), Some(("Pets", "1.0.0"))),
            (json!({"info": {"title": "Pets", "version": 1.5}}), Some(("Pets", "1.5"))),
            (json!({"info": {"title": "Pets"}}), None),
            (json!({"info": {"title": " ", "version": "1"}}), None),
            (json!({"info": "Pets"}), None),
            (json!({}), None),
        ];
        for (document, expected) in cases {
            let root = Node { value: &document, file: 0, pointer: String::new() };
            let expected = expected.map(|(title, version)| (title.to_owned(), version.to_owned()));
            assert_eq!(info(&root), expected, "{document}");
        }
    }
}
