//! Bytes that arrive as base64, in any of its common spellings.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The bytes; none if the text is not base64, in the standard or the URL-safe alphabet, padded or not.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const fn engine(alphabet: &Alphabet) -> GeneralPurpose {
        GeneralPurpose::new(alphabet, LENIENT)
    }
    const ENGINES: [GeneralPurpose; 2] = [engine(&STANDARD), engine(&URL_SAFE)];
    ENGINES[usize::from(text.contains(['-', '_']))].decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read_and_nothing_else() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("iVBORw==", b"\x89PNG"),
            ("iVBORw", b"\x89PNG"),
            ("AAEC/w==", b"\0\x01\x02\xFF"),
            ("AAEC_w", b"\0\x01\x02\xFF"),
            ("-_-_", b"\xFB\xFF\xBF"),
            ("+/+/", b"\xFB\xFF\xBF"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
        }
        for text in ["hello world", "a", "AAEC/w===", "+_+_", "AA\nEC", "é", "AB==C", "data:;base64,AAEC", "AB"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
