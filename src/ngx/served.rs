//! Which requests a location is for: the names of its server, and its path.

use std::ffi::c_void;

use super::conf::{Conf, core_loc_conf};
use super::request::Request;
use super::string::bytes;
use super::sys::*;

/// The names of a server.
pub(crate) struct ServerNames {
    /// Names as written: with `*` at either end, or a regular expression, which is no host's name but shows that there
    /// are names to be compared with.
    names: Vec<String>,
    /// The same, and those of this machine.
    names_on_loopback: Vec<String>,
    #[cfg(ngx_pcre)]
    patterns: Vec<*mut ngx_http_regex_t>,
}

/// Names of this machine that a client may use when it reaches us over loopback.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl ServerNames {
    /// The names that a request may be for; none if it may be for any.
    pub(crate) fn of(&self, request: Request) -> &[String] {
        if self.match_pattern(request) {
            &[]
        } else if request.is_loopback() {
            &self.names_on_loopback
        } else {
            &self.names
        }
    }

    /// Whether the host that a request names matches one of the server's regular expressions.
    #[cfg(ngx_pcre)]
    fn match_pattern(&self, request: Request) -> bool {
        let mut host = request.host();
        self.patterns.iter().any(|pattern| {
            // SAFETY: the expressions are the configuration's; nginx ran them on this host when it chose the server.
            unsafe { ngx_http_regex_exec(request.as_ptr(), *pattern, &mut host) == NGX_OK as ngx_int_t }
        })
    }

    /// Whether the host that a request names matches one of the server's regular expressions: this nginx has none.
    #[cfg(not(ngx_pcre))]
    fn match_pattern(&self, _request: Request) -> bool {
        false
    }
}

/// A location that is searched for by path: how to tell that a path leads to it.
#[derive(Clone, Copy)]
pub(crate) struct Served {
    srv_conf: *mut *mut c_void,
    name: ngx_str_t,
    exact: bool,
}

impl Served {
    /// Whether the request's path, as far as it was read, leads to the location.
    pub(crate) fn answers(&self, request: Request) -> bool {
        let name = bytes(&self.name);
        let path = request.path();
        request.srv_conf() == self.srv_conf && if self.exact { path == name } else { path.starts_with(name) }
    }

    /// Its path.
    pub(crate) fn name(&self) -> &'static [u8] {
        bytes(&self.name)
    }

    /// Whether another one is in the same server.
    pub(crate) fn is_beside(&self, other: &Served) -> bool {
        self.srv_conf == other.srv_conf
    }

    /// A name for it that is the same wherever nginx has this configuration; `number` tells locations of one path apart.
    pub(crate) fn key(&self, number: usize) -> String {
        let path = self.name().iter().map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte) } else { '_' });
        format!("{number}{}", path.take(64).collect::<String>())
    }

    /// Of several that answer, nginx takes the one of the longest name, and an exact one before others.
    pub(crate) fn rank(&self) -> (usize, bool) {
        (self.name.len, self.exact)
    }
}

impl Conf {
    /// The names of the server that is being merged, without those that mean none (`""` and `_`).
    pub(crate) fn server_names(self) -> ServerNames {
        // SAFETY: merging a location happens inside a server, whose names are read by then.
        let names = unsafe {
            let core = *(*self.context()).srv_conf.add(ngx_http_core_module.ctx_index);
            let names = &(*core.cast::<ngx_http_core_srv_conf_t>()).server_names;
            match names.elts.is_null() {
                true => &[],
                false => std::slice::from_raw_parts(names.elts.cast::<ngx_http_server_name_t>(), names.nelts),
            }
        };
        #[cfg(ngx_pcre)]
        let patterns: Vec<_> = names.iter().map(|name| name.regex).filter(|regex| !regex.is_null()).collect();
        let names = names.iter().map(|name| bytes(&name.name)).filter(|name| !matches!(*name, b"" | b"_"));
        let names: Vec<_> = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        ServerNames {
            names_on_loopback: names.iter().cloned().chain(LOOPBACK_NAMES.map(String::from)).collect(),
            names,
            #[cfg(ngx_pcre)]
            patterns,
        }
    }

    /// How requests find the location that is being merged.
    pub(crate) fn served(self) -> Served {
        // SAFETY: as in `set_content_handler`.
        unsafe {
            let core = &*core_loc_conf(self.loc_conf());
            Served { srv_conf: (*self.context()).srv_conf, name: core.name, exact: core.exact_match() != 0 }
        }
    }
}
