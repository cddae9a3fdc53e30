//! Bodies of `multipart/form-data` as an upstream reads them.

use crate::harness::Received;

/// One part of a body.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The parts of a request's body, in their order.
pub(super) fn parts(request: &Received) -> Vec<Part> {
    let content_type = request.header("content-type").expect("a content type");
    let (kind, boundary) = content_type.split_once("; boundary=").expect("a boundary");
    assert_eq!(kind, "multipart/form-data");
    let delimiter = format!("\r\n--{}", boundary.trim_matches('"'));
    let body = [b"\r\n", request.body()].concat();
    let mut pieces = split(&body, delimiter.as_bytes());
    assert_eq!(pieces.first(), Some(&&b""[..]), "nothing stands before the first part");
    assert_eq!(pieces.pop(), Some(&b"--\r\n"[..]), "the last delimiter ends the body");
    pieces[1..].iter().map(|piece| part(piece)).collect()
}

fn part(piece: &[u8]) -> Part {
    let piece = piece.strip_prefix(b"\r\n").expect("a delimiter is a line");
    let end = piece.windows(4).position(|window| window == b"\r\n\r\n").expect("a part has a head");
    let head = std::str::from_utf8(&piece[..end]).unwrap();
    let line = |name: &str| {
        let mut lines = head.split("\r\n").map(|line| line.split_once(": ").unwrap());
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let disposition = line("content-disposition").expect("a disposition");
    let parameter = |name: &str| {
        let (_, rest) = disposition.split_once(&format!("; {name}=\""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    Part {
        name: parameter("name").expect("a part has a name"),
        filename: parameter("filename"),
        content_type: line("content-type"),
        body: piece[end + 4..].to_vec(),
    }
}

fn split<'b>(bytes: &'b [u8], delimiter: &[u8]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(delimiter.len()).position(|window| window == delimiter) {
        pieces.push(&rest[..at]);
        rest = &rest[at + delimiter.len()..];
    }
    pieces.push(rest);
    pieces
}
