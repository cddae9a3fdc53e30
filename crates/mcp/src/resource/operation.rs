//! From an [`Operation`] of an API description to a [`Resource`].

use serde_json::{Map, Value};

use super::result::Read;
use super::{Resource, ResourceBuilder, Source};
use crate::operation::Operation;
use crate::tool::{ConfigError, Tool};

/// What a text of a URI becomes, as the operation's schema wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    Number,
    Boolean,
}

/// The arguments that are no texts.
#[derive(Debug, Default)]
pub(super) struct Scalars(Vec<(String, Scalar)>);

impl Scalars {
    fn of(schema: &Value) -> Scalars {
        let scalar = |(name, property): (&String, &Value)| {
            let scalar = match kind(schema, property)? {
                "integer" | "number" => Scalar::Number,
                "boolean" => Scalar::Boolean,
                _ => return None,
            };
            Some((name.clone(), scalar))
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        Scalars(properties.into_iter().flatten().filter_map(scalar).collect())
    }

    /// The value of an argument. What is none is left to the schema to refuse.
    pub(super) fn value(&self, name: &str, text: String) -> Value {
        let read = |wanted: fn(&Value) -> bool| serde_json::from_str(&text).ok().filter(wanted);
        let value = match self.0.iter().find(|(known, _)| known == name) {
            Some((_, Scalar::Number)) => read(Value::is_number),
            Some((_, Scalar::Boolean)) => read(Value::is_boolean),
            None => None,
        };
        value.unwrap_or_else(|| text.into())
    }
}

/// The type of a property, if it has one alone; a reference is followed once.
fn kind<'s>(schema: &'s Value, property: &'s Value) -> Option<&'s str> {
    let definition = || schema.pointer(property.get("$ref")?.as_str()?.strip_prefix('#')?);
    property.get("type").or_else(|| definition()?.get("type"))?.as_str()
}

impl Resource {
    /// The resource of an operation at a URI, or a template of such with the operation's arguments as its variables. The
    /// error is for the log.
    pub fn from_operation(operation: Operation, uri: &str) -> Result<Resource, ConfigError> {
        let wrong = |why: String| ConfigError(format!("resource \"{uri}\": {why}"));
        if operation.method != "GET" {
            return Err(wrong(format!("{} does not read it; only what GET answers is a resource", operation.method)));
        }
        let template = ResourceBuilder::new(uri)?.template;
        let schema = operation.input_schema.clone();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema.get("properties").and_then(Value::as_object);
        for name in template.iter().flat_map(|template| template.names()) {
            if !properties.is_some_and(|properties| properties.contains_key(name)) {
                return Err(wrong(format!("the operation has no argument \"{name}\"")));
            }
        }
        let is_given = |name: &&&str| template.as_ref().is_some_and(|template| template.requires(name));
        if let Some(name) = required.iter().find(|name| !is_given(name)) {
            return Err(wrong(format!("its argument \"{name}\" is required, so it must stand in the path of the URI")));
        }
        let (name, presentation, endpoint) = Tool::from_operation(operation)?.into_parts();
        Ok(Resource {
            name,
            uri: uri.into(),
            template,
            scalars: Scalars::of(&schema),
            presentation,
            mime_type: None,
            annotations: Map::new(),
            size: None,
            caching: (None, None),
            source: Source::Endpoint { endpoint: Box::new(endpoint), site: 0, read: Read::Auto },
            directory: None,
            completers: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operation::{Location, Parameter, Serialization, Source as From, Style};

    fn operation(method: &str) -> Operation {
        let parameter = |name: &str, location: Location| Parameter {
            source: From::Argument(name.into()),
            name: name.into(),
            location,
            serialization: Serialization::Style { style: Style::Simple, explode: false, allow_reserved: false },
        };
        Operation {
            name: "getPet".into(),
            title: Some("A pet".into()),
            description: "One pet.".into(),
            annotations: Map::new(),
            method: method.into(),
            origin: "http://pets".into(),
            path: "/pets/{id}".into(),
            parameters: vec![parameter("id", Location::Path), parameter("lang", Location::Header)],
            body: None,
            accept: None,
            input_schema: json!({
                "type": "object", "properties": {"id": {"$ref": "#/$defs/Id"}, "lang": {"type": "string"}, "all": {"type": "boolean"}},
                "required": ["id"], "$defs": {"Id": {"type": "integer"}},
            }),
            output_schema: None,
        }
    }

    #[test]
    fn values_are_what_the_schema_wants() {
        let resource = Resource::from_operation(operation("GET"), "pets://{id}{?lang,all}").unwrap();
        for (uri, expected) in [
            ("pets://7", json!({"id": 7})),
            ("pets://7?lang=7&all=true", json!({"id": 7, "lang": "7", "all": true})),
            ("pets://rex?all=1", json!({"id": "rex", "all": "1"})),
        ] {
            assert_eq!(resource.values(uri).map(Value::Object), Some(expected), "{uri}");
        }
        let mut out = Vec::new();
        resource.write_definition(crate::ProtocolVersion::V2026_07_28, &mut out);
        let shown: Value = serde_json::from_slice(&out).unwrap();
        let expected = json!({
            "uriTemplate": "pets://{id}{?lang,all}", "name": "getPet", "title": "A pet", "description": "One pet.",
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_cannot_be_read_is_no_resource() {
        for (method, uri, expected) in [
            ("POST", "pets://{id}", "POST does not read it"),
            ("GET", "pets://all", "its argument \"id\" is required"),
            ("GET", "pets://all{?id}", "its argument \"id\" is required"),
            ("GET", "pets://{id}/{name}", "no argument \"name\""),
            ("GET", "{id}", "begin with a scheme"),
        ] {
            let error = Resource::from_operation(operation(method), uri).unwrap_err().0;
            assert!(error.contains(expected), "{error}");
        }
    }
}
