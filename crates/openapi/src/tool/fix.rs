//! `fix PARAM TEXT`: values that are the operator's, not the model's.

use mcp::operation::Source;
use serde_json::Value;

use super::arguments::{BODY, Names};
use crate::near;
use crate::reader::Reader;
use crate::rules::Edit;
use crate::warning::Warning;

/// The `fix` lines of one `tool` block, and which of them were used.
#[derive(Debug)]
pub(super) struct Fixes<'r> {
    edit: Option<&'r Edit>,
    used: Vec<bool>,
}

impl<'r> Fixes<'r> {
    pub(super) fn new(edit: Option<&'r Edit>) -> Fixes<'r> {
        Fixes { edit, used: vec![false; edit.map_or(0, |edit| edit.fix.len())] }
    }

    /// The text for an argument, named as such or as the document names the parameter.
    pub(super) fn take(&mut self, argument: &str, parameter: &str) -> Option<&'r str> {
        let fixes = &self.edit?.fix;
        let i = fixes.iter().position(|(name, _)| name == argument || name == parameter)?;
        self.used[i] = true;
        Some(&fixes[i].1)
    }

    pub(super) fn warn_of_rest(&self, reader: &Reader<'_>, names: &Names, has_body: bool) {
        let Some(edit) = self.edit else { return };
        for ((name, _), _) in edit.fix.iter().zip(&self.used).filter(|(_, used)| !**used) {
            let why = if has_body && name.split('.').next() == Some(BODY) {
                "only parameters can be fixed, not the body or a member of it".to_owned()
            } else {
                let arguments = names.of_parameters.iter().chain(&names.of_undeclared).map(String::as_str);
                format!("the operation has no such parameter{}", near::suggestion(name, arguments))
            };
            let text = format!("tool \"{}\": fix \"{name}\": {why}", edit.operation);
            reader.warnings.push(Warning { pointer: String::new(), text });
        }
    }
}

/// A text with `$` is evaluated for each call; any other is a value of the parameter's type.
pub(super) fn source(text: &str, schema: &Value) -> Source {
    if text.contains('$') {
        return Source::Operator(text.into());
    }
    let kinds = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.clone(),
        Some(kind) => vec![kind.clone()],
        None => Vec::new(),
    };
    let is = |kind: &str| kinds.iter().any(|known| known == kind);
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let fits = parsed.filter(|value| match value {
        Value::Null => is("null"),
        Value::Bool(_) => is("boolean"),
        Value::Number(number) => is("number") || (is("integer") && !number.is_f64()),
        Value::Array(_) => is("array"),
        Value::Object(_) => is("object"),
        Value::String(_) => false,
    });
    Source::Fixed(fits.unwrap_or_else(|| text.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_constant_has_the_parameters_type() {
        let cases = [
            ("5", json!({"type": "integer"}), json!(5)),
            ("5", json!({"type": "string"}), json!("5")),
            ("5", json!({}), json!("5")),
            ("5.5", json!({"type": "integer"}), json!("5.5")),
            ("5.5", json!({"type": ["number", "null"]}), json!(5.5)),
            ("true", json!({"type": "boolean"}), json!(true)),
            ("[1,2]", json!({"type": "array"}), json!([1, 2])),
            ("x", json!({"type": "array"}), json!("x")),
            ("null", json!({"type": "string"}), json!("null")),
        ];
        for (text, schema, expected) in cases {
            assert_eq!(source(text, &schema), Source::Fixed(expected), "{text} {schema}");
        }
        assert_eq!(source("$http_x", &json!({"type": "integer"})), Source::Operator("$http_x".into()));
    }
}
