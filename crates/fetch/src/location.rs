//! A URL that can be fetched, and what of it may be shown.

use reqwest::Url;

use crate::FetchError;

/// More than this of a URL, which a redirect may have named, is not shown.
const LONGEST: usize = 200;

/// An `http` or `https` URL.
#[derive(Debug, Clone)]
pub(crate) struct Location(Url);

impl Location {
    pub(crate) fn parse(text: &str) -> Result<Self, FetchError> {
        // Of what is no URL, what may be a password cannot be told from the rest.
        let rest = text.rsplit('@').next().unwrap_or_default();
        let shown = rest.split('?').next().unwrap_or_default();
        let mut url = Url::parse(text).map_err(|e| FetchError::of(shown, format_args!("not a URL: {e}")))?;
        if !is_http(&url) {
            return Err(FetchError::of(shown, "not a URL of http or https"));
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// With credentials, for the request alone.
    pub(crate) fn secret(&self) -> &Url {
        &self.0
    }

    /// Without credentials: what relative URLs are relative to, and what a copy is known by.
    pub(crate) fn public(&self) -> Url {
        without_credentials(&self.0)
    }

    pub(crate) fn shown(&self) -> String {
        shown(&self.0)
    }
}

pub(crate) fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

pub(crate) fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // Neither can fail for a URL with a host, and one without has no credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url
}

/// For a log: no credentials, no query.
pub(crate) fn shown(url: &Url) -> String {
    let mut shown = without_credentials(url);
    if shown.query().is_some() {
        shown.set_query(Some("..."));
    }
    let mut text = String::from(shown);
    if text.len() > LONGEST {
        // ASCII, as every serialized URL.
        text.truncate(LONGEST);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_secret() {
        for (url, expected) in [
            ("http://h/a", "http://h/a"),
            ("http://joe:secret@h/a?token=secret#secret", "http://h/a?..."),
            ("https://secret@h:8443", "https://h:8443/"),
            ("http://h/\u{7}\u{e9}", "http://h/%07%C3%A9"),
        ] {
            let location = Location::parse(url).unwrap();
            assert_eq!(location.shown(), expected);
            assert!(!location.public().as_str().contains("joe"), "{url}");
        }
        let long = Location::parse(&format!("http://h/{}", "a".repeat(10_000))).unwrap();
        assert_eq!(long.shown().len(), LONGEST + 3);
    }

    #[test]
    fn refuses_what_cannot_be_fetched() {
        for (url, expected) in [
            ("", "cannot fetch \"\": not a URL: relative URL without a base"),
            ("petstore.yaml", "cannot fetch \"petstore.yaml\": not a URL: relative URL without a base"),
            ("http://", "cannot fetch \"http://\": not a URL: empty host"),
            ("http://joe:secret@h:port/?secret", "cannot fetch \"h:port/\": not a URL: invalid port number"),
            ("ftp://joe:secret@h/a", "cannot fetch \"h/a\": not a URL of http or https"),
            ("file:///etc/passwd", "cannot fetch \"file:///etc/passwd\": not a URL of http or https"),
        ] {
            assert_eq!(Location::parse(url).unwrap_err().to_string(), expected);
        }
    }
}
