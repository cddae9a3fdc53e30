//! A server on the Rust SDK with one tool, as its authors would write it: peer PORT UPSTREAM

use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolResult;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use serde_json::Value;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Item {
    /// item id
    id: u64,
    /// language of the names
    lang: Option<String>,
}

#[derive(Clone)]
struct Peer {
    client: reqwest::Client,
    upstream: Arc<str>,
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Peer {
    #[tool(description = "Look up one item by its id.")]
    async fn get_item(&self, Parameters(item): Parameters<Item>) -> Result<CallToolResult, ErrorData> {
        let url = format!("{}/items/{}?lang={}", self.upstream, item.id, item.lang.as_deref().unwrap_or("en"));
        let failed = |error: reqwest::Error| ErrorData::internal_error(error.to_string(), None);
        let answer = self.client.get(url).send().await.map_err(failed)?;
        Ok(CallToolResult::structured(answer.json::<Value>().await.map_err(failed)?))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Peer {}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (port, upstream) = (arguments.next().expect("a port"), arguments.next().expect("a URL"));
    let client = reqwest::Client::new();
    let peer = Peer { client, upstream: upstream.into(), tool_router: Peer::tool_router() };
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = false;
    config.json_response = true;
    let service =
        StreamableHttpService::new(move || Ok(peer.clone()), Arc::new(LocalSessionManager::default()), config);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("a free port");
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await.expect("a server");
}
