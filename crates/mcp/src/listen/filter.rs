//! `subscriptions/listen`: what a client wants to hear of.

use super::topic::{LIST_CHANGES, Topic};
use super::{Listener, MAX_RESOURCES, MAX_URI};
use crate::error::Error;
use crate::exchange::Work;
use crate::headers::EVENT_STREAM;
use crate::input::Capabilities;
use crate::jsonrpc::Params;
use crate::offers::Offers;
use crate::receive::Reception;
use crate::scan::{NotJson, Scanner};

impl Reception<'_, '_> {
    /// Opens a stream for a `subscriptions/listen` request.
    pub(crate) fn subscribe(&self, params: &Params<'_>) -> Result<Work, Error> {
        if !self.accept.events {
            return Err(Error::NotAcceptable(EVENT_STREAM));
        }
        let offers = self.server.offers();
        let topics = read(params.notifications, offers)?;
        if offers.tasks && !self.facts.capabilities.has(Capabilities::TASKS) && names_tasks(params.notifications) {
            return Err(Error::MissingCapability(Capabilities::TASKS));
        }
        let id = self.facts.request_id().unwrap_or_default();
        Ok(Work::Listen(Box::new(Listener::subscription(topics, id, self.server.shared_meta()))))
    }
}

/// Reads a filter: what it asks for and the server has.
fn read(filter: Option<&str>, offers: Offers) -> Result<Vec<Topic>, Error> {
    let invalid = |what: &str| Error::InvalidParams(format!("\"notifications\" {what}").into());
    let filter = filter.filter(|filter| filter.starts_with('{')).ok_or_else(|| invalid("must be an object"))?;
    let (mut topics, mut resources) = (Vec::new(), None);
    let mut problem = None;
    let walked = Scanner::new(filter).object(|name, scanner| {
        let value = scanner.value()?;
        if name == "resourceSubscriptions" {
            resources = Some(value);
        }
        let Some(change) = LIST_CHANGES.into_iter().find(|change| change.filter == name) else { return Ok(()) };
        match value {
            "true" => topics.push(change.topic),
            "false" | "null" => {}
            _ => problem = Some(format!("must have a boolean as \"{name}\"")),
        }
        Ok(())
    });
    // The text was read before, as part of the message.
    walked.map_err(|NotJson| invalid("must be an object"))?;
    if let Some(problem) = problem {
        return Err(invalid(&problem));
    }
    let resources = resources.filter(|resources| *resources != "null").map_or(Ok(Vec::new()), read_resources);
    topics.extend(resources.map_err(|problem| invalid(&problem))?.into_iter().map(Topic::ResourceUpdated));
    topics.retain(|topic| offers.announces(topic));
    Ok(topics)
}

/// Whether a filter asks for news of tasks. There are none, but who asks must know what a task is.
fn names_tasks(filter: Option<&str>) -> bool {
    let mut found = false;
    let walked = Scanner::new(filter.unwrap_or("{}")).object(|name, scanner| {
        let value = scanner.value()?;
        found |= name == "taskIds" && value != "null";
        Ok(())
    });
    walked.is_ok() && found
}

fn read_resources(resources: &str) -> Result<Vec<String>, String> {
    let resources: Vec<String> = serde_json::from_str(resources)
        .map_err(|_| "must have an array of strings as \"resourceSubscriptions\"".to_owned())?;
    if resources.len() > MAX_RESOURCES {
        return Err(format!("may name {MAX_RESOURCES} \"resourceSubscriptions\" at most"));
    }
    if resources.iter().any(|uri| uri.len() > MAX_URI) {
        return Err(format!("has a URI of more than {MAX_URI} bytes in \"resourceSubscriptions\""));
    }
    Ok(resources)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: Offers = Offers {
        tools: true,
        prompts: true,
        resources: true,
        completions: true,
        skills: true,
        tasks: true,
        channels: true,
    };

    #[test]
    fn a_filter_is_honoured_as_far_as_there_is_something_to_hear() {
        let resource = |uri: &str| Topic::ResourceUpdated(uri.to_owned());
        let tools = Offers { prompts: false, resources: false, ..ALL };
        let all = r#"{"promptsListChanged":true,"toolsListChanged":true,"resourceSubscriptions":["b:","a\u003a"]}"#;
        for (filter, offers, expected) in [
            ("{}", ALL, vec![]),
            (all, ALL, vec![Topic::PromptsListChanged, Topic::ToolsListChanged, resource("b:"), resource("a:")]),
            (all, tools, vec![Topic::ToolsListChanged]),
            (all, Offers { channels: false, ..ALL }, vec![]),
            (r#"{"toolsListChanged":false,"resourcesListChanged":null,"resourceSubscriptions":null}"#, ALL, vec![]),
            (r#"{"taskIds":["a"],"resourcesListChanged":true}"#, ALL, vec![Topic::ResourcesListChanged]),
        ] {
            assert_eq!(read(Some(filter), offers), Ok(expected), "{filter}");
        }
    }

    #[test]
    fn wrong_filters_are_refused() {
        let many = json!({"resourceSubscriptions": vec!["a:"; MAX_RESOURCES + 1]}).to_string();
        let long = json!({"resourceSubscriptions": ["a".repeat(MAX_URI + 1)]}).to_string();
        for (filter, expected) in [
            (None, "must be an object"),
            (Some("[]"), "must be an object"),
            (Some(r#"{"toolsListChanged":1}"#), "a boolean as \"toolsListChanged\""),
            (Some(r#"{"promptsListChanged":"true"}"#), "a boolean as \"promptsListChanged\""),
            (Some(r#"{"resourceSubscriptions":"a:"}"#), "an array of strings"),
            (Some(r#"{"resourceSubscriptions":["a:",1]}"#), "an array of strings"),
            (Some(r#"{"resourceSubscriptions":["\ud800"]}"#), "an array of strings"),
            (Some(&many), "1024 \"resourceSubscriptions\" at most"),
            (Some(&long), "more than 4096 bytes"),
        ] {
            // What is not offered must be right, too.
            for offers in [ALL, Offers::default()] {
                let Err(Error::InvalidParams(why)) = read(filter, offers) else { panic!("{filter:?} is right") };
                assert!(why.contains(expected), "{filter:?}: {why}");
            }
        }
        let most = json!({"resourceSubscriptions": vec!["a".repeat(MAX_URI); MAX_RESOURCES]}).to_string();
        assert_eq!(read(Some(&most), ALL).map(|topics| topics.len()), Ok(MAX_RESOURCES));
    }
}
