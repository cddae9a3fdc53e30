//! `mcp_upstream`: an MCP server whose tools, resources and prompts are offered as this server's own.

use std::sync::Arc;

use super::link::HEADERS;
use super::selector::Selector;
use crate::list::Listing;
use crate::tool::{ConfigError, Endpoint, check_name, message_endpoint, once, text};

/// Seconds for which lists are taken to be right unless told otherwise.
const CACHE: u64 = 60;

/// A server behind this one, as the configuration describes it; immutable.
#[derive(Debug)]
pub struct McpUpstream {
    name: Arc<str>,
    prefix: String,
    expose: Vec<Selector>,
    hide: Vec<Selector>,
    cache: u64,
    uri: String,
    endpoint: Endpoint,
    /// The endpoint's number among those of the server.
    pub(crate) site: usize,
}

impl McpUpstream {
    /// What the operator calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its messages go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The number of that among [`Server::endpoint`](crate::Server::endpoint)s.
    pub fn site(&self) -> usize {
        self.site
    }

    /// Seconds for which its lists are taken to be right.
    pub fn cache(&self) -> u64 {
        self.cache
    }

    /// Path and query of its messages.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// The name under which something of the server is offered; none if it is not.
    pub(super) fn public_name(&self, listing: Listing, name: &str) -> Option<String> {
        let about = |selectors: &[Selector]| selectors.iter().any(|selector| selector.is_about(listing));
        let meets = |selectors: &[Selector]| selectors.iter().any(|selector| selector.meets(listing, name));
        if meets(&self.hide) || (about(&self.expose) && !meets(&self.expose)) {
            return None;
        }
        Some(match listing {
            Listing::Tools | Listing::Prompts => format!("{}{name}", self.prefix),
            Listing::Resources | Listing::Templates => name.to_owned(),
        })
    }
}

/// What the directives of a block said.
#[derive(Debug)]
pub struct McpUpstreamBuilder {
    name: String,
    pass: Option<String>,
    prefix: Option<String>,
    expose: Vec<Selector>,
    hide: Vec<Selector>,
    cache: Option<u64>,
    credential: Option<String>,
}

impl McpUpstreamBuilder {
    /// `mcp_upstream NAME { … }`
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        check_name("server", name)?;
        Ok(McpUpstreamBuilder {
            name: name.to_owned(),
            pass: None,
            prefix: None,
            expose: Vec::new(),
            hide: Vec::new(),
            cache: None,
            credential: None,
        })
    }

    /// `pass URL`: where the server is.
    pub fn pass(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let url = text("pass", args)?;
        // Here, as this is where it is wrong.
        message_endpoint("pass", &url, Vec::new(), Vec::new())?;
        once("pass", &mut self.pass, url)
    }

    /// `prefix TEXT`: stands before the names of its tools and prompts.
    pub fn prefix(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let prefix = text("prefix", args)?;
        check_name("prefix as part of a", &prefix)?;
        once("prefix", &mut self.prefix, prefix)
    }

    /// `expose TERM …`: of what the terms are about, only what meets one of them.
    pub fn expose(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.expose.push(selector("expose", args)?);
        Ok(())
    }

    /// `hide TERM …`: not what meets one of them.
    pub fn hide(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.hide.push(selector("hide", args)?);
        Ok(())
    }

    /// `cache TIME`, in seconds.
    pub fn cache(&mut self, seconds: u64) -> Result<(), ConfigError> {
        if seconds == 0 {
            return Err(ConfigError("\"cache\" must be 1s at the least".into()));
        }
        once("cache", &mut self.cache, seconds)
    }

    /// `credential TEXT`: the `Authorization` of every message.
    pub fn credential(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let credential = text("credential", args)?;
        once("credential", &mut self.credential, credential)
    }

    /// Checks everything together.
    pub fn build(self) -> Result<McpUpstream, ConfigError> {
        let Some(url) = self.pass else {
            return Err(ConfigError(
                "it has no \"pass\"; add where the server is, as in: pass http://127.0.0.1:3000/mcp".into(),
            ));
        };
        let mut header_names: Vec<String> = HEADERS.map(str::to_owned).into();
        header_names.extend(self.credential.is_some().then(|| "Authorization".to_owned()));
        let (endpoint, uri) = message_endpoint("pass", &url, header_names, self.credential.into_iter().collect())?;
        Ok(McpUpstream {
            name: self.name.into(),
            prefix: self.prefix.unwrap_or_default(),
            expose: self.expose,
            hide: self.hide,
            cache: self.cache.unwrap_or(CACHE),
            uri,
            endpoint,
            site: 0,
        })
    }
}

fn selector(directive: &str, args: &[&str]) -> Result<Selector, ConfigError> {
    Selector::parse(args).map_err(|why| ConfigError(format!("\"{directive}\": {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> McpUpstreamBuilder {
        McpUpstreamBuilder::new("a").unwrap()
    }

    #[test]
    fn a_url_says_where_messages_go() {
        for (url, origin, uri) in [
            ("http://127.0.0.1:3000/mcp", "http://127.0.0.1:3000", "/mcp"),
            ("https://host", "https://host", "/"),
            ("http://backend/a/b?key=1", "http://backend", "/a/b?key=1"),
            ("http://backend?key=1", "http://backend", "/?key=1"),
        ] {
            let mut builder = builder();
            builder.pass(&[url]).unwrap();
            let upstream = builder.build().unwrap();
            assert_eq!((upstream.endpoint().origin(), upstream.uri()), (origin, uri));
        }
        for (url, why) in [
            ("ftp://host/", "must begin with http://"),
            ("http://host/{id}", "takes no {argument}"),
            ("http://host/$x", "variables are not replaced here"),
        ] {
            let error = builder().pass(&[url]).unwrap_err().0;
            assert!(error.contains(why), "{error}");
        }
        assert!(builder().build().unwrap_err().0.contains("it has no \"pass\""));
    }

    #[test]
    fn what_is_offered_has_its_prefix() {
        let mut builder = builder();
        builder.pass(&["http://backend/mcp"]).unwrap();
        builder.prefix(&["x_"]).unwrap();
        builder.expose(&["tool=get*", "resource=a:*"]).unwrap();
        builder.expose(&["tool=list"]).unwrap();
        builder.hide(&["tool=get_secret", "prompt=p*"]).unwrap();
        let upstream = builder.build().unwrap();
        for (listing, name, expected) in [
            (Listing::Tools, "get", Some("x_get")),
            (Listing::Tools, "list", Some("x_list")),
            (Listing::Tools, "get_secret", None),
            (Listing::Tools, "delete", None),
            (Listing::Prompts, "q", Some("x_q")),
            (Listing::Prompts, "p", None),
            (Listing::Resources, "a:b", Some("a:b")),
            (Listing::Templates, "b:{c}", None),
        ] {
            assert_eq!(upstream.public_name(listing, name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn wrong_directives_say_what_is_right() {
        assert!(McpUpstreamBuilder::new("a b").unwrap_err().0.contains("invalid server name \"a b\""));
        assert!(builder().prefix(&["a b"]).unwrap_err().0.contains("A-Z a-z 0-9"));
        assert!(builder().expose(&["operation=a"]).unwrap_err().0.starts_with("\"expose\": unknown term"));
        assert!(builder().cache(0).unwrap_err().0.contains("1s at the least"));
        let mut twice = builder();
        twice.pass(&["http://a/"]).unwrap();
        assert_eq!(twice.pass(&["http://a/"]).unwrap_err().0, "\"pass\" is duplicate");
    }
}
