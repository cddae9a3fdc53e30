//! The id of a task: all that is known of it, sealed.

use crate::exchange::Context;
use crate::listen::hex;
use crate::principal::Mark;
use crate::seal::Purpose;
use crate::server::Server;

/// A task of some client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    /// As the client has it.
    pub(crate) id: String,
    pub(crate) tool: usize,
    /// The job's path and query at the tool's origin.
    pub(crate) uri: String,
    /// When it began, in seconds since the epoch, and for how many of them the id is good.
    pub(crate) created: u64,
    pub(crate) ttl: u64,
    principal: String,
}

impl Task {
    /// A new one, for the client of this request; none if its URL is too long.
    pub(super) fn new(server: &Server, context: &Context, tool: usize, uri: String, ttl: u64) -> Option<Task> {
        let (created, principal) = (context.now, digest(&context.principal));
        let name = server.tools().get(tool)?.name();
        let payload = serde_json::to_vec(&(name, &uri, created, ttl, &principal)).ok()?;
        let id = server.seals().seal(Purpose::Task, &[], created.saturating_add(ttl), &payload)?;
        Some(Task { id, tool, uri, created, ttl, principal })
    }

    /// The task of an id, if it is one of ours, of a tool that still is, and not too old.
    pub(super) fn open(server: &Server, id: &str, now: u64) -> Option<Task> {
        let payload = server.seals().open(Purpose::Task, &[], now, id).ok()?;
        let (name, uri, created, ttl, principal): (String, String, u64, u64, String) =
            serde_json::from_slice(&payload).ok()?;
        let tool = server.find_tool(&name).filter(|tool| server.tools()[*tool].task().is_some())?;
        Some(Task { id: id.to_owned(), tool, uri, created, ttl, principal })
    }

    /// Whether it was given to the client of this request.
    pub(super) fn is_of(&self, context: &Context) -> bool {
        self.principal == digest(&context.principal)
    }
}

fn digest(principal: &str) -> String {
    hex(&Mark::of(principal).0)
}
