//! What is remembered of sessions, shared by all workers and kept over reload.

use std::hash::{DefaultHasher, Hash, Hasher};

use mcp::{LogLevel, SessionState};

use super::sys::ngx_conf_t;
use super::zone::Zone;

/// How many sessions something is remembered of. The one that would expire first makes room, and one that has ended is
/// kept longer than one that has only set a log level.
const WAYS: usize = 8;
const SETS: usize = 2048;

const DECLARED: u64 = 1 << 16;

#[derive(Clone, Copy)]
struct Entry {
    session: u64,
    until: u64,
    /// 0: it has ended; else a log level, counted from 1; or, with `DECLARED`, what its client can be asked above that, and
    /// perhaps a log level.
    state: u64,
}

type Table = [[Entry; WAYS]; SETS];

/// A handle to the shared table.
#[derive(Clone, Copy)]
pub(crate) struct SessionStates(Zone);

impl SessionStates {
    /// Asks for the shared memory; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<SessionStates> {
        Zone::add(cf, "mcp_sessions", size_of::<Table>()).map(SessionStates)
    }

    /// Remembers this of a session until `until` (seconds since the epoch).
    pub(crate) fn insert(self, session: &[u8], state: SessionState, until: u64, now: u64) {
        let session = fingerprint(session);
        let state = match state {
            SessionState::Ended => 0,
            SessionState::LogLevel(level) => 1 + level as u64,
            SessionState::Declared { capabilities, log_level } => {
                DECLARED | (u64::from(capabilities) << 8) | log_level.map_or(0, |level| 1 + level as u64)
            }
        };
        self.with(|table| {
            let set = &mut table[session as usize % SETS];
            let slot = set.iter_mut().min_by_key(|entry| match entry {
                entry if entry.session == session => (0, 0),
                entry if entry.until <= now => (1, 0),
                entry if entry.state != 0 => (2, entry.until),
                entry => (3, entry.until),
            });
            if let Some(slot) = slot {
                *slot = Entry { session, until, state };
            }
        });
    }

    /// What is remembered of a session.
    pub(crate) fn get(self, session: &[u8], now: u64) -> Option<SessionState> {
        let session = fingerprint(session);
        let mut found = None;
        self.with(|table| {
            let set = &table[session as usize % SETS];
            found = set.iter().find(|entry| entry.session == session && entry.until > now).copied();
        });
        let [level, capabilities, declared, ..] = found?.state.to_le_bytes();
        let log_level = level.checked_sub(1).and_then(|level| LogLevel::ALL.get(usize::from(level)).copied());
        match (declared, log_level) {
            (0, None) => Some(SessionState::Ended),
            (0, Some(level)) => Some(SessionState::LogLevel(level)),
            _ => Some(SessionState::Declared { capabilities, log_level }),
        }
    }

    fn with(self, act: impl FnOnce(&mut Table)) {
        // SAFETY: the zone has the size of a table, for which all bits zero is a value, and nobody else uses it now.
        self.0.with(|memory| act(unsafe { &mut *memory.cast::<Table>() }));
    }
}

/// Session ids are signed, so nobody can choose one: a fixed hash is enough, and the same in every worker.
fn fingerprint(session: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    session.hash(&mut hasher);
    hasher.finish()
}
