//! What people and models read of an operation, and what clients may assume of it.

use serde_json::{Map, Value};

use crate::paths::Found;

const MAX_TITLE: usize = 200;

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
