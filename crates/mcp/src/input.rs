//! What a backend needs to know of the user or the client's model before it can answer: `input_required`.
//!
//! A tool, a prompt or a resource with `result mcp` may answer
//! `{"resultType":"input_required","inputRequests":{"KEY":{"method":…,"params":…}},"requestState":"…"}` in place of a
//! result (specification 2026-07-28, multi round-trip requests). It gets the answers with the same call once more, in
//! whatever revision its client speaks, and need not remember anything of the first:
//!
//! | the call | answers and state are in |
//! |---|---|
//! | has a JSON object for a body | its member `_meta`: `{"inputResponses":{"KEY":…},"requestState":"…"}` |
//! | has no such body | the headers `Mcp-Input-Responses` (one line of JSON in ASCII) and `Mcp-Request-State`, of 4 KB at the most each |
//!
//! A state that is not made of visible ASCII characters stands in the header as `=?base64?…?=`. Both members, and both
//! headers, are left out where there is nothing to say. What a client answers is what it likes: the backend has to check
//! it, to ignore keys that it does not know and to ask again for those that it misses. The state is what the backend gave.
//!
//! A client of 2026-07-28 gets the question as a result and calls again with the answers; the state is sealed on its way
//! through the client. With an older one, the call holds a stream on which the client is asked by requests of the
//! server's, and its responses reach the call over the bus, from whatever worker they came to. An error in place of a
//! response is nothing that a backend could be given: it ends the call, as do ten questions one after the other.

mod asking;
mod capabilities;
mod question;
mod retry;
mod state;
mod waiting;

pub(crate) use asking::{MOST_ROUNDS, write_request};
pub(crate) use capabilities::Capabilities;
pub(crate) use question::{INPUT_REQUIRED, InputRequest, Question, find_question};
pub(crate) use retry::{HEADERS, Retry, check_responses, in_header};
pub(crate) use state::{HeldPlace, State, open_state, seal_state};
pub use waiting::Waiting;
pub(crate) use waiting::{answer, ask_id, publish_answer};
