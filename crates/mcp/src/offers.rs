//! What a server offers: its capabilities, and which changes it can announce.

use serde_json::{Map, Value, json};

use crate::ProtocolVersion;
use crate::list::Listing;
use crate::listen::{LIST_CHANGES, Topic};
use crate::task::EXTENSION as TASKS;

/// The extension of skills.
const SKILLS: &str = "io.modelcontextprotocol/skills";

/// What the clients of a server find there. The one place that says so.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offers {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    /// Arguments can be completed.
    pub(crate) completions: bool,
    /// There are directories of skills.
    pub(crate) skills: bool,
    /// Calls may become tasks.
    pub(crate) tasks: bool,
    /// Messages between requests can be delivered.
    pub(crate) channels: bool,
}

impl Offers {
    fn has(self, capability: &str) -> bool {
        match capability {
            "tools" => self.tools,
            "prompts" => self.prompts,
            "resources" => self.resources,
            _ => false,
        }
    }

    /// Whether there is such a list, though it may be empty.
    pub(crate) fn list(self, listing: Listing) -> bool {
        match listing {
            Listing::Tools => self.tools,
            Listing::Resources | Listing::Templates => self.resources,
            Listing::Prompts => self.prompts,
        }
    }

    /// `capabilities` of `initialize` and `server/discover`, as a revision has them.
    pub(crate) fn capabilities(self, version: ProtocolVersion) -> Value {
        let mut capabilities = Map::new();
        // A tool's upstream may log while it works.
        capabilities.insert("logging".to_owned(), json!({}));
        for change in LIST_CHANGES.iter().filter(|change| self.has(change.capability)) {
            let mut capability = Map::new();
            if self.channels {
                capability.insert("listChanged".to_owned(), json!(true));
                if change.capability == "resources" {
                    capability.insert("subscribe".to_owned(), json!(true));
                }
            }
            capabilities.insert(change.capability.to_owned(), capability.into());
        }
        // In 2024-11-05 nobody says it.
        if self.completions && version > ProtocolVersion::V2024_11_05 {
            capabilities.insert("completions".to_owned(), json!({}));
        }
        capabilities.into()
    }

    /// `extensions` of `server/discover`; none if there are none.
    pub(crate) fn extensions(self) -> Option<Value> {
        let mut extensions = Map::new();
        if self.tasks {
            extensions.insert(TASKS.to_owned(), json!({}));
        }
        if self.skills {
            extensions.insert(SKILLS.to_owned(), json!({"directoryRead": true}));
        }
        (!extensions.is_empty()).then(|| extensions.into())
    }

    /// Whether news of this kind can be asked for.
    pub(crate) fn announces(self, topic: &Topic) -> bool {
        self.channels
            && match topic {
                Topic::ToolsListChanged => self.tools,
                Topic::PromptsListChanged => self.prompts,
                Topic::ResourcesListChanged | Topic::ResourceUpdated(_) => self.resources,
                Topic::Session(_) => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_promised_only_where_they_can_be_delivered() {
        let mut offers = Offers { tools: true, ..Offers::default() };
        let version = ProtocolVersion::V2025_11_25;
        assert_eq!(offers.capabilities(version), json!({"logging": {}, "tools": {}}));
        offers.channels = true;
        assert_eq!(offers.capabilities(version), json!({"logging": {}, "tools": {"listChanged": true}}));
        offers.resources = true;
        let resources = json!({"listChanged": true, "subscribe": true});
        assert_eq!(
            offers.capabilities(version),
            json!({"logging": {}, "tools": {"listChanged": true}, "resources": resources})
        );
    }

    #[test]
    fn a_revision_is_told_what_it_has() {
        let offers = Offers { completions: true, ..Offers::default() };
        for version in ProtocolVersion::ALL {
            let expected = (version != ProtocolVersion::V2024_11_05).then(|| json!({}));
            assert_eq!(offers.capabilities(version).get("completions"), expected.as_ref(), "{version}");
        }
    }
}
