//! How a value becomes text: every `style` of OpenAPI, which are the expansions of RFC 6570, in one mechanism.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::encode::{self, Chars};
use crate::operation::Style;

/// Why a value does not fit into its place; what follows an argument's name.
#[derive(Debug, PartialEq)]
pub(super) struct Misfit(pub(super) Cow<'static, str>);

impl From<&'static str> for Misfit {
    fn from(why: &'static str) -> Self {
        Misfit(why.into())
    }
}

/// What of a value is taken apart; the rest is one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    /// Nothing.
    Nothing,
    /// A list; an object in it, or instead of it, is JSON.
    Lists,
    /// A list or an object.
    Members,
    /// Everything down to its leaves, each with the way that leads to it in brackets.
    Leaves,
}

/// What a value that is not taken apart becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// A string is as it is, everything else JSON.
    Plain,
    /// JSON.
    Json,
    /// An object is a form.
    Form,
}

/// How one value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expansion {
    pub(super) apart: Apart,
    pub(super) text: Text,
    /// One pair for each item or member.
    pub(super) explode: bool,
    /// A pair begins with the name.
    pub(super) named: bool,
    /// Before the first pair.
    pub(super) lead: &'static str,
    /// Between the pairs of one value.
    pub(super) between: &'static str,
    /// Between the items of one pair.
    pub(super) joint: &'static str,
    pub(super) chars: Chars,
    /// Delimiters that an item must not hold, since encoding cannot tell them from data.
    pub(super) forbidden: &'static [u8],
    /// Delimiters that are encoded in items.
    pub(super) delimiters: &'static [u8],
}

/// A value that is one text without a name.
const PLAIN: Expansion = Expansion {
    apart: Apart::Nothing,
    text: Text::Plain,
    explode: false,
    named: false,
    lead: "",
    between: "",
    joint: "",
    chars: Chars::Unreserved,
    forbidden: b"",
    delimiters: b"",
};

impl Expansion {
    /// A `{name}` in the URL of a `mcp_tool`.
    pub(super) const PATH: Expansion = Expansion { apart: Apart::Lists, joint: ",", ..PLAIN };
    /// A query argument of a `mcp_tool`.
    pub(super) const QUERY: Expansion = Expansion { explode: true, named: true, between: "&", ..Self::PATH };
    /// A header of a `mcp_tool`.
    pub(super) const HEADER: Expansion = Expansion { chars: Chars::Header, ..Self::PATH };
    /// A cookie of a `mcp_tool`.
    pub(super) const COOKIE: Expansion =
        Expansion { named: true, joint: "%2C", chars: Chars::CookieOctets, ..Self::PATH };
    /// A member of a form.
    pub(super) const FORM: Expansion = Expansion { chars: Chars::Form, ..Self::QUERY };

    /// An object whose members are names of their own.
    pub(super) const SPREAD: Expansion = Expansion { apart: Apart::Members, ..Self::QUERY };

    /// What a `style` comes to. `chars` are those of the place.
    pub(super) fn of_style(style: Style, explode: bool, chars: Chars) -> Expansion {
        let plain = Expansion { apart: Apart::Members, explode, chars, ..PLAIN };
        let named = |joint, forbidden| Expansion { named: true, between: "&", joint, forbidden, ..plain };
        match style {
            Style::Simple if chars == Chars::Header => Expansion { between: ",", joint: ",", forbidden: b",", ..plain },
            Style::Simple => Expansion { between: ",", joint: ",", delimiters: b",", ..plain },
            Style::Label if explode => Expansion { lead: ".", between: ".", delimiters: b".", ..plain },
            Style::Label => Expansion { lead: ".", joint: ",", delimiters: b",", ..plain },
            Style::Matrix => Expansion { named: true, lead: ";", between: ";", joint: ",", delimiters: b",;", ..plain },
            Style::Form => Expansion { delimiters: b",", ..named(",", b"") },
            // Nothing is encoded, so there is nothing that a delimiter could look like once it is.
            Style::SpaceDelimited if chars == Chars::Any => named(" ", b" "),
            Style::PipeDelimited if chars == Chars::Any => named("|", b"|"),
            Style::TabDelimited if chars == Chars::Any => named("\t", b"\t"),
            Style::SpaceDelimited => named("%20", b" "),
            // Where an item holds the delimiter, the delimiter itself goes literally.
            Style::PipeDelimited => named("%7C", b""),
            Style::TabDelimited => named("%09", b"\t"),
            Style::DeepObject => Expansion { apart: Apart::Leaves, forbidden: b"[]", ..named("", b"") },
            Style::Cookie => Expansion { between: "; ", ..named(",", b",") },
        }
    }

    /// What a `content` parameter comes to: one text of a media type.
    pub(super) fn of_content(text: Text, named: bool, chars: Chars) -> Expansion {
        Expansion { text, named, chars, ..PLAIN }
    }

    /// Whether members of an object become names beside those of other parameters.
    pub(super) fn spreads(&self) -> bool {
        self.apart == Apart::Members && self.explode && self.named
    }

    /// Whether there is nothing to write: null, or a list or object without anything but null in it.
    pub(super) fn is_nothing(&self, value: &Value) -> bool {
        match (self.apart, value) {
            (_, Value::Null) => true,
            (Apart::Lists | Apart::Members | Apart::Leaves, Value::Array(items)) => items.iter().all(Value::is_null),
            (Apart::Members | Apart::Leaves, Value::Object(members)) => members.values().all(Value::is_null),
            _ => false,
        }
    }

    /// Appends a value; `lead` goes before its first pair. `name` is encoded already.
    #[inline]
    pub(super) fn write(&self, name: &str, value: &Value, lead: &str, out: &mut String) -> Result<(), Misfit> {
        match (self.apart, value) {
            (Apart::Nothing, _) | (Apart::Lists, Value::Object(_)) => {}
            (_, Value::Array(_) | Value::Object(_)) => {
                return self.write_apart(value, Pairs { expansion: self, name, lead, out });
            }
            _ => {}
        }
        let Some(text) = self.text(value) else { return Ok(()) };
        out.push_str(lead);
        if self.named {
            out.push_str(name);
            if self.takes_equals(text.is_empty()) {
                out.push('=');
            }
        }
        Ok(self.chars.write(&text, b"", out)?)
    }

    fn write_apart(&self, value: &Value, mut pairs: Pairs<'_>) -> Result<(), Misfit> {
        match (self.apart, value) {
            (Apart::Leaves, _) => {
                leaves(&mut pairs.name.to_owned(), value, self.chars, &mut |path, leaf| pairs.leaf(path, leaf))
            }
            (_, Value::Array(items)) => pairs.list(items),
            (_, Value::Object(members)) => pairs.object(members),
            _ => Ok(()),
        }
    }

    /// A matrix parameter without a value has no `=` either.
    fn takes_equals(&self, empty: bool) -> bool {
        !empty || self.lead != ";"
    }

    /// The pairs of a value apart from each other, as parts of a form.
    pub(super) fn pairs(&self, name: &str, value: &Value) -> Result<Vec<(String, String)>, Misfit> {
        let mut pairs = Vec::new();
        let mut push = |name: &str, value: &Value| {
            pairs.extend(self.text(value).map(|text| (name.to_owned(), text.into_owned())));
            Ok(())
        };
        match (self.apart, value) {
            (Apart::Leaves, value) => leaves(&mut name.to_owned(), value, self.chars, &mut push)?,
            (_, Value::Array(items)) if self.explode => items.iter().try_for_each(|item| push(name, item))?,
            (_, Value::Object(members)) if self.explode => {
                members.iter().try_for_each(|(name, member)| push(name, member))?;
            }
            (_, value) => {
                if !self.is_nothing(value) {
                    let mut text = String::new();
                    Expansion { named: false, ..*self }.write("", value, "", &mut text)?;
                    pairs.push((name.to_owned(), text));
                }
            }
        }
        Ok(pairs)
    }

    #[inline]
    fn text<'v>(&self, value: &'v Value) -> Option<Cow<'v, str>> {
        match (self.text, value) {
            (Text::Plain, value) => encode::text(value),
            (_, Value::Null) => None,
            (Text::Form, Value::Object(members)) => Some(Cow::Owned(form_text(members))),
            (Text::Form, value) => encode::text(value),
            (Text::Json, value) => Some(Cow::Owned(value.to_string())),
        }
    }
}

/// An object as a form.
fn form_text(members: &Map<String, Value>) -> String {
    let mut form = String::new();
    for (name, value) in members {
        let lead = if form.is_empty() { "" } else { "&" };
        // A form takes every text.
        _ = Expansion::FORM.write(&encode::encoded(name, encode::form), value, lead, &mut form);
    }
    form
}

/// The pairs of one value as they are written.
struct Pairs<'p> {
    expansion: &'p Expansion,
    name: &'p str,
    lead: &'p str,
    out: &'p mut String,
}

impl Pairs<'_> {
    /// Begins a pair up to where its value goes.
    fn begin(&mut self, empty: bool) -> &mut Self {
        self.separate();
        if self.expansion.named {
            self.out.push_str(self.name);
            self.equals(empty);
        }
        self
    }

    fn separate(&mut self) {
        self.out.push_str(self.lead);
        self.lead = self.expansion.between;
    }

    fn equals(&mut self, empty: bool) {
        if self.expansion.takes_equals(empty) {
            self.out.push('=');
        }
    }

    fn and_value(&mut self, text: &str, delimiters: &[u8]) -> Result<(), &'static str> {
        self.expansion.chars.write(text, delimiters, self.out)
    }

    /// Appends an item of a list, or a name or value of an object.
    fn item(&mut self, text: &str, forbidden: &[u8]) -> Result<(), Misfit> {
        if let Some(byte) = text.bytes().find(|byte| forbidden.contains(byte)) {
            let what = match byte {
                b'\t' => "a tab".to_owned(),
                b' ' => "a space".to_owned(),
                byte => format!("\"{}\"", char::from(byte)),
            };
            return Err(Misfit(format!("must not hold {what} inside an item: that is what separates them").into()));
        }
        Ok(self.and_value(text, self.expansion.delimiters)?)
    }

    fn list(&mut self, items: &[Value]) -> Result<(), Misfit> {
        let expansion = self.expansion;
        if expansion.explode {
            for text in items.iter().filter_map(|item| expansion.text(item)) {
                // Named pairs have nothing between the items that an item could be taken for.
                let forbidden = if expansion.named { &b""[..] } else { expansion.forbidden };
                self.begin(text.is_empty()).item(&text, forbidden)?;
            }
            return Ok(());
        }
        self.joined(items.iter().filter_map(|item| expansion.text(item)))
    }

    fn object(&mut self, members: &Map<String, Value>) -> Result<(), Misfit> {
        let expansion = self.expansion;
        let present = members.iter().filter_map(|(name, value)| Some((name, expansion.text(value)?)));
        if !expansion.explode {
            return self.joined(present.flat_map(|(name, text)| [Cow::Borrowed(name.as_str()), text]));
        }
        for (name, text) in present {
            self.separate();
            match expansion.chars {
                Chars::Header => self.item(name, b",=")?,
                Chars::Cookie => self.item(name, b"=")?,
                Chars::Form => encode::form(name, self.out),
                Chars::Any => self.out.push_str(name),
                _ => Chars::Unreserved.write(name, expansion.delimiters, self.out)?,
            }
            self.equals(text.is_empty());
            let forbidden = if expansion.named { &b""[..] } else { expansion.forbidden };
            self.item(&text, forbidden)?;
        }
        Ok(())
    }

    /// One pair with several items in it.
    fn joined<'t>(&mut self, items: impl Iterator<Item = Cow<'t, str>>) -> Result<(), Misfit> {
        let items: Vec<_> = items.collect();
        let Some(first) = items.first() else { return Ok(()) };
        self.begin(first.is_empty() && items.len() == 1);
        // Encoded as it should be, this one delimiter would look like the same character in an item.
        let literal = self.expansion.joint == "%7C" && items.iter().any(|item| item.contains('|'));
        let joint = if literal { "|" } else { self.expansion.joint };
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push_str(joint);
            }
            self.item(item, self.expansion.forbidden)?;
        }
        Ok(())
    }

    fn leaf(&mut self, path: &str, leaf: &Value) -> Result<(), Misfit> {
        let Some(text) = self.expansion.text(leaf) else { return Ok(()) };
        self.separate();
        self.out.extend([path, "="]);
        Ok(self.and_value(&text, b"")?)
    }
}

/// Hands every leaf of a value to `emit`, with the way that leads to it in brackets behind `path`.
fn leaves(
    path: &mut String,
    value: &Value,
    chars: Chars,
    emit: &mut dyn FnMut(&str, &Value) -> Result<(), Misfit>,
) -> Result<(), Misfit> {
    let length = path.len();
    let (open, close) = if chars == Chars::Any { ("[", "]") } else { ("%5B", "%5D") };
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                path.extend([open, &i.to_string(), close]);
                leaves(path, item, chars, emit)?;
                path.truncate(length);
            }
            Ok(())
        }
        Value::Object(members) => {
            for (name, member) in members {
                if name.contains(['[', ']']) {
                    return Err("must not have a member with a bracket in its name".into());
                }
                path.push_str(open);
                // What may stay as it is in a value would end a name, or nest it.
                let chars = if chars == Chars::QueryReserved { Chars::Unreserved } else { chars };
                chars.write(name, b"", path)?;
                path.push_str(close);
                leaves(path, member, chars, emit)?;
                path.truncate(length);
            }
            Ok(())
        }
        leaf => emit(path, leaf),
    }
}
