//! `expose` and `hide`: which of a server's tools, resources and prompts are offered.

use crate::glob::glob;
use crate::list::Listing;

/// The terms of one directive; something is meant that meets one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    terms: Vec<(Kind, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tool,
    Resource,
    Prompt,
}

impl Kind {
    const ALL: [(Kind, &str); 3] = [(Self::Tool, "tool"), (Self::Resource, "resource"), (Self::Prompt, "prompt")];

    fn of(listing: Listing) -> Kind {
        match listing {
            Listing::Tools => Self::Tool,
            Listing::Resources | Listing::Templates => Self::Resource,
            Listing::Prompts => Self::Prompt,
        }
    }
}

impl Selector {
    /// `tool=GLOB`, `resource=GLOB`, `prompt=GLOB`, one or several. In a glob, `*` is any text and `?` any one character.
    pub(super) fn parse(args: &[&str]) -> Result<Selector, String> {
        let known = "a term is tool=…, resource=… or prompt=…, with * for any text";
        if args.is_empty() {
            return Err(format!("it selects nothing; {known}"));
        }
        let term = |arg: &&str| {
            let (key, pattern) = arg.split_once('=').unwrap_or((arg, ""));
            let kind = Kind::ALL.into_iter().find(|(_, name)| *name == key && !pattern.is_empty());
            kind.map(|(kind, _)| (kind, pattern.to_owned())).ok_or_else(|| format!("unknown term \"{arg}\"; {known}"))
        };
        Ok(Selector { terms: args.iter().map(term).collect::<Result<_, _>>()? })
    }

    /// Whether it says anything of what stands in this list.
    pub(super) fn is_about(&self, listing: Listing) -> bool {
        self.terms.iter().any(|(kind, _)| *kind == Kind::of(listing))
    }

    /// Whether something of this name, or of this URI, is meant.
    pub(super) fn meets(&self, listing: Listing, name: &str) -> bool {
        self.terms.iter().any(|(kind, pattern)| *kind == Kind::of(listing) && glob(pattern, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_for_its_own_kind() {
        let selector = Selector::parse(&["tool=get_*", "resource=stock:*"]).unwrap();
        assert!(selector.meets(Listing::Tools, "get_item") && !selector.meets(Listing::Tools, "reserve"));
        assert!(selector.meets(Listing::Templates, "stock://{id}") && !selector.meets(Listing::Prompts, "get_item"));
        assert!(selector.is_about(Listing::Resources) && !selector.is_about(Listing::Prompts));
        for terms in [&[][..], &["get_item"], &["tool="], &["tools=a"], &["operation=a"]] {
            assert!(Selector::parse(terms).unwrap_err().contains("tool=…, resource=… or prompt=…"), "{terms:?}");
        }
    }
}
