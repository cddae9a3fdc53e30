//! What is listed (`tools/list`, `resources/list` …), serialised once when the configuration is read.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::ProtocolVersion;
use crate::directory::{Child, Entry, Skill};
use crate::front::Fronted;
use crate::jsonrpc::write_json;
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::search::SearchTool;
use crate::server::Server;
use crate::tool::Tool;

/// A list that clients can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    Tools,
    Resources,
    Templates,
    Prompts,
}

impl Listing {
    pub(crate) const ALL: [Listing; 4] = [Self::Tools, Self::Resources, Self::Templates, Self::Prompts];

    /// The list that a method asks for.
    pub(crate) fn of(method: &str) -> Option<Listing> {
        Some(match method {
            "tools/list" => Self::Tools,
            "resources/list" => Self::Resources,
            "resources/templates/list" => Self::Templates,
            "prompts/list" => Self::Prompts,
            _ => return None,
        })
    }

    /// That method.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
            Self::Prompts => "prompts/list",
        }
    }

    /// One thing in it.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Resources => "resource",
            Self::Templates => "template",
            Self::Prompts => "prompt",
        }
    }

    /// The member of the result that holds it.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }
}

/// Something that is listed.
#[derive(Debug)]
pub(crate) enum Listed<'t> {
    Tool(&'t Tool),
    Resource(&'t Resource),
    Prompt(&'t Prompt),
    /// One of a server behind this one.
    Fronted(Fronted<'t>),
    /// One of those that find so many tools.
    Search(SearchTool, usize),
    /// A file that is a resource of this server.
    File(&'t Server, &'t Entry),
    Skill(&'t Skill),
    /// What stands in a directory of this server's.
    Child(&'t Server, &'t Child<'t>),
}

impl Listed<'_> {
    pub(crate) fn name(&self) -> &str {
        match self {
            Listed::Tool(tool) => tool.name(),
            Listed::Resource(resource) => resource.uri(),
            Listed::Prompt(prompt) => prompt.name(),
            Listed::Fronted(fronted) => fronted.name(),
            Listed::Search(tool, _) => tool.name(),
            Listed::File(_, entry) => &entry.uri,
            Listed::Skill(skill) => &skill.uri,
            Listed::Child(_, child) => child.uri(),
        }
    }

    fn write(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        match self {
            Listed::Tool(tool) => tool.write_definition(version, out),
            Listed::Resource(resource) => resource.write_definition(version, out),
            Listed::Prompt(prompt) => prompt.write_definition(version, out),
            Listed::Fronted(fronted) => fronted.write_definition(version, out),
            Listed::Search(tool, count) => write_json(&tool.definition(version, *count), out),
            Listed::File(server, entry) => entry.write(server, version, None, out),
            Listed::Skill(skill) => skill.write(out),
            Listed::Child(server, child) => child.write(server, version, out),
        }
    }
}

/// The list in one revision.
#[derive(Debug)]
pub(crate) struct List {
    /// How every page's result begins: what the revision adds stands before what is listed, so that revisions that list the
    /// same share their pages, which may have megabytes.
    opening: Box<str>,
    pages: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    /// What a client shows to get this page; the first has none.
    cursor: Option<String>,
    /// The rest of the result, and the brace that ends the response around it.
    body: Arc<[u8]>,
}

impl List {
    /// Serialises the list, which is the `member` of each result. `members` are further members of every page's result, each followed by a comma. Pages that
    /// `others` already have are shared with them.
    pub(crate) fn new(
        member: &str,
        items: &[Listed<'_>],
        version: ProtocolVersion,
        page_size: usize,
        members: &str,
        others: &[List],
    ) -> Self {
        let page_size = if page_size == 0 { usize::MAX } else { page_size };
        let chunks: Vec<&[Listed<'_>]> = if items.is_empty() { vec![&[]] } else { items.chunks(page_size).collect() };
        let names = if chunks.len() > 1 { digest_of_names(items) } else { Sha256::new() };
        let cursors: Vec<_> =
            (0..chunks.len()).map(|page| (page > 0).then(|| cursor(names.clone(), page_size, page))).collect();
        let pages = chunks.iter().enumerate().map(|(page, items)| {
            let next = cursors.get(page + 1).and_then(Option::as_deref);
            Page { cursor: cursors[page].clone(), body: share(body(member, items, version, next), others) }
        });
        List { opening: format!("{{{members}").into(), pages: pages.collect() }
    }

    /// The page that a cursor stands for, the first without one; none if the cursor is not of this list.
    pub(crate) fn page(&self, cursor: Option<&str>) -> Option<usize> {
        self.pages.iter().position(|page| page.cursor.as_deref() == cursor)
    }

    /// A number that changes with what is listed.
    pub(crate) fn digest(&self) -> u64 {
        let mut digest = Sha256::new();
        self.pages.iter().for_each(|page| digest.update(&page.body));
        digest.finalize().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// The beginning of every page's result.
    pub(crate) fn opening(&self) -> &str {
        &self.opening
    }

    /// The rest of the result of one page and the response's closing brace.
    pub(crate) fn body(&self, page: usize) -> &Arc<[u8]> {
        &self.pages[page].body
    }
}

/// All that is listed, hashed once: there may be a thousand pages.
fn digest_of_names(items: &[Listed<'_>]) -> Sha256 {
    let mut digest = Sha256::new();
    for item in items {
        digest.update(item.name());
        digest.update([0]);
    }
    digest
}

/// An opaque name for a page. It depends on what is listed, so that after a change of configuration an old cursor is
/// refused and the client begins anew, instead of missing or repeating something.
fn cursor(names: Sha256, page_size: usize, page: usize) -> String {
    let mut digest = names;
    digest.update(page_size.to_be_bytes());
    digest.update(page.to_be_bytes());
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..12])
}

fn body(member: &str, items: &[Listed<'_>], version: ProtocolVersion, next: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    write_json(member, &mut out);
    out.extend_from_slice(b":[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item.write(version, &mut out);
    }
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(b",\"nextCursor\":");
        write_json(next, &mut out);
    }
    out.extend_from_slice(b"}}");
    out
}

fn share(body: Vec<u8>, others: &[List]) -> Arc<[u8]> {
    let pages = others.iter().flat_map(|list| &list.pages);
    pages.map(|page| &page.body).find(|page| page[..] == body[..]).cloned().unwrap_or_else(|| body.into())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::ToolBuilder;

    fn tools(count: usize) -> Vec<Tool> {
        let tool = |number| {
            let mut tool = ToolBuilder::new(&format!("tool_{number}"))?;
            tool.presentation().description(&["A tool."])?;
            tool.pass(&["GET", "http://upstream/"])?;
            tool.build()
        };
        (0..count).map(|number| tool(number).unwrap()).collect()
    }

    fn list(tools: &[Tool], version: ProtocolVersion, page_size: usize, members: &str, others: &[List]) -> List {
        let listed: Vec<_> = tools.iter().map(Listed::Tool).collect();
        List::new("tools", &listed, version, page_size, members, others)
    }

    /// Every page's tools, by following the cursors as a client does.
    fn walk(list: &List) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let body = list.body(list.page(cursor.as_deref()).unwrap());
            let result = [list.opening().as_bytes(), &body[..body.len() - 1]].concat();
            let result: Value = serde_json::from_slice(&result).unwrap();
            let names =
                result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
            pages.push(names.collect());
            match result.get("nextCursor") {
                Some(next) => cursor = Some(next.as_str().unwrap().to_owned()),
                None => return pages,
            }
        }
    }

    #[test]
    fn cursors_lead_through_all_tools_in_their_order() {
        for (count, page_size, lengths) in [
            (0, 0, &[0][..]),
            (0, 2, &[0]),
            (5, 0, &[5]),
            (5, 2, &[2, 2, 1]),
            (4, 2, &[2, 2]),
            (3, 1, &[1, 1, 1]),
            (3, 9, &[3]),
        ] {
            let pages = walk(&list(&tools(count), ProtocolVersion::V2025_06_18, page_size, "", &[]));
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
            assert_eq!(pages.concat(), (0..count).map(|number| format!("tool_{number}")).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_own_tools_only() {
        let list = |count| list(&tools(count), ProtocolVersion::V2025_06_18, 2, "", &[]);
        let cursor = |list: &List| list.pages[1].cursor.clone().unwrap();
        assert_eq!(list(4).page(Some(&cursor(&list(4)))), Some(1));
        assert_eq!(list(4).page(Some(&cursor(&list(3)))), None);
    }

    #[test]
    fn revisions_that_list_the_same_share_it() {
        let mut tools = tools(3);
        let mut titled = ToolBuilder::new("titled").unwrap();
        titled.presentation().title(&["Title"]).unwrap();
        titled.pass(&["http://upstream/"]).unwrap();
        tools.push(titled.build().unwrap());
        let mut lists = Vec::new();
        for (version, members) in [
            (ProtocolVersion::V2025_03_26, ""),
            (ProtocolVersion::V2025_06_18, ""),
            (ProtocolVersion::V2026_07_28, "\"resultType\":\"complete\","),
        ] {
            lists.push(list(&tools, version, 2, members, &lists));
        }
        for page in 0..2 {
            assert!(Arc::ptr_eq(lists[1].body(page), lists[2].body(page)));
            // The second page has the tool with a title, which the older revision does not show.
            assert_eq!(Arc::ptr_eq(lists[0].body(page), lists[1].body(page)), page == 0);
        }
        assert_eq!(lists[2].opening(), "{\"resultType\":\"complete\",");
    }
}
