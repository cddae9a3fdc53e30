//! `tools/list`, `resources/list`, `resources/templates/list` and `prompts/list`.

use std::sync::Arc;

use super::Operation;
use super::directories::unknown_cursor;
use crate::error::Error;
use crate::jsonrpc::{Params, text};
use crate::list::Listing;
use crate::server::Server;
use crate::{Offering, ProtocolVersion};

/// Finds the page that is wanted.
pub(super) fn read(
    server: &Server,
    offering: Option<&Arc<Offering>>,
    version: ProtocolVersion,
    listing: Listing,
    params: &Params<'_>,
) -> Result<Operation, Error> {
    let cursor = params.cursor.map(|cursor| text(cursor).ok_or_else(unknown_cursor)).transpose()?;
    let list = match offering {
        Some(offering) => offering.list(server, listing, version),
        None => server.list(listing, version),
    };
    let page = list.page(cursor.as_deref()).ok_or_else(unknown_cursor)?;
    Ok(Operation::List { listing, page })
}
