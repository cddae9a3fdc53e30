//! `tools/list`, `resources/list`, `resources/templates/list` and `prompts/list`.

use super::Operation;
use super::directories::unknown_cursor;
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
    let cursor = params.cursor.map(|cursor| text(cursor).ok_or_else(unknown_cursor)).transpose()?;
    let page = server.list(listing, version).page(cursor.as_deref()).ok_or_else(unknown_cursor)?;
    Ok(Operation::List { listing, page })
}
