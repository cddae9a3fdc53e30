//! Schema Objects of every version as JSON Schema 2020-12.
//!
//! A schema keeps its references: what they lead to is converted once for the whole document and put under the `$defs`
//! of each tool that comes to it, so recursion needs no care.

mod convert;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;

use serde_json::{Map, Value};

pub(crate) use self::convert::is_binary;

use self::convert::Conversion;
use self::pattern::Patterns;
use crate::hash;
use crate::node::Node;
use crate::reader::Reader;
use crate::warning::Warning;

/// Whether a schema describes what is sent or what is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// Without what is `readOnly`.
    Request,
    /// Without what is `writeOnly`.
    Response,
}

/// A converted schema, and the definitions that its `$ref`s name.
#[derive(Debug, Clone)]
pub(crate) struct Converted {
    pub(crate) json: Value,
    pub(crate) refers: Vec<usize>,
}

struct Definition<'d> {
    name: String,
    node: Node<'d>,
    direction: Direction,
    /// With its size as JSON.
    converted: Option<Result<(Converted, usize), Warning>>,
}

/// Everything that references led to so far.
pub(crate) struct Schemas<'d, 'e> {
    pub(crate) reader: &'d Reader<'e>,
    definitions: Vec<Definition<'d>>,
    by_place: HashMap<(usize, String, Direction), usize>,
    /// The same by the reference's text, which needs no resolving.
    by_text: HashMap<(usize, &'d str, Direction), usize>,
    names: HashSet<(String, Direction)>,
    patterns: Patterns,
}

impl<'d, 'e> Schemas<'d, 'e> {
    pub(crate) fn new(reader: &'d Reader<'e>) -> Schemas<'d, 'e> {
        Schemas {
            reader,
            definitions: Vec::new(),
            by_place: HashMap::new(),
            by_text: HashMap::new(),
            names: HashSet::new(),
            patterns: Patterns::default(),
        }
    }

    /// Converts one schema. What it refers to is not judged before [`close`](Schemas::close).
    pub(crate) fn convert(&mut self, node: &Node<'d>, direction: Direction) -> Result<Converted, Warning> {
        Conversion::new(self, node, direction).run(node.value)
    }

    /// The `$defs` of a schema that refers to these, and their size as JSON.
    pub(crate) fn close(&mut self, refers: &[usize], limit: usize) -> Result<(Map<String, Value>, usize), Warning> {
        let ids = self.reach(refers)?;
        let known = || ids.iter().map(|id| &self.definitions[*id]);
        let size = |definition: &Definition<'_>| match &definition.converted {
            Some(Ok((_, size))) => size + definition.name.len() + 4,
            _ => 0,
        };
        let bytes: usize = known().map(size).sum();
        self.reader.spend(bytes.min(limit) / 8)?;
        if bytes > limit {
            let text = format!("what the schema refers to has more than {limit} bytes");
            return Err(Warning { pointer: String::new(), text });
        }
        let member = |definition: &Definition<'_>| match &definition.converted {
            Some(Ok((converted, _))) => Some((definition.name.clone(), converted.json.clone())),
            _ => None,
        };
        Ok((known().filter_map(member).collect(), bytes))
    }

    /// All definitions that these lead to, themselves included, converted; the error is the first that cannot be.
    pub(crate) fn reach(&mut self, refers: &[usize]) -> Result<Vec<usize>, Warning> {
        let mut seen: HashSet<usize> = HashSet::new();
        let mut ids: Vec<usize> = refers.iter().copied().filter(|id| seen.insert(*id)).collect();
        let mut next = 0;
        while let Some(&id) = ids.get(next) {
            next += 1;
            self.reader.spend(1)?;
            if self.definitions[id].converted.is_none() {
                let (node, direction) = (self.definitions[id].node.clone(), self.definitions[id].direction);
                let converted = self.convert(&node, direction).map(|converted| {
                    let bytes = size(&converted.json);
                    (converted, bytes)
                });
                self.definitions[id].converted = Some(converted);
            }
            let Some(converted) = &self.definitions[id].converted else { continue };
            let (converted, _) = converted.as_ref().map_err(Clone::clone)?;
            ids.extend(converted.refers.iter().copied().filter(|id| seen.insert(*id)));
        }
        Ok(ids)
    }

    /// The definition that a reference leads to, over references that are nothing else.
    fn definition(&mut self, from: &Node<'d>, reference: &'d str, direction: Direction) -> Result<usize, Warning> {
        if let Some(&id) = self.by_text.get(&(from.file, reference, direction)) {
            return Ok(id);
        }
        let reader = self.reader;
        let node = self.target(reader.resolve(from, reference)?)?;
        let place = (node.file, node.pointer.clone(), direction);
        let id = match self.by_place.get(&place) {
            Some(&id) => id,
            None => {
                let id = self.definitions.len();
                let name = self.name(&node, direction);
                self.definitions.push(Definition { name, node, direction, converted: None });
                self.by_place.insert(place, id);
                id
            }
        };
        // A file's own references are relative to it, so only those of one file mean the same.
        self.by_text.insert((from.file, reference, direction), id);
        Ok(id)
    }

    /// Follows what is a reference and nothing else: an alias that leads to itself has no meaning in any schema.
    fn target(&self, node: Node<'d>) -> Result<Node<'d>, Warning> {
        let alone = |node: &Node<'_>| {
            node.value.get("$ref").is_some_and(Value::is_string) && node.value.as_object().is_some_and(|o| o.len() == 1)
        };
        if alone(&node) { self.reader.follow(node) } else { Ok(node) }
    }

    /// What stands at the end of a reference, for a look at it.
    fn look<'s>(&'s mut self, from: &Node<'d>, reference: &'d str, direction: Direction) -> Option<&'s Node<'d>> {
        let id = self.definition(from, reference, direction).ok()?;
        Some(&self.definitions[id].node)
    }

    /// A name for `$defs` that does not depend on what else the document has: the component's, or the last step of the
    /// pointer with a hash of the place.
    fn name(&mut self, node: &Node<'_>, direction: Direction) -> String {
        let component = ["/components/schemas/", "/definitions/"]
            .into_iter()
            .find_map(|place| node.pointer.strip_prefix(place))
            .filter(|name| node.file == 0 && !name.contains('/'));
        let last = node.pointer.rsplit('/').next().unwrap_or_default();
        let mut name: String = component.unwrap_or(last).chars().map(|c| if fits(c) { c } else { '_' }).collect();
        name.truncate(100);
        if component != Some(&name) {
            name = format!("{name}_{}", hash::short(&[&node.file.to_string(), &node.pointer]));
        }
        while !self.names.insert((name.clone(), direction)) {
            name.push('_');
        }
        name
    }
}

fn fits(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')
}

/// Bytes of a value as JSON.
pub(crate) fn size(json: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Values of JSON are always written.
    let _ = serde_json::to_writer(&mut count, json);
    count.0
}
