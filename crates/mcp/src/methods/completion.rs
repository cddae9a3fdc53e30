//! `completion/complete`.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Operation, Performed, arguments, prompts};
use crate::completion::{Completer, Suggestions, from_answer, from_values, sent};
use crate::error::Error;
use crate::facts::Facts;
use crate::failure::{Failed, good};
use crate::front::Forward;
use crate::http::Evaluate;
use crate::jsonrpc::Params;
use crate::list::Listing;
use crate::server::Server;
use crate::session::cut;
use crate::tool::{Answer, Misuse};
use crate::{Offering, ProtocolVersion};

/// What is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Prompt(usize),
    Resource(usize),
}

/// One request's completion; none has an argument for which there are no suggestions.
#[derive(Debug)]
pub(crate) struct Completion {
    subject: Subject,
    completer: Option<usize>,
    typed: String,
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Argument {
    name: String,
    value: String,
}

#[derive(Deserialize, Default)]
struct Context {
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

/// Finds what is completed.
pub(super) fn read(
    server: &Server,
    offering: Option<&Arc<Offering>>,
    params: &Params<'_>,
    facts: &mut Facts,
) -> Result<Operation, Error> {
    let invalid = |why: &'static str| Error::InvalidParams(why.into());
    let reference: Option<Reference<'_>> = params.reference.and_then(|json| serde_json::from_str(json).ok());
    let reference = reference.ok_or_else(|| invalid("\"ref\" must be an object with a \"type\""))?;
    let argument: Option<Argument> = params.argument.and_then(|json| serde_json::from_str(json).ok());
    let Argument { name, value } =
        argument.ok_or_else(|| invalid("\"argument\" must have a \"name\" and a \"value\", both strings"))?;
    let context: Context = params.context.map_or(Ok(Context::default()), serde_json::from_str).unwrap_or_default();
    let mut known = context.arguments.unwrap_or_default();
    known.retain(|_, value| value.is_string());
    known.insert(name.clone(), Value::String(value.clone()));
    facts.set_arguments(&Value::Object(known).to_string());
    if let Some(forward) = fronted(offering, &reference, params, facts) {
        return Ok(Operation::Forward(Box::new(forward)));
    }
    let subject = match (&*reference.kind, &reference.name, &reference.uri) {
        ("ref/prompt", Some(name), _) => Subject::Prompt(prompts::find(server, name, facts)?),
        ("ref/resource", _, Some(uri)) => {
            let unknown = || Error::UnknownResource { uri: cut(uri, 1024).to_owned(), why: None };
            // A template, or a URI of one.
            let written = server.resources().iter().position(|resource| resource.uri() == uri);
            let found = written.or_else(|| server.find_resource(uri).map(|(resource, _)| resource));
            let resource = found.ok_or_else(unknown)?;
            facts.resource = Some(server.resources()[resource].shared_uri());
            Subject::Resource(resource)
        }
        _ => {
            return Err(invalid(
                "\"ref\" must be a \"ref/prompt\" with a \"name\", or a \"ref/resource\" with a \"uri\"",
            ));
        }
    };
    let completer = completers(server, subject).iter().position(|completer| completer.argument == name);
    Ok(Operation::Complete(Completion { subject, completer, typed: value }))
}

/// The request if it is for a server behind this one.
fn fronted(
    offering: Option<&Arc<Offering>>,
    reference: &Reference<'_>,
    params: &Params<'_>,
    facts: &mut Facts,
) -> Option<Forward> {
    let raw = [params.argument, params.context];
    match (&*reference.kind, &reference.name, &reference.uri) {
        ("ref/prompt", Some(name), _) => {
            let forward = Forward::of_completion(offering, Listing::Prompts, name, raw)?;
            facts.prompt = forward.public().cloned();
            Some(forward)
        }
        ("ref/resource", _, Some(uri)) => {
            let forward = Forward::of_completion(offering, Listing::Templates, uri, raw)?;
            facts.resource = forward.public().cloned();
            Some(forward)
        }
        _ => None,
    }
}

fn completers(server: &Server, subject: Subject) -> &[Completer] {
    match subject {
        Subject::Prompt(prompt) => &server.prompts()[prompt].completers,
        Subject::Resource(resource) => &server.resources()[resource].completers,
    }
}

/// Completes it, or says whom to ask.
pub(super) fn perform<'s>(
    server: &'s Server,
    version: ProtocolVersion,
    completion: &Completion,
    facts: &Facts,
    evaluate: &mut Evaluate<'_>,
) -> Performed<'s> {
    let made = |completion: &str| Performed::Made(result(server, version, completion));
    let completer = completion.completer.and_then(|index| completers(server, completion.subject).get(index));
    match completer.map(|completer| &completer.source) {
        None => made(&from_values(&[], "")),
        Some(Suggestions::Values(values)) => made(&from_values(values, &completion.typed)),
        Some(Suggestions::Upstream { endpoint, site }) => {
            let known = match arguments::of(facts) {
                Ok(known) => sent(endpoint, known),
                Err(error) => return Performed::Error(error.into()),
            };
            match endpoint.request(known, &mut |index| evaluate(*site, index)) {
                Ok(request) => Performed::Call { endpoint: *site, request, errand: None },
                // What was typed so far, or what is known of the others, cannot be asked for.
                Err(Misuse::Arguments(_)) => made(&from_values(&[], "")),
                Err(misuse) => Performed::Error(Failed::unsent("a completion", misuse)),
            }
        }
    }
}

/// Appends the result of what was answered.
pub(super) fn write_answer(
    server: &Server,
    version: ProtocolVersion,
    answer: &Answer<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Failed> {
    let completion = from_answer(&good(answer)?)
        .map_err(|why| Failed::noted(format!("its backend answered with no completion: {why}")))?;
    out.extend_from_slice(&result(server, version, &completion));
    Ok(())
}

/// The result around a completion.
pub(crate) fn result(server: &Server, version: ProtocolVersion, completion: &str) -> Vec<u8> {
    match version.is_stateless() {
        false => format!("{{\"completion\":{completion}}}"),
        true => format!("{{\"resultType\":\"complete\",\"completion\":{completion},\"_meta\":{}}}", server.meta()),
    }
    .into_bytes()
}
