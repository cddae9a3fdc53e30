//! `prompts/get`.

use std::sync::Arc;

use super::nearest::nearest;
use super::tools::keep_arguments;
use super::{Operation, Performed, arguments};
use crate::error::Error;
use crate::facts::Facts;
use crate::failure::{Failed, good};
use crate::front::Forward;
use crate::http::Evaluate;
use crate::input::Retry;
use crate::jsonrpc::{Params, text};
use crate::list::Listing;
use crate::prompt::{Prompt, Source, write_messages};
use crate::server::Server;
use crate::session::cut;
use crate::tool::{Answer, Misuse};
use crate::{Offering, ProtocolVersion};

/// Finds the prompt that is wanted.
pub(super) fn read(
    server: &Server,
    offering: Option<&Arc<Offering>>,
    params: &Params<'_>,
    facts: &mut Facts,
) -> Result<Operation, Error> {
    let name = params.name.and_then(text);
    let name = name.ok_or_else(|| Error::InvalidParams("\"name\" must be the name of a prompt".into()))?;
    if let Some(forward) = Forward::of_name(offering, Listing::Prompts, &name) {
        facts.prompt = forward.public().cloned();
        keep_arguments(params, facts)?;
        return Ok(Operation::Forward(Box::new(forward)));
    }
    let prompt = find(server, &name, facts)?;
    keep_arguments(params, facts)?;
    Ok(Operation::GetPrompt { prompt })
}

/// The prompt of a name.
pub(super) fn find(server: &Server, name: &str, facts: &mut Facts) -> Result<usize, Error> {
    let Some(prompt) = server.prompts().iter().position(|prompt| prompt.name() == name) else {
        let names: Vec<_> = server.prompts().iter().map(Prompt::shared_name).collect();
        return Err(Error::UnknownPrompt { name: cut(name, 128).to_owned(), nearest: nearest(name, &names).cloned() });
    };
    facts.prompt = Some(server.prompts()[prompt].shared_name());
    Ok(prompt)
}

/// Makes its messages, or says whom to ask.
pub(super) fn perform<'s>(
    server: &'s Server,
    version: ProtocolVersion,
    prompt: &Prompt,
    facts: &Facts,
    retry: Retry,
    evaluate: &mut Evaluate<'_>,
) -> Performed<'s> {
    let values = match arguments::of(facts) {
        Ok(values) => values,
        Err(error) => return Performed::Error(error.into()),
    };
    let refused = |misuse: Misuse| Performed::Error(Failed::unsent(&format!("prompt \"{}\"", prompt.name()), misuse));
    match &prompt.source {
        Source::Messages(..) => match prompt.messages(values) {
            Some(Ok(messages)) => {
                let mut out = Vec::with_capacity(512);
                write_messages(version, prompt.description(), &messages, server.meta(), &mut out);
                Performed::Made(out)
            }
            Some(Err(misuse)) => refused(misuse),
            None => refused(Misuse::Setup("it has no messages".into())),
        },
        Source::Endpoint { endpoint, site, .. } => {
            match endpoint.request(values, &mut |index| evaluate(*site, index)) {
                Ok(mut request) => match endpoint.add_answers(retry, &mut request) {
                    Ok(()) => Performed::Call { endpoint: *site, request, errand: None },
                    Err(invalid) => refused(invalid.into()),
                },
                Err(misuse) => refused(misuse),
            }
        }
    }
}

/// Appends the result of what was answered.
pub(super) fn write_answer(
    server: &Server,
    version: ProtocolVersion,
    prompt: &Prompt,
    answer: &Answer<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Failed> {
    let Source::Endpoint { reply, .. } = &prompt.source else { return Ok(()) };
    prompt.write_answer(version, *reply, &good(answer)?, server.meta(), out)
}
