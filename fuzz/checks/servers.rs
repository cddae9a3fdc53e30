//! The servers that are tried.

#![allow(dead_code, reason = "no target uses all of it")]

use mcp::{McpUpstreamBuilder, PromptBuilder, ResourceBuilder, Server, ServerBuilder, ToolBuilder};

/// A server with something of everything.
pub(crate) fn server() -> Server {
    let mut builder = ServerBuilder::new();
    builder.secret([7; 32]);
    builder.channels(true);
    let tool = |name: &str, pass: &[&str], result: &str, has_jobs: bool| {
        let mut tool = ToolBuilder::new(name).expect("a name");
        tool.pass(pass).expect("a URL");
        tool.argument(&["id", "string", "default=x"]).expect("an argument");
        tool.result(&[result]).expect("a kind of result");
        if has_jobs {
            tool.task(&["poll"]).expect("jobs");
        }
        tool.build().expect("a tool")
    };
    for tool in [
        tool("get", &["GET", "http://upstream/{id}"], "auto", false),
        tool("ask", &["POST", "http://upstream/ask"], "mcp", false),
        tool("job", &["POST", "http://upstream/jobs"], "auto", true),
    ] {
        builder.tool(tool).expect("names differ");
    }
    let mut resource = ResourceBuilder::new("a:{b}").expect("a URI");
    resource.pass(&["GET", "http://upstream/{b}"]).expect("a URL");
    builder.resource(resource.build().expect("a resource")).expect("one");
    let mut prompt = PromptBuilder::new("say").expect("a name");
    prompt.argument(&["a"]).expect("an argument");
    prompt.pass(&["POST", "http://upstream/"]).expect("a URL");
    prompt.result(&["mcp"]).expect("a kind of result");
    prompt.complete(&["a", "GET", "http://upstream/{a}"]).expect("a completion");
    builder.prompt(prompt.build().expect("a prompt")).expect("one");
    builder.build().expect("a server")
}

/// A server in front of another one.
pub(crate) fn fronting_server() -> Server {
    let mut builder = ServerBuilder::new();
    builder.secret([7; 32]);
    builder.channels(true);
    let mut tool = ToolBuilder::new("own").expect("a name");
    tool.pass(&["GET", "http://own/"]).expect("a URL");
    builder.tool(tool.build().expect("a tool")).expect("one");
    let mut upstream = McpUpstreamBuilder::new("behind").expect("a name");
    upstream.pass(&["http://behind/mcp"]).expect("a URL");
    upstream.hide(&["tool=hidden*"]).expect("terms");
    upstream.credential(&["$token"]).expect("a text");
    builder.upstream(upstream.build().expect("a server")).expect("one");
    builder.build().expect("a server")
}
