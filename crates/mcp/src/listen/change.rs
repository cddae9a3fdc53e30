//! Lists that are others after the server's configuration was changed.

use super::rule::RULES;
use super::{Publication, Topic};
use crate::ProtocolVersion;
use crate::list::Listing;
use crate::server::Server;

impl Server {
    /// What the server lists, by the topic that its changes are heard on: numbers that change with it.
    pub fn list_digests(&self) -> Vec<(Topic, u64)> {
        let digest = |listing| self.list(listing, ProtocolVersion::V2026_07_28).digest();
        // Clients are told of resources and templates as of one.
        let resources = digest(Listing::Resources).rotate_left(1) ^ digest(Listing::Templates);
        vec![
            (Topic::ToolsListChanged, digest(Listing::Tools)),
            (Topic::PromptsListChanged, digest(Listing::Prompts)),
            (Topic::ResourcesListChanged, resources),
        ]
    }
}

impl Publication {
    /// That a list has changed; none if the topic is not about one.
    pub fn list_changed(topic: Topic) -> Option<Publication> {
        let rule = RULES.iter().find(|rule| (rule.topic)(String::new()).as_ref() == Some(&topic))?;
        Some(Publication::message(topic, &format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, rule.method)))
    }

    /// That the contents of a resource have changed.
    pub fn resource_updated(uri: &str) -> Publication {
        let params = serde_json::json!({"uri": uri});
        let message = format!(r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{params}}}"#);
        Publication::message(Topic::ResourceUpdated(uri.to_owned()), &message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::server;
    use crate::tool::test_tools::named;
    use crate::{Delivery, PromptBuilder, ResourceBuilder};

    #[test]
    fn each_list_has_a_number_of_its_own() {
        let digests = |uris: &[&str], prompts: &[&str]| {
            let server = server([], |builder| {
                for uri in uris {
                    let mut resource = ResourceBuilder::new(uri).unwrap();
                    resource.text(&["a"]).unwrap();
                    builder.resource(resource.build().unwrap()).unwrap();
                }
                for name in prompts {
                    let mut prompt = PromptBuilder::new(name).unwrap();
                    prompt.message(&["user", "a"]).unwrap();
                    builder.prompt(prompt.build().unwrap()).unwrap();
                }
            });
            server.list_digests()
        };
        let before = digests(&["a:b"], &["p"]);
        for (uris, prompts, changed) in [
            (&["a:b"][..], &["p"][..], &[][..]),
            (&["a:c"], &["p"], &[Topic::ResourcesListChanged]),
            (&["a:b", "a:{c}"], &["p"], &[Topic::ResourcesListChanged]),
            (&["a:b"], &["q"], &[Topic::PromptsListChanged]),
        ] {
            let after = digests(uris, prompts);
            let differ = before.iter().zip(&after).filter(|(before, after)| before.1 != after.1);
            assert_eq!(differ.map(|(_, after)| after.0.clone()).collect::<Vec<_>>(), changed);
        }
    }

    #[test]
    fn a_change_of_the_tools_changes_their_number() {
        let digests = |names: &[&str]| {
            let tool = |name: &&str| named(name, &[&["pass", "GET", "http://upstream/"]]);
            server(names.iter().map(tool), |_| {}).list_digests()
        };
        assert_eq!(digests(&["a", "b"]), digests(&["a", "b"]));
        assert_ne!(digests(&["a", "b"]), digests(&["a"]));
        assert_ne!(digests(&[]), digests(&["a"]));
        for (topic, _) in digests(&[]) {
            let publication = Publication::list_changed(topic.clone()).unwrap();
            assert_eq!(Delivery::parse(&publication.envelope).unwrap().topic(), &topic);
        }
        assert_eq!(Publication::list_changed(Topic::of_session("s")), None);
    }
}
