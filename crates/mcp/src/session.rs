//! Sessions of the revisions before 2026-07-28. A session is nothing but its id: signed, so that every worker and every
//! machine with the same secret can check it, and kept nowhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ProtocolVersion;

/// Bytes of the signature that an id carries.
const TAG: usize = 16;
/// Bytes of the client's name, and of its version, that an id carries.
const CLIENT: usize = 64;
/// No id of ours is longer.
const LONGEST: usize = 320;
/// The layout of the payload.
const FORMAT: u8 = 1;

/// What a session's id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) version: ProtocolVersion,
    /// Seconds since the epoch.
    pub(crate) issued: u64,
    pub(crate) client_name: Option<String>,
    pub(crate) client_version: Option<String>,
}

/// Makes and checks session ids.
#[derive(Clone)]
pub(crate) struct Sessions {
    mac: Hmac<Sha256>,
    lifetime: u64,
}

impl std::fmt::Debug for Sessions {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Ids signed with `secret`, good for `lifetime` seconds.
    pub(crate) fn new(secret: &[u8; 32], lifetime: u64) -> Self {
        // HMAC pads a key to its block with zeros anyway; a key of that length cannot be refused.
        let mut key = [0; 64];
        key[..32].copy_from_slice(secret);
        let mut mac = Hmac::<Sha256>::new(&key.into());
        // The secret seals other things as well; a session's id must be good for nothing else.
        mac.update(b"mcp session id");
        Sessions { mac, lifetime }
    }

    /// When a session is over at the latest, in seconds since the epoch.
    pub(crate) fn until(&self, session: &Session) -> u64 {
        session.issued.saturating_add(self.lifetime)
    }

    /// A new session's id.
    pub(crate) fn seal(&self, session: &Session, nonce: [u8; 16]) -> String {
        let mut payload = Vec::with_capacity(192);
        payload.extend_from_slice(&[FORMAT, session.version as u8]);
        payload.extend_from_slice(&session.issued.to_be_bytes());
        payload.extend_from_slice(&nonce);
        for text in [&session.client_name, &session.client_version] {
            let text = cut(text.as_deref().unwrap_or_default(), CLIENT);
            payload.push(text.len() as u8);
            payload.extend_from_slice(text.as_bytes());
        }
        let mut mac = self.mac.clone();
        mac.update(&payload);
        let tag = mac.finalize().into_bytes();
        let mut id = URL_SAFE_NO_PAD.encode(&payload);
        id.push('.');
        URL_SAFE_NO_PAD.encode_string(&tag[..TAG], &mut id);
        id
    }

    /// What an id says, if it is one of ours and not too old.
    pub(crate) fn open(&self, id: &[u8], now: u64) -> Option<Session> {
        let dot = id.iter().position(|byte| *byte == b'.').filter(|_| id.len() <= LONGEST)?;
        let (mut payload, mut tag) = ([0; LONGEST], [0; LONGEST]);
        let payload = URL_SAFE_NO_PAD.decode_slice(&id[..dot], &mut payload).ok().map(|length| &payload[..length])?;
        let tag = URL_SAFE_NO_PAD.decode_slice(&id[dot + 1..], &mut tag).ok().map(|length| &tag[..length])?;
        if tag.len() != TAG {
            return None;
        }
        let mut mac = self.mac.clone();
        mac.update(payload);
        mac.verify_truncated_left(tag).ok()?;
        let session = parse(payload)?;
        (now < self.until(&session)).then_some(session)
    }
}

/// Reads a payload whose signature was right.
fn parse(payload: &[u8]) -> Option<Session> {
    let (head, rest) = payload.split_at_checked(26)?;
    let version = ProtocolVersion::ALL.into_iter().find(|version| *version as u8 == head[1])?;
    let issued = u64::from_be_bytes(head[2..10].try_into().ok()?);
    let (client_name, rest) = parse_text(rest)?;
    let (client_version, rest) = parse_text(rest)?;
    (head[0] == FORMAT && rest.is_empty()).then_some(Session { version, issued, client_name, client_version })
}

fn parse_text(payload: &[u8]) -> Option<(Option<String>, &[u8])> {
    let (length, rest) = payload.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    let text = std::str::from_utf8(text).ok()?;
    Some(((!text.is_empty()).then(|| text.to_owned()), rest))
}

/// The beginning of a text, `limit` bytes at most, no character split.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            version: ProtocolVersion::V2025_06_18,
            issued: 1000,
            client_name: Some("claude".to_owned()),
            client_version: Some("1.2".to_owned()),
        }
    }

    #[test]
    fn an_id_says_what_was_sealed_in_it() {
        let sessions = Sessions::new(&[1; 32], 60);
        for version in ProtocolVersion::ALL {
            let session = Session { version, ..session() };
            let id = sessions.seal(&session, [2; 16]);
            assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
            assert_eq!(sessions.open(id.as_bytes(), 1059), Some(session));
            assert_eq!(sessions.open(id.as_bytes(), 1060), None, "it has expired");
        }
        let nameless = Session { client_name: None, client_version: None, ..session() };
        assert_eq!(sessions.open(sessions.seal(&nameless, [0; 16]).as_bytes(), 1000), Some(nameless));
    }

    #[test]
    fn the_longest_id_is_accepted() {
        let sessions = Sessions::new(&[1; 32], 60);
        let long =
            Session { client_name: Some("n".repeat(500)), client_version: Some("\u{e4}".repeat(500)), ..session() };
        let id = sessions.seal(&long, [255; 16]);
        let opened = sessions.open(id.as_bytes(), 1000).unwrap();
        assert_eq!(opened.client_name, Some("n".repeat(64)));
        assert_eq!(opened.client_version, Some("\u{e4}".repeat(32)));
    }

    #[test]
    fn no_byte_can_be_changed() {
        let sessions = Sessions::new(&[1; 32], 60);
        let id = sessions.seal(&session(), [2; 16]).into_bytes();
        for at in 0..id.len() {
            for byte in [b'A', b'B', b'_', b'-', b'.', b'=', b' ', 0, 255] {
                let mut other = id.clone();
                other[at] = byte;
                assert_eq!(sessions.open(&other, 1000).is_some(), other == id, "byte {at}");
            }
            assert_eq!(sessions.open(&id[..at], 1000), None);
        }
        for added in [&b"A"[..], b"=", b".", b" "] {
            assert_eq!(sessions.open(&[&id, added].concat(), 1000), None);
        }
    }

    #[test]
    fn another_secret_makes_other_ids() {
        let id = Sessions::new(&[1; 32], 60).seal(&session(), [2; 16]);
        assert_eq!(Sessions::new(&[3; 32], 60).open(id.as_bytes(), 1000), None);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("\u{e4}\u{e4}", 3), "\u{e4}");
        assert_eq!(cut("\u{1f600}", 3), "");
    }
}
