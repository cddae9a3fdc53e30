//! What an operation asks for, whatever version says it.

use mcp::operation::{BodyKind, Location, Serialization};

use crate::node::Node;
use crate::paths::Found;
use crate::reader::Reader;
use crate::warning::Warning;

/// The version-neutral form of an operation's interface.
#[derive(Debug)]
pub(crate) struct Request<'d> {
    /// Path level first, in the document's order, each place and name once.
    pub(crate) parameters: Vec<Parameter<'d>>,
    pub(crate) body: Option<Body<'d>>,
    /// Media types of good answers, as the document writes them.
    pub(crate) accepts: Vec<&'d str>,
    /// The schema of a good answer in JSON.
    pub(crate) answer: Option<Node<'d>>,
}

/// A parameter outside the body.
#[derive(Debug)]
pub(crate) struct Parameter<'d> {
    pub(crate) at: Node<'d>,
    pub(crate) name: &'d str,
    pub(crate) location: Location,
    pub(crate) required: bool,
    pub(crate) schema: Option<Node<'d>>,
    pub(crate) serialization: Serialization,
}

/// The body, in the media type that was chosen.
#[derive(Debug)]
pub(crate) struct Body<'d> {
    pub(crate) required: bool,
    pub(crate) description: Option<&'d str>,
    pub(crate) media_type: String,
    pub(crate) kind: BodyKind,
    pub(crate) schema: BodySchema<'d>,
}

#[derive(Debug)]
pub(crate) enum BodySchema<'d> {
    /// Nothing is said.
    Any,
    Of(Node<'d>),
    /// Swagger 2.0's `formData` parameters: name, required, and the parameter itself.
    Members(Vec<(&'d str, bool, Node<'d>)>),
}

/// Bounds what is compared with each other, and what every call goes through.
pub(crate) fn check_count(reader: &Reader<'_>, found: &Found<'_>, count: usize) -> Result<(), Warning> {
    let limit = reader.limits.parameters;
    if count <= limit {
        return Ok(());
    }
    Err(reader.defect(&found.at, format!("{count} parameters are more than the limit of {limit}")))
}
