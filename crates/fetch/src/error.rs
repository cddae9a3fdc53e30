//! Why there is no document.

use std::fmt;

use crate::location::Location;

/// More than this of a text, which others may have written, does not reach the log.
const LONGEST: usize = 1000;

/// Why there is no document, in one line that an operator understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError(String);

impl FetchError {
    pub(crate) fn new(location: &Location, problem: impl fmt::Display) -> Self {
        Self::of(&location.shown(), problem)
    }

    /// For what is no location, `url` being fit to be shown.
    pub(crate) fn of(url: &str, problem: impl fmt::Display) -> Self {
        let text = format!("cannot fetch \"{url}\": {problem}");
        Self(text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect())
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FetchError {}
