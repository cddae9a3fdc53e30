//! `resources/read`.

use std::sync::Arc;

use serde_json::Value;

use super::{Operation, Performed, arguments};
use crate::error::Error;
use crate::facts::Facts;
use crate::failure::{Failed, good, is_absent};
use crate::front::Forward;
use crate::http::Evaluate;
use crate::input::Retry;
use crate::jsonrpc::{Params, text};
use crate::listen::MAX_URI;
use crate::resource::{Around, Resource, Source, write_contents};
use crate::server::Server;
use crate::tool::{Answer, Misuse};
use crate::{Offering, ProtocolVersion};

/// The URI that a request names.
pub(crate) fn read_uri(params: &Params<'_>) -> Result<String, Error> {
    let uri = params.uri.and_then(text).filter(|uri| uri.len() <= MAX_URI);
    let wrong = || Error::InvalidParams(format!("\"uri\" must be a string of {MAX_URI} bytes at most").into());
    uri.map(std::borrow::Cow::into_owned).ok_or_else(wrong)
}

/// Finds the resource that is read.
pub(super) fn read(
    server: &Server,
    offering: Option<&Arc<Offering>>,
    params: &Params<'_>,
    facts: &mut Facts,
) -> Result<Operation, Error> {
    let uri = read_uri(params)?;
    let Some((resource, values)) = server.find_resource(&uri) else {
        if let Some((forward, listed)) = Forward::of_uri(offering, &uri) {
            facts.resource = Some(listed);
            facts.set_uri(&uri);
            return Ok(Operation::Forward(Box::new(forward)));
        }
        return Err(Error::UnknownResource { uri, why: None });
    };
    facts.resource = Some(server.resources()[resource].shared_uri());
    facts.set_uri(&uri);
    if let Some(values) = values {
        facts.set_arguments(&Value::Object(values).to_string());
    }
    Ok(Operation::ReadResource { resource })
}

/// Reads it, or says whom to ask.
pub(super) fn perform<'s>(
    server: &'s Server,
    version: ProtocolVersion,
    resource: &Resource,
    facts: &Facts,
    retry: Retry,
    evaluate: &mut Evaluate<'_>,
) -> Performed<'s> {
    let uri = facts.uri().unwrap_or_default();
    let values = match arguments::of(facts) {
        Ok(values) => values,
        Err(error) => return Performed::Error(error.into()),
    };
    let refused = |misuse: Misuse| {
        Performed::Error(match misuse {
            Misuse::Arguments(invalid) => unknown(uri, Some(invalid.0)).into(),
            misuse => Failed::unsent(&format!("resource \"{}\"", resource.uri()), misuse),
        })
    };
    match &resource.source {
        Source::Text(..) => match resource.text(values) {
            Some(Ok(text)) => {
                let around = around(server, version, resource, server.caching());
                let mut out = Vec::with_capacity(text.len() + 256);
                write_contents(&around, uri, resource.mime_type(), &text, &mut out);
                Performed::Made(out)
            }
            Some(Err(misuse)) => refused(misuse),
            None => Performed::Error(unknown(uri, None).into()),
        },
        Source::Endpoint { endpoint, site, .. } => {
            match endpoint.request(values, &mut |index| evaluate(*site, index)) {
                Ok(request) if resource.hides(&request.uri) => Performed::Error(unknown(uri, None).into()),
                Ok(mut request) => match endpoint.add_answers(retry, &mut request) {
                    Ok(()) => Performed::Call { endpoint: *site, request, errand: None },
                    Err(invalid) => refused(invalid.into()),
                },
                Err(misuse) => refused(misuse),
            }
        }
    }
}

/// What surrounds the contents of a resource that may be kept so, unless its operator says otherwise.
fn around<'s>(
    server: &'s Server,
    version: ProtocolVersion,
    resource: &Resource,
    (ttl, scope): (u64, &'static str),
) -> Around<'s> {
    let (own_ttl, own_scope) = resource.caching;
    Around { version, ttl: own_ttl.unwrap_or(ttl), scope: own_scope.unwrap_or(scope), meta: server.meta() }
}

fn unknown(uri: &str, why: Option<String>) -> Error {
    Error::UnknownResource { uri: uri.to_owned(), why }
}

/// Appends the result of what was answered.
pub(super) fn write_answer(
    server: &Server,
    version: ProtocolVersion,
    resource: &Resource,
    facts: &Facts,
    answer: &Answer<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Failed> {
    let Source::Endpoint { endpoint, read, .. } = &resource.source else { return Ok(()) };
    let uri = facts.uri().unwrap_or_default();
    if is_absent(answer) {
        return Err(unknown(uri, None).into());
    }
    let response = good(answer)?;
    // What others have may change at any time, and may be for one user alone; a file is the same for all.
    let scope = if endpoint.file_root().is_some() { server.caching().1 } else { "private" };
    let around = around(server, version, resource, (0, scope));
    resource.write_answer(&around, uri, *read, &response, out)
}
