//! Which media type of several is used, and how a value becomes it.

/// The ways to write a value, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Json,
    /// `application/merge-patch+json` and every other `+json`.
    JsonBased,
    Form,
    Multipart,
    Text,
    Binary,
    Xml,
    /// `multipart/related` and whatever else needs more than a value.
    Unknown,
}

/// `type/subtype`, lower case, without parameters.
pub(crate) fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(crate) fn kind(media_type: &str) -> Kind {
    let essence = essence(media_type);
    match essence.as_str() {
        "application/json" | "text/json" | "*/*" | "application/*" | "*" | "" => Kind::Json,
        "application/x-www-form-urlencoded" => Kind::Form,
        "multipart/form-data" | "multipart/*" => Kind::Multipart,
        "application/xml" | "text/xml" => Kind::Xml,
        "application/jsonl"
        | "application/x-ndjson"
        | "application/ndjson"
        | "application/x-jsonlines"
        | "application/json-seq"
        | "application/yaml"
        | "application/x-yaml"
        | "application/javascript"
        | "application/graphql"
        | "application/sql" => Kind::Text,
        essence if essence.ends_with("+json") => Kind::JsonBased,
        essence if essence.ends_with("+xml") => Kind::Xml,
        essence if essence.starts_with("text/") || essence.ends_with("+yaml") => Kind::Text,
        essence if essence.starts_with("multipart/") => Kind::Unknown,
        _ => Kind::Binary,
    }
}

/// A media type to send: a range becomes the plainest of it.
pub(crate) fn concrete(media_type: &str) -> String {
    match essence(media_type).as_str() {
        "*/*" | "application/*" | "*" | "" => "application/json".into(),
        "text/*" => "text/plain".into(),
        "multipart/*" => "multipart/form-data".into(),
        range if range.ends_with("/*") => "application/octet-stream".into(),
        _ => media_type.trim().into(),
    }
}

/// The best of several, by kind and then by order.
pub(crate) fn choose<'m>(media_types: impl Iterator<Item = &'m str>) -> Option<&'m str> {
    // A range that could be anything is worse than a type that is written down.
    media_types.min_by_key(|media_type| (kind(media_type), media_type.contains('*')))
}

/// The `Accept` header: JSON if there is any, the rest as second choice.
pub(crate) fn accept(media_types: &[&str]) -> Option<String> {
    const MAX: usize = 8;
    const MAX_LOOKS: usize = 100;
    let fits = |media_type: &&&str| {
        let (kind, subtype) = media_type.split_once('/').unwrap_or_default();
        let token = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&byte);
            !text.is_empty() && text.bytes().all(fits)
        };
        let subtype = subtype.split(';').next().unwrap_or_default().trim();
        token(kind.trim()) && token(subtype)
    };
    let mut known: Vec<String> = Vec::new();
    for media_type in media_types.iter().filter(fits).take(MAX_LOOKS) {
        let essence = essence(media_type);
        if !known.contains(&essence) {
            known.push(essence);
        }
    }
    let is_json = |essence: &String| kind(essence) <= Kind::JsonBased && !essence.contains('*');
    let (json, other): (Vec<String>, Vec<String>) = known.into_iter().partition(is_json);
    let quality = if json.is_empty() { "" } else { ";q=0.5" };
    let all: Vec<String> =
        json.into_iter().chain(other.into_iter().map(|essence| essence + quality)).take(MAX).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_comes_first() {
        let cases: [(&[&str], &str); 9] = [
            (&["application/xml", "application/json"], "application/json"),
            (&["application/xml", "text/plain", "application/octet-stream"], "text/plain"),
            (&["application/octet-stream", "application/xml"], "application/octet-stream"),
            (&["multipart/form-data", "application/x-www-form-urlencoded"], "application/x-www-form-urlencoded"),
            (&["multipart/form-data", "application/merge-patch+json"], "application/merge-patch+json"),
            (&["application/vnd.a+json", "application/JSON; charset=utf-8"], "application/JSON; charset=utf-8"),
            (&["*/*", "application/json"], "application/json"),
            (&["image/png", "multipart/related"], "image/png"),
            (&["application/vnd.b+json", "application/vnd.a+json"], "application/vnd.b+json"),
        ];
        for (media_types, expected) in cases {
            assert_eq!(choose(media_types.iter().copied()), Some(expected));
        }
    }

    #[test]
    fn ranges_become_types() {
        for (range, expected) in [
            ("*/*", "application/json"),
            ("text/*", "text/plain"),
            ("image/*", "application/octet-stream"),
            ("application/json; charset=utf-8", "application/json; charset=utf-8"),
        ] {
            assert_eq!(concrete(range), expected);
        }
    }

    #[test]
    fn answers_are_asked_for_in_json() {
        let cases: [(&[&str], Option<&str>); 6] = [
            (&[], None),
            (&["application/json"], Some("application/json")),
            (&["text/csv", "image/png"], Some("text/csv, image/png")),
            (&["application/xml", "application/json;charset=UTF-8"], Some("application/json, application/xml;q=0.5")),
            (&["*/*"], Some("*/*")),
            (&["x\r\ny: z", "a/b\n", "nothing"], Some("a/b")),
        ];
        for (media_types, expected) in cases {
            assert_eq!(accept(media_types).as_deref(), expected, "{media_types:?}");
        }
    }
}
