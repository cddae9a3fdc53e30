//! API descriptions as the core's HTTP operations.
//!
//! ```text
//! Document::parse(text)          Swagger 2.0, OpenAPI 3.0, 3.1 or 3.2, JSON or YAML, as a value
//! document.operations(&rules)    paths      which operations there are, and which are wanted
//!                                swagger2   what one asks for, as the version says it
//!                                openapi3
//!                                tool       from there to an `mcp::operation::Operation`
//! ```
//!
//! Pure: files that a document refers to come from a function of the caller, nothing is fetched. What is wrong with one
//! operation is a [`Warning`] and costs that operation; all others work.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends at what it did not expect"))]

#[cfg(test)]
mod corpus_tests;
mod description;
mod document;
mod form;
mod hash;
mod limits;
mod media_type;
mod name;
mod near;
mod node;
mod openapi3;
mod outcome;
mod paths;
mod percent;
mod reader;
mod request;
mod resource;
mod rules;
mod schema;
mod security;
mod selector;
mod server;
mod swagger2;
#[cfg(test)]
mod test_documents;
mod tool;
mod url;
mod warning;

pub use document::{Document, ParseError};
pub use limits::Limits;
pub use outcome::{Origin, Outcome};
pub use rules::{Credential, Edit, ResourceRule, Rules};
pub use selector::Selector;
pub use server::check_server;
pub use warning::Warning;
