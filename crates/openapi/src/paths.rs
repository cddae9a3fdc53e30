//! Which operations a document has.

use serde_json::Value;

use crate::document::Version;
use crate::node::Node;
use crate::reader::Reader;
use crate::warning::Warning;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Found<'d> {
    /// Upper case.
    pub(crate) method: String,
    /// As the document has it.
    pub(crate) path: &'d str,
    /// Where the document has it, which a reference may have left behind.
    pub(crate) at: Node<'d>,
    pub(crate) operation: Node<'d>,
    /// The path items that it is in: what stands beside a `$ref` first, then what that leads to.
    pub(crate) items: Vec<Node<'d>>,
}

impl<'d> Found<'d> {
    pub(crate) fn operation_id(&self) -> Option<&'d str> {
        self.operation.text("operationId").filter(|id| !id.trim().is_empty())
    }
}

/// All operations in the document's order. Webhooks and callbacks are calls to someone else, so they are not among them.
pub(crate) fn find<'d>(reader: &'d Reader<'_>) -> Vec<Found<'d>> {
    let mut found = Vec::new();
    let Some(paths) = reader.root().get("paths") else { return found };
    for (path, item) in paths.members() {
        if path.starts_with("x-") || item.value.is_null() {
            continue;
        }
        if !path.starts_with('/') {
            reader.warn(&item, "a path begins with \"/\"; this one is left out");
            continue;
        }
        match items(reader, item.clone()) {
            Ok(items) => {
                for level in &items {
                    operations(reader, path, &item, level, &items, &mut found);
                }
            }
            Err(warning) => reader.warnings.push(warning),
        }
        if found.len() > reader.limits.operations {
            found.pop();
            let text = format!("more than {} operations; this and what follows is left out", reader.limits.operations);
            reader.warn(&item, text);
            break;
        }
    }
    found
}

fn items<'d>(reader: &'d Reader<'_>, item: Node<'d>) -> Result<Vec<Node<'d>>, Warning> {
    let target = reader.follow(item.clone())?;
    if !target.value.is_object() {
        return Err(reader.defect(&item, "a path item is an object; this one is left out"));
    }
    if item.value.get("$ref").is_none() {
        return Ok(vec![item]);
    }
    Ok(if item.value.as_object().is_some_and(|members| members.len() > 1) { vec![item, target] } else { vec![target] })
}

fn operations<'d>(
    reader: &'d Reader<'_>,
    path: &'d str,
    item: &Node<'d>,
    level: &Node<'d>,
    items: &[Node<'d>],
    found: &mut Vec<Found<'d>>,
) {
    let mut add = |method: &str, mut at: Node<'d>| {
        // One too many shows that there are.
        if found.len() > reader.limits.operations {
            return;
        }
        let method = method.to_ascii_uppercase();
        if found.iter().rev().take_while(|other| other.path == path).any(|other| other.method == method) {
            return;
        }
        let operation = match reader.follow(at.clone()) {
            Ok(operation) if operation.value.is_object() => operation,
            Ok(_) => return reader.warn(&at, "an operation is an object; this one is left out"),
            Err(warning) => return reader.warnings.push(warning),
        };
        // Named by its place below `paths`, also if the path item was somewhere else.
        if let Some(rest) = at.pointer.strip_prefix(&level.pointer) {
            at = Node { value: at.value, file: item.file, pointer: format!("{}{rest}", item.pointer) };
        }
        found.push(Found { method, path, at, operation, items: items.to_vec() });
    };
    for (key, operation) in level.members() {
        match key {
            key if METHODS.contains(&key) => add(key, operation),
            "query" if reader.version >= Version::OpenApi32 => add(key, operation),
            "trace" => reader.warn(&operation, "nginx passes no TRACE requests; the operation is left out"),
            "additionalOperations" if reader.version >= Version::OpenApi32 => {
                for (method, operation) in operation.members() {
                    if is_token(method) && !matches!(operation.value, Value::Null) {
                        add(method, operation);
                    } else {
                        reader.warn(&operation, "this is not the name of a method; the operation is left out");
                    }
                }
            }
            _ => {}
        }
    }
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
