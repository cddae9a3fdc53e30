//! Plays the upstream of the tools.

use std::cell::RefCell;
use std::collections::BTreeMap;

use mcp::http::{UpstreamFailure, UpstreamRequest, UpstreamResponse};
use serde_json::Value;

/// An upstream with its answers, for one case.
pub(crate) struct Upstream<'a> {
    answers: &'a Value,
    /// How often each of them was given.
    given: RefCell<BTreeMap<String, usize>>,
}

impl<'a> Upstream<'a> {
    pub(crate) fn new(answers: &'a Value) -> Self {
        Upstream { answers, given: RefCell::default() }
    }

    /// The answer to a request, which is written as in `calls`; of several the next one, and the last one for ever.
    fn find(&self, method: &str, request: &UpstreamRequest) -> &'a Value {
        let (whole, line) = (call(method, request), format!("{method} {}", request.uri));
        let found = self.answers.get(&whole).or_else(|| self.answers.get(&line));
        let found = found.unwrap_or_else(|| panic!("the upstream has no \"{whole}\""));
        let mut given = self.given.borrow_mut();
        let count = given.entry(whole).or_default();
        *count += 1;
        match found.as_array() {
            Some(several) => &several[(*count).min(several.len()) - 1],
            None => found,
        }
    }

    /// Answers a request.
    pub(crate) fn answer<T>(
        &self,
        method: &str,
        request: &UpstreamRequest,
        take: impl FnOnce(Result<UpstreamResponse<'_>, UpstreamFailure>) -> T,
    ) -> T {
        let answer = self.find(method, request);
        let body = answer["body"].as_str().map(|text| text.as_bytes().to_vec());
        let body = body.or_else(|| answer.get("json").map(|json| json.to_string().into_bytes())).unwrap_or_default();
        let header = |name: &str| answer[name].as_str().map(str::as_bytes);
        take(match answer["failure"].as_str() {
            Some("unreachable") => Err(UpstreamFailure::Unreachable),
            Some("timed out") => Err(UpstreamFailure::TimedOut),
            Some(other) => panic!("unknown failure {other}"),
            None => Ok(UpstreamResponse {
                status: answer["status"].as_u64().unwrap() as u16,
                content_type: header("content_type"),
                content_encoding: None,
                location: header("location"),
                retry_after: header("retry_after"),
                body: &body,
            }),
        })
    }
}

/// A request as cases write it.
pub(crate) fn call(method: &str, request: &UpstreamRequest) -> String {
    let mut call = format!("{method} {}", request.uri);
    for (name, value) in request.headers.iter().filter(|(name, _)| name.starts_with("Mcp-")) {
        call.push_str(&format!(" {name}: {value}"));
    }
    if let Some(body) = &request.body {
        call.push(' ');
        call.push_str(&String::from_utf8_lossy(body));
    }
    call
}
