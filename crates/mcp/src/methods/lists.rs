//! `tools/list`, `resources/list`, `resources/templates/list` and `prompts/list`.

use super::Operation;
use crate::ProtocolVersion;
use crate::error::Error;
use crate::jsonrpc::{Params, text};
use crate::list::Listing;
use crate::server::Server;

/// Finds the page that is wanted.
pub(super) fn read(
    server: &Server,
    version: ProtocolVersion,
    listing: Listing,
    params: &Params<'_>,
) -> Result<Operation, Error> {
    let unknown = || Error::InvalidParams("unknown cursor: begin again without one".into());
    let cursor = params.cursor.map(|cursor| text(cursor).ok_or_else(unknown)).transpose()?;
    let page = server.list(listing, version).page(cursor.as_deref()).ok_or_else(unknown)?;
    Ok(Operation::List { listing, page })
}
