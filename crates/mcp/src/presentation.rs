//! How something is shown to people: title, description, icons, and what extensions say of it.

use serde_json::{Map, Value, json};

use crate::ProtocolVersion;
use crate::tool::{ConfigError, Object, has_scheme, once, text};

/// What the directives of a block said of its looks.
///
/// Each method takes a directive's values, without its name and without quotes. A wrong value is refused at once.
#[derive(Debug, Default)]
pub struct Presentation {
    title: Option<String>,
    description: Option<String>,
    icons: Vec<Value>,
    meta: Map<String, Value>,
}

impl Presentation {
    /// `title TEXT`: its name for people.
    pub fn title(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        once("title", &mut self.title, text("title", args)?)
    }

    /// `description TEXT`: what it is for, which a model goes by.
    pub fn description(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        once("description", &mut self.description, text("description", args)?)
    }

    /// What an API description says.
    pub(crate) fn of_operation(title: Option<String>, description: String) -> Presentation {
        Presentation { title, description: Some(description), ..Presentation::default() }
    }

    /// `meta NAME VALUE`: a member of `_meta`, JSON or a text that is none; once for each.
    pub fn meta(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let [name, value] = args else {
            return Err(ConfigError("\"meta\" takes a name and a value, JSON or a text, in quotes".into()));
        };
        if !is_meta_name(name) {
            return Err(ConfigError(format!("\"meta\" takes a name such as com.example/team, not \"{name}\"")));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        match self.meta.insert((*name).to_owned(), value) {
            Some(_) => Err(ConfigError(format!("\"meta\" has two of \"{name}\""))),
            None => Ok(()),
        }
    }

    /// `icons URL [type=TYPE] [sizes=48x48,any] [theme=light|dark]`, once for each icon.
    pub fn icons(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let wrong = |why: &str| ConfigError(format!("\"icons\" {why}"));
        let [source, words @ ..] = args else { return Err(wrong("takes the URL of an icon")) };
        if !["https://", "http://", "data:"].iter().any(|scheme| source.starts_with(scheme)) || !has_scheme(source) {
            return Err(wrong(&format!("takes a URL of https, http or data, not \"{source}\"")));
        }
        let mut icon = Map::from_iter([("src".to_owned(), json!(source))]);
        for word in words {
            let size = |size: &str| {
                let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                size == "any" || size.split_once('x').is_some_and(|(width, height)| digits(width) && digits(height))
            };
            let (name, value) = match word.split_once('=') {
                Some(("type", value)) if value.contains('/') => ("mimeType", json!(value)),
                Some(("sizes", value)) if value.split(',').all(size) => {
                    ("sizes", value.split(',').collect::<Vec<_>>().into())
                }
                Some(("theme", value @ ("light" | "dark"))) => ("theme", json!(value)),
                _ => {
                    return Err(wrong(&format!(
                        "does not take \"{word}\"; it takes type=image/png, sizes=48x48,any and theme=light or theme=dark"
                    )));
                }
            };
            if icon.insert(name.to_owned(), value).is_some() {
                return Err(wrong(&format!("has two of \"{}\"", word.split('=').next().unwrap_or_default())));
            }
        }
        self.icons.push(icon.into());
        Ok(())
    }

    pub(crate) fn title_text(&self) -> Option<&str> {
        self.title.as_deref()
    }

    pub(crate) fn description_text(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Gives what has no description this one.
    pub(crate) fn describe(&mut self, text: impl FnOnce() -> String) {
        self.description.get_or_insert_with(text);
    }

    /// Writes what a revision knows.
    pub(crate) fn write(&self, version: ProtocolVersion, object: &mut Object<'_>) {
        if let Some(title) = self.title.as_ref().filter(|_| version >= ProtocolVersion::V2025_06_18) {
            object.text("title", title);
        }
        if let Some(description) = &self.description {
            object.text("description", description);
        }
        if !self.icons.is_empty() && version >= ProtocolVersion::V2025_11_25 {
            object.member("icons", &Value::from(self.icons.clone()).to_string());
        }
        if !self.meta.is_empty() && version >= ProtocolVersion::V2025_06_18 {
            object.member("_meta", &Value::Object(self.meta.clone()).to_string());
        }
    }
}

/// `[label(.label)*/]name`
fn is_meta_name(text: &str) -> bool {
    let ends = |text: &str, inner: &[u8]| {
        let bytes = text.as_bytes();
        let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || inner.contains(byte);
        is_end(bytes.first()) && is_end(bytes.last()) && bytes.iter().all(fits)
    };
    let label = |label: &str| label.starts_with(|c: char| c.is_ascii_alphabetic()) && ends(label, b"-");
    match text.split_once('/') {
        Some((prefix, name)) => prefix.split('.').all(label) && ends(name, b"-_."),
        None => ends(text, b"-_."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(presentation: &Presentation, version: ProtocolVersion) -> Value {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        presentation.write(version, &mut object);
        object.end();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn each_revision_sees_what_it_knows() {
        let mut presentation = Presentation::default();
        presentation.title(&["T"]).unwrap();
        presentation.description(&["D"]).unwrap();
        presentation.icons(&["https://x/i.png", "type=image/png", "sizes=48x48,any", "theme=dark"]).unwrap();
        presentation.icons(&["data:image/png;base64,AA=="]).unwrap();
        assert_eq!(shown(&presentation, ProtocolVersion::V2025_03_26), json!({"description": "D"}));
        assert_eq!(shown(&presentation, ProtocolVersion::V2025_06_18), json!({"title": "T", "description": "D"}));
        let icons = json!([
            {"src": "https://x/i.png", "mimeType": "image/png", "sizes": ["48x48", "any"], "theme": "dark"},
            {"src": "data:image/png;base64,AA=="},
        ]);
        for version in [ProtocolVersion::V2025_11_25, ProtocolVersion::V2026_07_28] {
            assert_eq!(shown(&presentation, version), json!({"title": "T", "description": "D", "icons": icons}));
        }
    }

    #[test]
    fn what_extensions_say_is_json_or_a_text() {
        let mut presentation = Presentation::default();
        for (name, value) in [
            ("ui", r#"{"resourceUri": "ui://weather"}"#),
            ("com.example/team", "logistics"),
            ("n", "1"),
            ("s", "\"1\""),
        ] {
            presentation.meta(&[name, value]).unwrap();
        }
        let meta = json!({"ui": {"resourceUri": "ui://weather"}, "com.example/team": "logistics", "n": 1, "s": "1"});
        assert_eq!(shown(&presentation, ProtocolVersion::V2025_06_18), json!({"_meta": meta}));
        assert_eq!(shown(&presentation, ProtocolVersion::V2025_03_26), json!({}));
        for (args, expected) in [
            (&["a"][..], "a name and a value"),
            (&["", "1"], "a name such as"),
            (&["a b", "1"], "a name such as"),
            (&["-a", "1"], "a name such as"),
            (&["1a/b", "1"], "a name such as"),
            (&["a../b", "1"], "a name such as"),
            (&["n", "2"], "has two of \"n\""),
        ] {
            assert!(presentation.meta(args).unwrap_err().0.contains(expected), "{args:?}");
        }
    }

    #[test]
    fn wrong_icons_say_what_is_right() {
        for (args, expected) in [
            (&[][..], "takes the URL of an icon"),
            (&["icon.png"], "takes a URL of https, http or data, not \"icon.png\""),
            (&["javascript:x"], "takes a URL of https"),
            (&["https://x/i", "png"], "does not take \"png\""),
            (&["https://x/i", "type=png"], "does not take \"type=png\""),
            (&["https://x/i", "sizes=48"], "does not take \"sizes=48\""),
            (&["https://x/i", "theme=blue"], "does not take \"theme=blue\""),
            (&["https://x/i", "theme=dark", "theme=light"], "has two of \"theme\""),
        ] {
            let error = Presentation::default().icons(args).unwrap_err().0;
            assert!(error.starts_with("\"icons\" ") && error.contains(expected), "{error}");
        }
    }
}
