//! What is remembered of sessions, shared by all workers and kept over reload.

use std::ffi::c_void;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr;

use mcp::{LogLevel, SessionState};

use super::module::mcp_module;
use super::string::borrowed;
use super::sys::*;

/// How many sessions something is remembered of. The one that would expire first makes room, and one that has ended is
/// kept longer than one that has only set a log level.
const WAYS: usize = 8;
const SETS: usize = 2048;
const ZONE_SIZE: usize = SETS * size_of::<[Entry; WAYS]>() + 65536;

#[derive(Clone, Copy)]
struct Entry {
    session: u64,
    until: u64,
    /// 0: it has ended; else a log level, counted from 1.
    state: u64,
}

type Table = [[Entry; WAYS]; SETS];

/// A handle to the shared table.
#[derive(Clone, Copy)]
pub(crate) struct SessionStates(*mut ngx_shm_zone_t);

impl SessionStates {
    /// Asks for the shared memory zone; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<SessionStates> {
        let mut name = borrowed(b"mcp_sessions");
        // SAFETY: `cf` is nginx's at configuration time; the tag is the address of our module.
        unsafe {
            let tag = ptr::from_ref(mcp_module()).cast_mut().cast::<c_void>();
            let zone = ngx_shared_memory_add(cf, &mut name, ZONE_SIZE, tag);
            if zone.is_null() {
                return None;
            }
            (*zone).init = Some(init_zone::<{ size_of::<Table>() }>);
            Some(SessionStates(zone))
        }
    }

    /// Remembers this of a session until `until` (seconds since the epoch).
    pub(crate) fn insert(self, session: &[u8], state: SessionState, until: u64, now: u64) {
        let session = fingerprint(session);
        let state = match state {
            SessionState::Ended => 0,
            SessionState::LogLevel(level) => 1 + level as u64,
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
        let level = usize::try_from(found?.state).ok()?.checked_sub(1);
        level.map_or(Some(SessionState::Ended), |level| LogLevel::ALL.get(level).copied().map(SessionState::LogLevel))
    }

    fn with(self, act: impl FnOnce(&mut Table)) {
        // SAFETY: nginx initialised the zone before the first request; the mutex orders the workers, and `act` does not
        // unwind: it only compares and assigns.
        unsafe {
            let table = (*self.0).data.cast::<Table>();
            if table.is_null() {
                return;
            }
            let slab = (*self.0).shm.addr.cast::<ngx_slab_pool_t>();
            ngx_shmtx_lock(&mut (*slab).mutex);
            act(&mut *table);
            ngx_shmtx_unlock(&mut (*slab).mutex);
        }
    }
}

/// Session ids are signed, so nobody can choose one: a fixed hash is enough, and the same in every worker.
fn fingerprint(session: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    session.hash(&mut hasher);
    hasher.finish()
}

/// Gives a zone so many bytes of zeros, or what it held before a reload.
pub(super) extern "C" fn init_zone<const SIZE: usize>(zone: *mut ngx_shm_zone_t, data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this with a mapped zone; `data` is what the zone of the previous configuration held.
    unsafe {
        if !data.is_null() {
            (*zone).data = data;
            return NGX_OK as ngx_int_t;
        }
        let slab = (*zone).shm.addr.cast::<ngx_slab_pool_t>();
        if (*zone).shm.exists != 0 {
            (*zone).data = (*slab).data;
            return NGX_OK as ngx_int_t;
        }
        let table = ngx_slab_calloc(slab, SIZE);
        if table.is_null() {
            return NGX_ERROR as ngx_int_t;
        }
        (*slab).data = table;
        (*zone).data = table;
    }
    NGX_OK as ngx_int_t
}
