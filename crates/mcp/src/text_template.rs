//! A text of the operator with `{name}` where an argument's value goes; `{{` and `}}` are braces.

/// A text with places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(String),
}

impl TextTemplate {
    /// A text in which braces are braces.
    pub(crate) fn literal(text: &str) -> TextTemplate {
        TextTemplate(vec![Part::Text(text.to_owned())])
    }

    pub(crate) fn parse(text: &str) -> Result<TextTemplate, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            literal.push_str(&rest[..brace]);
            rest = &rest[brace..];
            if let Some((doubled, behind)) = ["{{", "}}"].iter().find_map(|pair| Some((pair, rest.strip_prefix(pair)?)))
            {
                literal.push_str(&doubled[1..]);
                rest = behind;
                continue;
            }
            let is_name = |name: &&str| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
            };
            let name =
                rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name).filter(is_name);
            let name = name.ok_or("an argument is written {name}, and a brace that is none of one {{ or }}")?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Value(name.to_owned()));
            rest = &rest[name.len() + 2..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(TextTemplate(parts))
    }

    /// The names in it, each as often as it stands there.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// What stands before and behind its only value; none if there is not one.
    pub(crate) fn around(&self) -> Option<(&str, &str)> {
        match self.0.as_slice() {
            [Part::Value(_)] => Some(("", "")),
            [Part::Text(before), Part::Value(_)] => Some((before, "")),
            [Part::Value(_), Part::Text(after)] => Some(("", after)),
            [Part::Text(before), Part::Value(_), Part::Text(after)] => Some((before, after)),
            _ => None,
        }
    }

    /// The text with its values; `value` gives that of a name.
    pub(crate) fn fill<'v>(&self, value: impl Fn(&str) -> &'v str) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Value(name) => text.push_str(value(name)),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_places() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{a} and {b-1}{a}", "<a> and <b-1><a>"),
            ("{{\"k\": \"{a}\"}}", "{\"k\": \"<a>\"}"),
            ("{{{a}}}", "{<a>}"),
            ("é{a}é", "é<a>é"),
        ] {
            let template = TextTemplate::parse(text).unwrap();
            let values: Vec<_> = template.names().map(|name| (name.to_owned(), format!("<{name}>"))).collect();
            let value = |name: &str| values.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
            assert_eq!(template.fill(value), expected, "{text}");
        }
        assert_eq!(TextTemplate::literal("{a}").fill(|_| "x"), "{a}");
    }

    #[test]
    fn a_single_brace_is_a_mistake() {
        for text in ["{", "}", "{}", "{a", "a}", "{a b}", "{\"k\": 1}", "{{{a}}", "{é}"] {
            assert!(TextTemplate::parse(text).is_err(), "{text}");
        }
    }
}
