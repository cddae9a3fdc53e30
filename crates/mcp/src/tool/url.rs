//! The URL of the `pass` directive: an origin, and a template for path and query.

use super::ConfigError;
use super::encode;

/// A run of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text as it goes onto the request line.
    Literal(String),
    /// `{name}`.
    Placeholder(String),
}

/// `http://host:port/path/{id}?q={q}`, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Scheme and authority.
    pub(super) origin: String,
    /// The path's segments, without the slashes before them; at least one.
    pub(super) segments: Vec<Vec<Part>>,
    /// The query's pairs: the text up to and with `=`, and the value.
    pub(super) pairs: Vec<(String, Vec<Part>)>,
}

impl Url {
    /// `directive` is where it stands.
    pub(super) fn parse(directive: &str, text: &str) -> Result<Url, ConfigError> {
        Self::split(text).map_err(|why| ConfigError(format!("invalid URL \"{text}\" in \"{directive}\": {why}")))
    }

    fn split(text: &str) -> Result<Url, String> {
        let scheme = ["http://", "https://"]
            .into_iter()
            .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        let scheme = scheme.ok_or("it must begin with http:// or https://")?;
        if let Some(wrong) = text.chars().find(|c| !c.is_ascii_graphic() || "\"<>\\^`|".contains(*c)) {
            return Err(format!("\"{}\" cannot stand in a URL; percent-encode it", wrong.escape_debug()));
        }
        if text.contains('$') {
            return Err("variables are not replaced here; use {argument}, or %24 for the character itself".into());
        }
        if text.contains('#') {
            return Err("a fragment is never sent; drop it, or write %23 for the character itself".into());
        }
        let rest = &text[scheme.len()..];
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        check_authority(authority)?;
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        Ok(Url { origin: format!("{scheme}{authority}"), segments: segments(path)?, pairs: pairs(query)? })
    }

    /// The URL of an operation, whose origin and path are known apart.
    pub(super) fn of_operation(origin: &str, path: &str) -> Result<Url, String> {
        let authority = ["http://", "https://"].into_iter().find_map(|scheme| origin.strip_prefix(scheme));
        check_authority(authority.ok_or_else(|| format!("\"{origin}\" must begin with http:// or https://"))?)?;
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let url = Url { origin: origin.into(), segments: segments(path)?, pairs: pairs(query)? };
        let parts = url.segments.iter().flatten().chain(url.pairs.iter().flat_map(|(_, value)| value));
        let literals = parts.filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            Part::Placeholder(_) => None,
        });
        let mut characters = literals.chain(url.pairs.iter().map(|(key, _)| key.as_str())).flat_map(str::chars);
        match characters.find(|c| !c.is_ascii_graphic() || "\"<>\\^`|#".contains(*c)) {
            Some(wrong) => Err(format!("\"{}\" cannot stand in a path; percent-encode it", wrong.escape_debug())),
            None => Ok(url),
        }
    }

    /// The names of all placeholders, each as often as it stands there.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.path_placeholders().chain(self.pairs.iter().flat_map(|(_, value)| placeholders(value)))
    }

    /// The names of the path's placeholders.
    pub(super) fn path_placeholders(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flat_map(|segment| placeholders(segment))
    }

    /// The path as the operator wrote it.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            for part in segment {
                match part {
                    Part::Literal(text) => path.push_str(text),
                    Part::Placeholder(name) => path.extend(["{", name, "}"]),
                }
            }
        }
        path
    }
}

fn placeholders(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        Part::Placeholder(name) => Some(name.as_str()),
        Part::Literal(_) => None,
    })
}

fn check_authority(authority: &str) -> Result<(), String> {
    if authority.contains(['{', '}']) {
        return Err("a placeholder may stand in the path and in a query value only".into());
    }
    if authority.contains('@') {
        return Err("credentials do not belong into it; use proxy_set_header Authorization".into());
    }
    if authority.starts_with("unix:") {
        return Err("name an upstream { server unix:…; } to reach a socket".into());
    }
    let (host, port) = match authority.rfind(':') {
        Some(at) if !authority.ends_with(']') => (&authority[..at], Some(&authority[at + 1..])),
        _ => (authority, None),
    };
    let named = |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let valid_host = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => named(host),
    };
    if !valid_host {
        return Err(format!("\"{host}\" is not a host name or an address"));
    }
    let valid_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0);
    match port {
        Some(port) if !valid_port(port) => Err(format!("\"{port}\" is not a port")),
        _ => Ok(()),
    }
}

fn segments(path: &str) -> Result<Vec<Vec<Part>>, String> {
    path.strip_prefix('/').unwrap_or(path).split('/').map(segment).collect()
}

fn segment(text: &str) -> Result<Vec<Part>, String> {
    let parts = parts(text)?;
    // With a placeholder in it, it is judged when the value is known.
    if placeholders(&parts).next().is_none() && encode::has_dot_segment(text) {
        return Err(format!("the path segment \"{text}\" leads elsewhere; write the path that it leads to"));
    }
    Ok(parts)
}

fn pairs(query: Option<&str>) -> Result<Vec<(String, Vec<Part>)>, String> {
    let mut pairs = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_at(pair.find('=').map_or(pair.len(), |at| at + 1));
        if key.contains(['{', '}']) {
            return Err("a placeholder may stand in a query value, not in its name".into());
        }
        check_literal(key)?;
        pairs.push((key.into(), parts(value)?));
    }
    Ok(pairs)
}

fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let close = rest[open..].find('}').map_or(0, |length| open + length);
        let name = rest.get(open + 1..close).filter(|name| rest[open..].starts_with('{') && !name.contains('{'));
        let name = name.filter(|name| !name.is_empty()).ok_or("a placeholder is written {argument}")?;
        push_literal(&mut parts, &rest[..open])?;
        parts.push(Part::Placeholder(name.into()));
        rest = &rest[close + 1..];
    }
    push_literal(&mut parts, rest)?;
    Ok(parts)
}

fn push_literal(parts: &mut Vec<Part>, text: &str) -> Result<(), String> {
    check_literal(text)?;
    if !text.is_empty() {
        parts.push(Part::Literal(text.into()));
    }
    Ok(())
}

fn check_literal(text: &str) -> Result<(), String> {
    if text.split('%').skip(1).all(encode::begins_with_hex) {
        Ok(())
    } else {
        Err("\"%\" is not followed by two hexadecimal digits; write %25 for it".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_comes_apart() {
        let url =
            Url::parse("pass", "https://api.example.com:8443/v1/items/{id}.{ext}?lang={lang}&all&a=b%20c").unwrap();
        assert_eq!(url.origin, "https://api.example.com:8443");
        assert_eq!(url.path(), "/v1/items/{id}.{ext}");
        assert_eq!(url.placeholders().collect::<Vec<_>>(), ["id", "ext", "lang"]);
        assert_eq!(url.path_placeholders().collect::<Vec<_>>(), ["id", "ext"]);
        let pairs: Vec<_> = url.pairs.iter().map(|(key, value)| (key.as_str(), value.len())).collect();
        assert_eq!(pairs, [("lang=", 1), ("all", 0), ("a=", 1)]);
    }

    #[test]
    fn origins_are_taken_as_nginx_takes_them() {
        for origin in
            ["http://inventory", "http://my_upstream.local", "https://10.0.0.5:8080", "http://[::1]:80", "http://[::1]"]
        {
            let url = Url::parse("pass", origin).unwrap();
            assert_eq!((url.origin.as_str(), url.path().as_str()), (origin, "/"));
        }
        assert_eq!(Url::parse("pass", "HTTP://x?a=1").unwrap().origin, "http://x");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let cases = [
            ("ftp://x/", "it must begin with http:// or https://"),
            ("inventory/items", "it must begin with"),
            ("http://", "\"\" is not a host name"),
            ("http:///x", "\"\" is not a host name"),
            ("http://user:pw@x/", "credentials do not belong into it"),
            ("http://x/#top", "a fragment is never sent"),
            ("http://x/$uri", "variables are not replaced here"),
            ("http://$host/", "variables are not replaced here"),
            ("http://{host}/", "a placeholder may stand in the path and in a query value only"),
            ("http://unix:/run/x.sock:/", "name an upstream"),
            ("http://x:0/", "\"0\" is not a port"),
            ("http://x:99999/", "\"99999\" is not a port"),
            ("http://x:+80/", "\"+80\" is not a port"),
            ("http://[::g]/", "\"[::g]\" is not a host name or an address"),
            ("http://a,b/", "\"a,b\" is not a host name"),
            ("http://x/a b", "\" \" cannot stand in a URL; percent-encode it"),
            ("http://x/é", "\"é\" cannot stand in a URL"),
            ("http://x/a\\b", "\"\\\\\" cannot stand in a URL"),
            ("http://x/%zz", "\"%\" is not followed by two hexadecimal digits"),
            ("http://x/%é", "cannot stand in a URL"),
            ("http://x/a%2", "\"%\" is not followed"),
            ("http://x/a/../b", "the path segment \"..\" leads elsewhere"),
            ("http://x/%2e/b", "the path segment \"%2e\" leads elsewhere"),
            ("http://x/{}", "a placeholder is written {argument}"),
            ("http://x/{id", "a placeholder is written {argument}"),
            ("http://x/id}", "a placeholder is written {argument}"),
            ("http://x/{a{b}}", "a placeholder is written {argument}"),
            ("http://x/?{a}=1", "not in its name"),
        ];
        for (url, expected) in cases {
            let error = Url::parse("pass", url).unwrap_err().0;
            assert!(
                error.starts_with(&format!("invalid URL \"{url}\" in \"pass\": ")) && error.contains(expected),
                "{error}"
            );
        }
    }
}
