//! `multipart/form-data` bodies (RFC 7578).

use std::borrow::Cow;

use memchr::memmem;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::InvalidArguments;
use super::entity::bytes;
use super::expansion::Expansion;
use super::form::Member;
use super::request::invalid;

/// One part.
struct Part<'v> {
    head: String,
    content: Cow<'v, [u8]>,
}

/// Writes an object as a form and returns the boundary, too; `argument` is the object's name, for errors.
pub(super) fn write(
    argument: &str,
    described: &[Member],
    members: &Map<String, Value>,
) -> Result<(String, Vec<u8>), InvalidArguments> {
    let mut parts = Vec::with_capacity(members.len());
    for (name, value) in members {
        let member = described.iter().find(|member| *member.name == **name);
        match member.and_then(|member| member.expansion.filter(|_| !member.binary)) {
            Some(expansion) => push_styled(argument, name, value, &expansion, &mut parts)?,
            None => {
                let items =
                    if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
                for item in items.iter().filter(|item| !item.is_null()) {
                    parts.push(part(argument, name, member, item)?);
                }
            }
        }
    }
    let boundary = boundary(&parts);
    Ok((boundary.clone(), assemble(&parts, &boundary)))
}

fn part<'v>(
    argument: &str,
    name: &str,
    member: Option<&Member>,
    value: &'v Value,
) -> Result<Part<'v>, InvalidArguments> {
    let content_type = member.and_then(|member| member.content_type.as_deref());
    if member.is_some_and(|member| member.binary) {
        let content = bytes(&format!("{argument}.{name}"), value)?;
        let content_type = content_type.unwrap_or("application/octet-stream");
        let filename = format!("{name}{}", extension(content_type));
        return Ok(Part { head: head(name, Some(&filename), Some(content_type)), content: content.into() });
    }
    let is_json = member.is_some_and(Member::is_json) || value.is_object() || value.is_array();
    let content = match value {
        Value::String(text) if !is_json => Cow::Borrowed(text.as_bytes()),
        value => value.to_string().into_bytes().into(),
    };
    // A part without a type is plain text.
    let content_type = content_type.or(is_json.then_some("application/json"));
    Ok(Part { head: head(name, None, content_type), content })
}

/// The parts of a value whose description gives a style: as in a query, without any encoding.
fn push_styled(
    argument: &str,
    name: &str,
    value: &Value,
    expansion: &Expansion,
    parts: &mut Vec<Part<'_>>,
) -> Result<(), InvalidArguments> {
    let each = expansion.pairs(name, value);
    for (name, text) in each.map_err(|misfit| invalid(&format!("{argument}.{name}"), &misfit.0))? {
        parts.push(Part { head: head(&name, None, None), content: text.into_bytes().into() });
    }
    Ok(())
}

fn head(name: &str, filename: Option<&str>, content_type: Option<&str>) -> String {
    let mut head = String::from("Content-Disposition: form-data; name=\"");
    quote(name, &mut head);
    if let Some(filename) = filename {
        head.push_str("\"; filename=\"");
        quote(filename, &mut head);
    }
    head.push('"');
    if let Some(content_type) = content_type {
        head.extend(["\r\nContent-Type: ", content_type]);
    }
    head
}

/// As browsers do it: a quote and a line break are percent-encoded, everything else is as it is.
fn quote(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("%22"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            '\0' => out.push_str("%00"),
            other => out.push(other),
        }
    }
}

/// How files of a type end: some servers go by that alone.
fn extension(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
    match essence {
        "application/octet-stream" => String::new(),
        "image/jpeg" => ".jpg".into(),
        "text/plain" => ".txt".into(),
        "audio/mpeg" => ".mp3".into(),
        _ => match subtype.split('+').next() {
            Some(kind) if !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                format!(".{kind}")
            }
            _ => String::new(),
        },
    }
}

/// A line that no part holds. There is no randomness here, so it is made of what the parts hold.
fn boundary(parts: &[Part<'_>]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.head.len().to_be_bytes());
        digest.update(&part.head);
        digest.update(part.content.len().to_be_bytes());
        digest.update(&part.content);
    }
    loop {
        let mut boundary = String::from("mcp-");
        boundary.extend(digest.clone().finalize().iter().take(16).map(|byte| format!("{byte:02x}")));
        let finder = memmem::Finder::new(&boundary);
        let taken =
            |part: &Part<'_>| finder.find(&part.content).is_some() || finder.find(part.head.as_bytes()).is_some();
        if !parts.iter().any(taken) {
            return boundary;
        }
        digest.update(&boundary);
    }
}

fn assemble(parts: &[Part<'_>], boundary: &str) -> Vec<u8> {
    let size: usize = parts.iter().map(|part| part.head.len() + part.content.len() + boundary.len() + 10).sum();
    let mut body = Vec::with_capacity(size + boundary.len() + 6);
    for part in parts {
        for piece in [b"--", boundary.as_bytes(), b"\r\n", part.head.as_bytes(), b"\r\n\r\n", &part.content, b"\r\n"] {
            body.extend_from_slice(piece);
        }
    }
    for piece in ["--", boundary, "--\r\n"] {
        body.extend_from_slice(piece.as_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::encode::Chars;
    use super::*;
    use crate::operation::{Field, Serialization, Style};

    fn member(name: &str, content_type: Option<&str>, binary: bool) -> Member {
        let field = Field { name: name.into(), style: None, content_type: content_type.map(Into::into), binary };
        Member::new(field, Chars::Any)
    }

    fn styled(name: &str, style: Style, explode: bool) -> Member {
        let style = Some(Serialization::Style { style, explode, allow_reserved: false });
        Member::new(Field { name: name.into(), style, content_type: None, binary: false }, Chars::Any)
    }

    /// What a reader of the form finds: head and content of each part.
    fn parts(described: &[Member], value: &Value) -> Vec<(String, Vec<u8>)> {
        let (boundary, body) = write("body", described, value.as_object().unwrap()).unwrap();
        let mut rest = &body[..];
        let mut parts = Vec::new();
        let delimiter = format!("--{boundary}");
        loop {
            rest = rest.strip_prefix(delimiter.as_bytes()).expect("a delimiter");
            if rest == b"--\r\n" {
                return parts;
            }
            rest = rest.strip_prefix(b"\r\n").expect("a line's end");
            let end = memmem::find(rest, format!("\r\n{delimiter}").as_bytes()).expect("an end");
            let gap = memmem::find(rest, b"\r\n\r\n").expect("a head");
            let head = String::from_utf8(rest[..gap].to_vec()).unwrap();
            parts.push((
                head.replace("Content-Disposition: form-data; ", "").replace("\r\nContent-Type: ", " "),
                rest[gap + 4..end].to_vec(),
            ));
            rest = &rest[end + 2..];
        }
    }

    #[test]
    fn each_value_is_a_part_of_its_type() {
        let described = [
            member("png", Some("image/png"), true),
            member("any", None, true),
            member("range", Some("image/*"), true),
            member("several", Some("image/jpeg, image/png"), true),
            member("typed", Some("text/csv; charset=utf-8"), false),
            member("json", Some("application/json"), false),
            styled("joined", Style::Form, false),
            styled("spread", Style::Form, true),
            styled("deep", Style::DeepObject, true),
            styled("piped", Style::PipeDelimited, false),
        ];
        let png = &b"\x89PNG"[..];
        let cases = [
            (json!({"png": "iVBORw=="}), vec![("name=\"png\"; filename=\"png.png\" image/png", png)]),
            (json!({"any": "iVBORw"}), vec![("name=\"any\"; filename=\"any\" application/octet-stream", png)]),
            (json!({"range": "iVBORw"}), vec![("name=\"range\"; filename=\"range\" application/octet-stream", png)]),
            (
                json!({"several": ["iVBORw", null, "YQ=="]}),
                vec![
                    ("name=\"several\"; filename=\"several.jpg\" image/jpeg", png),
                    ("name=\"several\"; filename=\"several.jpg\" image/jpeg", b"a"),
                ],
            ),
            (json!({"typed": "a,b"}), vec![("name=\"typed\" text/csv; charset=utf-8", &b"a,b"[..])]),
            (json!({"json": "a"}), vec![("name=\"json\" application/json", &b"\"a\""[..])]),
            (
                json!({"l": ["x", 5, true, null], "o": {"a": [1, null]}, "none": null}),
                vec![
                    ("name=\"l\"", &b"x"[..]),
                    ("name=\"l\"", b"5"),
                    ("name=\"l\"", b"true"),
                    ("name=\"o\" application/json", b"{\"a\":[1,null]}"),
                ],
            ),
            (json!({"joined": ["x y", "z"]}), vec![("name=\"joined\"", &b"x y,z"[..])]),
            (json!({"piped": ["x", "z"]}), vec![("name=\"piped\"", &b"x|z"[..])]),
            (json!({"spread": {"a b": "é"}}), vec![("name=\"a b\"", "é".as_bytes())]),
            (json!({"spread": ["a", "b"]}), vec![("name=\"spread\"", &b"a"[..]), ("name=\"spread\"", b"b")]),
            (json!({"deep": {"a": {"b c": 1}}}), vec![("name=\"deep[a][b c]\"", &b"1"[..])]),
            (json!({"a\"\r\nX: 1": ""}), vec![("name=\"a%22%0D%0AX: 1\"", &b""[..])]),
            (json!({}), vec![]),
        ];
        for (value, expected) in cases {
            let expected: Vec<_> = expected.into_iter().map(|(head, body)| (head.to_owned(), body.to_vec())).collect();
            assert_eq!(parts(&described, &value), expected, "{value}");
        }
        let error = write("body", &described, json!({"png": "not base64!"}).as_object().unwrap()).unwrap_err();
        assert!(error.0.contains("\"body.png\" must be base64"), "{error}");
    }

    #[test]
    fn no_part_holds_the_boundary() {
        let part = |content: &str| Part { head: String::new(), content: content.as_bytes().to_vec().into() };
        let first = boundary(&[part("a")]);
        assert_eq!(first, boundary(&[part("a")]));
        assert_ne!(first, boundary(&[part("b")]));
        // A boundary that is made of a part cannot be put into it beforehand, so it is put beside it.
        let value = json!({"a": format!("--{first}--"), "b": "--mcp-"});
        assert_eq!(parts(&[], &value).len(), 2);
    }

    #[test]
    fn files_end_as_their_type_does() {
        for (content_type, expected) in [
            ("image/png", ".png"),
            ("image/svg+xml; charset=utf-8", ".svg"),
            ("application/pdf", ".pdf"),
            ("text/plain", ".txt"),
            ("application/octet-stream", ""),
            ("application/vnd.ms-excel", ""),
            ("image", ""),
        ] {
            assert_eq!(extension(content_type), expected);
        }
    }
}
