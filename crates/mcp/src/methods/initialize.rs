//! `initialize` and `server/discover`: what a server says of itself.

use serde_json::{Value, json};

use crate::ProtocolVersion;
use crate::error::Error;
use crate::jsonrpc::{Params, text};
use crate::offers::Offers;

/// The revision in which a session goes on: the one that the client asks for, if it is one with sessions, else the
/// newest of those.
pub(crate) fn negotiate(params: &Params<'_>) -> Result<ProtocolVersion, Error> {
    let asked = params.protocol_version.and_then(text);
    let asked = asked.ok_or_else(|| Error::InvalidParams("\"protocolVersion\" must be a string".into()))?;
    Ok(ProtocolVersion::parse(asked.as_bytes())
        .filter(|version| !version.is_stateless())
        .unwrap_or(ProtocolVersion::LATEST_LEGACY))
}

/// The result of `initialize`.
pub(crate) fn initialize_result(
    version: ProtocolVersion,
    offers: Offers,
    info: &Value,
    instructions: Option<&str>,
) -> Value {
    let mut result =
        json!({"protocolVersion": version.as_str(), "capabilities": offers.capabilities(version), "serverInfo": info});
    if let Some(instructions) = instructions {
        result["instructions"] = instructions.into();
    }
    result
}

/// The result of `server/discover`; what caching and identity want is added by the caller.
pub(crate) fn discover_result(offers: Offers, instructions: Option<&str>) -> Value {
    let mut result = json!({
        "resultType": "complete",
        "supportedVersions": ProtocolVersion::ADVERTISED.map(ProtocolVersion::as_str),
        "capabilities": offers.capabilities(ProtocolVersion::V2026_07_28),
    });
    if let Some(extensions) = offers.extensions() {
        result["capabilities"]["extensions"] = extensions;
    }
    if let Some(instructions) = instructions {
        result["instructions"] = instructions.into();
    }
    result
}
