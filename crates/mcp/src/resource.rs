//! A resource, or a template of resources: what `resources/list` shows of it, and where its contents come from.

mod annotations;
mod builder;
mod operation;
mod result;
mod template;

use std::sync::Arc;

use serde_json::{Map, Value};

pub use self::builder::ResourceBuilder;
use self::operation::Scalars;
pub(crate) use self::result::{Around, Read, write_contents, write_mcp_contents};
pub(crate) use self::template::UriTemplate;
use crate::ProtocolVersion;
use crate::completion::{Completer, Suggestions};
use crate::directory::Directory;
use crate::presentation::Presentation;
use crate::text_template::TextTemplate;
use crate::tool::{Endpoint, Input, Misuse, Object};

/// One resource or template, validated and compiled; immutable.
#[derive(Debug)]
pub struct Resource {
    /// The URI, or the template as it was written.
    uri: Arc<str>,
    template: Option<UriTemplate>,
    /// Which of the template's variables are no texts.
    scalars: Scalars,
    name: String,
    presentation: Presentation,
    mime_type: Option<String>,
    annotations: Map<String, Value>,
    size: Option<u64>,
    /// `ttlMs` and `cacheScope` of its contents, if the operator says so.
    pub(crate) caching: (Option<u64>, Option<&'static str>),
    pub(crate) source: Source,
    /// The files that are listed, if the template is one of files.
    pub(crate) directory: Option<Directory>,
    pub(crate) completers: Vec<Completer>,
}

/// Where the contents come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Here they are.
    Text(TextTemplate, Input),
    /// Somebody else has them.
    Endpoint {
        endpoint: Box<Endpoint>,
        /// Its number among those of the server.
        site: usize,
        read: Read,
    },
}

impl Source {
    /// Whom to ask, if it is somebody else.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Source::Endpoint { endpoint, .. } => Some(endpoint),
            Source::Text(..) => None,
        }
    }
}

impl Resource {
    /// The URI, or the template, as it was written.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The directory whose files are listed, if it is a template of such.
    pub fn directory_root(&self) -> Option<&str> {
        self.directory.as_ref().map(Directory::root)
    }

    /// What its calls are: that of `pass` or `file` first, then those of `complete`.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let own = self.source.endpoint();
        own.into_iter().chain(self.completers.iter().filter_map(|completer| match &completer.source {
            Suggestions::Upstream { endpoint, .. } => Some(&**endpoint),
            Suggestions::Values(_) => None,
        }))
    }

    pub(crate) fn shared_uri(&self) -> Arc<str> {
        self.uri.clone()
    }

    pub(crate) fn is_template(&self) -> bool {
        self.template.is_some()
    }

    /// The type of its contents, if the operator says so.
    pub(crate) fn mime_type(&self) -> Option<&str> {
        self.mime_type.as_deref()
    }

    /// The values that make the template this URI; none if there are no such values, or if it is no template.
    pub(crate) fn values(&self, uri: &str) -> Option<Map<String, Value>> {
        let values = self.template.as_ref()?.values(uri)?;
        Some(values.into_iter().map(|(name, value)| (name.to_owned(), self.scalars.value(name, value))).collect())
    }

    /// Writes it as `resources/list` or `resources/templates/list` show it in a revision.
    pub(crate) fn write_definition(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text(if self.is_template() { "uriTemplate" } else { "uri" }, &self.uri);
        object.text("name", &self.name);
        self.presentation.write(version, &mut object);
        if let Some(mime_type) = &self.mime_type {
            object.text("mimeType", mime_type);
        }
        let annotations = self.annotations(version, None);
        if !annotations.is_empty() {
            object.member("annotations", &Value::Object(annotations).to_string());
        }
        if let Some(size) = self.size {
            object.member("size", &size.to_string());
        }
        object.end();
    }

    /// What a revision knows of its annotations; `modified` is when a file of it was changed.
    pub(crate) fn annotations(&self, version: ProtocolVersion, modified: Option<u64>) -> Map<String, Value> {
        annotations::published(&self.annotations, version, modified)
    }

    /// Whether the file of a path below its directory is none that may be read.
    pub(crate) fn hides(&self, path: &str) -> bool {
        self.directory.as_ref().is_some_and(|directory| !directory.admits(path.trim_start_matches('/')))
    }

    /// Whether `resources/list` or `resources/templates/list` shows it. A skill's files are found by their names alone.
    pub(crate) fn is_shown(&self) -> bool {
        self.directory.as_ref().is_none_or(|directory| !directory.has_skills())
    }

    /// The contents that need nobody else; none if they do.
    pub(crate) fn text(&self, values: Map<String, Value>) -> Option<Result<String, Misuse>> {
        let Source::Text(text, input) = &self.source else { return None };
        Some(
            input
                .check(values)
                .map(|values| text.fill(|name| values.get(name).and_then(Value::as_str).unwrap_or_default())),
        )
    }
}
