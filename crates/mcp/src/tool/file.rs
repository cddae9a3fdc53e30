//! A file of this machine, by a path with places for values.

use serde_json::{Map, Value};

use super::InvalidArguments;
use crate::text_template::TextTemplate;

/// A file, or one of those below a directory.
#[derive(Debug, Clone)]
pub(crate) struct FilePath {
    root: String,
    /// Below the root, beginning with `/`.
    path: TextTemplate,
    /// The values that may lead further down.
    deep: Vec<String>,
}

impl FilePath {
    /// An absolute path. With `is_template` its `{name}` are values; of those in `deep` each may be several steps.
    pub(crate) fn parse(text: &str, is_template: bool, deep: Vec<String>) -> Result<FilePath, String> {
        let fixed = if is_template { text.find('{').unwrap_or(text.len()) } else { text.len() };
        let last = text[..fixed].rfind('/').filter(|_| text.starts_with('/')).ok_or("its path is not absolute")?;
        let (root, path) = text.split_at(last);
        if path.len() < 2 {
            return Err("it names a directory, not a file".into());
        }
        if root.is_empty() && fixed < text.len() {
            return Err("there must be a directory before the first {…}, which is not left".into());
        }
        let path = if is_template { TextTemplate::parse(path)? } else { TextTemplate::literal(path) };
        Ok(FilePath { root: root.to_owned(), path, deep })
    }

    /// The directory that is not left.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// What stands before and behind its value, below the root, if there is one alone.
    pub(crate) fn around(&self) -> Option<(&str, &str)> {
        self.path.around()
    }

    /// Whether a value may lead further down.
    pub(crate) fn is_deep(&self) -> bool {
        self.path.names().any(|name| self.deep.iter().any(|deep| deep == name))
    }

    /// Whether this value of its only place is one of a file.
    pub(crate) fn leads_to(&self, value: &str) -> bool {
        self.filled(|_| value).is_ok()
    }

    /// The names of the values.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.path.names()
    }

    /// Where the file is, below the root.
    pub(super) fn below_root(&self, arguments: &Map<String, Value>) -> Result<String, InvalidArguments> {
        self.filled(|name| arguments.get(name).and_then(Value::as_str).unwrap_or_default())
    }

    fn filled<'v>(&self, value: impl Fn(&str) -> &'v str) -> Result<String, InvalidArguments> {
        for name in self.path.names() {
            let text = value(name);
            let wrong =
                |c: char| c.is_control() || c == '\\' || (c == '/' && !self.deep.iter().any(|deep| deep == name));
            if text.is_empty() || text.contains(wrong) {
                return Err(InvalidArguments(format!("invalid arguments: \"{name}\" is no part of a path")));
            }
        }
        let path = self.path.fill(value);
        // A file whose name begins with a dot is not meant to be seen.
        match path.split('/').skip(1).any(|step| step.is_empty() || step.starts_with('.')) {
            true => Err(InvalidArguments("invalid arguments: they lead to no file that is served".into())),
            false => Ok(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_tools::object;
    use super::*;

    #[test]
    fn the_root_is_not_left() {
        let one = FilePath::parse("/data/reports/{a}.md", true, Vec::new()).unwrap();
        let deep = FilePath::parse("/data/{a}", true, vec!["a".into()]).unwrap();
        assert_eq!((one.root(), deep.root()), ("/data/reports", "/data"));
        for (value, in_one, in_deep) in [
            ("x", Some("/x.md"), Some("/x")),
            ("ü b", Some("/ü b.md"), Some("/ü b")),
            ("..", None, None),
            (".", None, None),
            (".env", None, None),
            ("x/.git/config", None, None),
            ("a.b", Some("/a.b.md"), Some("/a.b")),
            ("", None, None),
            ("x/y", None, Some("/x/y")),
            ("../x", None, None),
            ("x/../y", None, None),
            ("x/./y", None, None),
            ("x//y", None, None),
            ("/x", None, None),
            ("x/", None, None),
            ("..\\x", None, None),
            ("x\0", None, None),
            ("x\n", None, None),
            ("%2e%2e", Some("/%2e%2e.md"), Some("/%2e%2e")),
        ] {
            let arguments = object(json!({"a": value}));
            assert_eq!(one.below_root(&arguments).ok().as_deref(), in_one, "{value:?}");
            assert_eq!(deep.below_root(&arguments).ok().as_deref(), in_deep, "{value:?}");
        }
    }

    #[test]
    fn a_path_is_one_of_a_file() {
        let file = FilePath::parse("/data/{a}.md", false, Vec::new()).unwrap();
        assert_eq!((file.root(), file.below_root(&Map::new()).unwrap().as_str()), ("/data", "/{a}.md"));
        for (path, template) in [("data/x", false), ("/data/", false), ("/{a}", true), ("{a}/x", true), ("/d/{", true)]
        {
            assert!(FilePath::parse(path, template, Vec::new()).is_err(), "{path}");
        }
    }
}
