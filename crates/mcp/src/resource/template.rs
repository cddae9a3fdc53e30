//! URI templates (RFC 6570), read backwards: which values make a template the URI that a client asks for.
//!
//! | expression | its value |
//! |---|---|
//! | `{name}` | one part of the URI, without `/`, `?` and `#` |
//! | `{+name}` | anything; only as the last one of the path, so that there is one way to read a URI |
//! | `{?a,b}` at the end | parameters of the query, none of them required |

use std::collections::HashSet;

use crate::tool::has_scheme;

/// Variables of one template.
const MOST_VARIABLES: usize = 32;

/// A template of URIs.
#[derive(Debug)]
pub(crate) struct UriTemplate {
    /// What stands before the first variable: scheme and all.
    start: String,
    /// The variables of the path, and what stands behind each.
    steps: Vec<Step>,
    /// The variables of the query.
    query: Vec<String>,
}

#[derive(Debug)]
struct Step {
    name: String,
    /// The value may have `/` and the like in it.
    reserved: bool,
    literal: String,
}

/// Whether a text has variables, so that it is no URI.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains(['{', '}'])
}

/// A URI that clients can be told.
pub(crate) fn check_uri(text: &str) -> Result<(), String> {
    check_literal(text)?;
    if has_scheme(text) { Ok(()) } else { Err("it must begin with a scheme, as in: stock://berlin/report".into()) }
}

fn check_literal(text: &str) -> Result<(), String> {
    match text.chars().find(|c| !c.is_ascii_graphic() || "\"<>\\^`|".contains(*c)) {
        Some(wrong) => Err(format!("\"{}\" cannot stand in a URI; percent-encode it", wrong.escape_debug())),
        None => Ok(()),
    }
}

impl UriTemplate {
    pub(crate) fn parse(text: &str) -> Result<UriTemplate, String> {
        let (path, query) = match text.split_once("{?") {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let query = match query {
            None => Vec::new(),
            Some(query) => {
                let names = query.strip_suffix('}').ok_or("{?…} must stand at the end")?;
                names.split(',').map(|name| check_name(name).map(|()| name.to_owned())).collect::<Result<_, _>>()?
            }
        };
        let (start, mut rest) = path.split_at(path.find(['{', '}']).unwrap_or(path.len()));
        check_literal(start)?;
        if !start.contains(':') || !has_scheme(&format!("{start}x")) {
            return Err("it must begin with a scheme, as in: stock://{warehouse}/report".into());
        }
        let mut steps: Vec<Step> = Vec::new();
        while !rest.is_empty() {
            let inner = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let (expression, behind) = inner.ok_or("a variable is written {name}")?;
            let (name, reserved) = match expression.strip_prefix('+') {
                Some(name) => (name, true),
                None => (expression, false),
            };
            check_name(name)?;
            let (literal, behind) = behind.split_at(behind.find(['{', '}']).unwrap_or(behind.len()));
            check_literal(literal)?;
            if literal.is_empty() && !behind.is_empty() {
                return Err(format!("there must be something between {{{expression}}} and what follows"));
            }
            if reserved && !behind.is_empty() {
                return Err(format!("{{{expression}}} takes everything, so it must be the last variable of the path"));
            }
            steps.push(Step { name: name.to_owned(), reserved, literal: literal.to_owned() });
            rest = behind;
        }
        let template = UriTemplate { start: start.to_owned(), steps, query };
        let mut seen = HashSet::new();
        if let Some(twice) = template.names().find(|name| !seen.insert(name.to_owned())) {
            return Err(format!("it has the variable \"{twice}\" twice"));
        }
        match seen.len() {
            0 => Err("it has no variable".into()),
            1..=MOST_VARIABLES => Ok(template),
            _ => Err(format!("it has more than {MOST_VARIABLES} variables")),
        }
    }

    /// The names of all variables.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.name.as_str()).chain(self.query.iter().map(String::as_str))
    }

    /// Whether a URI of the template has a value for it in any case.
    pub(crate) fn requires(&self, name: &str) -> bool {
        self.steps.iter().any(|step| step.name == name)
    }

    /// What stands before and behind its only variable; none if it has several.
    pub(crate) fn around(&self) -> Option<(&str, &str)> {
        match (self.steps.as_slice(), self.query.as_slice()) {
            ([step], []) => Some((&self.start, &step.literal)),
            _ => None,
        }
    }

    /// The variables whose values may have `/` in them.
    pub(crate) fn deep(&self) -> Vec<String> {
        self.steps.iter().filter(|step| step.reserved).map(|step| step.name.clone()).collect()
    }

    /// The values that make the template this URI, decoded; none if there are no such values.
    ///
    /// A value ends where what stands behind its variable begins for the first time. As none of them but the last may hold
    /// a `/`, no other way to read the URI is missed.
    pub(crate) fn values(&self, uri: &str) -> Option<Vec<(&str, String)>> {
        let (path, query) = match uri.split_once('?') {
            Some((path, query)) if !self.query.is_empty() => (path, Some(query)),
            _ => (uri, None),
        };
        let mut rest = path.strip_prefix(self.start.as_str())?;
        let mut values = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let is_last = index + 1 == self.steps.len();
            let end = match is_last {
                true => rest.strip_suffix(step.literal.as_str())?.len(),
                false => {
                    // A value is not empty.
                    let first = rest.chars().next()?.len_utf8();
                    first + rest[first..].find(step.literal.as_str())?
                }
            };
            let value = &rest[..end];
            if value.is_empty() || (!step.reserved && value.contains(['/', '?', '#'])) {
                return None;
            }
            values.push((step.name.as_str(), decoded(value)?));
            rest = &rest[end + step.literal.len()..];
        }
        if !rest.is_empty() {
            return None;
        }
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = self.query.iter().find(|known| *known == name)?;
            if values.iter().any(|(known, _)| known == name) {
                return None;
            }
            values.push((name, decoded(value)?));
        }
        Some(values)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    match !name.is_empty() && name.len() <= 64 && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(format!("\"{name}\" is no variable; they are written {{name}}, {{+name}} and {{?name,name}}")),
    }
}

/// Percent-decoded; none for what is no text.
fn decoded(value: &str) -> Option<String> {
    let text = String::from_utf8(crate::tool::percent_decoded(value.as_bytes())).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str, uri: &str) -> Option<String> {
        let template = UriTemplate::parse(template).unwrap();
        let values = template.values(uri)?;
        Some(values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_uri_is_read_backwards() {
        for (template, uri, expected) in [
            ("test://template/{id}/data", "test://template/123/data", Some("id=123")),
            ("test://template/{id}/data", "test://template//data", None),
            ("test://template/{id}/data", "test://template/1/2/data", None),
            ("test://template/{id}/data", "test://template/1/datax", None),
            ("test://template/{id}/data", "Test://template/1/data", None),
            ("file:///{path}", "file:///a%2Fb%20c", Some("path=a/b c")),
            ("file:///{path}", "file:///a/b", None),
            ("file:///{path}", "file:///a?b", None),
            ("file:///{+path}", "file:///a/b?c", Some("path=a/b?c")),
            ("file:///{+path}.md", "file:///a/b.md.md", Some("path=a/b.md")),
            ("a://{x}.{y}", "a://1.2.3", Some("x=1 y=2.3")),
            ("a://{x}-{y}/c-{z}", "a://1-2-3/c-4", Some("x=1 y=2-3 z=4")),
            ("a://{x}b/{y}", "a://bb/1", Some("x=b y=1")),
            ("a://{x}bb", "a://bbb", Some("x=b")),
            ("weather://{city}/current", "weather://K%C3%B6ln/current", Some("city=Köln")),
            ("weather://{city}/current", "weather://Köln/current", Some("city=Köln")),
            ("weather://{city}/current", "weather://ö/current", Some("city=ö")),
            ("weather://{city}/current", "weather://%FF/current", None),
            ("weather://{city}/current", "weather://a%00/current", None),
            ("weather://{city}/current", "weather://a%zz/current", Some("city=a%zz")),
            ("q://{a}{?b,c}", "q://1", Some("a=1")),
            ("q://{a}{?b,c}", "q://1?c=3&b=%26", Some("a=1 c=3 b=&")),
            ("q://{a}{?b,c}", "q://1?d=1", None),
            ("q://{a}{?b,c}", "q://1?b=1&b=2", None),
            ("q://all{?b}", "q://all?b=", Some("b=")),
            ("q://all{?b}", "q://all", Some("")),
            ("urn:item:{id}", "urn:item:5", Some("id=5")),
        ] {
            assert_eq!(values(template, uri).as_deref(), expected, "{template} {uri}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (template, expected) in [
            ("{a}", "it must begin with a scheme"),
            ("//{a}", "it must begin with a scheme"),
            ("a b://{a}", "\" \" cannot stand in a URI"),
            ("a://b", "it has no variable"),
            ("a://{a}{b}", "something between {a} and"),
            ("a://{a", "a variable is written {name}"),
            ("a://a}", "a variable is written {name}"),
            ("a://{}", "\"\" is no variable"),
            ("a://{a*}", "\"a*\" is no variable"),
            ("a://{/a}", "\"/a\" is no variable"),
            ("a://{a}/{a}", "the variable \"a\" twice"),
            ("a://{+a}/{b}", "{+a} takes everything"),
            ("a://{a}/é", "\"é\" cannot stand in a URI"),
            ("a://{a}{?b}/c", "{?…} must stand at the end"),
            ("a://{a}{?b,}", "\"\" is no variable"),
            ("a://{a}{?a}", "the variable \"a\" twice"),
        ] {
            let error = UriTemplate::parse(template).unwrap_err();
            assert!(error.contains(expected), "{template}: {error}");
        }
    }

    #[test]
    fn a_resource_has_a_uri() {
        for uri in ["stock://berlin/report", "file:///a", "urn:a", "https://x/?q=1#f"] {
            assert_eq!(check_uri(uri), Ok(()), "{uri}");
        }
        for uri in ["", "report", "/report", ":a", "a:", "a b:c", "a://é", "1a:b"] {
            assert!(check_uri(uri).is_err(), "{uri}");
        }
    }
}
