//! A task as clients see it: `CreateTaskResult` and `GetTaskResult`.

use serde_json::Value;

use super::id::Task;
use crate::date::iso8601;
use crate::tool::Object;

/// A task at a moment.
pub(super) struct Status<'a> {
    pub(super) task: &'a Task,
    /// `task` or `complete`.
    pub(super) result_type: &'static str,
    pub(super) status: &'static str,
    pub(super) message: Option<&'a str>,
    /// Seconds since the epoch.
    pub(super) now: u64,
    /// Milliseconds after which to look again; none for a task that has ended.
    pub(super) interval: Option<u64>,
    /// A further member, as JSON.
    pub(super) more: Option<(&'static str, &'a str)>,
}

impl<'a> Status<'a> {
    /// A task that goes on, as `tasks/get` shows it.
    pub(super) fn new(task: &'a Task, now: u64) -> Self {
        Status { task, result_type: "complete", status: "working", message: None, now, interval: None, more: None }
    }

    /// Appends the result; `meta` is its `_meta`.
    pub(super) fn write(&self, meta: &str, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("resultType", self.result_type);
        object.text("taskId", &self.task.id);
        object.text("status", self.status);
        if let Some(message) = self.message {
            object.text("statusMessage", message);
        }
        object.text("createdAt", &iso8601(self.task.created));
        object.text("lastUpdatedAt", &iso8601(self.now));
        object.member("ttlMs", &Value::from(self.task.ttl.saturating_mul(1000)).to_string());
        if let Some(interval) = self.interval {
            object.member("pollIntervalMs", &interval.to_string());
        }
        if let Some((name, json)) = self.more {
            object.member(name, json);
        }
        object.member("_meta", meta);
        object.end();
    }
}
