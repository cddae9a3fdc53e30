//! Names that were perhaps meant.

use std::collections::BTreeSet;

const MAX_SUGGESTIONS: usize = 3;
/// Longer names are compared by their beginning.
const MAX_LENGTH: usize = 64;

/// `; near it are "a", "b"`, or nothing if none is.
pub(crate) fn suggestion<'n>(meant: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let plain: String = meant.to_lowercase().replace(['*', '?'], "");
    let distinct: BTreeSet<&str> = names.into_iter().collect();
    let mut near: Vec<(usize, &str)> = Vec::new();
    for name in distinct {
        let lower = name.to_lowercase();
        let part = plain.len() >= 3 && (lower.contains(&plain) || (lower.len() >= 3 && plain.contains(&lower)));
        let distance = if part { 1 } else { distance(&plain, &lower) };
        if distance <= 1 + plain.chars().count().min(MAX_LENGTH) / 4 {
            near.push((distance, name));
        }
    }
    near.sort();
    near.truncate(MAX_SUGGESTIONS);
    if near.is_empty() {
        return String::new();
    }
    let names: Vec<String> = near.iter().map(|(_, name)| format!("\"{name}\"")).collect();
    format!("; near it: {}", names.join(", "))
}

/// How many insertions, deletions and replacements make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let beginning = |text: &str| text.chars().take(MAX_LENGTH).collect::<Vec<_>>();
    strsim::generic_levenshtein(&beginning(a), &beginning(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested() {
        let names = ["listOrders", "listOrder", "deleteOrder", "getCustomer"];
        for (meant, expected) in [
            ("listOders", "; near it: \"listOrders\", \"listOrder\""),
            ("LISTORDERS*", "; near it: \"listOrder\", \"listOrders\""),
            ("Customer", "; near it: \"getCustomer\""),
            ("xyz", ""),
        ] {
            assert_eq!(suggestion(meant, names), expected, "{meant}");
        }
    }
}
