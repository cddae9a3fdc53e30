//! What the configuration says to nginx's proxy module.
//!
//! nginx keeps proxy's settings private and merges them late. To complete a tool's location without taking anything
//! away from what the operator wrote, the module looks at a few directives on their way to proxy.

use crate::conf::Error;
use crate::ngx::Conf;

/// The proxy directives of one level that matter for a tool's location.
#[derive(Default, Clone)]
pub(crate) struct ProxySettings {
    /// As in nginx: a level that has none takes those of the level around it, a level that has some takes none.
    headers: Vec<(String, String)>,
    headers_inherited: bool,
    seen: Vec<&'static str>,
    pub(crate) ssl_verify_off: bool,
}

impl ProxySettings {
    /// `proxy_set_header NAME VALUE` stands at this level.
    pub(crate) fn set_header(&mut self, name: String, value: String) {
        self.headers.push((name, value));
    }

    /// A directive stands at this level; proxy gets it.
    pub(crate) fn see(&mut self, cf: Conf, directive: &'static str) -> Result<(), Error> {
        self.seen.push(directive);
        cf.delegate()
    }

    pub(crate) fn inherit(&mut self, outer: &ProxySettings) {
        if self.headers.is_empty() {
            self.headers.clone_from(&outer.headers);
            self.headers_inherited = true;
        }
        if !self.seen.contains(&"proxy_ssl_verify") {
            self.ssl_verify_off = outer.ssl_verify_off;
        }
        self.seen.extend(&outer.seen);
    }

    /// Whether the operator wrote the directive, here or at a level around.
    pub(crate) fn has(&self, directive: &str) -> bool {
        self.seen.contains(&directive)
    }

    /// The headers that are in force here.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Whether they come from a level around this one, so that proxy forgets them once this level has one of its own.
    pub(crate) fn headers_are_inherited(&self) -> bool {
        self.headers_inherited
    }

    /// Whether one of them has this name.
    pub(crate) fn sets_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name))
    }
}
