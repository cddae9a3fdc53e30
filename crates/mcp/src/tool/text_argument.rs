//! Arguments that are texts in any case: those of prompts, and the variables of URIs.

use serde_json::{Map, Value};

use super::ConfigError;
use super::argument::Argument;

impl Argument {
    /// A line that describes a text, as all arguments of prompts and all variables of URIs are: it has no type.
    pub(crate) fn parse_text(args: &[&str]) -> Result<Argument, ConfigError> {
        match args {
            [name, rest @ ..] if rest.first() != Some(&"string") => Self::parse(&[&[*name, "string"], rest].concat()),
            _ => Self::parse(args),
        }
    }

    /// Any text, sent to wherever the URL or the method say.
    pub(crate) fn plain(name: &str, required: bool) -> Argument {
        Argument {
            name: name.to_owned(),
            schema: Some(Map::from_iter([("type".to_owned(), "string".into())])),
            required,
            place: None,
            upstream: None,
            whole: false,
            describes_value: Some("string".to_owned()),
        }
    }

    /// What the line says of the value: a keyword of the schema that is a text.
    pub(crate) fn said(&self, keyword: &str) -> Option<&str> {
        self.schema.as_ref()?.get(keyword)?.as_str()
    }

    /// The texts of its `enum`.
    pub(crate) fn choices(&self) -> Vec<String> {
        let choices = self.schema.as_ref().and_then(|schema| schema.get("enum")?.as_array());
        choices.into_iter().flatten().filter_map(Value::as_str).map(String::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_needs_no_type() {
        for line in [&["a", "required", "what it is"][..], &["a", "string", "required", "what it is"]] {
            let argument = Argument::parse_text(line).unwrap();
            assert!(argument.required && argument.choices().is_empty());
            assert_eq!((argument.said("type"), argument.said("description")), (Some("string"), Some("what it is")));
        }
        let argument = Argument::parse_text(&["a", "enum=b,c", "title=A"]).unwrap();
        assert_eq!((argument.choices(), argument.said("title")), (vec!["b".to_owned(), "c".to_owned()], Some("A")));
        for line in [&[][..], &["a", "integer"], &["a", "min=1"]] {
            assert!(Argument::parse_text(line).is_err(), "{line:?}");
        }
    }
}
