//! Lines in nginx's error log.

use std::fmt;

use super::sys::{NGX_LOG_ALERT, NGX_LOG_ERR, NGX_LOG_WARN, ngx_cycle, ngx_log_error_core, ngx_log_t};

/// The severities that the module uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// A defect of the module itself.
    Alert,
    /// A request failed for a reason that the operator can act on.
    Error,
    /// Something works, but not as it should.
    Warn,
}

/// A log of nginx: a connection's, or the cycle's.
#[derive(Clone, Copy)]
pub(crate) struct Log(*mut ngx_log_t);

impl Log {
    /// The log behind a pointer that nginx gave; null means the cycle's.
    pub(crate) fn new(log: *mut ngx_log_t) -> Log {
        Log(log)
    }

    /// The log of the process, for entry points that have no connection.
    pub(crate) fn cycle() -> Log {
        // SAFETY: nginx sets `ngx_cycle` before it loads the first module and never to null.
        Log(unsafe { (*ngx_cycle).log })
    }

    /// Writes one line, prefixed `mcp: `, when the log's level admits it.
    pub(crate) fn write(self, level: Level, text: fmt::Arguments<'_>) {
        let level = match level {
            Level::Alert => NGX_LOG_ALERT,
            Level::Error => NGX_LOG_ERR,
            Level::Warn => NGX_LOG_WARN,
        } as usize;
        if self.0.is_null() {
            return;
        }
        // SAFETY: the log is nginx's and alive as long as what it belongs to; the format takes a length and a pointer.
        unsafe {
            if (*self.0).log_level >= level {
                let line = one_line(&format!("mcp: {text}"));
                ngx_log_error_core(level, self.0, 0, c"%*s".as_ptr(), line.len(), line.as_ptr());
            }
        }
    }
}

/// A text without what would end the line, or speak to the terminal that shows it: much of what is logged was said by others.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
