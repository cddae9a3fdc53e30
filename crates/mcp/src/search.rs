//! Tools that are found instead of listed, and the three tools that find and call them.

mod index;
mod words;

use serde_json::{Map, Value, json};

use self::index::{Index, IndexBuilder};
use crate::ProtocolVersion;
use crate::session::cut;
use crate::tool::Tool;

/// Bytes of a description that a search shows.
const DESCRIPTION: usize = 240;
/// Bytes of a query that are looked at.
const QUERY: usize = 1024;
/// How much a word in a field says of the tool.
const NAME: f32 = 3.0;
const TITLE: f32 = 2.0;
const TEXT: f32 = 1.0;

/// A tool that stands for all that are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SearchTool {
    /// Finds tools by words.
    Search,
    /// Shows a tool as a list would.
    Describe,
    /// Calls a tool.
    Call,
}

impl SearchTool {
    /// All, in the order in which they are listed.
    pub(crate) const ALL: [SearchTool; 3] = [SearchTool::Search, SearchTool::Describe, SearchTool::Call];
    /// What `search_tools` gives at the most, and unless told otherwise.
    pub(crate) const LIMIT: u8 = 50;
    pub(crate) const DEFAULT_LIMIT: u8 = 10;

    /// The name under which clients call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            SearchTool::Search => "search_tools",
            SearchTool::Describe => "describe_tool",
            SearchTool::Call => "call_tool",
        }
    }

    fn title(self) -> &'static str {
        match self {
            SearchTool::Search => "Search tools",
            SearchTool::Describe => "Describe a tool",
            SearchTool::Call => "Call a tool",
        }
    }

    /// The tool as `tools/list` shows it in a revision.
    pub(crate) fn definition(self, version: ProtocolVersion, count: usize) -> Map<String, Value> {
        let mut tool = Map::new();
        tool.insert("name".into(), self.name().into());
        if version >= ProtocolVersion::V2025_06_18 {
            tool.insert("title".into(), self.title().into());
        }
        tool.insert("description".into(), self.description(count).into());
        tool.insert("inputSchema".into(), self.input_schema());
        let mut annotations = Map::new();
        if self != SearchTool::Call {
            annotations.insert("readOnlyHint".into(), true.into());
        }
        if version == ProtocolVersion::V2025_03_26 {
            annotations.insert("title".into(), self.title().into());
        }
        if version >= ProtocolVersion::V2025_03_26 && !annotations.is_empty() {
            tool.insert("annotations".into(), annotations.into());
        }
        tool
    }

    fn description(self, count: usize) -> String {
        match self {
            SearchTool::Search => format!(
                "Find tools by words of what they do. There are {count} tools beside those that are listed; this one \
                 names those that fit best, the best first. Go on with describe_tool to see which arguments one takes, \
                 then use call_tool."
            ),
            SearchTool::Describe => {
                "Show the definition of a tool that search_tools has found: what it does and the JSON \
                                     Schema of its arguments."
                    .into()
            }
            SearchTool::Call => {
                "Call a tool that search_tools has found, with arguments as describe_tool shows them. The \
                                 result is the tool's own."
                    .into()
            }
        }
    }

    fn input_schema(self) -> Value {
        let (properties, required) = match self {
            SearchTool::Search => (
                json!({
                    "query": {"type": "string", "description": "a few words of what the tool should do, or of its name; empty for the first tools there are"},
                    "limit": {"type": "integer", "minimum": 1, "maximum": Self::LIMIT, "default": Self::DEFAULT_LIMIT, "description": "how many tools to name at the most"},
                }),
                "query",
            ),
            SearchTool::Describe => (json!({"name": {"type": "string", "description": "the tool's name"}}), "name"),
            SearchTool::Call => (
                json!({
                    "name": {"type": "string", "description": "the tool's name"},
                    "arguments": {"type": "object", "description": "the tool's arguments, as its input schema wants them"},
                }),
                "name",
            ),
        };
        json!({"type": "object", "properties": properties, "required": [required], "additionalProperties": false})
    }
}

/// The tools that are found instead of listed; empty in most servers.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Where each stands among the server's tools.
    tools: Box<[usize]>,
    /// What a search shows of each, as JSON.
    entries: Box<[Box<str>]>,
    index: Index,
}

impl Search {
    /// An index of those of the tools whose places are given.
    pub(crate) fn new(tools: &[Tool], places: Vec<usize>) -> Self {
        let mut index = IndexBuilder::default();
        let entries = places.iter().map(|place| entry(&tools[*place], &mut index)).collect();
        Search { entries, tools: places.into(), index: index.build() }
    }

    /// How many tools can be found.
    pub(crate) fn len(&self) -> usize {
        self.tools.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The tool of this name that finds or calls others.
    pub(crate) fn tool(&self, name: &str) -> Option<SearchTool> {
        SearchTool::ALL.into_iter().find(|tool| !self.is_empty() && tool.name() == name)
    }

    /// The places of the tools that fit the words of the query, the best first; of all for a query without words.
    pub(crate) fn find(&self, query: &str) -> impl Iterator<Item = usize> {
        self.index.find(cut(query, QUERY)).into_iter().map(|number| self.tools[number])
    }

    /// What `search_tools` says, JSON, and how many tools fit.
    pub(crate) fn result(&self, query: &str, limit: usize) -> (String, usize) {
        let found = self.index.find(cut(query, QUERY));
        let entries: Vec<&str> = found.iter().take(limit).map(|number| &*self.entries[*number]).collect();
        (format!("{{\"tools\":[{}],\"total\":{}}}", entries.join(","), found.len()), found.len())
    }
}

/// What a search shows of a tool, which is indexed on the way.
fn entry(tool: &Tool, index: &mut IndexBuilder) -> Box<str> {
    let definition = tool.definition(ProtocolVersion::V2026_07_28);
    let text = |member: &str| definition.get(member).and_then(Value::as_str).unwrap_or_default();
    let (title, description) = (text("title"), text("description"));
    let properties = definition.get("inputSchema").and_then(|schema| schema.get("properties"));
    let parameters: Vec<&str> =
        properties.and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str).collect();
    index.add(&[(NAME, tool.name()), (TITLE, title), (TEXT, description), (TEXT, &parameters.join(" "))]);
    let mut entry = Map::new();
    entry.insert("name".into(), tool.name().into());
    if !title.is_empty() {
        entry.insert("title".into(), title.into());
    }
    entry.insert("description".into(), shortened(description).into());
    Value::Object(entry).to_string().into()
}

/// The beginning of a text, on one line.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    for word in text.split_whitespace() {
        let space = usize::from(!short.is_empty());
        if short.len() + space + word.len() > DESCRIPTION {
            // A single word that is too long is cut.
            if short.is_empty() {
                short.push_str(cut(word, DESCRIPTION));
            }
            short.push('…');
            break;
        }
        short.extend((space > 0).then_some(' '));
        short.push_str(word);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolBuilder;

    fn tools(texts: &[(&str, &str)]) -> Vec<Tool> {
        let tool = |(name, description): &(&str, &str)| {
            let mut tool = ToolBuilder::new(name)?;
            tool.presentation().description(&[description])?;
            tool.pass(&["GET", "http://upstream/"])?;
            tool.argument(&["warehouse", "string"])?;
            tool.build()
        };
        texts.iter().map(|text| tool(text).unwrap()).collect()
    }

    #[test]
    fn tools_are_found_by_name_text_and_parameters() {
        let tools = tools(&[
            ("hidden_from_search", "Orders of everybody."),
            ("listOrders", "All that was bought."),
            ("get_order", "One of them."),
            ("ping", "Says whether orders can be made."),
        ]);
        let search = Search::new(&tools, vec![1, 2, 3]);
        let names = |query: &str| search.find(query).map(|place| tools[place].name()).collect::<Vec<_>>().join(" ");
        assert_eq!(names("orders"), "get_order listOrders ping");
        assert_eq!(names("bought"), "listOrders");
        // Equal ones in the order of the list.
        assert_eq!(names("warehouses"), "listOrders get_order ping");
        assert_eq!(names("what can be bought"), "listOrders");
        assert_eq!(names("everybody"), "");
        assert_eq!(names(""), "listOrders get_order ping");
        let (result, total) = search.result("order", 1);
        assert_eq!(total, 3);
        assert_eq!(result, r#"{"tools":[{"name":"get_order","description":"One of them."}],"total":3}"#);
        assert_eq!(search.result("none", 10), (r#"{"tools":[],"total":0}"#.to_owned(), 0));
    }

    #[test]
    fn a_server_without_hidden_tools_has_no_tools_of_its_own() {
        for tool in SearchTool::ALL {
            assert_eq!(Search::default().tool(tool.name()), None);
            assert_eq!(Search::new(&tools(&[("a", "A.")]), vec![0]).tool(tool.name()), Some(tool));
        }
    }

    #[test]
    fn descriptions_are_shortened_at_a_word() {
        assert_eq!(shortened("One.\n\n  Two.\t"), "One. Two.");
        let long = shortened(&"ten bytes ".repeat(100));
        assert!(long.len() <= DESCRIPTION + '…'.len_utf8() && long.ends_with("bytes…"), "{long}");
        assert_eq!(shortened(&"ä".repeat(1000)).chars().count(), DESCRIPTION / 2 + 1);
        assert_eq!(shortened(""), "");
    }

    #[test]
    fn each_revision_gets_what_it_knows() {
        for tool in SearchTool::ALL {
            let of = |version| tool.definition(version, 3);
            let has = |version, member| of(version).contains_key(member);
            assert!(!has(ProtocolVersion::V2024_11_05, "annotations") && !has(ProtocolVersion::V2024_11_05, "title"));
            assert_eq!(of(ProtocolVersion::V2025_03_26)["annotations"]["title"], tool.title());
            assert_eq!(of(ProtocolVersion::V2025_06_18)["title"], tool.title());
            assert_eq!(has(ProtocolVersion::V2026_07_28, "annotations"), tool != SearchTool::Call);
        }
    }
}
