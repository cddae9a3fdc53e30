//! All of a document's operations.

use std::collections::HashSet;

use mcp::operation::Operation;

use crate::description;
use crate::document::Document;
use crate::name;
use crate::near;
use crate::paths::{self, Found};
use crate::reader::Reader;
use crate::rules::{Edit, Rules};
use crate::schema::Schemas;
use crate::security::Security;
use crate::selector::Subject;
use crate::server::Servers;
use crate::tool::Maker;
use crate::warning::Warning;

/// What became of a document.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What the document calls itself: title and version, if it has both.
    pub info: Option<(String, String)>,
    /// In the document's order.
    pub operations: Vec<(Operation, Origin)>,
    /// What is wrong with the document, or with the rules for it, and what came of it.
    pub warnings: Vec<Warning>,
}

/// Where an operation comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// As in [`Warning::pointer`].
    pub pointer: String,
    /// Its `operationId`, else the name made of method and path.
    pub operation: String,
    /// Which of [`Rules::edits`] is for it.
    pub edit: Option<usize>,
}

impl Document {
    /// The operations that the rules ask for.
    ///
    /// `external` gives the text of a file that a reference names, by its path relative to the document (`shared.yaml`,
    /// `../common/types.json`); the error is why it is not to be had. Nothing else is ever read.
    pub fn operations(&self, rules: &Rules, external: &mut dyn FnMut(&str) -> Result<String, String>) -> Outcome {
        let reader = Reader::new(self, external);
        let operations = operations(&reader, rules);
        Outcome { info: description::info(&reader.root()), operations, warnings: reader.warnings.take() }
    }
}

fn operations(reader: &Reader<'_>, rules: &Rules) -> Vec<(Operation, Origin)> {
    let about_rules = |text: String| reader.warnings.push(Warning { pointer: String::new(), text });
    let servers = match Servers::new(rules) {
        Ok(servers) => servers,
        Err(why) => {
            about_rules(why);
            return Vec::new();
        }
    };
    let found = paths::find(reader);
    let subjects: Vec<Subject<'_>> = found.iter().map(subject).collect();
    let edits = edits(&subjects, &found, rules, &about_rules);
    let names = names(&found, &edits, rules, &about_rules);
    let wanted = wanted(&subjects, rules, &about_rules);
    let security = Security::new(reader, rules);
    let mut maker = Maker::new(reader, rules, servers, security, Schemas::new(reader));
    let mut operations = Vec::new();
    let mut taken = HashSet::new();
    for (i, found) in found.iter().enumerate().filter(|(i, _)| wanted[*i]) {
        let Some(name) = &names[i] else { continue };
        if !taken.insert(name.clone()) {
            reader.warn(&found.at, format!("another tool has the name \"{name}\"; the operation is left out"));
            continue;
        }
        let edit = edits[i].map(|edit| &rules.edits[edit]);
        match maker.make(found, name.clone(), edit) {
            Ok(operation) => {
                let pointer = reader.defect(&found.at, "").pointer;
                operations.push((operation, Origin { pointer, operation: subjects[i].id.clone(), edit: edits[i] }));
            }
            Err(Warning { pointer, text }) => {
                let pointer = if pointer.is_empty() { reader.defect(&found.at, "").pointer } else { pointer };
                let text = format!("{text}; {} {} is left out", found.method, found.path);
                reader.warnings.push(Warning { pointer, text });
            }
        }
    }
    operations
}

fn subject<'d>(found: &Found<'d>) -> Subject<'d> {
    Subject {
        id: found.operation_id().map_or_else(|| name::plain(found), str::to_owned),
        tags: found.operation.texts("tags").collect(),
        method: found.method.clone(),
        path: found.path,
    }
}

/// The `tool` block of each operation.
fn edits(
    subjects: &[Subject<'_>],
    found: &[Found<'_>],
    rules: &Rules,
    about_rules: &dyn Fn(String),
) -> Vec<Option<usize>> {
    let mut edits = vec![None; subjects.len()];
    for (e, edit) in rules.edits.iter().enumerate() {
        let mut met = false;
        for (i, subject) in subjects.iter().enumerate() {
            if subject.id == edit.operation || name::plain(&found[i]) == edit.operation {
                met = true;
                edits[i].get_or_insert(e);
            }
        }
        if !met {
            let near = near::suggestion(&edit.operation, subjects.iter().map(|subject| subject.id.as_str()));
            about_rules(format!("tool \"{}\": the document has no such operation{near}", edit.operation));
        }
    }
    edits
}

/// The name of each operation; none where the operator's cannot be used.
fn names(
    found: &[Found<'_>],
    edits: &[Option<usize>],
    rules: &Rules,
    about_rules: &dyn Fn(String),
) -> Vec<Option<String>> {
    let edit = |i: usize| -> Option<&Edit> { edits[i].map(|edit| &rules.edits[edit]) };
    let given: Vec<Option<&str>> = (0..found.len()).map(|i| edit(i)?.name.as_deref()).collect();
    let names = name::all(found, &rules.prefix, &given);
    let check = |(i, name): (usize, String)| {
        if name::is_legal(&name) {
            return Some(name);
        }
        let of = edit(i).map_or_else(|| "prefix".into(), |edit| format!("tool \"{}\"", edit.operation));
        about_rules(format!("{of}: \"{name}\" cannot be a tool's name, which is 1 to 64 of A-Z a-z 0-9 _ -"));
        None
    };
    names.into_iter().enumerate().map(check).collect()
}

fn wanted(subjects: &[Subject<'_>], rules: &Rules, about_rules: &dyn Fn(String)) -> Vec<bool> {
    for (directive, selectors) in [("expose", &rules.expose), ("hide", &rules.hide)] {
        for selector in selectors.iter().filter(|selector| !subjects.iter().any(|subject| selector.meets(subject))) {
            let (meant, candidates) = selector.candidates(subjects);
            let near = near::suggestion(meant, candidates);
            about_rules(format!("{directive} \"{selector}\": no operation of the document meets it{near}"));
        }
    }
    let wanted = |subject: &Subject<'_>| {
        let method = rules.methods.is_empty() || rules.methods.iter().any(|m| m.eq_ignore_ascii_case(&subject.method));
        let safe = !rules.readonly || matches!(subject.method.as_str(), "GET" | "HEAD" | "QUERY");
        let exposed = rules.expose.is_empty() || rules.expose.iter().any(|selector| selector.meets(subject));
        method && safe && exposed && !rules.hide.iter().any(|selector| selector.meets(subject))
    };
    subjects.iter().map(wanted).collect()
}
