//! From the directives of an `mcp_tool` block to a [`Tool`].

use serde_json::{Map, Value};

use super::endpoint::{Built, EndpointBuilder};
use super::result::{Output, ResultMode, ResultRules};
use super::schema::{self, Schema};
use super::select::Selector;
use super::{ConfigError, Tool, annotations, mirrored};
use crate::presentation::Presentation;
use crate::task::TaskRules;

/// What the directives inside one `mcp_tool NAME { … }` block said.
///
/// Each method takes a directive's values, without its name and without quotes. A wrong value is refused at once; what
/// can only be judged together is judged by [`build`](ToolBuilder::build).
#[derive(Debug)]
pub struct ToolBuilder {
    name: String,
    presentation: Presentation,
    call: EndpointBuilder,
    annotations: Option<Map<String, Value>>,
    output_schema: Option<Value>,
    result: Option<(ResultMode, Option<String>)>,
    select: Option<Selector>,
    strict: Option<bool>,
    task: Option<TaskRules>,
}

impl ToolBuilder {
    /// `mcp_tool NAME { … }`: 1 to 128 letters, digits, `_`, `.` and `-`.
    pub fn new(name: &str) -> Result<ToolBuilder, ConfigError> {
        check_name("tool", name)?;
        Ok(ToolBuilder {
            name: name.into(),
            presentation: Presentation::default(),
            call: EndpointBuilder::default(),
            annotations: None,
            output_schema: None,
            result: None,
            select: None,
            strict: None,
            task: None,
        })
    }

    /// `pass [METHOD] URL`: where the calls go; GET unless said otherwise.
    pub fn pass(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.call.pass(args)
    }

    /// `title`, `description`, `icons` and `meta`.
    pub fn presentation(&mut self) -> &mut Presentation {
        &mut self.presentation
    }

    /// `argument NAME TYPE [required] [key=value …] ["description"]`: one property of the input.
    ///
    /// Beside an `input_schema` it places a property that the schema declares: `argument NAME [in=…] [name=…] [whole]`.
    pub fn argument(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.call.argument(args)
    }

    /// `annotations HINT[=on|off] … [title=TEXT]`: what clients may assume of the tool.
    pub fn annotations(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        once("annotations", &mut self.annotations, annotations::parse(args)?)
    }

    /// The text of the file that `input_schema FILE` names: an object schema, listed and enforced as written.
    pub fn input_schema(&mut self, json: &str) -> Result<(), ConfigError> {
        self.call.input_schema(json)
    }

    /// The text of the file that `output_schema FILE` names: published, and compared with what the upstream answers.
    pub fn output_schema(&mut self, json: &str) -> Result<(), ConfigError> {
        once("output_schema", &mut self.output_schema, schema::parse("output_schema", json)?)
    }

    /// `result auto|json|text|mcp [wrap=NAME]`: what the upstream's body is.
    ///
    /// `auto` goes by its content type; `json` and `text` say so whatever its type; `mcp` is a `CallToolResult` of the
    /// upstream's own making. `wrap` makes JSON the only member of an object, as which every revision can carry it.
    pub fn result(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        once("result", &mut self.result, ResultMode::parse(args)?)
    }

    /// `select PATH`: the part of the upstream's JSON that becomes the result, as `/data/0/user` or `data.0.user`.
    pub fn select(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        once("select", &mut self.select, Selector::parse(&text("select", args)?)?)
    }

    /// `strict on|off`: whether an answer that violates the output schema becomes an error.
    pub fn strict(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let strict = match args {
            ["on"] => true,
            ["off"] => false,
            _ => {
                return Err(ConfigError(format!(
                    "invalid value \"{}\" in \"strict\"; it takes on or off",
                    args.join(" ")
                )));
            }
        };
        once("strict", &mut self.strict, strict)
    }

    /// `task poll [interval=TIME] [ttl=TIME] [hold=TIME] [required]`: an answer of 202 with `Location` is a job, which is looked
    /// at there until it has ended.
    pub fn task(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        once("task", &mut self.task, TaskRules::parse(args)?)
    }

    /// Checks everything together and compiles it.
    pub fn build(self) -> Result<Tool, ConfigError> {
        let name = self.name.clone();
        self.assemble().map_err(|ConfigError(text)| ConfigError(format!("tool \"{name}\": {text}")))
    }

    fn assemble(mut self) -> Result<Tool, ConfigError> {
        let Built { mut endpoint, schema, from, path } = std::mem::take(&mut self.call).assemble()?;
        let mirrored =
            mirrored::collect(&schema).map_err(|ConfigError(text)| ConfigError(format!("\"{from}\": {text}")))?;
        let mut presentation = std::mem::take(&mut self.presentation);
        presentation.describe(|| format!("{} {path}", endpoint.method()));
        let rules = self.result_rules(endpoint.is_safe())?;
        if rules.may_ask() {
            endpoint.let_ask();
        }
        if self.task.is_some() {
            endpoint.let_begin_jobs();
        }
        Ok(Tool {
            name: self.name,
            presentation,
            annotations: self.annotations,
            mirrored,
            endpoint,
            rules,
            task: self.task,
            is_recorded: false,
            is_resumable: false,
        })
    }

    fn result_rules(&mut self, safe: bool) -> Result<ResultRules, ConfigError> {
        let (mode, wrap) = self.result.take().unwrap_or((ResultMode::Auto, None));
        if mode == ResultMode::Mcp && self.select.is_some() {
            return Err(ConfigError(
                "\"select\" has no use with \"result mcp\"; the upstream makes the result itself".into(),
            ));
        }
        let output = match (self.output_schema.take(), self.strict) {
            (Some(json), strict) => {
                Some(Output { schema: Schema::compile("output_schema", &json)?, strict: strict.unwrap_or(false) })
            }
            (None, Some(_)) => {
                return Err(ConfigError(
                    "\"strict\" is about the output schema; add an output_schema, or drop it".into(),
                ));
            }
            (None, None) => None,
        };
        if output.is_some() && mode == ResultMode::Text {
            return Err(ConfigError("\"output_schema\" describes JSON, so it has no use with \"result text\"".into()));
        }
        Ok(ResultRules { tool: self.name.clone(), mode, wrap, select: self.select.take(), output, safe })
    }
}

/// What every revision's clients take for the name of a tool, or of something else.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), ConfigError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if name.is_empty() || name.len() > 128 || !name.bytes().all(fits) {
        return Err(ConfigError(format!("invalid {what} name \"{name}\": it takes 1 to 128 of A-Z a-z 0-9 _ . -")));
    }
    Ok(())
}

pub(crate) fn once<T>(directive: &str, slot: &mut Option<T>, value: T) -> Result<(), ConfigError> {
    if slot.replace(value).is_some() { Err(ConfigError(format!("\"{directive}\" is duplicate"))) } else { Ok(()) }
}

pub(crate) fn text(directive: &str, args: &[&str]) -> Result<String, ConfigError> {
    match args {
        [text] if !text.trim().is_empty() => Ok((*text).into()),
        [] | [_] => Err(ConfigError(format!("\"{directive}\" needs a text"))),
        _ => Err(ConfigError(format!("\"{directive}\" takes one value; put it in quotes"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_tools::{build, tool};
    use super::*;
    use crate::ProtocolVersion;

    const PASS: &[&str] = &["pass", "http://x/"];

    #[test]
    fn a_tool_knows_where_it_calls() {
        let tool = tool(&[
            &["pass", "DELETE", "https://api.example.com:8443/items/{id}"],
            &["argument", "id", "integer", "required"],
            &["argument", "trace", "string", "in=header", "name=X-Trace"],
            &["argument", "a", "string", "in=cookie"],
            &["argument", "b", "string", "in=cookie"],
        ]);
        assert_eq!(
            (tool.name(), tool.endpoint().method(), tool.endpoint().origin()),
            ("t", "DELETE", "https://api.example.com:8443")
        );
        assert_eq!(tool.endpoint().header_names(), ["X-Trace", "Cookie"]);
        assert!(!tool.endpoint().has_body());
    }

    #[test]
    fn bodies_belong_to_methods_and_to_arguments_placed_there() {
        for (method, has_body) in [
            ("GET", false),
            ("HEAD", false),
            ("OPTIONS", false),
            ("DELETE", false),
            ("POST", true),
            ("PUT", true),
            ("PATCH", true),
        ] {
            assert_eq!(tool(&[&["pass", method, "http://x/"]]).endpoint().has_body(), has_body, "{method}");
        }
        assert!(
            tool(&[&["pass", "DELETE", "http://x/"], &["argument", "a", "string", "in=body"]]).endpoint().has_body()
        );
    }

    #[test]
    fn arguments_become_a_schema() {
        let tool = tool(&[
            &["pass", "GET", "http://x/items/{id}"],
            &["argument", "id", "integer", "required", "min=1", "item id"],
            &["argument", "lang", "string", "enum=en,de", "default=en"],
        ]);
        let expected = r#"{"type":"object","properties":{"id":{"type":"integer","description":"item id","minimum":1},"lang":{"type":"string","enum":["en","de"],"default":"en"}},"required":["id"],"additionalProperties":false}"#;
        assert_eq!(tool.definition(ProtocolVersion::V2026_07_28)["inputSchema"].to_string(), expected);
    }

    #[test]
    fn a_given_schema_is_listed_as_written() {
        let schema = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","x-mine":1,"properties":{"b":{"type":"number","maximum":1.0},"a":{}},"required":["b"]}"#;
        let tool = tool(&[PASS, &["input_schema", schema]]);
        for version in ProtocolVersion::ALL {
            assert_eq!(tool.definition(version)["inputSchema"].to_string(), schema);
        }
    }

    #[test]
    fn each_revision_sees_what_it_knows() {
        let tool = tool(&[
            PASS,
            &["title", "The tool"],
            &["description", "It does \"things\" for $5"],
            &["annotations", "readOnlyHint"],
            &["output_schema", r#"{"type":"object"}"#],
        ]);
        let keys = |version| tool.definition(version).keys().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(keys(ProtocolVersion::V2024_11_05), "name description inputSchema");
        assert_eq!(keys(ProtocolVersion::V2025_03_26), "name description inputSchema annotations");
        for version in [ProtocolVersion::V2025_06_18, ProtocolVersion::V2025_11_25, ProtocolVersion::V2026_07_28] {
            assert_eq!(keys(version), "name title description inputSchema outputSchema annotations");
        }
        let definition = tool.definition(ProtocolVersion::V2025_03_26);
        assert_eq!(definition["annotations"], json!({"readOnlyHint": true, "title": "The tool"}));
        assert_eq!(definition["description"], "It does \"things\" for $5");
    }

    #[test]
    fn output_that_is_no_object_is_published_where_it_may_be() {
        let tool = tool(&[PASS, &["output_schema", r#"{"type":"array"}"#]]);
        assert!(!tool.definition(ProtocolVersion::V2025_11_25).contains_key("outputSchema"));
        assert_eq!(tool.definition(ProtocolVersion::V2026_07_28)["outputSchema"], json!({"type": "array"}));
    }

    #[test]
    fn a_description_is_never_missing() {
        let tool = tool(&[&["pass", "PUT", "http://x/a/{id}?v=1"], &["argument", "id", "string", "required"]]);
        assert_eq!(tool.definition(ProtocolVersion::V2026_07_28)["description"], "PUT /a/{id}");
    }

    #[test]
    fn names_are_what_clients_take() {
        assert!(ToolBuilder::new("Get_item-2.0").is_ok() && ToolBuilder::new(&"a".repeat(128)).is_ok());
        for name in ["", "a b", "a/b", "é", &"a".repeat(129)] {
            assert!(ToolBuilder::new(name).unwrap_err().0.starts_with(&format!("invalid tool name \"{name}\"")));
        }
    }

    #[test]
    fn wrong_directives_say_what_is_right() {
        let pass: &[&str] = &["pass", "GET", "http://x/{id}"];
        let schema: &[&str] = &["input_schema", r#"{"type":"object","properties":{"id":{"type":"string"},"o":{}}}"#];
        let cases: [(&[&[&str]], &str); 47] = [
            (&[], "tool \"t\": it has no \"pass\""),
            (&[&["pass"]], "\"pass\" takes a URL, or a method and a URL"),
            (&[&["pass", "GET", "http://x/", "1"]], "\"pass\" takes a URL, or a method and a URL"),
            (
                &[&["pass", "TRACE", "http://x/"]],
                "unknown method \"TRACE\" in \"pass\"; methods are: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            ),
            (&[&["pass", "get", "http://x/"]], "unknown method \"get\""),
            (&[&["pass", "x"]], "invalid URL \"x\" in \"pass\": it must begin with http:// or https://"),
            (&[PASS, PASS], "\"pass\" is duplicate"),
            (&[PASS, &["title", "a"], &["title", "b"]], "\"title\" is duplicate"),
            (&[PASS, &["title", "a", "b"]], "\"title\" takes one value; put it in quotes"),
            (&[PASS, &["description", " "]], "\"description\" needs a text"),
            (&[PASS, &["description"]], "\"description\" needs a text"),
            (&[PASS, &["argument", "a", "string"], &["argument", "a", "string"]], "argument \"a\" is duplicate"),
            (
                &[PASS, &["argument", "a"]],
                "argument \"a\" has no type; write it after the name, as in: argument a string",
            ),
            (&[PASS, &["argument", "a", "in=query"]], "argument \"a\" has no type"),
            (&[pass], "\"pass\" has a placeholder {id}, but there is no such argument; add: argument id TYPE"),
            (
                &[pass, &["argument", "id", "string"]],
                "argument \"id\" is part of the path, so a call cannot do without; add: required, or default=…",
            ),
            (&[pass, &["argument", "id", "string", "required", "in=query"]], "argument \"id\": it stands in the URL"),
            (&[pass, &["argument", "id", "string", "required", "name=x"]], "argument \"id\": it stands in the URL"),
            (
                &[PASS, &["argument", "id", "string", "in=path"]],
                "argument \"id\": it is in=path, but the URL has no {id}",
            ),
            (
                &[PASS, &["argument", "a", "string", "in=body"]],
                "argument \"a\" is in the body, but a GET request has none",
            ),
            (
                &[PASS, &["argument", "a", "string", "in=form"]],
                "argument \"a\" is in the body, but a GET request has none",
            ),
            (
                &[
                    &["pass", "POST", "http://x/"],
                    &["argument", "a", "string", "in=form"],
                    &["argument", "b", "string", "in=body"],
                ],
                "argument \"a\" is in=form and \"b\" in=body",
            ),
            (
                &[
                    &["pass", "POST", "http://x/"],
                    &["argument", "a", "object", "whole"],
                    &["argument", "b", "string", "in=body"],
                ],
                "argument \"a\" is the whole body, so \"b\" cannot be in it",
            ),
            (
                &[PASS, &["argument", "Authorization", "string", "in=header"]],
                "the header \"Authorization\" cannot be set by an argument; use proxy_set_header",
            ),
            (&[PASS, &["argument", "a_b", "string", "in=header"]], "\"a_b\" cannot be the name of a header"),
            (&[PASS, &["argument", "a", "string", "in=cookie", "name=a=b"]], "\"a=b\" cannot be the name of a cookie"),
            (
                &[PASS, &["argument", "a", "string"], &["argument", "b", "string", "name=a"]],
                "argument \"b\" has an upstream name that the query already has",
            ),
            (
                &[&["pass", "http://x/?a=1"], &["argument", "a", "string"]],
                "argument \"a\" has an upstream name that the query already has",
            ),
            (
                &[
                    PASS,
                    &["argument", "a", "string", "in=header", "name=X-A"],
                    &["argument", "b", "string", "in=header", "name=x-a"],
                ],
                "argument \"b\" has an upstream name that the header already has",
            ),
            (
                &[PASS, &["argument", "a", "string", "pattern=("]],
                "tool \"t\": \"argument\": at \"/properties/a/pattern\": ",
            ),
            (
                &[PASS, &["argument", "a", "string", "mirror=a_b"]],
                "\"argument\": at \"/properties/a\": x-mcp-header \"a_b\" must be made of",
            ),
            (
                &[PASS, &["argument", "a", "number", "mirror=A"]],
                "x-mcp-header \"A\" must stand in a property of \"type\" string, integer or boolean",
            ),
            (
                &[PASS, &["argument", "a", "integer", "max=5", "default=9"]],
                "the default of argument \"a\" is not valid: \"a\": 9 is greater than the maximum of 5",
            ),
            (&[PASS, &["input_schema", "{"]], "\"input_schema\" is not JSON: "),
            (
                &[PASS, &["input_schema", "true"]],
                "\"input_schema\" must describe an object; add \"type\": \"object\" at its root",
            ),
            (&[PASS, &["input_schema", "{}"]], "\"input_schema\" must describe an object"),
            (&[PASS, &["input_schema", r#"{"type":["object"]}"#]], "\"input_schema\" must describe an object"),
            (
                &[PASS, &["input_schema", r#"{"type":"object","properties":{"a":{"$ref":"http://x/"}}}"#]],
                "nothing is ever fetched",
            ),
            (
                &[PASS, schema, &["argument", "id", "string"]],
                "argument \"id\": the input_schema says what it is, so \"string\" cannot; beside an input_schema an argument takes only in=, name= and whole",
            ),
            (&[PASS, schema, &["argument", "id", "required"]], "so \"required\" cannot"),
            (
                &[PASS, schema, &["argument", "other", "in=query"]],
                "argument \"other\": the input_schema has no such property",
            ),
            (&[PASS, &["output_schema", r#"{"type":"x"}"#]], "\"output_schema\": at \"/type\": "),
            (&[PASS, &["strict", "on"]], "\"strict\" is about the output schema; add an output_schema, or drop it"),
            (&[PASS, &["strict", "yes"]], "invalid value \"yes\" in \"strict\"; it takes on or off"),
            (&[PASS, &["result", "mcp"], &["select", "a"]], "\"select\" has no use with \"result mcp\""),
            (
                &[PASS, &["result", "text"], &["output_schema", "{}"]],
                "\"output_schema\" describes JSON, so it has no use with \"result text\"",
            ),
            (&[PASS, &["result", "xml"]], "invalid value \"xml\" in \"result\"; it takes auto, json, text or mcp"),
        ];
        for (directives, expected) in cases {
            let error = build(directives).unwrap_err().0;
            assert!(error.contains(expected), "{directives:?}: {error}");
            assert!(!error.ends_with('.'), "{error}");
        }
        for args in
            [&["result", "text", "wrap=a"][..], &["result", "auto", "wrap="], &["result", "auto", "x"], &["result"]]
        {
            assert!(build(&[PASS, args]).unwrap_err().0.contains("\"result\""), "{args:?}");
        }
    }

    #[test]
    fn a_default_is_judged_with_what_it_refers_to() {
        let schema = |default| {
            format!(
                r##"{{"type":"object","required":["b"],"$defs":{{"n":{{"minimum":5}}}},"properties":{{"a":{{"$ref":"#/$defs/n","default":{default}}},"b":{{}}}}}}"##
            )
        };
        assert!(build(&[PASS, &["input_schema", &schema(5)]]).is_ok());
        assert!(
            build(&[PASS, &["input_schema", &schema(4)]]).unwrap_err().0.contains("4 is less than the minimum of 5")
        );
    }
}
