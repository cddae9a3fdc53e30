//! URLs as far as servers need them.

use crate::percent;

/// `http` or `https`, host and port, and a path without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) authority: String,
    /// Empty, or beginning with a slash; encoded.
    pub(crate) path: String,
    /// Whether the text had a path, be it a slash alone.
    pub(crate) has_path: bool,
}

impl Url {
    /// An absolute URL; what follows `?` or `#` is dropped.
    pub(crate) fn parse(text: &str) -> Result<Url, String> {
        let wrong = |why: &str| Err(format!("\"{text}\" {why}"));
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong("is not a URL that begins with http:// or https://");
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return wrong("is not a URL that begins with http:// or https://");
        }
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return wrong("has credentials in it, which do not belong there");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        if authority.is_empty() || !authority.chars().all(fits) {
            return wrong("has no usable host");
        }
        Ok(Url { scheme, authority: authority.into(), path: normal("", path), has_path: !path.is_empty() })
    }

    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// What a reference means that was read from this URL (RFC 3986, section 5.2).
    pub(crate) fn join(&self, reference: &str) -> Result<Url, String> {
        if is_absolute(reference) {
            return Url::parse(reference);
        }
        if reference.starts_with("//") {
            return Url::parse(&format!("{}:{reference}", self.scheme));
        }
        let path = reference.split(['?', '#']).next().unwrap_or_default();
        Ok(Url { path: normal(&self.path, path), has_path: true, ..self.clone() })
    }
}

/// The path that a reference means which begins with no scheme and no `//`.
pub(crate) fn path_of(reference: &str) -> String {
    normal("", reference.split(['?', '#']).next().unwrap_or_default())
}

pub(crate) fn is_absolute(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Without dot segments and the slash at the end.
fn normal(base: &str, path: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    if !path.starts_with('/') {
        steps.extend(base.split('/').skip(1));
        // The last is the document itself.
        if !path.is_empty() {
            steps.pop();
        }
    }
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    let mut out = String::new();
    for step in steps {
        out.push('/');
        percent::push_path(&mut out, step);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let cases = [
            ("http://x", "http://x", "", false),
            ("HTTPS://x:8443/", "https://x:8443", "", true),
            ("https://[::1]:80/a/b/?q#f", "https://[::1]:80", "/a/b", true),
            ("http://x/a b/../c", "http://x", "/c", true),
        ];
        for (text, origin, path, has_path) in cases {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.origin().as_str(), url.path.as_str(), url.has_path), (origin, path, has_path));
        }
        for text in ["ftp://x/", "x/y", "http://", "http://a@b/", "http://{host}/", "http://a b/", "wss://x"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn references_are_relative_to_where_they_were_read() {
        let base = Url::parse("https://api.example.com/docs/v1/openapi.json").unwrap();
        let cases = [
            ("/", "https://api.example.com", ""),
            ("/api", "https://api.example.com", "/api"),
            (".", "https://api.example.com", "/docs/v1"),
            ("./", "https://api.example.com", "/docs/v1"),
            ("v2", "https://api.example.com", "/docs/v1/v2"),
            ("../v2/", "https://api.example.com", "/docs/v2"),
            ("../../../../x", "https://api.example.com", "/x"),
            ("//other/x", "https://other", "/x"),
            ("http://other", "http://other", ""),
        ];
        for (reference, origin, path) in cases {
            let url = base.join(reference).unwrap();
            assert_eq!((url.origin().as_str(), url.path.as_str()), (origin, path), "{reference}");
        }
        assert_eq!(path_of("api/../v1/"), "/v1");
    }
}
