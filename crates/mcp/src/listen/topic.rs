//! What can be heard of.

use sha2::{Digest, Sha256};

/// Bytes of the digest that a session's name is made of.
const SESSION_NAME: usize = 16;

/// Who hears what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// The list of tools has changed.
    ToolsListChanged,
    /// The list of prompts has changed.
    PromptsListChanged,
    /// The list of resources has changed.
    ResourcesListChanged,
    /// The resource of this URI has changed.
    ResourceUpdated(String),
    /// Messages to one session, or on the stream of one of its calls. The name is made of its id, which cannot be found out
    /// from it: 32 hexadecimal digits.
    Session(String),
}

impl Topic {
    /// The name of the session whose channel carries this; none for what the broadcast channel carries.
    pub fn session(&self) -> Option<&str> {
        match self {
            Topic::Session(name) => Some(name),
            _ => None,
        }
    }

    /// The topic of a session's messages, from its id.
    pub fn of_session(id: &str) -> Topic {
        Topic::Session(hex(&Sha256::digest(id)[..SESSION_NAME]))
    }

    /// The topic on which a held call says something, and that of what is said to it. The name of the call is a secret.
    pub(crate) fn of_held_call(call: &str) -> [Topic; 2] {
        [&b"said "[..], b"told "].map(|side| {
            let digest = Sha256::new().chain_update(side).chain_update(call).finalize();
            Topic::Session(hex(&digest[..SESSION_NAME]))
        })
    }

    /// The topic of the stream of a call of a session. Who does not know the session's id does not find it.
    pub(crate) fn of_call(session: &str, call: &[u8; 16]) -> Topic {
        let digest = Sha256::new().chain_update(call).chain_update(session).finalize();
        Topic::Session(hex(&digest[..SESSION_NAME]))
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// A list whose changes are announced.
#[derive(Debug)]
pub(crate) struct ListChange {
    pub(crate) topic: Topic,
    /// The capability that the list belongs to.
    pub(crate) capability: &'static str,
    /// The member of a filter that asks for it.
    pub(crate) filter: &'static str,
}

/// Every list that there is.
pub(crate) const LIST_CHANGES: [ListChange; 3] = [
    ListChange { topic: Topic::ToolsListChanged, capability: "tools", filter: "toolsListChanged" },
    ListChange { topic: Topic::PromptsListChanged, capability: "prompts", filter: "promptsListChanged" },
    ListChange { topic: Topic::ResourcesListChanged, capability: "resources", filter: "resourcesListChanged" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_a_name_of_its_own() {
        let topic = Topic::of_session("abc");
        assert_eq!(topic.session(), Some("ba7816bf8f01cfea414140de5dae2223"));
        assert_ne!(topic, Topic::of_session("abd"));
        assert_eq!(Topic::ResourceUpdated("a".to_owned()).session(), None);
    }
}
