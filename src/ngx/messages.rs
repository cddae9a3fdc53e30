//! What was published for sessions, shared by all workers and kept over reload.

use std::ffi::c_void;
use std::{ptr, slice};

use mcp::MessageLog;

use super::module::mcp_module;
use super::string::borrowed;
use super::sys::*;

/// Bytes of the log.
const SIZE: usize = 4 << 20;
const ZONE_SIZE: usize = SIZE + 128 * 1024;

/// A handle to the shared log.
#[derive(Clone, Copy)]
pub(crate) struct Messages(*mut ngx_shm_zone_t);

impl Messages {
    /// Asks for the shared memory zone; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<Messages> {
        let mut name = borrowed(b"mcp_messages");
        // SAFETY: `cf` is nginx's at configuration time; the tag is the address of our module.
        unsafe {
            let tag = ptr::from_ref(mcp_module()).cast_mut().cast::<c_void>();
            let zone = ngx_shared_memory_add(cf, &mut name, ZONE_SIZE, tag);
            if zone.is_null() {
                return None;
            }
            (*zone).init = Some(super::sessions::init_zone::<SIZE>);
            Some(Messages(zone))
        }
    }

    /// Uses the log while no other worker does.
    pub(crate) fn with<T>(self, act: impl FnOnce(&mut MessageLog<'_>) -> T) -> Option<T> {
        // SAFETY: nginx initialised the zone before the first request, with `SIZE` bytes of zeros; the mutex orders the
        // workers. If `act` unwound, the guard would give the mutex back.
        unsafe {
            let memory = (*self.0).data.cast::<u8>();
            if memory.is_null() {
                return None;
            }
            let slab = (*self.0).shm.addr.cast::<ngx_slab_pool_t>();
            ngx_shmtx_lock(&mut (*slab).mutex);
            let _unlock = Unlock(&raw mut (*slab).mutex);
            Some(act(&mut MessageLog::new(slice::from_raw_parts_mut(memory, SIZE))))
        }
    }
}

struct Unlock(*mut ngx_shmtx_t);

impl Drop for Unlock {
    fn drop(&mut self) {
        // SAFETY: locked by whoever made this.
        unsafe { ngx_shmtx_unlock(self.0) }
    }
}
