//! What holds of every upstream request, whatever the arguments.

use mcp::http::UpstreamRequest;
use mcp::operation::{BodyKind, Location, Operation, Serialization, Source, Style};
use serde_json::{Map, Value};

/// `arguments` are those of the call, if they could be read.
pub(crate) fn check(operation: &Operation, arguments: Option<&Map<String, Value>>, request: &UpstreamRequest) {
    check_uri(operation, &request.uri);
    for (name, value) in &request.headers {
        let is_cookie = name == "Cookie";
        let location = if is_cookie { Location::Cookie } else { Location::Header };
        let declared = |parameter: &&mcp::operation::Parameter| {
            parameter.location == location && (is_cookie || parameter.name == *name)
        };
        assert!(operation.parameters.iter().any(|parameter| declared(&parameter)), "{name} is not declared");
        assert!(value.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte)), "{name}: {value:?}");
        if let (true, Some(arguments)) = (is_cookie, arguments) {
            let limit = operation.parameters.iter().map(|parameter| cookies(parameter, arguments)).sum::<usize>();
            assert!(value.split(';').count() <= limit, "{value:?} has more than {limit} cookies");
        }
    }
    assert_eq!(request.content_type.is_some(), request.body.is_some());
    let (Some(content_type), Some(body)) = (&request.content_type, &request.body) else { return };
    assert!(content_type.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{content_type:?}");
    let kind = operation.body.as_ref().map(|body| &body.kind);
    match kind.expect("a body is declared") {
        BodyKind::Multipart(_) => drop(parts(content_type, body)),
        BodyKind::Form(_) => {
            let legal = |byte: &u8| byte.is_ascii_graphic() && !b"\"<>\\^`{}#".contains(byte);
            assert!(body.iter().all(legal), "{}", String::from_utf8_lossy(body));
        }
        BodyKind::Json => drop(serde_json::from_slice::<Value>(body).expect("JSON")),
        BodyKind::Text | BodyKind::Bytes => {}
    }
}

fn check_uri(operation: &Operation, uri: &str) {
    assert!(uri.starts_with('/'), "{uri:?}");
    assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{uri:?}");
    let path = |uri: &'_ str| uri.split('?').next().unwrap_or_default().to_owned();
    let (template, path) = (path(&operation.path), path(uri));
    assert_eq!(path.split('/').count(), template.split('/').count(), "{template} {path}");
    for segment in path.split('/') {
        // More often than any chain of servers decodes.
        let mut segment = segment.as_bytes().to_vec();
        for _ in 0..8 {
            let climbs = |part: &[u8]| matches!(part.split(|byte| *byte == b';').next(), Some(b"." | b".."));
            assert!(!segment.split(|byte| matches!(byte, b'/' | b'\\')).any(climbs), "{template} {path}");
            segment = decode(&segment);
        }
    }
}

/// How many cookies a parameter may become.
fn cookies(parameter: &mcp::operation::Parameter, arguments: &Map<String, Value>) -> usize {
    if parameter.location != Location::Cookie {
        return 0;
    }
    let value = match &parameter.source {
        Source::Argument(name) => arguments.get(name),
        Source::Fixed(value) => Some(value),
        Source::Operator(_) => None,
    };
    match (&parameter.serialization, value) {
        (Serialization::Style { style: Style::Cookie, explode: true, .. }, Some(Value::Array(items))) => items.len(),
        (Serialization::Style { style: Style::Cookie, explode: true, .. }, Some(Value::Object(members))) => {
            members.len()
        }
        _ => 1,
    }
}

/// Head and content of each part, as a reader of the form finds them.
pub(crate) fn parts(content_type: &str, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let boundary = content_type.split_once("; boundary=").expect("a boundary").1;
    assert!(!boundary.is_empty() && boundary.len() <= 70);
    let pieces = split(body, format!("--{boundary}").as_bytes());
    let Some(([b""], [rest @ .., b"--\r\n"])) = pieces.split_at_checked(1) else { panic!("not a multipart body") };
    rest.iter()
        .map(|piece| {
            let piece = piece.strip_prefix(b"\r\n").and_then(|piece| piece.strip_suffix(b"\r\n")).expect("lines");
            let at = piece.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
            let head = String::from_utf8(piece[..at].to_vec()).expect("UTF-8");
            let mut lines = head.split("\r\n");
            let disposition = lines.next().unwrap_or_default();
            let quoted = disposition.strip_prefix("Content-Disposition: form-data; name=\"").expect("a name");
            let quoted = quoted.strip_suffix('"').expect("the end of the name");
            assert!(matches!(quoted.split("\"; filename=\"").count(), 1 | 2), "{head:?}");
            assert!(!quoted.replace("\"; filename=\"", "").contains(['"', '\r', '\n', '\0']), "{head:?}");
            let further: Vec<_> = lines.collect();
            assert!(further.iter().all(|line| line.starts_with("Content-Type: ")) && further.len() < 2, "{head:?}");
            (head, piece[at + 4..].to_vec())
        })
        .collect()
}

fn split<'b>(bytes: &'b [u8], by: &[u8]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at + by.len() <= bytes.len() {
        if &bytes[at..at + by.len()] == by {
            pieces.push(&bytes[start..at]);
            at += by.len();
            start = at;
        } else {
            at += 1;
        }
    }
    pieces.push(&bytes[start..]);
    pieces
}

/// Percent-decodes once.
pub(crate) fn decode(bytes: &[u8]) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if let (b'%', Some(high), Some(low)) = (bytes[at], hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            out.push((high * 16 + low) as u8);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}
