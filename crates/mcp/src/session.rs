//! Sessions of the revisions before 2026-07-28. A session is nothing but its id: signed, so that every worker and every
//! machine with the same secret can check it, and kept nowhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::input::Capabilities;
use crate::principal::Mark;
use crate::{LogLevel, ProtocolVersion};

/// Bytes of the signature that an id carries.
const TAG: usize = 16;
/// Bytes that tell machines apart, and their workers.
pub(crate) const MACHINE: usize = 4;
/// Bytes of the client's name, and of its version, that an id carries.
const CLIENT: usize = 64;
/// No id of ours is longer.
const LONGEST: usize = 320;
/// The layout of the payload.
const FORMAT: u8 = 1;
/// Bytes of the payload before the client's name: format, revision, capabilities, time and nonce. After its version stands the
/// session's owner, if it has one.
const HEAD: usize = 1 + 1 + 1 + 8 + 16;

/// What the host remembers of a session, beside its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// It was ended by DELETE.
    Ended,
    /// `logging/setLevel`
    LogLevel(LogLevel),
    /// What the client of HTTP+SSE has said of itself, whose session is older than that.
    Declared {
        /// What it can be asked; the bits are the core's.
        capabilities: u8,
        /// `logging/setLevel`
        log_level: Option<LogLevel>,
    },
}

/// What a session's id says, apart from the client's name and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) version: ProtocolVersion,
    /// What its client can be asked.
    pub(crate) capabilities: Capabilities,
    /// Seconds since the epoch.
    pub(crate) issued: u64,
    /// Who may use it; none if its client was nobody in particular when it began.
    pub(crate) owner: Option<Mark>,
}

/// What a request has to do with sessions, to be settled once it is known who its client is.
#[derive(Debug, Default)]
pub(crate) enum Claim {
    /// Nothing, or its session is anybody's.
    #[default]
    None,
    /// Its session is this one's.
    Owned(Mark),
    /// It begins one.
    Begins(Box<Beginning>),
}

/// A session that begins as soon as it is known who its client is.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) session: Session,
    pub(crate) client: Client,
    pub(crate) nonce: [u8; 16],
}

impl Beginning {
    /// Its id, for this principal.
    pub(crate) fn id(self, sessions: &Sessions, principal: &str) -> String {
        let owner = (!principal.is_empty()).then(|| Mark::of(principal));
        sessions.seal(Session { owner, ..self.session }, &self.client, self.nonce)
    }
}

/// The client's software, as it called itself when the session began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
}

impl Client {
    /// What an id that was found right says of the client. Only variables want it, so it is not read before they ask.
    pub(crate) fn of(id: &str) -> Option<Client> {
        let mut buffer = [0; LONGEST];
        let payload = decode(id.split_once('.')?.0.as_bytes(), &mut buffer)?;
        let (name, rest) = parse_text(payload.get(HEAD..)?)?;
        let (version, _) = parse_text(rest)?;
        Some(Client { name, version })
    }
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
    pub(crate) fn until(&self, session: Session) -> u64 {
        session.issued.saturating_add(self.lifetime)
    }

    /// Seconds for which ids are good.
    pub(crate) fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// A new session's id.
    pub(crate) fn seal(&self, session: Session, client: &Client, nonce: [u8; 16]) -> String {
        let mut payload = Vec::with_capacity(192);
        payload.extend_from_slice(&[FORMAT, session.version as u8, session.capabilities.bits()]);
        payload.extend_from_slice(&session.issued.to_be_bytes());
        payload.extend_from_slice(&nonce);
        for text in [&client.name, &client.version] {
            let text = cut(text.as_deref().unwrap_or_default(), CLIENT);
            payload.push(text.len() as u8);
            payload.extend_from_slice(text.as_bytes());
        }
        session.owner.iter().for_each(|Mark(owner)| payload.extend_from_slice(owner));
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
        let (mut payload, mut tag) = ([0; LONGEST], [0; TAG]);
        let payload = decode(&id[..dot], &mut payload)?;
        let tag = decode(&id[dot + 1..], &mut tag).filter(|tag| tag.len() == TAG)?;
        let mut mac = self.mac.clone();
        mac.update(payload);
        mac.verify_truncated_left(tag).ok()?;
        let session = parse(payload)?;
        (now < self.until(session)).then_some(session)
    }
}

/// The nonce of an id that was found right.
pub(crate) fn nonce_of(id: &str) -> Option<[u8; 16]> {
    let mut buffer = [0; LONGEST];
    let payload = decode(id.split_once('.')?.0.as_bytes(), &mut buffer)?;
    payload.get(HEAD - 16..HEAD)?.try_into().ok()
}

fn decode<'b>(text: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = URL_SAFE_NO_PAD.decode_slice(text, buffer).ok()?;
    Some(&buffer[..length])
}

/// Reads a payload whose signature was right.
fn parse(payload: &[u8]) -> Option<Session> {
    let (head, texts) = payload.split_at_checked(HEAD).filter(|(head, _)| head[0] == FORMAT)?;
    let version = ProtocolVersion::ALL.into_iter().find(|version| *version as u8 == head[1])?;
    let capabilities = Capabilities::from_bits(head[2]);
    let issued = u64::from_be_bytes(head[3..11].try_into().ok()?);
    let owner = skip_text(skip_text(texts)?)?;
    let owner = if owner.is_empty() { None } else { Some(Mark(owner.try_into().ok()?)) };
    Some(Session { version, capabilities, issued, owner })
}

/// What stands behind a text.
fn skip_text(payload: &[u8]) -> Option<&[u8]> {
    let (length, rest) = payload.split_first()?;
    rest.get(usize::from(*length)..)
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

    const SESSION: Session = Session {
        version: ProtocolVersion::V2025_06_18,
        capabilities: Capabilities::SAMPLING,
        issued: 1000,
        owner: None,
    };

    fn client(name: &str, version: &str) -> Client {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Client { name: text(name), version: text(version) }
    }

    #[test]
    fn an_id_says_what_was_sealed_in_it() {
        let sessions = Sessions::new(&[1; 32], 60);
        for version in ProtocolVersion::ALL {
            let owner = (version >= ProtocolVersion::V2025_06_18).then(|| Mark::of("ada"));
            let session = Session { version, owner, ..SESSION };
            for client in [client("claude", "1.2"), client("", "1"), client("claude", ""), client("", "")] {
                let id = sessions.seal(session, &client, [2; 16]);
                assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
                assert_eq!(sessions.open(id.as_bytes(), 1059), Some(session));
                assert_eq!(sessions.open(id.as_bytes(), 1060), None, "it has expired");
                assert_eq!(Client::of(&id), Some(client));
            }
        }
    }

    #[test]
    fn the_longest_id_is_accepted() {
        let sessions = Sessions::new(&[1; 32], 60);
        let id = sessions.seal(SESSION, &client(&"n".repeat(500), &"\u{e4}".repeat(500)), [255; 16]);
        assert_eq!(sessions.open(id.as_bytes(), 1000), Some(SESSION));
        assert_eq!(Client::of(&id), Some(client(&"n".repeat(64), &"\u{e4}".repeat(32))));
    }

    #[test]
    fn no_byte_can_be_changed() {
        let sessions = Sessions::new(&[1; 32], 60);
        let id = sessions.seal(SESSION, &client("claude", "1.2"), [2; 16]).into_bytes();
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
        let id = Sessions::new(&[1; 32], 60).seal(SESSION, &client("claude", "1.2"), [2; 16]);
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
