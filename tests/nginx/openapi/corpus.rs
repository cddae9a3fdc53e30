//! Whole documents: those of `tests/openapi`, and any directory of others that `MCP_OPENAPI_CORPUS` names.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::tools;
use crate::harness::Conf;

#[test]
fn every_document_loads_and_is_listed() {
    for file in documents() {
        let name = file.file_name().unwrap().to_str().unwrap();
        // The hosts of most documents are not to be found where the tests run.
        let block = format!("mcp_openapi \"{name}\" {{ pass http://127.0.0.1:1; output_schema on; }}");
        let nginx = Conf::location(&block).file(name, fs::read(&file).unwrap()).start();
        let tools = tools(&nginx);
        let mut names = HashSet::new();
        for tool in &tools {
            let own = tool["name"].as_str().unwrap();
            let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            assert!((1..=64).contains(&own.len()) && own.bytes().all(is_legal), "{name}: {own}");
            assert!(names.insert(own), "{name}: {own} is there twice");
            assert_eq!(tool["inputSchema"]["type"], "object", "{name}: {own}");
            assert!(tool["description"].is_string(), "{name}: {own}");
        }
        if let Some(count) = operations(&file) {
            assert!(tools.len() >= count, "{name}: {} tools of {count} operations", tools.len());
        }
    }
}

fn documents() -> Vec<PathBuf> {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi")];
    match std::env::var_os("MCP_OPENAPI_CORPUS") {
        Some(directory) => directories.push(directory.into()),
        None => println!("only the documents of tests/openapi: MCP_OPENAPI_CORPUS names no directory of others"),
    }
    let files = directories.iter().flat_map(|directory| fs::read_dir(directory).unwrap());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).filter(|file| is_document(file)).collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    files
}

fn is_document(file: &Path) -> bool {
    let is_other = ["cases.json", "manifest.json"].iter().any(|name| file.ends_with(name));
    !is_other && file.extension().is_some_and(|e| e == "json" || e == "yaml" || e == "yml")
}

/// How many operations a `manifest.json` beside the document says there are. Of the broken one, some are left out.
fn operations(file: &Path) -> Option<usize> {
    if file.ends_with("broken-refs.yaml") {
        return None;
    }
    let text = fs::read_to_string(file.with_file_name("manifest.json")).ok()?;
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let name = file.file_name()?.to_str()?;
    let entry = manifest.as_array()?.iter().find(|entry| entry["file"] == name)?;
    entry["operations"].as_u64().and_then(|count| usize::try_from(count).ok())
}
