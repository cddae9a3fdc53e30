//! The sessions that clients have ended, shared by all workers and kept over reload.

use std::ffi::c_void;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr;

use super::module::mcp_module;
use super::string::borrowed;
use super::sys::*;

/// How many ended sessions are remembered; the one that would expire first makes room.
const WAYS: usize = 8;
const SETS: usize = 2048;
const ZONE_SIZE: usize = SETS * size_of::<[Ended; WAYS]>() + 65536;

#[derive(Clone, Copy)]
struct Ended {
    session: u64,
    until: u64,
}

type Table = [[Ended; WAYS]; SETS];

/// A handle to the shared table.
#[derive(Clone, Copy)]
pub(crate) struct EndedSessions(*mut ngx_shm_zone_t);

impl EndedSessions {
    /// Asks for the shared memory zone; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<EndedSessions> {
        let mut name = borrowed(b"mcp_ended_sessions");
        // SAFETY: `cf` is nginx's at configuration time; the tag is the address of our module.
        unsafe {
            let tag = ptr::from_ref(mcp_module()).cast_mut().cast::<c_void>();
            let zone = ngx_shared_memory_add(cf, &mut name, ZONE_SIZE, tag);
            if zone.is_null() {
                return None;
            }
            (*zone).init = Some(init);
            Some(EndedSessions(zone))
        }
    }

    /// Remembers until `until` (seconds since the epoch) that a session has ended.
    pub(crate) fn insert(self, session: &[u8], until: u64, now: u64) {
        let session = fingerprint(session);
        self.with(|table| {
            let set = &mut table[session as usize % SETS];
            let slot = set
                .iter_mut()
                .min_by_key(|ended| if ended.session == session || ended.until <= now { 0 } else { ended.until });
            if let Some(slot) = slot {
                *slot = Ended { session, until };
            }
        });
    }

    /// Whether a session has ended.
    pub(crate) fn contains(self, session: &[u8], now: u64) -> bool {
        let session = fingerprint(session);
        let mut found = false;
        self.with(|table| {
            found = table[session as usize % SETS].iter().any(|ended| ended.session == session && ended.until > now);
        });
        found
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

extern "C" fn init(zone: *mut ngx_shm_zone_t, data: *mut c_void) -> ngx_int_t {
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
        let table = ngx_slab_calloc(slab, size_of::<Table>());
        if table.is_null() {
            return NGX_ERROR as ngx_int_t;
        }
        (*slab).data = table;
        (*zone).data = table;
    }
    NGX_OK as ngx_int_t
}
