//! The `argument` directive: one property of the input schema, and where its value goes.
//!
//! ```text
//! argument NAME TYPE [WORD | KEY=VALUE] … ["description"]
//! ```
//!
//! | word | for | meaning |
//! |---|---|---|
//! | `required` | any | a call without it is refused |
//! | `whole` | any | its value is the whole request body (implies `in=body`) |
//! | `unique` | arrays | no item twice |
//! | `enum=a,b` | any but object | the values allowed; of an array, its items |
//! | `default=…` | any | used when the call does not say; of an array, `a,b` or JSON; of an object, JSON |
//! | `min=` `max=` | integer, number | bounds; of an array, of its items |
//! | `min_length=` `max_length=` `pattern=` `format=` | string | of an array, of its items |
//! | `items=TYPE` | array | type of the items; `string[]` is short for `array items=string` |
//! | `min_items=` `max_items=` | array | how many |
//! | `in=PLACE` | any | `path`, `query`, `header`, `cookie`, `form` or `body` |
//! | `name=NAME` | any | the upstream's name for it |
//! | `mirror=NAME` | string, integer, boolean | clients repeat it in the header `Mcp-Param-NAME` (`x-mcp-header`) |
//! | `description=…` | any | what the value means; any word with a space in it is one, too |
//!
//! Beside an `input_schema` the schema says what a value is, so there an `argument` line has no type and only `in`,
//! `name` and `whole`.

use serde_json::{Map, Number, Value};

use super::ConfigError;
use super::target::Place;

const FLAGS: [&str; 3] = ["required", "whole", "unique"];
const KEYS: [&str; 16] = [
    "enum",
    "default",
    "min",
    "max",
    "min_length",
    "max_length",
    "pattern",
    "format",
    "items",
    "min_items",
    "max_items",
    "in",
    "name",
    "mirror",
    "description",
    "title",
];

/// A JSON type, as the directive spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
}

impl Kind {
    const ALL: [Kind; 6] = [Self::String, Self::Integer, Self::Number, Self::Boolean, Self::Array, Self::Object];

    fn parse(word: &str) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// What one `argument` line said.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) name: String,
    /// The property's schema; none when the line gave no type, as is right beside an `input_schema`.
    pub(super) schema: Option<Map<String, Value>>,
    pub(crate) required: bool,
    pub(super) place: Option<Place>,
    /// The upstream's name, where it differs.
    pub(super) upstream: Option<String>,
    /// The value is the whole body.
    pub(super) whole: bool,
    /// The first word that says something of the value rather than of its place.
    pub(super) describes_value: Option<String>,
}

impl Argument {
    pub(super) fn parse(args: &[&str]) -> Result<Argument, ConfigError> {
        let [name, rest @ ..] = args else {
            return Err(ConfigError(
                "\"argument\" needs a name and a type, as in: argument id integer required".into(),
            ));
        };
        check_name(name)?;
        Words::parse(name, rest)
            .and_then(|words| words.into_argument(name))
            .map_err(|text| ConfigError(format!("argument \"{name}\": {text}")))
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        return Err(ConfigError(format!(
            "invalid argument name \"{name}\": it takes 1 to 64 of A-Z a-z 0-9 _ . -, and \"name=\" takes the upstream's \
             spelling"
        )));
    }
    Ok(())
}

/// The words of a line, sorted but not yet understood.
#[derive(Default)]
struct Words<'a> {
    kind: Option<Kind>,
    items: Option<Kind>,
    flags: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
    description: Option<&'a str>,
    describes_value: Option<String>,
}

impl<'a> Words<'a> {
    fn parse(name: &str, words: &[&'a str]) -> Result<Self, String> {
        let mut parsed = Words::default();
        let mut words = words.iter().copied().peekable();
        if let Some(word) = words.peek().copied() {
            let (kind, items) = match word.strip_suffix("[]") {
                Some(items) => (Kind::parse(items).map(|_| Kind::Array), Kind::parse(items)),
                None => (Kind::parse(word), None),
            };
            if kind.is_some() {
                words.next();
                parsed.describes_value = Some(word.into());
            } else if !word.contains('=') && !FLAGS.contains(&word) {
                return Err(format!("unknown type \"{word}\"; types are: {}, TYPE[]", names(&Kind::ALL)));
            }
            (parsed.kind, parsed.items) = (kind, items);
        }
        words.try_for_each(|word| parsed.add(word))?;
        parsed.settle(name)
    }

    fn add(&mut self, word: &'a str) -> Result<(), String> {
        if FLAGS.contains(&word) && !self.flags.contains(&word) {
            self.flags.push(word);
            return Ok(());
        }
        match word.split_once('=') {
            Some((key, _)) if self.options.iter().any(|(known, _)| *known == key) => {
                Err(format!("\"{key}\" is given twice"))
            }
            Some((key, value)) if KEYS.contains(&key) => {
                self.options.push((key, value));
                Ok(())
            }
            // Nothing tells a quoted word from an unquoted one here, so what cannot be a misspelt option is a description.
            _ if word.contains(char::is_whitespace) || !word.is_ascii() => self.describe(word),
            _ => Err(format!(
                "unknown word \"{word}\"; allowed are: {}, {}=, and a description (one word of it is written \
                 description=WORD)",
                FLAGS.join(", "),
                KEYS.join("=, ")
            )),
        }
    }

    fn describe(&mut self, text: &'a str) -> Result<(), String> {
        if self.description.replace(text).is_some() {
            return Err("it has two descriptions; put one in quotes as a whole".into());
        }
        Ok(())
    }

    /// Takes the options apart that need no type to be understood.
    fn settle(mut self, name: &str) -> Result<Self, String> {
        if let Some(text) = self.take("description") {
            self.describe(text)?;
        }
        if let Some(word) = self.take("items") {
            let kind = Kind::parse(word)
                .ok_or_else(|| format!("unknown type \"{word}\" in \"items\"; types are: {}", names(&Kind::ALL)))?;
            if self.kind != Some(Kind::Array) || self.items.is_some() {
                return Err(format!("\"items\" is for arrays; write: argument {name} {word}[]"));
            }
            self.items = Some(kind);
        }
        let valued = |word: &&str| !matches!(*word, "in" | "name" | "whole");
        if self.describes_value.is_none() {
            let mut said = self.flags.iter().copied().chain(self.options.iter().map(|(key, _)| *key));
            self.describes_value = said.find(valued).or(self.description.map(|_| "description")).map(str::to_owned);
        }
        Ok(self)
    }

    fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.options.iter().position(|(known, _)| *known == key)?;
        Some(self.options.remove(at).1)
    }

    fn into_argument(mut self, name: &str) -> Result<Argument, String> {
        let place = match self.take("in") {
            None => None,
            Some(word) => Some(Place::parse(word).ok_or_else(|| {
                format!("unknown place \"{word}\"; places are: path, query, header, cookie, form, body")
            })?),
        };
        let upstream = match self.take("name") {
            Some("") => return Err("\"name\" needs a value".into()),
            other => other.map(str::to_owned),
        };
        let has = |flag: &str| self.flags.contains(&flag);
        let (required, whole, unique) = (has("required"), has("whole"), has("unique"));
        if whole && (upstream.is_some() || place.is_some_and(|place| place != Place::Body)) {
            return Err("\"whole\" makes it the whole body, so it takes no \"name\" and no place but body".into());
        }
        let describes_value = self.describes_value.take();
        let schema = match self.kind {
            Some(kind) => Some(self.into_schema(kind, unique)?),
            None => None,
        };
        if required && schema.as_ref().is_some_and(|schema| schema.contains_key("default")) {
            return Err("it is required and has a default; drop one of them".into());
        }
        let place = if whole { Some(Place::Body) } else { place };
        Ok(Argument { name: name.into(), schema, required, place, upstream, whole, describes_value })
    }

    fn into_schema(self, kind: Kind, unique: bool) -> Result<Map<String, Value>, String> {
        let mut schema = Map::new();
        schema.insert("type".into(), kind.as_str().into());
        schema.extend(self.description.map(|text| ("description".into(), text.into())));
        let mut items = self.items.map(|items| Map::from_iter([("type".into(), items.as_str().into())]));
        let (of_value, mut late) = (self.items.unwrap_or(kind), Map::new());
        for (key, text) in self.options {
            let target = match (key, kind, &mut items) {
                ("default" | "mirror" | "title" | "min_items" | "max_items", ..) => &mut late,
                (_, Kind::Array, Some(items)) => items,
                (_, Kind::Array, None) => {
                    return Err(format!("\"{key}\" is about the items; say of which type, as in string[]"));
                }
                _ => &mut schema,
            };
            let (keyword, value) = keyword(key, text, kind, of_value, self.items)?;
            target.insert(keyword.into(), value);
        }
        schema.extend(items.map(|items| ("items".into(), items.into())));
        if unique {
            require(kind == Kind::Array, "unique", "array")?;
            schema.insert("uniqueItems".into(), true.into());
        }
        schema.extend(late);
        Ok(schema)
    }
}

/// The schema keyword of one option, with its value.
fn keyword(
    key: &str,
    text: &str,
    kind: Kind,
    of_value: Kind,
    items: Option<Kind>,
) -> Result<(&'static str, Value), String> {
    let numeric = matches!(of_value, Kind::Integer | Kind::Number);
    let string = of_value == Kind::String;
    Ok(match key {
        "enum" => ("enum", choices(text, of_value)?),
        "default" => ("default", default(text, kind, items)?),
        "min" | "max" => {
            require(numeric, key, "integer and number")?;
            (if key == "min" { "minimum" } else { "maximum" }, scalar(text, of_value, key)?)
        }
        "min_length" | "max_length" => {
            require(string, key, "string")?;
            (if key == "min_length" { "minLength" } else { "maxLength" }, count(text, key)?)
        }
        "min_items" | "max_items" => {
            require(kind == Kind::Array, key, "array")?;
            (if key == "min_items" { "minItems" } else { "maxItems" }, count(text, key)?)
        }
        "pattern" | "format" => {
            require(string && !text.is_empty(), key, "string, with a value")?;
            (if key == "pattern" { "pattern" } else { "format" }, text.into())
        }
        "mirror" => ("x-mcp-header", text.into()),
        _ => ("title", text.into()),
    })
}

fn require(fits: bool, key: &str, kinds: &str) -> Result<(), String> {
    if fits { Ok(()) } else { Err(format!("\"{key}\" is for {kinds}")) }
}

fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

fn count(text: &str, key: &str) -> Result<Value, String> {
    text.parse::<u32>().map(Value::from).map_err(|_| format!("\"{key}\" takes a whole number, not \"{text}\""))
}

fn choices(text: &str, kind: Kind) -> Result<Value, String> {
    if matches!(kind, Kind::Array | Kind::Object) {
        return Err(format!("\"enum\" cannot list values of type {}; use an input_schema", kind.as_str()));
    }
    let mut values = Vec::new();
    for word in text.split(',') {
        let value = scalar(word, kind, "enum")?;
        if word.is_empty() || values.contains(&value) {
            return Err(format!("\"enum\" has an empty value or one twice: \"{text}\""));
        }
        values.push(value);
    }
    Ok(values.into())
}

fn default(text: &str, kind: Kind, items: Option<Kind>) -> Result<Value, String> {
    let json = |opening: char| {
        let value = text.starts_with(opening).then(|| serde_json::from_str(text).ok()).flatten();
        value.ok_or_else(|| format!("\"default\" takes JSON here, as in default='{opening}…', not \"{text}\""))
    };
    match (kind, items) {
        (Kind::Object, _) => json('{'),
        (Kind::Array, Some(items)) if !text.starts_with('[') => {
            text.split(',').map(|word| scalar(word, items, "default")).collect::<Result<Vec<_>, _>>().map(Value::from)
        }
        (Kind::Array, _) => json('['),
        _ => scalar(text, kind, "default"),
    }
}

fn scalar(text: &str, kind: Kind, key: &str) -> Result<Value, String> {
    let value = match kind {
        Kind::String => Some(Value::from(text)),
        Kind::Integer => {
            serde_json::from_str::<Number>(text).ok().filter(|n| n.is_i64() || n.is_u64()).map(Value::Number)
        }
        Kind::Number => serde_json::from_str::<Number>(text).ok().map(Value::Number),
        Kind::Boolean => text.parse::<bool>().ok().map(Value::Bool),
        Kind::Array | Kind::Object => None,
    };
    value.ok_or_else(|| format!("\"{key}\" takes a value of type {}, not \"{text}\"", kind.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(line: &[&str]) -> Value {
        Argument::parse(line).unwrap().schema.unwrap().into()
    }

    #[test]
    fn every_option_becomes_its_keyword() {
        let cases = [
            (&["id", "integer"][..], json!({"type": "integer"})),
            (
                &["id", "integer", "required", "min=1", "max=9", "item id"],
                json!({"type": "integer", "description": "item id", "minimum": 1, "maximum": 9}),
            ),
            (&["n", "number", "min=0.5"], json!({"type": "number", "minimum": 0.5})),
            (
                &["lang", "string", "enum=en,de", "default=en"],
                json!({"type": "string", "enum": ["en", "de"], "default": "en"}),
            ),
            (&["n", "integer", "enum=1,2"], json!({"type": "integer", "enum": [1, 2]})),
            (&["on", "boolean", "default=false"], json!({"type": "boolean", "default": false})),
            (
                &["code", "string", "min_length=2", "max_length=3", "pattern=^[a-z]{2,3}$", "format=uuid"],
                json!({"type": "string", "minLength": 2, "maxLength": 3, "pattern": "^[a-z]{2,3}$", "format": "uuid"}),
            ),
            (&["tags", "string[]"], json!({"type": "array", "items": {"type": "string"}})),
            (
                &["ids", "array", "items=integer", "min=1", "min_items=1", "max_items=5", "unique", "default=1,2"],
                json!({"type": "array", "items": {"type": "integer", "minimum": 1}, "uniqueItems": true,
                       "minItems": 1, "maxItems": 5, "default": [1, 2]}),
            ),
            (
                &["tags", "string[]", "enum=a,b", "default=[\"a\"]"],
                json!({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "default": ["a"]}),
            ),
            (&["any", "array"], json!({"type": "array"})),
            (&["o", "object", "default={\"a\":1}"], json!({"type": "object", "default": {"a": 1}})),
            (
                &["r", "string", "mirror=Region", "description=region", "title=Region"],
                json!({"type": "string", "description": "region", "x-mcp-header": "Region", "title": "Region"}),
            ),
            (&["r", "string", "商品番号"], json!({"type": "string", "description": "商品番号"})),
            (&["r", "string", "limit=10 is plenty"], json!({"type": "string", "description": "limit=10 is plenty"})),
        ];
        for (line, expected) in cases {
            assert_eq!(schema(line), expected, "{line:?}");
        }
    }

    #[test]
    fn type_and_description_come_first_in_the_schema() {
        let schema = schema(&["id", "integer", "min=1", "default=2", "the id"]).to_string();
        assert_eq!(schema, r#"{"type":"integer","description":"the id","minimum":1,"default":2}"#);
    }

    #[test]
    fn place_name_and_whole_are_kept_apart_from_the_schema() {
        let argument = Argument::parse(&["id", "in=header", "name=X-Id"]).unwrap();
        assert_eq!((argument.place, argument.upstream.as_deref()), (Some(Place::Header), Some("X-Id")));
        assert!(argument.schema.is_none() && argument.describes_value.is_none());
        let argument = Argument::parse(&["item", "object", "whole", "required"]).unwrap();
        assert!(argument.whole && argument.required && argument.place == Some(Place::Body));
        let words = [
            (&["id", "integer"][..], "integer"),
            (&["id", "in=query", "min=1"], "min"),
            (&["id", "required"], "required"),
            (&["id", "name=x", "an id"], "description"),
        ];
        for (line, word) in words {
            assert_eq!(Argument::parse(line).unwrap().describes_value.as_deref(), Some(word), "{line:?}");
        }
    }

    #[test]
    fn wrong_lines_say_what_is_right() {
        let cases = [
            (&[][..], "\"argument\" needs a name and a type"),
            (&["a b", "string"], "invalid argument name \"a b\""),
            (&["", "string"], "invalid argument name \"\""),
            (
                &["id", "int"],
                "unknown type \"int\"; types are: string, integer, number, boolean, array, object, TYPE[]",
            ),
            (&["id", "int[]"], "unknown type \"int[]\""),
            (&["id", "integer", "requird"], "unknown word \"requird\"; allowed are: required, whole, unique, enum=, "),
            (&["id", "integer", "minimum=1"], "unknown word \"minimum=1\""),
            (&["id", "integer", "required", "required"], "unknown word \"required\""),
            (&["id", "integer", "min=1", "min=2"], "\"min\" is given twice"),
            (&["id", "integer", "one text", "two texts"], "it has two descriptions"),
            (&["id", "integer", "min=x"], "\"min\" takes a value of type integer, not \"x\""),
            (&["id", "integer", "min=1.5"], "\"min\" takes a value of type integer, not \"1.5\""),
            (&["id", "string", "min=1"], "\"min\" is for integer and number"),
            (&["id", "integer", "max_length=1"], "\"max_length\" is for string"),
            (&["id", "string", "max_length=-1"], "\"max_length\" takes a whole number, not \"-1\""),
            (&["id", "string", "unique"], "\"unique\" is for array"),
            (&["id", "string", "min_items=1"], "\"min_items\" is for array"),
            (&["id", "string", "items=string"], "\"items\" is for arrays; write: argument id string[]"),
            (&["id", "array", "items=text"], "unknown type \"text\" in \"items\""),
            (&["id", "array", "enum=a"], "\"enum\" is about the items"),
            (&["id", "object", "enum=a"], "\"enum\" cannot list values of type object"),
            (&["id", "string", "enum=a,,b"], "\"enum\" has an empty value or one twice"),
            (&["id", "string", "enum=a,a"], "\"enum\" has an empty value or one twice"),
            (&["id", "boolean", "default=yes"], "\"default\" takes a value of type boolean, not \"yes\""),
            (&["id", "object", "default=x"], "\"default\" takes JSON here"),
            (&["id", "integer", "required", "default=1"], "it is required and has a default; drop one of them"),
            (
                &["id", "integer", "in=matrix"],
                "unknown place \"matrix\"; places are: path, query, header, cookie, form, body",
            ),
            (&["id", "integer", "name="], "\"name\" needs a value"),
            (&["id", "object", "whole", "in=query"], "\"whole\" makes it the whole body"),
        ];
        for (line, expected) in cases {
            let error = Argument::parse(line).unwrap_err().0;
            assert!(error.contains(expected), "{line:?}: {error}");
        }
    }
}
