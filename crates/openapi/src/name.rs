//! Names of tools: legal, unique, and the same whatever the order of the document.

use std::collections::{HashMap, HashSet};

use crate::hash;
use crate::paths::Found;

/// What every client takes.
const MAX_LENGTH: usize = 64;

/// The name that an operation has if nothing is in its way: the `operationId`, else method and path.
pub(crate) fn plain(found: &Found<'_>) -> String {
    let of_id = found.operation_id().map(clean).unwrap_or_default();
    if !of_id.is_empty() {
        return of_id;
    }
    let name = clean(&format!("{} {}", found.method.to_lowercase(), found.path));
    if name.is_empty() { "operation".into() } else { name }
}

/// Whether a name may stand as it is.
pub(crate) fn is_legal(name: &str) -> bool {
    (1..=MAX_LENGTH).contains(&name.len()) && name.bytes().all(fits)
}

/// The names of all operations. `given` are those that an operator chose: they stay, and others make room.
///
/// A name that is too long ends in a hash of method and path. So does every one of those that would be the same: none
/// of them has more right to it, and no order decides.
pub(crate) fn all(found: &[Found<'_>], prefix: &str, given: &[Option<&str>]) -> Vec<String> {
    let plain: Vec<String> = found.iter().map(|found| format!("{}{}", clean_prefix(prefix), plain(found))).collect();
    let taken: HashSet<&str> = given.iter().flatten().copied().collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for (name, given) in plain.iter().zip(given) {
        if given.is_none() {
            *count.entry(name).or_default() += 1;
        }
    }
    let name = |i: usize| match given[i] {
        Some(given) => given.to_owned(),
        None => {
            let name = &plain[i];
            let alone = count.get(name.as_str()) == Some(&1) && !taken.contains(name.as_str());
            if alone && name.len() <= MAX_LENGTH {
                return name.clone();
            }
            let hash = hash::short(&[&found[i].method, found[i].path]);
            let kept = name.len().min(MAX_LENGTH - hash.len() - 1);
            format!("{}_{hash}", name[..kept].trim_end_matches('_'))
        }
    };
    (0..found.len()).map(name).collect()
}

fn fits(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Every run of what does not fit as one `_`, none of them at the ends.
fn clean(text: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for char in text.chars() {
        match u8::try_from(char) {
            Ok(byte) if fits(byte) => {
                if gap && !out.is_empty() && !out.ends_with('_') && char != '_' {
                    out.push('_');
                }
                gap = false;
                out.push(char);
            }
            _ => gap = true,
        }
    }
    out
}

fn clean_prefix(prefix: &str) -> String {
    prefix.chars().map(|char| if u8::try_from(char).is_ok_and(fits) { char } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_what_is_allowed() {
        let cases = [
            ("getPet", "getPet"),
            ("repos/list-for-org", "repos_list-for-org"),
            ("odd name/with:chars é 日本", "odd_name_with_chars"),
            ("get /pets/{id}/toys", "get_pets_id_toys"),
            ("_private_", "_private_"),
            ("a__b", "a__b"),
            ("é", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(clean(text), expected);
        }
        for (name, legal) in
            [("a", true), ("", false), ("a.b", false), (&"a".repeat(64), true), (&"a".repeat(65), false)]
        {
            assert_eq!(is_legal(name), legal, "{name}");
        }
    }
}
