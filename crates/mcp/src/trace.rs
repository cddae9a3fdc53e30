//! Where a request belongs in a distributed trace: `traceparent`, `tracestate` and `baggage` of its `_meta` (SEP-414), which go
//! to its upstream as the headers of these names.
//!
//! What does not keep to W3C's Trace Context and Baggage is left out, as these say; a request is not refused for it.

use crate::jsonrpc::text;

/// Bytes of each that are passed on: what everybody must take.
const MAX_STATE: usize = 512;
const MAX_BAGGAGE: usize = 8192;
/// Members of `tracestate`, and of `baggage`.
const MAX_MEMBERS: (usize, usize) = (32, 180);

/// The headers, in the order of [`Trace`].
pub(crate) const HEADERS: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// What `_meta` says of it, raw.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Trace<'a>(pub(crate) [Option<&'a str>; 3]);

impl Trace<'_> {
    /// What is passed on: each header with its value in a line of its own. Nothing for most requests.
    pub(crate) fn lines(self) -> Option<String> {
        let [parent, state, baggage] = self.0.map(|raw| raw.and_then(text));
        let parent = parent.filter(|value| is_parent(value));
        // A state is one of its parent's trace.
        let state = state.filter(|value| parent.is_some() && is_state(value));
        let baggage = baggage.filter(|value| is_baggage(value));
        let lines: String = HEADERS
            .iter()
            .zip([parent, state, baggage])
            .filter_map(|(name, value)| Some(format!("{name}:{}\n", value?)))
            .collect();
        (!lines.is_empty()).then_some(lines)
    }
}

/// The headers of such lines.
pub(crate) fn headers(lines: &str) -> impl Iterator<Item = (String, String)> {
    lines.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`; versions to come may add to it.
fn is_parent(value: &str) -> bool {
    let mut parts = value.split('-');
    let mut hex = |length: usize| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex))
    };
    let (Some(version), Some(trace), Some(span), Some(_flags)) = (hex(2), hex(32), hex(16), hex(2)) else {
        return false;
    };
    let is_known = version == "00" && value.len() == 55;
    let is_later = version != "00" && version != "ff" && value.len() <= 255 && is_visible(value);
    (is_known || is_later) && trace.contains(|c| c != '0') && span.contains(|c| c != '0')
}

/// `congo=t61rcWkgMzE,rojo=00f067aa0ba902b7`
fn is_state(value: &str) -> bool {
    let is_member = |member: &str| {
        let member = member.trim_matches([' ', '\t']);
        let key = |key: &str| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
            !key.is_empty() && key.len() <= 256 && key.bytes().all(fits)
        };
        let content = |text: &str| text.bytes().all(|byte| (0x20..=0x7e).contains(&byte) && !b",=".contains(&byte));
        member.is_empty() || member.split_once('=').is_some_and(|(k, v)| key(k) && !v.is_empty() && content(v))
    };
    is_list(value, MAX_STATE, MAX_MEMBERS.0, is_member)
}

/// `userId=alice,serverNode=DF%2028;property=1`
fn is_baggage(value: &str) -> bool {
    let is_token = |text: &str| {
        let text = text.trim_matches([' ', '\t']);
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let is_content = |text: &str| {
        let text = text.trim_matches([' ', '\t']);
        text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte))
    };
    let is_pair = |pair: &str| pair.split_once('=').is_some_and(|(key, value)| is_token(key) && is_content(value));
    let is_member = |member: &str| {
        let mut parts = member.split(';');
        parts.next().is_some_and(is_pair) && parts.all(|property| is_token(property) || is_pair(property))
    };
    is_list(value, MAX_BAGGAGE, MAX_MEMBERS.1, is_member)
}

fn is_list(value: &str, size: usize, members: usize, is_member: impl Fn(&str) -> bool) -> bool {
    !value.is_empty()
        && value.len() <= size
        && value.split(',').count() <= members
        && value.split(',').all(is_member)
        && value.bytes().all(|byte| (0x20..=0x7e).contains(&byte) || byte == b'\t')
}

fn is_visible(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn passed(parent: &str, state: &str, baggage: &str) -> Vec<(String, String)> {
        let raw = [parent, state, baggage].map(|value| serde_json::to_string(value).unwrap());
        let lines = Trace([&raw[0], &raw[1], &raw[2]].map(|raw| Some(raw.as_str()))).lines();
        lines.as_deref().map(headers).into_iter().flatten().collect()
    }

    #[test]
    fn what_is_right_is_passed_on() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            passed(PARENT, "congo=t61, rojo=0 0", "userId=alice , node=DF%2028;p;q=1"),
            [
                pair("traceparent", PARENT),
                pair("tracestate", "congo=t61, rojo=0 0"),
                pair("baggage", "userId=alice , node=DF%2028;p;q=1"),
            ]
        );
        assert_eq!(passed("", "a=b", "a=b"), [pair("baggage", "a=b")]);
        assert_eq!(Trace([None, Some("1"), Some("null")]).lines(), None);
    }

    #[test]
    fn what_is_wrong_is_left_out() {
        for (parent, expected) in [
            (PARENT, true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-will-be", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-a\r\nHost: b", false),
        ] {
            assert_eq!(is_parent(parent), expected, "{parent:?}");
        }
        let long = format!("a={}", "b".repeat(511));
        for state in ["", "a", "=b", "A=b", "a=b=c", "a=b\n", "a=é", &long, &["a=b"; 33].join(",")] {
            assert!(!is_state(state), "{state:?}");
        }
        let long = format!("a={}", "b".repeat(8191));
        for baggage in
            ["", "a", "=b", "a b=c", "a=b c", "a=\"", "a=b,", "a=b;;", "a=b\r\n", &long, &["a=b"; 181].join(",")]
        {
            assert!(!is_baggage(baggage), "{baggage:?}");
        }
    }
}
