//! The words of names and texts.

use crate::session::cut;

/// Bytes of a word that count.
const LONGEST: usize = 48;

/// Gives every word of a text, in lower case and without the s of a plural. A name is taken apart where its writing says
/// so and is given as a whole, too: `listOrders` is `list`, `order` and `listorder`.
pub(super) fn words(text: &str, found: &mut dyn FnMut(&str)) {
    for run in text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let mut rest = run;
        while let Some(end) = hump(rest) {
            word(&rest[..end], found);
            rest = &rest[end..];
        }
        word(rest, found);
        if rest.len() < run.len() {
            word(run, found);
        }
    }
}

/// Where the first part of `listOrders` or `HTTPServer` ends, if there is another one.
fn hump(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    let mut before: Option<char> = None;
    while let Some((at, c)) = chars.next() {
        if let Some(before) = before.filter(|_| c.is_uppercase()) {
            let ends_capitals = before.is_uppercase() && chars.peek().is_some_and(|(_, next)| next.is_lowercase());
            if !before.is_uppercase() || ends_capitals {
                return Some(at);
            }
        }
        before = Some(c);
    }
    None
}

fn word(part: &str, found: &mut dyn FnMut(&str)) {
    let mut word = part.to_lowercase();
    let has_plural = word.len() > 3 && !["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    if has_plural && word.ends_with('s') {
        word.pop();
    }
    // The plural of `entry` and that of `movie` end alike.
    if word.len() > 3 && word.ends_with("ie") {
        word.truncate(word.len() - 2);
        word.push('y');
    }
    found(cut(&word, LONGEST));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_taken_apart_alike() {
        for (text, expected) in [
            ("list_orders", "list order"),
            ("listOrders", "list order listorder"),
            ("repos/list-for-user", "repo list for user"),
            ("HTTPServer", "http server httpserver"),
            ("getV2API", "get v2 api getv2api"),
            ("IDs", "i ds ids"),
            ("Look up one item, by its id.", "look up one item by its id"),
            ("Repositories repository MOVIES movie ties", "repository repository movy movy tie"),
            ("status address analysis bus us is", "status address analysis bus us is"),
            ("Straße_ÄÖ été", "straße äö été"),
            ("", ""),
            ("  __--!?", ""),
        ] {
            let mut found = Vec::new();
            words(text, &mut |word| found.push(word.to_owned()));
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn endless_words_end() {
        let mut lengths = Vec::new();
        words(&"ä".repeat(10_000), &mut |word| lengths.push(word.len()));
        assert_eq!(lengths, [LONGEST]);
    }
}
