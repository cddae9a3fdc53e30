//! Who a server behind this one is spoken to for.
//!
//! What a server allows, and what it remembers in a session, may depend on who has begun that. So callers between whom it can tell by what it
//! is told of them never share one; whoever it is told nothing of shares the one that the lists are asked for in.

use std::collections::HashMap;

/// Callers that something is kept of at one server; beyond them it is forgotten who has not called for longest.
const MOST: usize = 1_000;

/// What a server is told of a caller.
pub type Caller = Vec<String>;

/// What is kept of the callers of one server.
#[derive(Debug)]
pub struct Callers<T> {
    /// With when it was last asked for.
    known: HashMap<Caller, (u64, T)>,
    asked: u64,
}

impl<T> Default for Callers<T> {
    fn default() -> Self {
        Callers { known: HashMap::new(), asked: 0 }
    }
}

impl<T: Clone> Callers<T> {
    /// What is kept of a caller, or what is kept of it from now on.
    pub fn of(&mut self, caller: Caller, new: impl FnOnce() -> T) -> T {
        self.asked += 1;
        if self.known.len() >= MOST && !self.known.contains_key(&caller) {
            let oldest = self.known.iter().min_by_key(|(_, (asked, _))| *asked).map(|(caller, _)| caller.clone());
            oldest.iter().for_each(|oldest| drop(self.known.remove(oldest)));
        }
        let (asked, kept) = self.known.entry(caller).or_insert_with(|| (0, new()));
        *asked = self.asked;
        kept.clone()
    }
}

/// Variables that say nothing of who a caller is, or something else with every request.
const ANYBODY: [&str; 31] = [
    "args",
    "connection",
    "connection_requests",
    "date_gmt",
    "date_local",
    "host",
    "hostname",
    "http_host",
    "http_traceparent",
    "http_tracestate",
    "http_user_agent",
    "http_x_request_id",
    "is_args",
    "msec",
    "nginx_version",
    "pid",
    "proxy_add_x_forwarded_for",
    "proxy_host",
    "proxy_port",
    "query_string",
    "remote_addr",
    "remote_port",
    "request_id",
    "request_method",
    "request_uri",
    "scheme",
    "server_addr",
    "server_name",
    "server_port",
    "time_iso8601",
    "uri",
];

/// Whether a header line of the operator's with this value may tell callers apart: it has a variable that is not of those above, nor
/// one of what is called (`$mcp_…`).
pub fn tells_apart(value: &str) -> bool {
    value.split('$').skip(1).any(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        !ANYBODY.contains(&name) && !name.starts_with("mcp_") && !name.starts_with("http_x_forwarded")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_callers_own_tells_it_apart() {
        for value in ["$http_authorization", "Bearer ${http_x_token}", "$remote_user", "$scheme://$user", "$cookie_a"] {
            assert!(tells_apart(value), "{value}");
        }
        for value in ["", "text", "$request_id", "${host}:$server_port", "$mcp_tool", "$http_x_forwarded_proto"] {
            assert!(!tells_apart(value), "{value}");
        }
    }

    #[test]
    fn who_has_not_called_for_longest_is_forgotten() {
        let mut callers = Callers::default();
        let mut kept = |caller: usize, new: &'static str| callers.of(vec![caller.to_string()], || new);
        for number in 0..MOST {
            assert_eq!(kept(number, "first"), "first");
        }
        assert_eq!(kept(0, "second"), "first");
        assert_eq!(kept(MOST, "second"), "second");
        assert_eq!((kept(0, "third"), kept(1, "third"), kept(3, "third")), ("first", "third", "first"));
        assert_eq!(callers.known.len(), MOST);
    }
}
