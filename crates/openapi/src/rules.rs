//! What an operator asks of a document.

use crate::selector::Selector;

/// The directives of one `mcp_openapi` block. The default takes every operation as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// `pass URL`: scheme and authority in place of the document's servers. A path in it, be it `/`, takes the place of
    /// the servers' path, too; without one that is kept.
    pub pass: Option<String>,
    /// The URL that the document was fetched from, which relative servers are relative to.
    pub source: Option<String>,
    /// `prefix TEXT`, before every name that no `tool` block gives.
    pub prefix: String,
    /// `expose`: without any, everything is.
    pub expose: Vec<Selector>,
    /// `hide`: wins over `expose`.
    pub hide: Vec<Selector>,
    /// `methods`: only these; empty for all.
    pub methods: Vec<String>,
    /// `readonly on`: only GET, HEAD and QUERY.
    pub readonly: bool,
    /// `output_schema on`: the schemas of the answers are published.
    pub output_schema: bool,
    /// `credential SCHEME TEXT`
    pub credentials: Vec<Credential>,
    /// `resource` and `resources`: for an operation the first that it meets counts.
    pub resources: Vec<ResourceRule>,
    /// The `tool` blocks.
    pub edits: Vec<Edit>,
}

/// `resource URI TERM …` or `resources URI TERM …`: what GET answers is a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRule {
    /// Which operations.
    pub selector: Selector,
    /// The URI or template of the resource; of several, what stands before the paths of the document.
    pub uri: String,
    /// There may be several, whose URIs are made of their paths; those with further arguments that are required stay tools.
    pub many: bool,
    /// They are tools, too.
    pub tool: bool,
}

/// What to send for a security scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The scheme's name in the document.
    pub scheme: String,
    /// The key, token or credentials, with variables of the host. `Bearer ` and `Basic ` need not be written.
    pub text: String,
}

/// `tool OPERATION { … }`: one operation made to measure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// Its `operationId`, else the tool's name as made from method and path, without the prefix.
    pub operation: String,
    /// The tool's name as it stands, without the prefix.
    pub name: Option<String>,
    /// The tool's description.
    pub description: Option<String>,
    /// `fix PARAM TEXT`: an argument and its value, which no longer is an argument. With `$` in it, the value is a text
    /// that the host evaluates for each call; without, it is taken as the parameter's type.
    pub fix: Vec<(String, String)>,
}
