//! Which patterns the validator can use.

use std::collections::HashMap;

/// More distinct patterns than any real document has; each costs time to compile.
const MAX_PATTERNS: usize = 2_000;
const MAX_LENGTH: usize = 2_000;

/// Patterns that were tried, so that each is compiled once.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<String, Result<(), String>>);

impl Patterns {
    pub(super) fn check(&mut self, pattern: &str) -> Result<(), String> {
        if let Some(known) = self.0.get(pattern) {
            return known.clone();
        }
        if pattern.len() > MAX_LENGTH || self.0.len() >= MAX_PATTERNS {
            return Err("is one too many, or too long".into());
        }
        let checked = mcp::operation::check_pattern(pattern);
        self.0.insert(pattern.into(), checked.clone());
        checked
    }
}
