//! The panic guard: every function that nginx calls runs inside it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::log::{Level, Log};

/// Runs the body of a C entry point; a panic becomes an `[alert]` and `on_panic`, and the worker lives.
///
/// Unwinding out of an `extern "C"` function aborts the process, and with it every request of the worker.
pub(crate) fn guard<T>(log: Log, on_panic: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            let what = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("unknown cause");
            log.write(Level::Alert, format_args!("panic: {what}"));
            on_panic
        }
    }
}
