//! The document and the files that it refers to, as one space of values.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;

use serde_json::Value;

use crate::document::{self, Document, Version};
use crate::limits::Limits;
use crate::node::{Node, push_step, unescape};
use crate::percent;
use crate::warning::{Warning, Warnings};

/// References that lead to references.
const MAX_HOPS: usize = 32;

/// Gives the text of a file, named relative to the document.
pub(crate) type External<'e> = &'e mut dyn FnMut(&str) -> Result<String, String>;

/// Resolves references and keeps what is wrong with the document.
pub(crate) struct Reader<'e> {
    pub(crate) version: Version,
    pub(crate) limits: &'e Limits,
    pub(crate) warnings: Warnings,
    root: &'e Value,
    /// Each is filled once and never moves, so that values of it can be lent while others are read.
    files: Box<[OnceCell<Result<Value, String>>]>,
    /// The files' names, in the same order.
    names: RefCell<Vec<String>>,
    external: RefCell<External<'e>>,
    bytes_left: Cell<usize>,
    steps_left: Cell<usize>,
    /// `$anchor`, `$dynamicAnchor` (with `#` before it) and `$id` of the document, and the pointers to them.
    anchors: OnceCell<HashMap<String, String>>,
}

impl<'e> Reader<'e> {
    pub(crate) fn new(document: &'e Document, external: External<'e>) -> Reader<'e> {
        let limits = &document.limits;
        Reader {
            version: document.version,
            limits,
            warnings: Warnings::new(limits.warnings),
            root: &document.json,
            files: (0..limits.files).map(|_| OnceCell::new()).collect(),
            names: RefCell::default(),
            external: RefCell::new(external),
            bytes_left: Cell::new(limits.bytes),
            steps_left: Cell::new(limits.steps),
            anchors: OnceCell::new(),
        }
    }

    pub(crate) fn root(&self) -> Node<'_> {
        Node { value: self.root, file: 0, pointer: String::new() }
    }

    /// A defect of what stands at a place, to be returned or to be kept.
    pub(crate) fn defect(&self, node: &Node<'_>, text: impl Into<String>) -> Warning {
        self.defect_at(node.file, &node.pointer, text)
    }

    pub(crate) fn defect_at(&self, file: usize, pointer: &str, text: impl Into<String>) -> Warning {
        let pointer = match file {
            0 => pointer.to_owned(),
            file => format!("{}#{pointer}", self.names.borrow()[file - 1]),
        };
        Warning { pointer, text: text.into() }
    }

    /// Counts what is done for the operations. Once there is an error there is no end of it.
    pub(crate) fn spend(&self, steps: usize) -> Result<(), Warning> {
        let left = self.steps_left.get().saturating_sub(steps);
        self.steps_left.set(left);
        if left > 0 {
            return Ok(());
        }
        let text = format!("all operations together take more than {} steps to read", self.limits.steps);
        Err(Warning { pointer: String::new(), text })
    }

    pub(crate) fn warn(&self, node: &Node<'_>, text: impl Into<String>) {
        self.warnings.push(self.defect(node, text));
    }

    /// The value itself, or what its `$ref` leads to, over any number of such steps up to [`MAX_HOPS`].
    pub(crate) fn follow<'d>(&'d self, node: Node<'d>) -> Result<Node<'d>, Warning> {
        let start = node.clone();
        let mut node = node;
        for _ in 0..MAX_HOPS {
            let Some(reference) = node.text("$ref") else { return Ok(node) };
            node = self.resolve(&node, reference)?;
        }
        Err(self.defect(&start, format!("the reference leads to itself, or over more than {MAX_HOPS} others")))
    }

    /// What a reference that stands in a value leads to.
    pub(crate) fn resolve<'d>(&'d self, from: &Node<'_>, reference: &str) -> Result<Node<'d>, Warning> {
        self.spend(8 + reference.len() / 8)?;
        let wrong = |why: &str| self.defect(from, format!("\"$ref\": \"{reference}\" {why}"));
        let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let file = if uri.is_empty() || (from.file == 0 && self.root().text("$self") == Some(uri)) {
            from.file
        } else if let Some(pointer) = self.anchor(uri) {
            return self.walk(0, pointer).ok_or_else(|| wrong("leads to nothing"));
        } else {
            self.file(from.file, uri).map_err(|why| wrong(&why))?
        };
        let pointer = percent::decode(fragment).ok_or_else(|| wrong("is not UTF-8"))?;
        if pointer.is_empty() || pointer.starts_with('/') {
            return self.walk(file, &pointer).ok_or_else(|| wrong("leads to nothing"));
        }
        let anchor = self.anchor(&format!("#{pointer}")).filter(|_| file == 0);
        anchor.and_then(|pointer| self.walk(0, pointer)).ok_or_else(|| wrong("leads to nothing"))
    }

    fn walk(&self, file: usize, pointer: &str) -> Option<Node<'_>> {
        let mut value = self.value(file)?;
        let mut canonical = String::with_capacity(pointer.len());
        for step in pointer.split('/').skip(1) {
            let key = unescape(step);
            value = match value {
                Value::Object(members) => members.get(&key)?,
                Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
                _ => return None,
            };
            push_step(&mut canonical, &key);
        }
        Some(Node { value, file, pointer: canonical })
    }

    fn value(&self, file: usize) -> Option<&Value> {
        match file {
            0 => Some(self.root),
            file => self.files.get(file - 1)?.get()?.as_ref().ok(),
        }
    }

    fn anchor(&self, name: &str) -> Option<&str> {
        let anchors = self.anchors.get_or_init(|| {
            let mut anchors = HashMap::new();
            collect_anchors(self.root, &mut String::new(), &mut anchors);
            anchors
        });
        anchors.get(name).map(String::as_str)
    }

    /// The number of the file that a relative reference means, read now if it was not yet.
    fn file(&self, from: usize, uri: &str) -> Result<usize, String> {
        let name = {
            let names = self.names.borrow();
            let base = from.checked_sub(1).map_or("", |from| &names[from]);
            join(base, uri)?
        };
        let known = self.names.borrow().iter().position(|known| *known == name);
        let index = match known {
            Some(index) => index,
            None => {
                let index = self.names.borrow().len();
                let Some(file) = self.files.get(index) else {
                    return Err(format!("is one file too many; the limit is {}", self.files.len()));
                };
                let read = self.read(&name);
                self.names.borrow_mut().push(name);
                // It was empty: names and files grow together.
                let _ = file.set(read);
                index
            }
        };
        match self.files[index].get() {
            Some(Err(why)) => Err(why.clone()),
            _ => Ok(index + 1),
        }
    }

    fn read(&self, name: &str) -> Result<Value, String> {
        let text = (self.external.borrow_mut())(name).map_err(|why| format!("cannot be read: {why}"))?;
        let left = self.bytes_left.get().checked_sub(text.len());
        self.bytes_left.set(
            left.ok_or_else(|| {
                format!("cannot be read: all files together have more than {} bytes", self.limits.bytes)
            })?,
        );
        document::read(&text, self.limits).map_err(|error| format!("cannot be read: {error}"))
    }
}

/// The file that a reference means, relative to the document.
fn join(base: &str, uri: &str) -> Result<String, String> {
    let uri = percent::decode(uri.split('?').next().unwrap_or_default()).unwrap_or_default();
    let scheme = uri.split_once(':').is_some_and(|(scheme, _)| !scheme.contains('/'));
    if scheme || uri.starts_with(['/', '\\']) || uri.contains('\0') {
        return Err("is neither in this document nor a file beside it, and nothing is fetched".into());
    }
    let mut steps: Vec<&str> = base.split('/').collect();
    steps.pop();
    for step in uri.split('/') {
        match step {
            "." | "" => {}
            ".." if steps.last().is_some_and(|last| *last != "..") => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    if steps.is_empty() { Err("names no file".into()) } else { Ok(steps.join("/")) }
}

fn collect_anchors(value: &Value, pointer: &mut String, anchors: &mut HashMap<String, String>) {
    let length = pointer.len();
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                if let (Some(text), "$id" | "$anchor" | "$dynamicAnchor") = (value.as_str(), key.as_str()) {
                    let name = if key == "$id" { text.trim_end_matches('#').to_owned() } else { format!("#{text}") };
                    anchors.entry(name).or_insert_with(|| pointer.clone());
                } else if value.is_object() || value.is_array() {
                    push_step(pointer, key);
                    collect_anchors(value, pointer, anchors);
                    pointer.truncate(length);
                }
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate().filter(|(_, value)| value.is_object() || value.is_array()) {
                push_step(pointer, &i.to_string());
                collect_anchors(value, pointer, anchors);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r##"
openapi: 3.2.0
$self: https://example.com/api.json
a: {b/c: [x, {d~e: 1}], é: 2}
loop: {$ref: '#/loop'}
one: {$ref: '#/two'}
two: {$ref: '#/a/b~1c/0'}
file: {$ref: 'dir/other.yaml#/x'}
anchored: {$anchor: here, $id: 'https://example.com/id'}
"##;

    fn resolve(reference: &str) -> Result<(Value, String), String> {
        let document = Document::parse(DOCUMENT, &Limits::default()).unwrap();
        let mut asked = 0;
        let mut external = |name: &str| {
            asked += 1;
            assert_eq!(asked, 1, "a file is read once");
            match name {
                "dir/other.yaml" => {
                    Ok("x: {$ref: './other.yaml#/y'}\ny: {$ref: '../dir/other.yaml#/z'}\nz: [1]".into())
                }
                "bad.yaml" => Ok("a: [".into()),
                name => Err(format!("no {name}")),
            }
        };
        let reader = Reader::new(&document, &mut external);
        let found = reader.resolve(&reader.root(), reference).and_then(|node| reader.follow(node));
        let found = found.map_err(|warning| warning.to_string())?;
        Ok((found.value.clone(), found.pointer))
    }

    #[test]
    fn references_lead_to_values() {
        let cases = [
            ("#/a/b~1c/1/d~0e", "1", "/a/b~1c/1/d~0e"),
            ("#/a/%C3%A9", "2", "/a/é"),
            ("#/one", "\"x\"", "/a/b~1c/0"),
            ("https://example.com/api.json#/a/b~1c/0", "\"x\"", "/a/b~1c/0"),
            ("#/file", "[1]", "/z"),
            ("dir/../dir//other.yaml#/x", "[1]", "/z"),
        ];
        for (reference, value, pointer) in cases {
            let (found, at) = resolve(reference).unwrap();
            assert_eq!((found.to_string().as_str(), at.as_str()), (value, pointer), "{reference}");
        }
        for reference in ["#here", "https://example.com/id"] {
            assert_eq!(resolve(reference).unwrap().1, "/anchored");
        }
    }

    #[test]
    fn what_leads_nowhere_is_named() {
        let nowhere = "leads to nothing";
        let cases = [
            ("#/none", nowhere),
            ("#/a/b~1c/2", nowhere),
            ("#/a/b~1c/x", nowhere),
            ("#/openapi/x", nowhere),
            ("#there", nowhere),
            ("#/loop", "/loop: the reference leads to itself"),
            ("dir/other.yaml#/none", nowhere),
            ("none.yaml", "cannot be read: no none.yaml"),
            ("../x.yaml", "no ../x.yaml"),
            ("bad.yaml", "cannot be read: line 1"),
            ("file:///etc/passwd", "nothing is fetched"),
            ("/etc/passwd", "nothing is fetched"),
            ("//host/x", "nothing is fetched"),
            ("http://127.0.0.1/x.json#/a", "nothing is fetched"),
            ("./", "names no file"),
        ];
        for (reference, expected) in cases {
            let error = resolve(reference).unwrap_err();
            assert!(error.contains(expected), "{reference}: {error}");
        }
    }
}
