//! nginx's memory pools.

use std::ffi::c_void;
use std::ptr::NonNull;

use super::entry::guard;
use super::log::Log;
use super::sys::{ngx_palloc, ngx_pcalloc, ngx_pool_cleanup_add, ngx_pool_t, ngx_str_t};

/// A pool: what is allocated in it lives until nginx destroys it.
#[derive(Clone, Copy)]
pub(crate) struct Pool(*mut ngx_pool_t);

impl Pool {
    pub(crate) fn new(pool: *mut ngx_pool_t) -> Pool {
        Pool(pool)
    }

    /// Zeroed memory for a `T` that has no destructor.
    pub(crate) fn zeroed<T: Copy>(self) -> Option<NonNull<T>> {
        // SAFETY: the pool is alive; the memory is aligned for any type without extended alignment, as nginx's own are.
        NonNull::new(unsafe { ngx_pcalloc(self.0, size_of::<T>()) }.cast())
    }

    /// Zeroed memory for `count` elements.
    pub(crate) fn zeroed_slice<T: Copy>(self, count: usize) -> Option<NonNull<T>> {
        let size = size_of::<T>().checked_mul(count)?;
        // SAFETY: as in `zeroed`.
        NonNull::new(unsafe { ngx_pcalloc(self.0, size) }.cast())
    }

    /// A copy of `text` followed by a NUL, as nginx's configuration parser makes its tokens.
    pub(crate) fn string(self, text: &[u8]) -> Option<ngx_str_t> {
        // SAFETY: one byte more than the text is asked for, and exactly as much is written.
        unsafe {
            let data = ngx_palloc(self.0, text.len() + 1).cast::<u8>();
            if data.is_null() {
                return None;
            }
            data.copy_from_nonoverlapping(text.as_ptr(), text.len());
            data.add(text.len()).write(0);
            Some(ngx_str_t { len: text.len(), data })
        }
    }

    /// Moves a value into the pool and drops it when nginx destroys the pool.
    pub(crate) fn keep<T>(self, value: T) -> Option<NonNull<T>> {
        extern "C" fn drop_value<T>(data: *mut c_void) {
            // SAFETY: `keep` wrote a `T` there, and nginx runs a cleanup once.
            guard(Log::cycle(), (), || unsafe { data.cast::<T>().drop_in_place() });
        }
        // What nginx allocates is aligned for a pointer.
        const { assert!(align_of::<T>() <= align_of::<*mut c_void>() && size_of::<T>() > 0) };
        // SAFETY: the pool is alive; the cleanup comes with memory for a `T`, which is written before anyone reads it.
        unsafe {
            let cleanup = ngx_pool_cleanup_add(self.0, size_of::<T>());
            if cleanup.is_null() {
                return None;
            }
            let place = (*cleanup).data.cast::<T>();
            place.write(value);
            (*cleanup).handler = Some(drop_value::<T>);
            NonNull::new(place)
        }
    }
}
