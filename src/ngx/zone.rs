//! Memory that all workers share and a reload keeps.

use std::ffi::c_void;
use std::ptr;

use super::module::mcp_module;
use super::string::borrowed;
use super::sys::*;

/// What nginx's allocator needs beside the memory.
const OVERHEAD: usize = 128 * 1024;

/// A handle to a zone, zeros at first.
#[derive(Clone, Copy)]
pub(super) struct Zone(*mut ngx_shm_zone_t);

impl Zone {
    /// Asks for a zone of so many bytes; once per configuration and name.
    pub(super) fn add(cf: *mut ngx_conf_t, name: &'static str, size: usize) -> Option<Self> {
        let mut name = borrowed(name.as_bytes());
        // SAFETY: `cf` is nginx's at configuration time; the tag is the address of our module.
        unsafe {
            let tag = ptr::from_ref(mcp_module()).cast_mut().cast::<c_void>();
            let zone = ngx_shared_memory_add(cf, &mut name, size + OVERHEAD, tag);
            if zone.is_null() {
                return None;
            }
            (*zone).init = Some(init);
            Some(Zone(zone))
        }
    }

    /// Uses the memory while no other worker does; none before nginx has made it.
    pub(super) fn with<T>(self, act: impl FnOnce(*mut u8) -> T) -> Option<T> {
        // SAFETY: nginx initialised the zone before the first request; the mutex orders the workers, and the guard gives it
        // back even if `act` unwinds.
        unsafe {
            let memory = (*self.0).data.cast::<u8>();
            if memory.is_null() {
                return None;
            }
            let slab = (*self.0).shm.addr.cast::<ngx_slab_pool_t>();
            ngx_shmtx_lock(&mut (*slab).mutex);
            let _unlock = Unlock(&raw mut (*slab).mutex);
            Some(act(memory))
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

extern "C" fn init(zone: *mut ngx_shm_zone_t, data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this with a mapped zone of the size that was asked for; `data` is what the zone of the previous
    // configuration held.
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
        let memory = ngx_slab_calloc(slab, (*zone).shm.size - OVERHEAD);
        if memory.is_null() {
            return NGX_ERROR as ngx_int_t;
        }
        (*slab).data = memory;
        (*zone).data = memory;
    }
    NGX_OK as ngx_int_t
}
