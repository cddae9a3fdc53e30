//! The name that was probably meant.

use strsim::generic_levenshtein;

/// Names longer than this are not compared.
const LONGEST: usize = 64;
/// Names beyond these are not compared: a request must stay cheap, however wrong it is.
const MOST: usize = 512;

/// The nearest of `names` to a name that is none of them: equal but for case and `-_.`, or a typing error or two away.
pub(crate) fn nearest<'a, T: AsRef<str>>(name: &str, names: &'a [T]) -> Option<&'a T> {
    if name.len() > LONGEST {
        return None;
    }
    let name = fold(name);
    let limit = match name.len() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    let near = names.iter().take(MOST).filter(|candidate| candidate.as_ref().len() <= LONGEST);
    let near = near.filter_map(|candidate| {
        let folded = fold(candidate.as_ref());
        (folded.len().abs_diff(name.len()) <= limit).then(|| (generic_levenshtein(&name, &folded), candidate))
    });
    near.filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> Vec<u8> {
    name.bytes().filter(|byte| !b"-_.".contains(byte)).map(|byte| byte.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const NAMES: [&str; 4] = ["get_item", "reserve", "list.orders", "ab"];

    #[test]
    fn finds_what_was_meant() {
        for (given, meant) in [
            ("get_itm", Some("get_item")),
            ("GetItem", Some("get_item")),
            ("get-item", Some("get_item")),
            ("resreve", None),
            ("reservee", Some("reserve")),
            ("listOrders", Some("list.orders")),
            ("ac", None),
            ("", None),
            ("delete_everything", None),
        ] {
            assert_eq!(nearest(given, &NAMES).copied(), meant, "{given}");
        }
    }

    #[test]
    fn is_cheap_for_long_names() {
        assert_eq!(nearest(&"x".repeat(10_000), &NAMES), None);
    }
}
