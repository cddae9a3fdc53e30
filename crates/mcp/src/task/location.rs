//! The URL of a job, as its backend names it.

use std::borrow::Cow;

/// Bytes of path and query. They become part of the task's id, which clients send as a header.
const LONGEST: usize = 2048;

/// The path and query that `Location` comes to in the answer to a request at `base`, a path and query of `origin`. Only the
/// tool's own origin will do: whatever the backend says, no call leaves it.
pub(super) fn resolve(origin: &str, base: &str, location: &[u8]) -> Result<String, String> {
    let why = |why: &str| Err(format!("the \"Location\" of its answer {why}"));
    let Ok(location) = std::str::from_utf8(location) else { return why("is no URL") };
    let location = location.split('#').next().unwrap_or_default();
    if !location.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
        return why("is no URL");
    }
    let scheme_end = location.find(':').filter(|colon| location.find(['/', '?']).is_none_or(|other| *colon < other));
    let target = match (scheme_end, location.strip_prefix("//")) {
        (Some(colon), _) => {
            let after = location[colon + 1..].strip_prefix("//").map(split_authority);
            match after.filter(|(authority, _)| is_origin(origin, Some(&location[..colon]), authority)) {
                Some((_, target)) => target,
                None => return why("is not at the origin that the tool's calls go to"),
            }
        }
        (None, Some(rest)) => match split_authority(rest) {
            (authority, target) if is_origin(origin, None, authority) => target,
            _ => return why("is not at the origin that the tool's calls go to"),
        },
        (None, None) => return finish(merge(base, location)),
    };
    finish(if target.starts_with('/') { target.into() } else { format!("/{target}").into() })
}

fn finish(target: Cow<'_, str>) -> Result<String, String> {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let target = format!("{}{query}", without_dots(path));
    match target.len() <= LONGEST {
        true => Ok(target),
        false => Err(format!("the \"Location\" of its answer is longer than {LONGEST} bytes")),
    }
}

fn split_authority(text: &str) -> (&str, &str) {
    text.split_at(text.find(['/', '?']).unwrap_or(text.len()))
}

fn is_origin(origin: &str, scheme: Option<&str>, authority: &str) -> bool {
    origin.split_once("://").is_some_and(|(own_scheme, own)| {
        scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case(own_scheme)) && authority.eq_ignore_ascii_case(own)
    })
}

/// A reference without scheme and authority (RFC 3986, 5.2.2).
fn merge<'a>(base: &str, reference: &'a str) -> Cow<'a, str> {
    let path = base.split('?').next().unwrap_or_default();
    match reference.as_bytes().first() {
        Some(b'/') => reference.into(),
        None => base.to_owned().into(),
        Some(b'?') => format!("{path}{reference}").into(),
        Some(_) => format!("{}/{reference}", path.rsplit_once('/').map_or("", |(directory, _)| directory)).into(),
    }
}

/// RFC 3986, 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." if is_last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_resolved_at_the_tools_origin() {
        for (location, expected) in [
            ("/jobs/7", "/jobs/7"),
            ("/jobs/7?a=b&c=d#e", "/jobs/7?a=b&c=d"),
            ("http://Backend:80/jobs/7", "/jobs/7"),
            ("HTTP://backend:80?x", "/?x"),
            ("http://backend:80", "/"),
            ("//backend:80/jobs", "/jobs"),
            ("jobs/7", "/v1/jobs/7"),
            ("7?at=12:30", "/v1/7?at=12:30"),
            ("./../jobs/./7/..", "/jobs/"),
            ("../../../7", "/7"),
            ("/a//b/.", "/a//b/"),
            ("?job=7", "/v1/start?job=7"),
            ("", "/v1/start?x=1"),
            ("/%2e%2e/7", "/%2e%2e/7"),
        ] {
            assert_eq!(resolve("http://backend:80", "/v1/start?x=1", location.as_bytes()).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn no_call_leaves_the_origin() {
        let long = format!("/{}", "x".repeat(LONGEST));
        for (location, expected) in [
            ("http://backend/jobs/7", "not at the origin"),
            ("https://backend:80/jobs/7", "not at the origin"),
            ("http://other/jobs/7", "not at the origin"),
            ("http://backend:80@other/", "not at the origin"),
            ("http://backend:80.other/", "not at the origin"),
            ("//other/jobs/7", "not at the origin"),
            ("http:/jobs", "not at the origin"),
            ("file:///etc/passwd", "not at the origin"),
            ("javascript:1", "not at the origin"),
            ("/jobs/ 7", "is no URL"),
            ("/jobs\\7", "is no URL"),
            ("/jobs/7\r\nHost: x", "is no URL"),
            ("/jöbs", "is no URL"),
            (&long, "longer than 2048 bytes"),
        ] {
            let error = resolve("http://backend:80", "/v1/start", location.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{location}: {error}");
        }
        assert!(resolve("http://backend", "/", b"/\xff").is_err());
    }
}
