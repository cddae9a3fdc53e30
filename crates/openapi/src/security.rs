//! Security schemes: what an operator's credentials become. They are never arguments.

use mcp::operation::{Location, Parameter, Serialization, Source, Style};
use serde_json::Value;

use crate::near;
use crate::node::Node;
use crate::paths::Found;
use crate::reader::Reader;
use crate::rules::Rules;
use crate::warning::Warning;

/// More than any real document has, and few enough to be compared with each other for each operation.
const MAX_SCHEMES: usize = 200;
const MAX_ALTERNATIVES: usize = 100;

/// One scheme of the document.
#[derive(Debug)]
struct Scheme<'d> {
    name: &'d str,
    kind: Kind<'d>,
    /// The operator's text for it, with `Bearer ` or `Basic ` where it belongs.
    credential: Option<String>,
}

#[derive(Debug)]
enum Kind<'d> {
    Key {
        location: Location,
        name: &'d str,
    },
    Authorization,
    /// A certificate is shown by nginx, not by a request.
    MutualTls,
}

#[derive(Debug)]
pub(crate) struct Security<'d> {
    schemes: Vec<Scheme<'d>>,
}

impl<'d> Security<'d> {
    pub(crate) fn new(reader: &'d Reader<'_>, rules: &Rules) -> Security<'d> {
        let root = reader.root();
        let declared = root.get("components").and_then(|components| components.get("securitySchemes"));
        let declared = declared.or_else(|| root.get("securityDefinitions"));
        let mut schemes = Vec::new();
        for (name, at) in declared.iter().flat_map(Node::members).take(MAX_SCHEMES) {
            let at = match reader.follow(at) {
                Ok(at) => at,
                Err(warning) => {
                    reader.warnings.push(warning);
                    continue;
                }
            };
            let text = rules.credentials.iter().find(|credential| credential.scheme == name);
            match scheme(&at) {
                Some((kind, prefix)) => {
                    let credential = text.map(|credential| with_prefix(prefix, &credential.text));
                    schemes.push(Scheme { name, kind, credential });
                }
                None => reader.warn(&at, "the security scheme has no type that is known; nothing is sent for it"),
            }
        }
        for credential in &rules.credentials {
            if schemes.iter().all(|scheme| scheme.name != credential.scheme) {
                let near = near::suggestion(&credential.scheme, schemes.iter().map(|scheme| scheme.name));
                let text =
                    format!("credential \"{}\": the document has no such security scheme{near}", credential.scheme);
                reader.warnings.push(Warning { pointer: String::new(), text });
            }
        }
        Security { schemes }
    }

    /// Whether this is where an API key goes.
    pub(crate) fn is_key(&self, location: Location, name: &str) -> bool {
        self.schemes.iter().any(|scheme| match scheme.kind {
            Kind::Key { location: Location::Header, name: key } => {
                location == Location::Header && key.eq_ignore_ascii_case(name)
            }
            Kind::Key { location: at, name: key } => at == location && key == name,
            _ => false,
        })
    }

    /// What is sent for an operation: the first of its alternatives that the operator has credentials for.
    pub(crate) fn parameters(&self, reader: &'d Reader<'_>, found: &Found<'d>) -> Vec<Parameter> {
        let Some(security) = found.operation.get("security").or_else(|| reader.root().get("security")) else {
            return Vec::new();
        };
        security
            .items()
            .take(MAX_ALTERNATIVES)
            .filter(|alternative| !alternative.is_empty())
            .find_map(|alternative| self.meet(&alternative))
            .unwrap_or_default()
    }

    fn meet(&self, alternative: &Node<'_>) -> Option<Vec<Parameter>> {
        let mut parameters: Vec<Parameter> = Vec::new();
        for (name, _) in alternative.members() {
            let scheme = self.schemes.iter().find(|scheme| scheme.name == name)?;
            let (location, name) = match scheme.kind {
                Kind::MutualTls => continue,
                Kind::Key { location, name } => (location, name),
                Kind::Authorization => (Location::Header, "Authorization"),
            };
            let source = Source::Operator(scheme.credential.clone()?);
            let style = if location == Location::Header { Style::Simple } else { Style::Form };
            let serialization = Serialization::Style { style, explode: false, allow_reserved: false };
            // Two schemes may share a place, as a bearer token of either of two issuers.
            if parameters.iter().all(|other| other.location != location || other.name != name) {
                parameters.push(Parameter { source, name: name.into(), location, serialization });
            }
        }
        Some(parameters)
    }
}

fn scheme<'d>(at: &Node<'d>) -> Option<(Kind<'d>, Option<&'static str>)> {
    let http = at.value.get("scheme").and_then(Value::as_str).map(str::to_ascii_lowercase);
    match (at.text("type")?, http.as_deref()) {
        ("apiKey", _) => {
            let location = match at.text("in")? {
                "header" => Location::Header,
                "query" => Location::Query,
                "cookie" => Location::Cookie,
                _ => return None,
            };
            Some((Kind::Key { location, name: at.text("name")? }, None))
        }
        ("http", Some("basic")) | ("basic", _) => Some((Kind::Authorization, Some("Basic"))),
        ("http", Some("bearer")) | ("oauth2" | "openIdConnect", _) => Some((Kind::Authorization, Some("Bearer"))),
        ("http", Some(_)) => Some((Kind::Authorization, None)),
        ("mutualTLS", _) => Some((Kind::MutualTls, None)),
        _ => None,
    }
}

fn with_prefix(prefix: Option<&str>, text: &str) -> String {
    let Some(prefix) = prefix else { return text.into() };
    let there = text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        && text[prefix.len()..].starts_with(' ');
    // That variable is a whole header, its scheme included.
    if there || text == "$http_authorization" { text.into() } else { format!("{prefix} {text}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::Credential;
    use crate::test_documents::{document, operation, warnings};

    /// What is sent for these `security` members and credentials: `query api_key=$k`.
    fn sent(security: &Value, credentials: &[(&str, &str)]) -> Vec<String> {
        let schemes = json!({
            "query": {"type": "apiKey", "in": "query", "name": "api_key"},
            "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
            "bearer": {"type": "http", "scheme": "Bearer"},
            "basic": {"type": "http", "scheme": "basic"},
            "oauth": {"type": "oauth2", "flows": {}},
            "oidc": {"type": "openIdConnect"},
            "tls": {"type": "mutualTLS"},
        });
        let document = document(
            "3.1.0",
            json!({
                "paths": {"/x": {"get": {"security": security, "parameters": [
                    {"name": "api_key", "in": "query", "required": true, "schema": {"type": "string"}},
                    {"name": "x-key", "in": "header", "schema": {"type": "string"}},
                ]}}},
                "components": {"securitySchemes": schemes},
            }),
        );
        let operation = operation(&document, &rules(credentials));
        assert_eq!(operation.input_schema["properties"], json!({}));
        let text = |parameter: &Parameter| match &parameter.source {
            Source::Operator(text) => format!("{:?} {}={text}", parameter.location, parameter.name),
            other => panic!("{other:?}"),
        };
        operation.parameters.iter().map(text).collect()
    }

    fn rules(credentials: &[(&str, &str)]) -> Rules {
        let credential = |(scheme, text): &(&str, &str)| Credential { scheme: (*scheme).into(), text: (*text).into() };
        Rules { credentials: credentials.iter().map(credential).collect(), ..Rules::default() }
    }

    #[test]
    fn credentials_go_where_their_scheme_says() {
        let cases = [
            ("query", "$k", "Query api_key=$k"),
            ("header", "$k", "Header X-Key=$k"),
            ("cookie", "$k", "Cookie sid=$k"),
            ("bearer", "$t", "Header Authorization=Bearer $t"),
            ("basic", "Basic abc", "Header Authorization=Basic abc"),
            ("oauth", "$t", "Header Authorization=Bearer $t"),
            ("oidc", "$t", "Header Authorization=Bearer $t"),
        ];
        for (scheme, text, expected) in cases {
            assert_eq!(sent(&json!([{scheme: []}]), &[(scheme, text)]), [expected]);
        }
    }

    #[test]
    fn the_first_alternative_with_all_credentials_is_taken() {
        let cases: [(Value, &[&str]); 6] = [
            (json!([{"query": []}, {"header": []}]), &["Header X-Key=h"]),
            (json!([{"cookie": [], "header": []}, {"bearer": []}]), &["Header Authorization=Bearer b"]),
            (json!([{}, {"header": [], "bearer": []}]), &["Header X-Key=h", "Header Authorization=Bearer b"]),
            (json!([{"tls": [], "header": []}]), &["Header X-Key=h"]),
            (json!([{"query": []}, {"unknown": []}]), &[]),
            (json!([]), &[]),
        ];
        for (security, expected) in cases {
            assert_eq!(sent(&security, &[("header", "h"), ("bearer", "b")]), expected, "{security}");
        }
    }

    #[test]
    fn the_documents_security_holds_where_an_operation_has_none() {
        let mut document = document(
            "2.0",
            json!({
                "paths": {"/x": {"get": {}}},
                "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "K"}},
                "security": [{"key": []}],
            }),
        );
        let rules = rules(&[("key", "v")]);
        assert_eq!(operation(&document, &rules).parameters.len(), 1);
        document["paths"]["/x"]["get"]["security"] = json!([]);
        assert_eq!(operation(&document, &rules).parameters.len(), 0);
    }

    #[test]
    fn a_credential_without_its_scheme_is_named() {
        let document = document(
            "3.0.3",
            json!({"components": {"securitySchemes": {"apiKey": {"type": "http", "scheme": "basic"}}}}),
        );
        let expected = "credential \"api_key\": the document has no such security scheme; near it: \"apiKey\"";
        assert_eq!(warnings(&document, &rules(&[("api_key", "x")])), [expected]);
    }

    #[test]
    fn the_scheme_is_written_once() {
        let cases = [
            (Some("Bearer"), "$http_x_token", "Bearer $http_x_token"),
            (Some("Bearer"), "bearer abc", "bearer abc"),
            (Some("Bearer"), "Bearerish", "Bearer Bearerish"),
            (Some("Basic"), "dTpw", "Basic dTpw"),
            (Some("Bearer"), "$http_authorization", "$http_authorization"),
            (None, "abc", "abc"),
        ];
        for (prefix, text, expected) in cases {
            assert_eq!(with_prefix(prefix, text), expected);
        }
    }
}
