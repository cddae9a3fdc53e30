//! What a document may cost.

/// Bounds on one document and on what is made of it. What goes beyond one is refused with an error or left out with a
/// warning that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document, and of all files together that it refers to.
    pub bytes: usize,
    /// Values and keys in one document, those that an alias of YAML repeats counted each time. GitHub's, the largest that
    /// is known, has 480,000.
    pub values: usize,
    /// Lists and objects inside each other. Never more than 120: the JSON parser has a limit, too.
    pub depth: usize,
    /// Files that a document refers to.
    pub files: usize,
    /// Operations of one document.
    pub operations: usize,
    /// Bytes of one operation's input schema, and of its output schema, as JSON.
    pub schema_bytes: usize,
    /// Bytes of all schemas together, as JSON.
    pub all_schemas_bytes: usize,
    /// Characters of a tool's description.
    pub description: usize,
    /// Warnings that are kept; the rest is counted.
    pub warnings: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 32 << 20,
            values: 1_500_000,
            depth: 120,
            files: 2_000,
            operations: 10_000,
            schema_bytes: 512 << 10,
            all_schemas_bytes: 64 << 20,
            description: 2_000,
            warnings: 500,
        }
    }
}
