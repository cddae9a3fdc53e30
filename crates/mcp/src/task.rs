//! Long jobs: a tool with `task poll`, and the extension `io.modelcontextprotocol/tasks` (SEP-2663).
//!
//! A call of such a tool may be answered with 202 and `Location`: the job's own URL, at the tool's origin. What that answers
//! to GET is how the job is:
//!
//! | answer | the job |
//! |---|---|
//! | 202; `Retry-After`, a JSON body with `message` if there is something to say | goes on |
//! | 202, 429, 502, 503, 504, no answer | goes on |
//! | 202 with `{"status":"input_required","inputRequests":{…}}`, `result mcp` alone | waits for the client's input |
//! | 303 with `Location` | has its result there |
//! | 410 | was cancelled |
//! | 404 | is unknown |
//! | `{"error":{"code":…,"message":…}}`, `result mcp` alone | has failed with this JSON-RPC error |
//! | anything else | has ended, and this is the result, as that of a tool without jobs |
//!
//! The client's input comes as a POST of `{"inputResponses":{…}}` to the same URL, its wish to cancel as a DELETE.
//!
//! A client that has declared the extension is given a task, whose id is the sealed URL: nothing is kept here, so any worker
//! and any machine can answer for it. For all others the call is held until the job has ended.

mod calls;
mod id;
mod job;
mod location;
mod request;
mod rules;
mod status;

pub(crate) use calls::Errand;
pub(crate) use job::begun;
pub(crate) use request::TaskRequest;
pub(crate) use rules::TaskRules;

/// The extension's name.
pub(crate) const EXTENSION: &str = "io.modelcontextprotocol/tasks";
