//! An API description that is given as a URL.
//!
//! [`fetch`] is called while nginx reads its configuration: in the master process before it forks, on every reload and
//! by `nginx -t`. It blocks, for a bounded time, and leaves nothing behind: no thread, no connection, no signal. All
//! it keeps is a copy of the last good document, where [`Options::cache`] names a directory, and all it shares is that
//! directory: several blocks may name one URL.
//!
//! What an operator should know:
//!
//! - The environment counts for nothing but `SSL_CERT_FILE` and `SSL_CERT_DIR`. There are no proxies of `http_proxy`
//!   and the like: nginx clears its environment after it started, and a reload must not do what the start did not.
//! - A name is resolved as nginx resolves those of its configuration, by `getaddrinfo`, which cannot be cut short: when
//!   no name server answers, the call ends only after the attempts that `resolv.conf` asks for.
//! - Who can write to the cache's directory decides what nginx serves when the source is down.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends at what it did not expect"))]

mod cache;
mod download;
mod error;
mod location;
mod thread;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use cache::Cache;
use download::{Answer, Document};
pub use error::FetchError;
use location::Location;

/// How far a fetch may go.
#[derive(Debug, Clone)]
pub struct Options {
    /// For one connection: name, TCP and TLS.
    pub connect_timeout: Duration,
    /// For all of it: every redirect and the last byte of the body.
    pub timeout: Duration,
    /// Bytes of the document, after decompression.
    pub max_size: usize,
    /// Redirects that are followed. One from https to http never is.
    pub max_redirects: usize,
    /// An existing directory for the last good copies.
    pub cache: Option<PathBuf>,
    /// A PEM file of authorities that count instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Options {
    /// 5 s to connect, 30 s in all, 32 MiB, 5 redirects, no cache, the system's authorities.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            max_size: 32 << 20,
            max_redirects: 5,
            cache: None,
            ca_file: None,
        }
    }
}

/// What came of a fetch.
#[derive(Debug)]
pub struct Fetched<T> {
    /// What `read` made of the text.
    pub document: T,
    /// Where the document lies, after redirects and without credentials: relative URLs in it are relative to this.
    pub url: String,
    /// Where this text comes from.
    pub source: Source,
}

/// Where a text comes from.
#[derive(Debug)]
pub enum Source {
    /// From its URL.
    Network {
        /// Why there is no copy of it for the next time.
        not_kept: Option<String>,
    },
    /// From the cache.
    Cache {
        /// The copy.
        file: PathBuf,
        /// The time since the source last had this document.
        age: Duration,
        /// What is wrong with the source, and what to do about it.
        why: FetchError,
    },
}

impl<T> Fetched<T> {
    /// What the operator is to be told in a line of `[warn]`, if anything.
    pub fn warning(&self) -> Option<String> {
        match &self.source {
            Source::Network { not_kept } => not_kept.clone(),
            Source::Cache { file, age, why } => {
                Some(format!("{why}; the copy of {} ago is used, \"{}\"", cache::rough(*age), file.display()))
            }
        }
    }
}

/// Gets the document at `url`, `http` or `https`, with `user:password@` where needed.
///
/// `read` is given the text and the URL that it came from, and returns the document or why it cannot be used. Only what
/// it takes becomes the last good copy; when the source is down, slow, too large or its document unusable, `read` is
/// given that copy.
///
/// # Errors
///
/// One line for the operator: what was asked, what happened, what to do. Neither credentials nor queries, which often
/// hold a token, are in it.
pub fn fetch<T>(
    url: &str,
    options: &Options,
    mut read: impl FnMut(&str, &str) -> Result<T, String>,
) -> Result<Fetched<T>, FetchError> {
    let location = Location::parse(url)?;
    let cache = options.cache.as_ref().map(|dir| Cache::new(dir, &location));
    // A copy that cannot be read matters only when it is needed.
    let copy = cache.as_ref().map(|cache| cache.load(options.max_size));
    let known = copy.as_ref().and_then(|copy| copy.as_ref().ok());

    let problem = match download::download(&location, known, options) {
        Ok(Answer::Document(fresh)) => match read(&fresh.text, &fresh.url) {
            Ok(document) => {
                let not_kept = cache.and_then(|cache| cache.store(&fresh).err());
                return Ok(Fetched { document, url: fresh.url, source: Source::Network { not_kept } });
            }
            Err(why) => unusable(&fresh, &why),
        },
        Ok(Answer::Unchanged(same)) => match read(&same.text, &same.url) {
            Ok(document) => {
                let not_kept = cache.and_then(|cache| cache.confirm().err());
                return Ok(Fetched { document, url: same.url.clone(), source: Source::Network { not_kept } });
            }
            Err(why) => return Err(FetchError::new(&location, unusable(same, &why))),
        },
        Err(problem) => problem,
    };

    let (Some(cache), Some(copy)) = (cache, copy) else { return Err(FetchError::new(&location, problem)) };
    let used = copy.and_then(|copy| {
        let document = read(&copy.document.text, &copy.document.url)
            .map_err(|why| format!("the copy \"{}\" cannot be used either: {why}", cache.file().display()))?;
        Ok((document, copy))
    });
    match used {
        Ok((document, copy)) => Ok(Fetched {
            document,
            url: copy.document.url,
            source: Source::Cache {
                file: cache.file().to_owned(),
                age: copy.age,
                why: FetchError::new(&location, problem),
            },
        }),
        Err(no_copy) => Err(FetchError::new(&location, format!("{problem}; {no_copy}"))),
    }
}

fn unusable(document: &Document, why: &str) -> String {
    let hint = if document.html { "; it is an HTML page: does the URL name the description itself?" } else { "" };
    format!("the document cannot be used: {why}{hint}")
}
