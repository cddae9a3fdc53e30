//! What goes over the wire, against the JSON schemas of the specification.
//!
//! They are not part of this repository: `MCP_SCHEMA_DIR` names a directory that has `<revision>/schema.json`, as
//! `scripts/conformance --schemas` makes one. Without it nothing is checked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::{Value, json};

/// The definition of what a method's result is.
const RESULTS: [(&str, &str); 10] = [
    ("initialize", "InitializeResult"),
    ("server/discover", "DiscoverResult"),
    ("tools/list", "ListToolsResult"),
    ("tools/call", "CallToolResult"),
    ("resources/list", "ListResourcesResult"),
    ("resources/templates/list", "ListResourceTemplatesResult"),
    ("resources/read", "ReadResourceResult"),
    ("prompts/list", "ListPromptsResult"),
    ("prompts/get", "GetPromptResult"),
    ("completion/complete", "CompleteResult"),
];

/// Of what a server says by itself.
const SAID: [(&str, &str); 11] = [
    ("notifications/progress", "ProgressNotification"),
    ("notifications/message", "LoggingMessageNotification"),
    ("notifications/cancelled", "CancelledNotification"),
    ("notifications/tools/list_changed", "ToolListChangedNotification"),
    ("notifications/prompts/list_changed", "PromptListChangedNotification"),
    ("notifications/resources/list_changed", "ResourceListChangedNotification"),
    ("notifications/resources/updated", "ResourceUpdatedNotification"),
    ("notifications/subscriptions/acknowledged", "SubscriptionsAcknowledgedNotification"),
    ("elicitation/create", "ElicitRequest"),
    ("sampling/createMessage", "CreateMessageRequest"),
    ("roots/list", "ListRootsRequest"),
];

type Validators = HashMap<(String, &'static str), Option<Arc<Validator>>>;

/// Sees that a message of the server, or an array of them, is one of a revision; `method` is that of the request that it
/// answers, empty if it answers none. What extensions have is not looked into.
pub(crate) fn check(revision: &str, method: &str, message: &Value) {
    if let Value::Array(messages) = message {
        // Whose answer each of them is, nobody has noted.
        return messages.iter().for_each(|message| check(revision, "", message));
    }
    if let Some(said) = message["method"].as_str() {
        let definition = SAID.iter().find(|(method, _)| *method == said).map(|(_, definition)| *definition);
        definition.into_iter().for_each(|definition| validate(revision, definition, message));
    } else if message.get("error").is_some() {
        // JSON-RPC wants a null where the schemas of older revisions want an id, which nobody has.
        if message.get("id").is_some_and(|id| !id.is_null()) {
            validate(revision, "JSONRPCError", message);
            validate(revision, "JSONRPCErrorResponse", message);
        }
    } else {
        validate(revision, "JSONRPCResultResponse", message);
        validate(revision, "JSONRPCResponse", message);
        let result = &message["result"];
        let definition = match result["resultType"].as_str() {
            Some("input_required") => Some("InputRequiredResult"),
            None | Some("complete") => RESULTS.iter().find(|(known, _)| *known == method).map(|(_, result)| *result),
            // Of an extension.
            Some(_) => None,
        };
        definition.into_iter().for_each(|definition| validate(revision, definition, result));
    }
}

/// Validates against one definition, if the revision has it.
fn validate(revision: &str, definition: &'static str, value: &Value) {
    let Some(validator) = validator(revision, definition) else { return };
    let errors: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "no {definition} of {revision}: {value}: {errors:?}");
}

fn validator(revision: &str, definition: &'static str) -> Option<Arc<Validator>> {
    static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
    static VALIDATORS: OnceLock<Mutex<Validators>> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| std::env::var_os("MCP_SCHEMA_DIR").map(PathBuf::from)).as_ref()?;
    let mut validators = VALIDATORS.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let key = (revision.to_owned(), definition);
    validators.entry(key).or_insert_with(|| build(&directory.join(revision).join("schema.json"), definition)).clone()
}

fn build(file: &std::path::Path, definition: &str) -> Option<Arc<Validator>> {
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).unwrap();
    let definitions = if schema.get("$defs").is_some() { "$defs" } else { "definitions" };
    schema[definitions].get(definition)?;
    schema["allOf"] = json!([{"$ref": format!("#/{definitions}/{definition}")}]);
    let validator = jsonschema::options().offline().should_validate_formats(true).build(&schema).unwrap();
    assert!(!validator.is_valid(&json!(1)), "{definition} takes anything");
    Some(Arc::new(validator))
}
