//! `tools/list`, serialised once when the configuration is read.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::ProtocolVersion;
use crate::jsonrpc::write_json;
use crate::tool::Tool;

/// The pages of the list in one revision.
#[derive(Debug)]
pub(crate) struct ToolList(Vec<Page>);

#[derive(Debug)]
struct Page {
    /// What a client shows to get this page; the first has none.
    cursor: Option<String>,
    /// The result, and the brace that ends the response around it.
    body: Arc<[u8]>,
}

impl ToolList {
    /// Serialises the list. `members` are further members of every page's result, each preceded by a comma. Pages that
    /// `others` already have are shared with them.
    pub(crate) fn new(
        tools: &[Tool],
        version: ProtocolVersion,
        page_size: usize,
        members: &str,
        others: &[ToolList],
    ) -> Self {
        let page_size = if page_size == 0 { usize::MAX } else { page_size };
        let chunks: Vec<&[Tool]> = if tools.is_empty() { vec![&[]] } else { tools.chunks(page_size).collect() };
        let cursors: Vec<_> = (0..chunks.len()).map(|page| (page > 0).then(|| cursor(tools, page_size, page))).collect();
        let pages = chunks.iter().enumerate().map(|(page, tools)| {
            let next = cursors.get(page + 1).and_then(Option::as_deref);
            Page { cursor: cursors[page].clone(), body: share(body(tools, version, next, members), others) }
        });
        ToolList(pages.collect())
    }

    /// The page that a cursor stands for, the first without one; none if the cursor is not of this list.
    pub(crate) fn page(&self, cursor: Option<&str>) -> Option<usize> {
        self.0.iter().position(|page| page.cursor.as_deref() == cursor)
    }

    /// The result of one page and the response's closing brace.
    pub(crate) fn body(&self, page: usize) -> &Arc<[u8]> {
        &self.0[page].body
    }
}

/// An opaque name for a page. It depends on the tools, so that after a change of configuration an old cursor is
/// refused and the client begins anew, instead of missing or repeating tools.
fn cursor(tools: &[Tool], page_size: usize, page: usize) -> String {
    let mut digest = Sha256::new();
    for tool in tools {
        digest.update(tool.name());
        digest.update([0]);
    }
    digest.update(page_size.to_be_bytes());
    digest.update(page.to_be_bytes());
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..12])
}

fn body(tools: &[Tool], version: ProtocolVersion, next: Option<&str>, members: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.push(b'{');
    if version.is_stateless() {
        out.extend_from_slice(b"\"resultType\":\"complete\",");
    }
    out.extend_from_slice(b"\"tools\":[");
    for (index, tool) in tools.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json(&tool.definition(version), &mut out);
    }
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(b",\"nextCursor\":");
        write_json(next, &mut out);
    }
    out.extend_from_slice(members.as_bytes());
    out.extend_from_slice(b"}}");
    out
}

fn share(body: Vec<u8>, others: &[ToolList]) -> Arc<[u8]> {
    let pages = others.iter().flat_map(|list| &list.0);
    pages.map(|page| &page.body).find(|page| page[..] == body[..]).cloned().unwrap_or_else(|| body.into())
}
