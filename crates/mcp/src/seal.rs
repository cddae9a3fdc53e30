//! What clients carry for us: text that nobody else can read, change, or use for anything but what it was made for.
//!
//! A token is XChaCha20-Poly1305 over its payload and the time until which it is good; what it is bound to (its purpose,
//! the tool, the principal …) is authenticated with it and must be given again to open it. The nonce is an HMAC of all
//! that, so nothing random is needed and the same nonce never meets two payloads; the same things sealed twice give the
//! same token. It is encrypted, not only signed, because it holds what backends meant for themselves, such as their URLs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the nonce that a token begins with.
const NONCE: usize = 24;
/// Bytes of the time.
const TIME: usize = 8;
/// Bytes of a payload at the most.
pub(crate) const LARGEST: usize = 32 << 10;
/// No token of ours is longer: nonce, time, payload, tag, in base64.
const LONGEST: usize = (NONCE + TIME + LARGEST + 16).div_ceil(3) * 4;

/// A token was changed, is too old, or was made for something else: which of them is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsealable;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `requestState` of an `input_required` result.
    RequestState,
    /// The same where a call is held that is asked something by a server behind this one.
    HeldCall,
    /// The id of a task.
    Task,
}

impl Purpose {
    /// Part of what is authenticated: it must never change its meaning.
    fn label(self) -> &'static str {
        match self {
            Self::RequestState => "request state",
            Self::HeldCall => "held call",
            Self::Task => "task",
        }
    }
}

/// Makes and opens tokens.
#[derive(Clone)]
pub(crate) struct Seals {
    cipher: XChaCha20Poly1305,
    nonces: Hmac<Sha256>,
}

impl std::fmt::Debug for Seals {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seals").finish_non_exhaustive()
    }
}

impl Seals {
    /// Tokens sealed with keys that are derived from `secret`.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let derive = |label: &[u8]| mac(secret, label).finalize().into_bytes();
        let cipher = XChaCha20Poly1305::new(&derive(b"mcp seal cipher"));
        let nonces = mac(&derive(b"mcp seal nonce").into(), b"");
        Seals { cipher, nonces }
    }

    /// Seals a payload until a time, in seconds since the epoch, for a purpose and further things that it is bound to.
    /// None for a payload of more than [`LARGEST`] bytes.
    pub(crate) fn seal(&self, purpose: Purpose, bound: &[&str], until: u64, payload: &[u8]) -> Option<String> {
        if payload.len() > LARGEST {
            return None;
        }
        let bound = bind(purpose, bound);
        let plain = [&until.to_be_bytes(), payload].concat();
        let mut mac = self.nonces.clone();
        mac.update(&(bound.len() as u64).to_be_bytes());
        mac.update(&bound);
        mac.update(&plain);
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&mac.finalize().into_bytes()[..NONCE]);
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &bound }).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// The payload of a token, if it was sealed for this and is good at this time.
    pub(crate) fn open(&self, purpose: Purpose, bound: &[&str], now: u64, token: &str) -> Result<Vec<u8>, Unsealable> {
        if token.len() > LONGEST {
            return Err(Unsealable);
        }
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| Unsealable)?;
        let (nonce, sealed) = token.split_first_chunk::<NONCE>().ok_or(Unsealable)?;
        let sealed = Payload { msg: sealed, aad: &bind(purpose, bound) };
        let plain = self.cipher.decrypt(&XNonce::from(*nonce), sealed).map_err(|_| Unsealable)?;
        let (until, payload) = plain.split_first_chunk::<TIME>().ok_or(Unsealable)?;
        if now < u64::from_be_bytes(*until) { Ok(payload.to_vec()) } else { Err(Unsealable) }
    }
}

/// The purpose and what else a token is bound to, as bytes that nothing else comes to.
fn bind(purpose: Purpose, bound: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    for part in [purpose.label()].iter().chain(bound) {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out
}

fn mac(key: &[u8; 32], label: &[u8]) -> Hmac<Sha256> {
    // HMAC pads a key to its block with zeros anyway; a key of that length cannot be refused.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(label);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: [&str; 3] = ["tool", "", "digest"];

    fn seals() -> Seals {
        Seals::new(&[1; 32])
    }

    fn open(token: &str, bound: &[&str], now: u64) -> Result<Vec<u8>, Unsealable> {
        seals().open(Purpose::RequestState, bound, now, token)
    }

    fn seal(payload: &[u8]) -> String {
        seals().seal(Purpose::RequestState, &BOUND, 1000, payload).unwrap()
    }

    #[test]
    fn what_was_sealed_comes_back_until_its_time() {
        for size in [0, 1, 2, 3, 63, 64, 65, 1000, LARGEST] {
            let payload: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let token = seal(&payload);
            assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
            assert!(token.len() <= LONGEST);
            assert_eq!(open(&token, &BOUND, 999), Ok(payload));
            assert_eq!(open(&token, &BOUND, 1000), Err(Unsealable));
        }
        assert_eq!(seals().seal(Purpose::RequestState, &BOUND, 1000, &[0; LARGEST + 1]), None);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let token = seal(b"the state");
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&URL_SAFE_NO_PAD.encode(&bytes), &BOUND, 0), Err(Unsealable), "bit {bit}");
        }
    }

    #[test]
    fn every_other_text_is_refused() {
        let token = seal(b"the state");
        for end in 0..token.len() {
            assert_eq!(open(&token[..end], &BOUND, 0), Err(Unsealable), "{end} characters");
        }
        for at in 0..token.len() {
            for other in ["A", "B", "_", "=", ".", " ", "\u{e4}"] {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                assert_eq!(open(&changed, &BOUND, 0).is_ok(), changed == token, "{changed}");
                assert_eq!(open(&format!("{}{other}{}", &token[..at], &token[at..]), &BOUND, 0), Err(Unsealable));
            }
        }
        for other in [format!("{token}="), format!("{token}-TAMPERED"), "A".repeat(LONGEST + 1)] {
            assert_eq!(open(&other, &BOUND, 0), Err(Unsealable));
        }
    }

    #[test]
    fn it_is_good_for_nothing_else() {
        let token = seal(b"the state");
        for bound in
            [&["tool", "", "other"][..], &["tool", "digest"], &["tool", "", "digest", ""], &["too", "l", "digest"]]
        {
            assert_eq!(open(&token, bound, 0), Err(Unsealable), "{bound:?}");
        }
        assert_eq!(seals().open(Purpose::Task, &BOUND, 0, &token), Err(Unsealable));
        let other = Seals::new(&[2; 32]).seal(Purpose::RequestState, &BOUND, 1000, b"the state").unwrap();
        assert_eq!(open(&other, &BOUND, 0), Err(Unsealable));
    }

    #[test]
    fn nothing_of_it_can_be_read() {
        let [one, other] = [&b"http://internal.example/jobs/7"[..], b"http://internal.example/jobs/8"].map(seal);
        let [one, other] = [&one, &other].map(|token| URL_SAFE_NO_PAD.decode(token).unwrap());
        assert!(!one.windows(8).any(|window| window == b"internal"));
        // Whatever they have in common, their nonces differ, and so does all that follows.
        assert!(one.iter().zip(&other).filter(|(one, other)| one == other).count() < 12);
    }
}
