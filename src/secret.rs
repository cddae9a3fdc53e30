//! Keys and random bytes.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::conf::Error;

/// The least number of bytes that a file of `mcp_secret` must hold.
const LEAST: usize = 16;

/// The key of a file: a hash of its content, without white space at its end.
pub(crate) fn from_file(path: &Path) -> Result<[u8; 32], Error> {
    let content =
        fs::read(path).map_err(|e| Error::new(format!("could not be read from \"{}\": {e}", path.display())))?;
    let content = content.trim_ascii_end();
    if content.len() < LEAST {
        return Err(Error::new(format!(
            "needs a file of at least {LEAST} bytes, \"{}\" has {}: try \"openssl rand -hex 32\"",
            path.display(),
            content.len()
        )));
    }
    Ok(Sha256::digest(content).into())
}

/// The key of an nginx without `mcp_secret`: made when it starts, and kept over reload because the master process,
/// which reads every configuration, stays.
pub(crate) fn of_this_nginx() -> Result<[u8; 32], Error> {
    static SECRET: OnceLock<[u8; 32]> = OnceLock::new();
    if let Some(secret) = SECRET.get() {
        return Ok(*secret);
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| Error::new(format!("no random bytes for the session key: {e}")))?;
    Ok(*SECRET.get_or_init(|| secret))
}

/// Random bytes for a session id. Its signature, not its randomness, is what makes an id hard to guess, so in the early
/// boot of a machine, when there are none, zeroes do no harm.
pub(crate) fn nonce<const SIZE: usize>() -> [u8; SIZE] {
    let mut nonce = [0; SIZE];
    let _ = getrandom::fill(&mut nonce);
    nonce
}
