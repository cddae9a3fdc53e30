//! The server that a file's cases run against: what the file declares, as an operator would.

use mcp::operation::Operation;
use mcp::{Catalog, Contents, Found, FoundFile, PromptBuilder, ResourceBuilder, Server, ServerBuilder, ToolBuilder};
use openapi::{Document, Limits, Rules};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{LIFETIME, NOW, directory, load};

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|word| word.as_str().expect("a word")).collect()
}

/// The server that a file's cases run against.
pub(crate) fn server(settings: &Value) -> Server {
    let mut builder = ServerBuilder::new();
    builder.server_info(&["wire", "1.0.0"]).unwrap();
    builder.secret([7; 32]);
    builder.session_lifetime(LIFETIME);
    for (name, value) in settings.as_object().into_iter().flatten() {
        match name.as_str() {
            "allowed_origins" => builder.allowed_origins(&words(value)).unwrap(),
            "instructions" => builder.instructions(value.as_str().unwrap()).unwrap(),
            "page_size" => builder.page_size(value.as_u64().unwrap() as usize),
            "cache_ttl" => builder.cache_ttl(value.as_u64().unwrap()),
            "cache_private" => builder.cache_private(value.as_bool().unwrap()),
            "channels" => builder.channels(value.as_bool().unwrap()),
            "no_tools" | "offers" | "search" | "tools" | "files" | "skills" => {}
            other => panic!("unknown setting {other}"),
        }
    }
    if settings.get("no_tools").is_none() {
        let plain = load("tools.json");
        for tool in settings.get("tools").unwrap_or(&plain).as_array().unwrap() {
            builder.tool(self::tool(tool)).unwrap();
        }
    }
    if let Some(document) = settings["search"].as_str() {
        for (operation, _) in operations(document) {
            builder.hidden_tool(mcp::Tool::from_operation(operation).unwrap()).unwrap();
        }
    }
    if let Some(offers) = settings.get("offers") {
        let offers = offers.as_str().map_or_else(|| offers.clone(), load);
        for resource in offers["resources"].as_array().unwrap() {
            builder.resource(self::resource(resource)).unwrap();
        }
        for prompt in offers["prompts"].as_array().unwrap() {
            builder.prompt(self::prompt(prompt)).unwrap();
        }
    }
    if let Some(directory) = settings["skills"].as_str() {
        builder.resource(ResourceBuilder::skills(&format!("/{directory}"), "skill://").unwrap()).unwrap();
    }
    builder.build().unwrap()
}

/// What there is in the server's directories.
pub(crate) fn catalog(server: &Server, files: &Value) -> Catalog {
    let find = |directory: &mcp::Directory| {
        let mut found = Found::default();
        for (path, text) in files.as_object().into_iter().flatten() {
            let path = format!("/{path}");
            let Some(path) = path.strip_prefix(directory.root()).map(|path| path.trim_start_matches('/')) else {
                continue;
            };
            let mut steps = path.match_indices('/').map(|(end, _)| &path[..end]);
            let known = found.directories.len();
            found.directories.extend(steps.clone().filter(|step| directory.is_entered(step)).map(str::to_owned));
            if !steps.all(|step| found.directories[known..].iter().any(|known| known == step))
                || !directory.admits(path)
            {
                continue;
            }
            let text = text.as_str().unwrap();
            let contents = directory.wants_contents().then(|| Contents {
                digest: Sha256::digest(text).into(),
                text: directory.wants_text(path).then(|| text.as_bytes().to_vec()),
            });
            let (size, media_type) = (text.len() as u64, Some("text/plain".to_owned()));
            found.files.push(FoundFile { path: path.to_owned(), size, modified: NOW, media_type, contents });
        }
        found.directories.sort();
        found.directories.dedup();
        found
    };
    server.catalog(server.directories().map(find).collect())
}

/// What `mcp_openapi` makes of a document, with `pass http://upstream`.
fn operations(document: &str) -> Vec<(Operation, openapi::Origin)> {
    let text = std::fs::read_to_string(directory().join(document)).unwrap();
    let rules = Rules { pass: Some("http://upstream".into()), ..Rules::default() };
    let document = Document::parse(&text, &Limits::default()).unwrap();
    let outcome = document.operations(&rules, &mut |name| Err(format!("{name} is not here")));
    assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
    outcome.operations
}

fn tool(tool: &Value) -> mcp::Tool {
    let mut builder = ToolBuilder::new(tool["name"].as_str().unwrap()).unwrap();
    for directive in tool["directives"].as_array().unwrap() {
        let words = words(directive);
        let (name, args) = words.split_first().unwrap();
        match *name {
            "pass" => builder.pass(args),
            "title" => builder.presentation().title(args),
            "description" => builder.presentation().description(args),
            "argument" => builder.argument(args),
            "annotations" => builder.annotations(args),
            "result" => builder.result(args),
            "task" => builder.task(args),
            other => panic!("unknown directive {other}"),
        }
        .unwrap();
    }
    builder.build().unwrap()
}

fn resource(resource: &Value) -> mcp::Resource {
    let mut builder = ResourceBuilder::new(resource["uri"].as_str().unwrap()).unwrap();
    for directive in resource["directives"].as_array().unwrap() {
        let words = words(directive);
        let (name, args) = words.split_first().unwrap();
        match *name {
            "name" => builder.name(args),
            "title" => builder.presentation().title(args),
            "description" => builder.presentation().description(args),
            "mime_type" => builder.mime_type(args),
            "annotations" => builder.annotations(args),
            "icons" => builder.presentation().icons(args),
            "size" => builder.size(args),
            "pass" => builder.pass(args),
            "file" => builder.file(&format!("/{}", args[0])),
            "list" => builder.list(args),
            "hide" => builder.hide(args),
            "text" => builder.text(args),
            "argument" => builder.argument(args),
            "complete" => builder.complete(args),
            "result" => builder.result(args),
            other => panic!("unknown directive {other}"),
        }
        .unwrap();
    }
    builder.build().unwrap()
}

fn prompt(prompt: &Value) -> mcp::Prompt {
    let mut builder = PromptBuilder::new(prompt["name"].as_str().unwrap()).unwrap();
    for directive in prompt["directives"].as_array().unwrap() {
        let words = words(directive);
        let (name, args) = words.split_first().unwrap();
        match *name {
            "title" => builder.presentation().title(args),
            "description" => builder.presentation().description(args),
            "icons" => builder.presentation().icons(args),
            "argument" => builder.argument(args),
            "message" => builder.message(args),
            "pass" => builder.pass(args),
            "complete" => builder.complete(args),
            "result" => builder.result(args),
            other => panic!("unknown directive {other}"),
        }
        .unwrap();
    }
    builder.build().unwrap()
}
