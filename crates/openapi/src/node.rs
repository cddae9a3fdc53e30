//! A value and where it stands.

use serde_json::{Map, Value};

/// A value of a document, with the file and the JSON pointer (RFC 6901) that lead to it.
#[derive(Debug, Clone)]
pub(crate) struct Node<'d> {
    pub(crate) value: &'d Value,
    /// 0 is the document itself.
    pub(crate) file: usize,
    pub(crate) pointer: String,
}

impl<'d> Node<'d> {
    pub(crate) fn get(&self, key: &str) -> Option<Node<'d>> {
        let value = self.value.get(key)?;
        Some(self.child(key, value))
    }

    /// The member, if it is an object; others are as good as none.
    pub(crate) fn object(&self, key: &str) -> Option<Node<'d>> {
        self.get(key).filter(|node| node.value.is_object())
    }

    pub(crate) fn text(&self, key: &str) -> Option<&'d str> {
        self.value.get(key)?.as_str()
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.value.get(key)?.as_bool()
    }

    /// Members or items.
    pub(crate) fn len(&self) -> usize {
        match self.value {
            Value::Object(members) => members.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.value.as_object().is_none_or(Map::is_empty)
    }

    /// The members of an object; nothing of any other value.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'d str, Node<'d>)> {
        let members = self.value.as_object().into_iter().flatten();
        members.map(|(key, value)| (key.as_str(), self.child(key, value)))
    }

    /// The items of a list; nothing of any other value.
    pub(crate) fn items(&self) -> impl Iterator<Item = Node<'d>> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(i, value)| self.child(&i.to_string(), value))
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, key: &str) -> impl Iterator<Item = &'d str> {
        let items = self.value.get(key).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str)
    }

    fn child(&self, key: &str, value: &'d Value) -> Node<'d> {
        let mut pointer = String::with_capacity(self.pointer.len() + key.len() + 1);
        pointer.push_str(&self.pointer);
        push_step(&mut pointer, key);
        Node { value, file: self.file, pointer }
    }
}

/// Appends a step to a JSON pointer.
pub(crate) fn push_step(pointer: &mut String, step: &str) {
    pointer.push('/');
    for char in step.chars() {
        match char {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            char => pointer.push(char),
        }
    }
}

/// One step of a JSON pointer as the key that it means.
pub(crate) fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}
