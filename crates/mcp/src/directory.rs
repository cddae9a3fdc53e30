//! A directory whose files are resources: `list on` beside the `file` of a resource's template, and `mcp_skills`.
//!
//! The host looks what there is ([`Found`]); what clients are shown of it is a [`Catalog`].

mod catalog;
mod found;
mod skill;

use crate::glob::glob;
use crate::tool::{ConfigError, FilePath, percent_encoded_path};

pub use self::catalog::Catalog;
pub(crate) use self::catalog::{Child, Entry, Skill};
pub use self::found::{Contents, Found, FoundFile};

/// The file that a skill begins with.
pub(crate) const MANIFEST: &str = "SKILL.md";

/// Which files of a directory are resources, and by which URI each is read.
#[derive(Debug)]
pub struct Directory {
    path: FilePath,
    /// What stands in a URI before and behind the name of a file.
    uri: (String, String),
    hide: Vec<String>,
    skills: bool,
    /// The number of the endpoint that reads its files.
    pub(crate) site: usize,
}

impl Directory {
    /// The files of a path with one place in it, which is the one of a URI between these two texts.
    pub(crate) fn new(
        path: FilePath,
        uri: (&str, &str),
        hide: Vec<String>,
        skills: bool,
    ) -> Result<Directory, ConfigError> {
        if path.around().is_none() {
            return Err(ConfigError("\"list\" needs a \"file\" with the variable of the URI in it, once".into()));
        }
        Ok(Directory { path, uri: (uri.0.to_owned(), uri.1.to_owned()), hide, skills, site: 0 })
    }

    /// Where it is: the paths of what is found are those below it.
    pub fn root(&self) -> &str {
        self.path.root()
    }

    /// The [endpoint](crate::Server::endpoint) that its files are read by.
    pub fn endpoint(&self) -> usize {
        self.site
    }

    /// Whether there may be files of it below this path, such as `reports/2026`.
    pub fn is_entered(&self, path: &str) -> bool {
        // Further down only where a value may lead.
        self.path.is_deep() && !path.split('/').any(|step| step.starts_with('.')) && !self.is_hidden(path)
    }

    /// Whether the file of this path is one of its resources.
    pub fn admits(&self, path: &str) -> bool {
        self.name(path).is_some()
    }

    /// Whether it must be known what is in the files.
    pub fn wants_contents(&self) -> bool {
        self.skills
    }

    /// Whether the beginning of this file says something about others.
    pub fn wants_text(&self, path: &str) -> bool {
        self.skills && file_name(path) == MANIFEST
    }

    pub(crate) fn has_skills(&self) -> bool {
        self.skills
    }

    /// What stands for the file of a path in its URI; none if it is not one of its resources.
    fn name<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (before, after) = self.path.around()?;
        let name = path.strip_prefix(&before[1..])?.strip_suffix(after)?;
        (self.path.leads_to(name) && !self.is_hidden(path)).then_some(name)
    }

    fn uri_of(&self, name: &str) -> String {
        format!("{}{}{}", self.uri.0, percent_encoded_path(name), self.uri.1)
    }

    /// The type of the file that has a URI, unless nginx knows it.
    pub(crate) fn media_type_of(&self, uri: &str) -> Option<&'static str> {
        let (_, after) = self.path.around()?;
        media_type(if after.is_empty() { uri.strip_suffix(self.uri.1.as_str())? } else { after })
    }

    /// The URI of a directory, written without a slash at its end.
    fn uri_of_directory(&self, path: &str) -> Option<String> {
        let (before, _) = self.path.around()?;
        Some(format!("{}{}", self.uri.0, percent_encoded_path(path.strip_prefix(&before[1..])?)))
    }

    /// The path of the directory that has a URI.
    fn path_of_directory(&self, uri: &str) -> Option<String> {
        let (before, _) = self.path.around()?;
        let inner = match uri.strip_prefix(self.uri.0.as_str()) {
            Some(inner) => String::from_utf8(crate::tool::percent_decoded(inner.as_bytes())).ok()?,
            None if uri == self.uri.0.trim_end_matches('/') => String::new(),
            None => return None,
        };
        let inner = inner.strip_suffix('/').unwrap_or(&inner);
        Some(if inner.is_empty() { String::new() } else { format!("{}{inner}", &before[1..]) })
    }

    /// Whether a pattern hides it, or a directory that it is in.
    fn is_hidden(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        let hides = |pattern: &str, path: &str| match pattern.contains('/') {
            true => glob(pattern, path),
            false => glob(pattern, file_name(path)),
        };
        ends.map(|end| &path[..end]).any(|path| self.hide.iter().any(|pattern| hides(pattern, path)))
    }
}

/// The last step of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The directory that a path's last step is in; none for the root.
fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

/// The type of a file: nginx's own list of types knows no Markdown.
fn media_type(path: &str) -> Option<&'static str> {
    path.to_ascii_lowercase().ends_with(".md").then_some("text/markdown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &str, deep: bool, hide: &[&str]) -> Directory {
        let deep = if deep { vec!["p".to_owned()] } else { Vec::new() };
        let path = FilePath::parse(path, true, deep).unwrap();
        Directory::new(path, ("docs:///", ".x"), hide.iter().map(|text| (*text).to_owned()).collect(), false).unwrap()
    }

    #[test]
    fn what_is_listed_is_what_can_be_read() {
        let flat = directory("/d/a-{p}.md", false, &[]);
        let deep = directory("/d/{p}", true, &["*.tmp", "drafts", "in/old"]);
        for (path, in_flat, in_deep) in [
            ("a-1.md", Some("docs:///1.x"), Some("docs:///a-1.md.x")),
            ("a-.md", None, Some("docs:///a-.md.x")),
            ("b-1.md", None, Some("docs:///b-1.md.x")),
            ("a-1/2.md", None, Some("docs:///a-1/2.md.x")),
            ("in/ü b?", None, Some("docs:///in/%C3%BC%20b%3F.x")),
            ("a.tmp", None, None),
            ("in/a.tmp", None, None),
            ("drafts/a", None, None),
            ("in/drafts/a/b", None, None),
            ("in/old/a", None, None),
            ("old/a", None, Some("docs:///old/a.x")),
            ("in/older", None, Some("docs:///in/older.x")),
            (".git/config", None, None),
            ("in/.env", None, None),
            ("a\\b", None, None),
            ("a\n", None, None),
        ] {
            let uri = |directory: &Directory| directory.name(path).map(|name| directory.uri_of(name));
            assert_eq!(uri(&flat).as_deref(), in_flat, "{path:?}");
            assert_eq!(uri(&deep).as_deref(), in_deep, "{path:?}");
        }
        for (path, expected) in [
            ("sub", true),
            ("sub/in", true),
            (".git", false),
            ("in/.git", false),
            ("drafts", false),
            ("in/drafts", false),
        ] {
            assert_eq!(deep.is_entered(path), expected, "{path}");
            assert!(!flat.is_entered(path));
        }
    }

    #[test]
    fn a_directory_has_a_uri() {
        let directory = directory("/d/{p}", true, &[]);
        for (uri, path) in [
            ("docs:///", Some("")),
            ("docs:", Some("")),
            ("docs:///in", Some("in")),
            ("docs:///in/%C3%BC/", Some("in/ü")),
            ("docs://x", None),
        ] {
            assert_eq!(directory.path_of_directory(uri).as_deref(), path, "{uri}");
        }
        assert_eq!(directory.uri_of_directory("in/ü").as_deref(), Some("docs:///in/%C3%BC"));
    }
}
