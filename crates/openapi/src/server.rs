//! Where an operation is called.

use std::collections::HashSet;

use serde_json::Value;

use crate::document::Version;
use crate::node::Node;
use crate::paths::Found;
use crate::reader::Reader;
use crate::rules::Rules;
use crate::url::{Url, is_absolute, path_of};
use crate::warning::Warning;

/// Longer URLs are served by nobody.
const MAX_LENGTH: usize = 8_000;

/// Scheme and authority, and the path that all paths of the operation are below: empty, or beginning with a slash and
/// ending without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) origin: String,
    pub(crate) path: String,
}

/// What the rules say of servers, understood once.
#[derive(Debug)]
pub(crate) struct Servers {
    pass: Option<Url>,
    source: Option<Url>,
}

/// Whether [`Rules::pass`] can be this text; the error says why not.
pub fn check_server(text: &str) -> Result<(), String> {
    Url::parse(text).map(drop)
}

impl Servers {
    /// The error says which of the rules has no URL.
    pub(crate) fn new(rules: &Rules) -> Result<Servers, String> {
        let parse = |name: &str, text: &Option<String>| {
            text.as_deref().map(Url::parse).transpose().map_err(|why| format!("{name}: {why}"))
        };
        Ok(Servers { pass: parse("pass", &rules.pass)?, source: parse("source", &rules.source)? })
    }

    /// The operation's server, else the path's, else the document's, as the rules change it.
    pub(crate) fn of(&self, reader: &Reader<'_>, found: &Found<'_>) -> Result<Server, Warning> {
        if let Some(pass) = self.pass.as_ref().filter(|pass| pass.has_path) {
            return Ok(Server { origin: pass.origin(), path: pass.path.clone() });
        }
        let (at, reference) = if reader.version == Version::Swagger2 {
            (reader.root(), swagger2(reader, found, self.source.as_ref()))
        } else {
            openapi3(reader, found)?
        };
        let wrong = |why: String| reader.defect(&at, why);
        if let Some(pass) = &self.pass {
            let path = if is_absolute(&reference) {
                // Only its path counts, so a host that is a mere example does no harm.
                let rest = reference.split_once("://").map_or("", |(_, rest)| rest);
                rest.find('/').map_or("", |at| &rest[at..])
            } else if let Some(rest) = reference.strip_prefix("//") {
                rest.find('/').map_or("", |at| &rest[at..])
            } else {
                return Ok(Server { origin: pass.origin(), path: self.relative(&reference) });
            };
            return Ok(Server { origin: pass.origin(), path: path_of(path) });
        }
        let url = match &self.source {
            _ if is_absolute(&reference) => Url::parse(&reference),
            Some(source) => source.join(&reference),
            None => Err(format!("the server \"{reference}\" names no host; add where it is with \"pass\"")),
        };
        let url = url.map_err(wrong)?;
        Ok(Server { origin: url.origin(), path: url.path })
    }

    fn relative(&self, reference: &str) -> String {
        let joined = self.source.as_ref().and_then(|source| source.join(reference).ok());
        joined.map_or_else(|| path_of(reference), |url| url.path)
    }
}

/// `schemes`, `host` and `basePath`.
fn swagger2(reader: &Reader<'_>, found: &Found<'_>, source: Option<&Url>) -> String {
    let root = reader.root();
    let base = root.text("basePath").unwrap_or_default();
    let base = if base.is_empty() || base.starts_with('/') { base.to_owned() } else { format!("/{base}") };
    let schemes = |node: &Node<'_>| -> Vec<String> {
        node.texts("schemes").map(str::to_ascii_lowercase).filter(|s| s == "http" || s == "https").collect()
    };
    let mut allowed = schemes(&found.operation);
    if allowed.is_empty() {
        allowed = schemes(&root);
    }
    let scheme = match source {
        // "The default scheme to be used is the one used to access the Swagger definition itself."
        Some(source) if allowed.is_empty() => source.scheme.clone(),
        _ if allowed.iter().any(|scheme| scheme == "http") && !allowed.iter().any(|scheme| scheme == "https") => {
            "http".into()
        }
        _ => "https".into(),
    };
    match (root.text("host").filter(|host| !host.is_empty()), source) {
        (Some(host), _) => format!("{scheme}://{host}{base}"),
        (None, Some(source)) => format!("{scheme}://{}{base}", source.authority),
        (None, None) => {
            if base.is_empty() {
                "/".into()
            } else {
                base
            }
        }
    }
}

/// The first of `servers`, with the defaults of its variables.
fn openapi3<'d>(reader: &'d Reader<'_>, found: &Found<'d>) -> Result<(Node<'d>, String), Warning> {
    let root = reader.root();
    let levels = std::iter::once(&found.operation).chain(&found.items).chain(std::iter::once(&root));
    let first =
        levels.filter_map(|level| level.get("servers")?.items().next()).find(|server| server.text("url").is_some());
    let Some(server) = first else { return Ok((root.clone(), "/".into())) };
    let url = server.text("url").unwrap_or_default();
    let url = expand(url, &server).map_err(|why| reader.defect(&server, why))?;
    Ok((server, url))
}

fn expand(url: &str, server: &Node<'_>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = url;
    let mut unknown = HashSet::new();
    while let Some(open) = rest.find('{') {
        if out.len() > MAX_LENGTH {
            return Err(format!("the server's URL has more than {MAX_LENGTH} characters"));
        }
        let Some(length) = rest[open..].find('}') else { break };
        out.push_str(&rest[..open]);
        let name = &rest[open + 1..open + length];
        let variable = server.get("variables").and_then(|variables| variables.get(name));
        let first = |variable: &Node<'_>| variable.get("enum")?.items().next().map(|item| item.value.clone());
        let default = variable.and_then(|variable| variable.value.get("default").cloned().or_else(|| first(&variable)));
        match default {
            Some(Value::String(text)) => out.push_str(&text),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => out.push_str(&value.to_string()),
            _ => {
                unknown.insert(name);
            }
        }
        rest = &rest[open + length + 1..];
    }
    out.push_str(rest);
    match unknown.into_iter().next() {
        Some(name) => Err(format!("the variable \"{name}\" of the server \"{url}\" has no default")),
        None => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::Rules;
    use crate::test_documents::{document, operation, warnings};

    fn called(document: &Value, pass: &str, source: &str) -> Result<String, String> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let rules = Rules { pass: given(pass), source: given(source), ..Rules::default() };
        if let Some(warning) = warnings(document, &rules).first() {
            return Err(warning.clone());
        }
        let operation = operation(document, &rules);
        Ok(operation.origin + &operation.path)
    }

    fn with_servers(servers: Value) -> Value {
        document("3.0.3", json!({"paths": {"/x": {"get": {}}}, "servers": servers}))
    }

    #[test]
    fn the_nearest_server_counts() {
        let server =
            |name: &str| json!([{"url": format!("https://{name}.example.com/{name}/")}, {"url": "https://second"}]);
        let mut document = with_servers(server("root"));
        assert_eq!(called(&document, "", "").unwrap(), "https://root.example.com/root/x");
        document["paths"]["/x"]["servers"] = server("path");
        assert_eq!(called(&document, "", "").unwrap(), "https://path.example.com/path/x");
        document["paths"]["/x"]["get"]["servers"] = server("operation");
        assert_eq!(called(&document, "", "").unwrap(), "https://operation.example.com/operation/x");
    }

    #[test]
    fn relative_servers_pass_and_variables_come_to_a_url() {
        let variables = json!({"region": {"default": "eu"}, "port": {"default": 8443}, "base": {"enum": ["v2", "v3"]}});
        let url = "https://{region}.example.com:{port}/{base}";
        let templated = with_servers(json!([{"url": url, "variables": variables}]));
        let source = "https://docs.example.com/v1/openapi.json";
        let relative = |url: &str| with_servers(json!([{ "url": url }]));
        let cases = [
            (templated.clone(), "", "", "https://eu.example.com:8443/v2/x"),
            (templated.clone(), "http://orders", "", "http://orders/v2/x"),
            (templated.clone(), "http://orders/", "", "http://orders/x"),
            (templated, "http://orders:81/api/", "", "http://orders:81/api/x"),
            (relative("/"), "", source, "https://docs.example.com/x"),
            (relative("../v2"), "", source, "https://docs.example.com/v2/x"),
            (relative("//other/v2"), "", source, "https://other/v2/x"),
            (relative("/api"), "http://orders", "", "http://orders/api/x"),
            (relative("v2"), "http://orders", source, "http://orders/v1/v2/x"),
            (relative("https://unknown.{x}/v2"), "http://orders/", source, "http://orders/x"),
            (
                document("3.0.3", json!({"paths": {"/x": {"get": {}}}, "servers": []})),
                "",
                source,
                "https://docs.example.com/x",
            ),
        ];
        for (document, pass, source, expected) in cases {
            assert_eq!(called(&document, pass, source).unwrap(), expected, "{document} {pass}");
        }
    }

    #[test]
    fn swagger_says_it_in_three_members() {
        let cases = [
            (json!({}), "", "https://api.example.com/x"),
            (json!({"basePath": "/v2/"}), "", "https://api.example.com/v2/x"),
            (json!({"basePath": "v2", "schemes": ["http"]}), "", "http://api.example.com/v2/x"),
            (json!({"schemes": ["http", "https", "wss"]}), "", "https://api.example.com/x"),
            (json!({"schemes": []}), "http://docs/openapi.json", "http://api.example.com/x"),
            (json!({"host": "", "basePath": "/v2"}), "http://docs:81/openapi.json", "http://docs:81/v2/x"),
        ];
        for (members, source, expected) in cases {
            let mut document = document("2.0", json!({"paths": {"/x": {"get": {}}}}));
            document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            assert_eq!(called(&document, "", source).unwrap(), expected, "{members}");
        }
    }

    #[test]
    fn a_server_that_nobody_can_call_is_named() {
        let cases = [
            (
                json!([{"url": "/api"}]),
                "the server \"/api\" names no host; add where it is with \"pass\"; GET /x is left out",
            ),
            (json!([{"url": "wss://x"}]), "/servers/0: \"wss://x\" is not a URL that begins with http:// or https://"),
            (json!([{"url": "https://{host}/"}]), "the variable \"host\" of the server"),
        ];
        for (servers, expected) in cases {
            let error = called(&with_servers(servers), "", "").unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(
            called(&with_servers(json!([])), "orders", "").unwrap_err().starts_with("pass: \"orders\" is not a URL")
        );
    }
}
