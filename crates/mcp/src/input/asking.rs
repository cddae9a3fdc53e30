//! A backend's question on its way to the client.

use super::{Question, seal_state};
use crate::error::Error;
use crate::exchange::{Pending, Step};
use crate::http::Outcome;
use crate::input::Capabilities;
use crate::jsonrpc::begin_result;
use crate::methods::tools::write_tool_error;
use crate::server::Server;
use crate::tool::Written;

impl Pending {
    /// Passes on what the upstream asks for; `out` is what is still to be sent before.
    pub(crate) fn ask(self, server: &Server, question: &Question<'_>, out: Vec<u8>) -> Step {
        let missing = question.needs().missing_in(self.facts.capabilities);
        if !self.context.version.is_stateless() {
            return self.tell_model(server, out, &question.in_words("this client cannot be asked for it"), None);
        }
        if missing != Capabilities::NONE {
            return self.fail(out, &Error::MissingCapability(missing));
        }
        // A state that is too long is none of a question.
        let state = question.state.as_ref().and_then(|state| seal_state(server, &self.context, &self.facts, state));
        let mut result = Vec::with_capacity(512);
        if let Err(why) = question.write(state.as_deref(), Some(server.meta()), &mut result) {
            let text = format!("the MCP result of the tool's backend is invalid: {why}");
            return self.tell_model(server, out, &text, Some(text.clone()));
        }
        self.end(out, |_, id, out| {
            begin_result(id, out);
            out.extend_from_slice(&result);
            out.push(b'}');
            Written { outcome: Outcome::Ok, note: None }
        })
    }

    /// Ends the call with a result that says why there is none.
    pub(crate) fn tell_model(self, server: &Server, out: Vec<u8>, text: &str, note: Option<String>) -> Step {
        self.end(out, |version, id, out| {
            write_tool_error(server, version, id, text, out);
            Written { outcome: Outcome::ToolError, note }
        })
    }
}
