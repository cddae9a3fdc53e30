//! What is wrong with a part of a document.

use std::cell::RefCell;
use std::fmt;

/// A defect that costs no more than the operation that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where, as a JSON pointer (`/paths/~1pets/get`), with the file's name and `#` before it if it is not the document
    /// itself. Empty when it is about the rules, not about the document.
    pub pointer: String,
    /// What is wrong and what came of it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.text)
    }
}

/// Warnings up to a number; the rest is counted.
#[derive(Debug)]
pub(crate) struct Warnings {
    kept: RefCell<(Vec<Warning>, usize)>,
    limit: usize,
}

impl Warnings {
    pub(crate) fn new(limit: usize) -> Warnings {
        Warnings { kept: RefCell::default(), limit }
    }

    pub(crate) fn push(&self, warning: Warning) {
        let (list, more) = &mut *self.kept.borrow_mut();
        if list.contains(&warning) {
            return;
        }
        if list.len() < self.limit { list.push(warning) } else { *more += 1 }
    }

    pub(crate) fn take(&self) -> Vec<Warning> {
        let (mut list, more) = self.kept.take();
        if more > 0 {
            list.push(Warning { pointer: String::new(), text: format!("{more} more warnings are not shown") });
        }
        list
    }
}
