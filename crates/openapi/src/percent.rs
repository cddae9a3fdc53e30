//! Percent-encoding (RFC 3986).

/// The text with its `%XX` decoded; none if that is no UTF-8. A `%` that begins no escape stays.
pub(crate) fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match escape(&bytes[i..]) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

fn escape(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| (*byte as char).to_digit(16);
    match bytes {
        [b'%', high, low, ..] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    }
}

/// Appends a part of a path, with everything encoded that cannot stand in one; what is encoded already stays.
pub(crate) fn push_path(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    for (i, byte) in bytes.iter().enumerate() {
        let stays = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(byte);
        if stays || escape(&bytes[i..]).is_some() {
            out.push(*byte as char);
        } else {
            *out += &format!("%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        for (text, expected) in
            [("a%2Fb%7e", Some("a/b~")), ("%C3%A9", Some("é")), ("%zz%4", Some("%zz%4")), ("%ff", None)]
        {
            assert_eq!(decode(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_path_is_encoded_once() {
        for (text, expected) in
            [("/a b/é", "/a%20b/%C3%A9"), ("/a%20b", "/a%20b"), ("/100%", "/100%25"), ("/a:b@c?", "/a:b@c%3F")]
        {
            let mut out = String::new();
            push_path(&mut out, text);
            assert_eq!(out, expected);
        }
    }
}
