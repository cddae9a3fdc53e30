//! One download, within its limits.

use std::error::Error as StdError;
use std::io;

use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::{Client, Response, StatusCode, redirect};

use crate::cache::Copy;
use crate::location::{Location, is_http, shown, without_credentials};
use crate::{Options, thread, tls};

/// Any answer is welcome: many servers send a description as `text/plain`.
const ACCEPTED: HeaderValue = HeaderValue::from_static("application/json, application/yaml, */*;q=0.5");

/// A document as it was sent.
#[derive(Debug)]
pub(crate) struct Document {
    /// Without a byte order mark.
    pub(crate) text: String,
    /// After redirects, without credentials.
    pub(crate) url: String,
    /// What names this version of it.
    pub(crate) etag: Option<String>,
    /// Whether the server takes it for a page.
    pub(crate) html: bool,
}

/// What the source had to say.
pub(crate) enum Answer<'a> {
    /// This is the document.
    Document(Document),
    /// The document is the one that is known.
    Unchanged(&'a Document),
}

/// Gets the document, or hears that it is the `known` one.
pub(crate) fn download<'a>(
    location: &Location,
    known: Option<&'a Copy>,
    options: &Options,
) -> Result<Answer<'a>, String> {
    let job = || async {
        tokio::time::timeout(options.timeout, conditional(location, known, options)).await.unwrap_or_else(|_| {
            Err(format!("no complete answer within {:?}; if the source is that slow, raise timeout", options.timeout))
        })
    };
    thread::run(job).map_err(|e| format!("no thread for the download: {e}"))?
}

async fn conditional<'a>(
    location: &Location,
    known: Option<&'a Copy>,
    options: &Options,
) -> Result<Answer<'a>, String> {
    let client = client(options)?;
    if let Some((document, tag)) = known.and_then(|copy| Some((&copy.document, tag(&copy.document)?))) {
        let head = get(&client, location, HeaderMap::from_iter([(IF_NONE_MATCH, tag)]), options).await?;
        if head.0.status() != StatusCode::NOT_MODIFIED {
            return head.document(options).await.map(Answer::Document);
        }
        // Another place may give another document the same tag.
        if head.url() == document.url {
            return Ok(Answer::Unchanged(document));
        }
    }
    let head = get(&client, location, HeaderMap::new(), options).await?;
    head.document(options).await.map(Answer::Document)
}

fn tag(document: &Document) -> Option<HeaderValue> {
    HeaderValue::from_str(document.etag.as_ref()?).ok()
}

fn client(options: &Options) -> Result<Client, String> {
    Client::builder()
        .tls_backend_preconfigured(tls::client_config(options.ca_file.as_deref())?)
        .connect_timeout(options.connect_timeout)
        .redirect(redirects(options.max_redirects))
        .referer(false)
        .no_proxy()
        .user_agent(concat!("ngx_http_mcp_module/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| cause(&e))
}

fn redirects(max: usize) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        let next = attempt.url();
        let problem = if attempt.previous().len() > max {
            format!("more than {max} redirects, the next one to \"{}\"; name the last URL instead", shown(next))
        } else if !is_http(next) {
            format!("a redirect to \"{}\", which is neither http nor https", shown(next))
        } else if next.scheme() == "http" && attempt.previous().iter().any(|url| url.scheme() == "https") {
            format!("a redirect from https to \"{}\", which anyone could forge", shown(next))
        } else {
            return attempt.follow();
        };
        attempt.error(problem)
    })
}

/// An answer whose body is still to come.
struct Head(Response);

async fn get(client: &Client, location: &Location, headers: HeaderMap, options: &Options) -> Result<Head, String> {
    let request = client.get(location.secret().clone()).header(ACCEPT, ACCEPTED).headers(headers);
    request.send().await.map(Head).map_err(|e| unsent(&e, options))
}

impl Head {
    fn url(&self) -> String {
        without_credentials(self.0.url()).into()
    }

    async fn document(mut self, options: &Options) -> Result<Document, String> {
        let url = self.url();
        let response = &mut self.0;
        if response.status() != StatusCode::OK {
            return Err(refused(response));
        }
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let etag = header(ETAG).map(str::to_owned);
        let html = header(CONTENT_TYPE).is_some_and(|value| value.starts_with("text/html"));
        let mut text = text(body(response, options.max_size).await?)?;
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Ok(Document { text, url, etag, html })
    }
}

async fn body(response: &mut Response, max_size: usize) -> Result<Vec<u8>, String> {
    let too_large = || format!("the document is larger than {max_size} bytes; if it is meant to be, raise max_size");
    if response.content_length().is_some_and(|length| length > max_size as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if chunk.len() > max_size - body.len() => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(e) => return Err(format!("the answer broke off after {} bytes: {}", body.len(), cause(&e))),
        }
    }
}

fn text(body: Vec<u8>) -> Result<String, String> {
    String::from_utf8(body)
        .map_err(|e| format!("the document is not UTF-8 from byte {} on", e.utf8_error().valid_up_to()))
}

fn refused(response: &Response) -> String {
    let hint = match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; credentials are written as https://user:password@host/",
        StatusCode::NOT_FOUND | StatusCode::GONE => "; check the path",
        _ => "",
    };
    format!("the server answered {}, and only 200 has a document{hint}", response.status())
}

/// Why there is not even an answer.
fn unsent(error: &reqwest::Error, options: &Options) -> String {
    let cause = cause(error);
    if error.is_redirect() {
        cause
    } else if error.is_timeout() {
        format!("no connection within {:?}; check the address, the port and the firewall", options.connect_timeout)
    } else if causes(error).any(|e| e.is::<rustls::Error>()) {
        format!("no secure connection: {cause}; if its authority is a private one, name it with ca_file")
    } else if causes(error).any(|e| e.to_string() == "dns error") {
        format!("the host's name has no address: {cause}; check its spelling and /etc/resolv.conf")
    } else if error.is_connect() {
        format!("no connection: {cause}; check that the server runs, and its address and port")
    } else {
        format!("no answer: {cause}; check that it is a web server, and http or https")
    }
}

/// The error and everything below it, through [`io::Error`], which hides what it wraps.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    })
}

/// What lies below all the layers. Unlike they, it knows nothing of the URL.
fn cause(error: &reqwest::Error) -> String {
    causes(error).skip(1).last().map_or_else(|| "unknown".to_owned(), ToString::to_string)
}
