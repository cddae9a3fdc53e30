//! `expose` and `hide`: which operations are wanted.

use std::fmt;

use mcp::operation::glob;

/// The terms of one directive; an operation is meant that meets them all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    terms: Vec<(Key, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Operation,
    Tag,
    Method,
    Path,
}

impl Key {
    const ALL: [Key; 4] = [Self::Operation, Self::Tag, Self::Method, Self::Path];

    fn as_str(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::Tag => "tag",
            Self::Method => "method",
            Self::Path => "path",
        }
    }
}

/// What a selector looks at.
#[derive(Debug, Clone)]
pub(crate) struct Subject<'d> {
    /// The `operationId`, or the name made for an operation that has none.
    pub(crate) id: String,
    pub(crate) tags: Vec<&'d str>,
    pub(crate) method: String,
    pub(crate) path: &'d str,
}

impl Selector {
    /// `operation=GLOB`, `tag=GLOB`, `method=GET`, `path=GLOB`, one or several. In a glob, `*` is any text and `?` any
    /// one character.
    pub fn parse(args: &[&str]) -> Result<Selector, String> {
        let known = "a selector is operation=…, tag=…, method=… or path=…, with * for any text";
        if args.is_empty() {
            return Err(format!("it selects nothing; {known}"));
        }
        let term = |arg: &&str| {
            let (key, value) = arg.split_once('=').unwrap_or((arg, ""));
            let key = Key::ALL.into_iter().find(|known| known.as_str() == key && !value.is_empty());
            key.map(|key| (key, value.to_owned())).ok_or_else(|| format!("unknown selector \"{arg}\"; {known}"))
        };
        Ok(Selector { terms: args.iter().map(term).collect::<Result<_, _>>()? })
    }

    pub(crate) fn meets(&self, subject: &Subject<'_>) -> bool {
        self.terms.iter().all(|(key, value)| match key {
            Key::Operation => glob(value, &subject.id),
            Key::Tag => subject.tags.iter().any(|tag| glob(value, tag)),
            Key::Method => value.eq_ignore_ascii_case(&subject.method),
            Key::Path => glob(value, subject.path),
        })
    }

    /// The values of the document that its first term could have named.
    pub(crate) fn candidates<'s>(&self, subjects: &'s [Subject<'_>]) -> (&str, Vec<&'s str>) {
        let Some((key, value)) = self.terms.first() else { return ("", Vec::new()) };
        let candidates = subjects.iter().flat_map(|subject| match key {
            Key::Operation => vec![subject.id.as_str()],
            Key::Tag => subject.tags.clone(),
            Key::Method => vec![subject.method.as_str()],
            Key::Path => vec![subject.path],
        });
        (value, candidates.collect())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> = self.terms.iter().map(|(key, value)| format!("{}={value}", key.as_str())).collect();
        f.write_str(&terms.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_terms_must_be_met() {
        let subject =
            Subject { id: "getPet".into(), tags: vec!["pets", "public"], method: "GET".into(), path: "/pets/{id}" };
        let cases: [(&[&str], bool); 7] = [
            (&["operation=get*"], true),
            (&["tag=public"], true),
            (&["tag=pub"], false),
            (&["method=get"], true),
            (&["path=/pets/*", "method=GET", "tag=p*"], true),
            (&["path=/pets/*", "method=POST"], false),
            (&["operation=getPet", "tag=private"], false),
        ];
        for (terms, expected) in cases {
            assert_eq!(Selector::parse(terms).unwrap().meets(&subject), expected, "{terms:?}");
        }
        for terms in [&[][..], &["getPet"], &["tag="], &["tags=a"]] {
            assert!(Selector::parse(terms).unwrap_err().contains("operation=…, tag=…"), "{terms:?}");
        }
    }
}
