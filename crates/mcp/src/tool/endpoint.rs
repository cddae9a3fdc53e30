//! What an operation calls: one declared HTTP request or one file, with the schema that the arguments must meet and the
//! place where each of them goes.
//!
//! A tool has one; so have resources, prompts and completions that need an answer from elsewhere.

use serde_json::{Map, Value, json};

use super::argument::Argument;
use super::defaults::Defaults;
use super::file::FilePath;
use super::layout::{Layout, Unfit};
use super::schema::{self, Failure, Schema};
use super::target::{Method, is_safe};
use super::url::Url;
use super::{Answer, ConfigError, InvalidArguments};
use crate::front::result_of;
use crate::http::UpstreamRequest;
use crate::input::{HEADERS, Question, Retry, find_question};

/// One call that the host can make, validated and compiled.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) input: Input,
    pub(super) way: Way,
    pub(super) accept: Option<Box<str>>,
    /// Answers may ask for input.
    pub(super) may_ask: bool,
    /// Answers may name jobs.
    pub(super) begins_jobs: bool,
}

/// Where the answer comes from.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are of the large kind")]
pub(super) enum Way {
    Upstream(Layout),
    File(FilePath),
    /// An MCP server, which is sent messages.
    Messages {
        origin: Box<str>,
        header_names: Vec<String>,
        operator_values: Vec<String>,
    },
}

/// Why a call is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// For the client.
    Arguments(InvalidArguments),
    /// For the log: nobody could make the call.
    Setup(String),
}

impl From<InvalidArguments> for Misuse {
    fn from(invalid: InvalidArguments) -> Self {
        Misuse::Arguments(invalid)
    }
}

impl Endpoint {
    /// Headers that any call may have, beside those of its own ([`Endpoint::header_names`]).
    pub const TRACE_HEADERS: [&'static str; 3] = crate::trace::HEADERS;

    /// A file of this machine: no arguments but those of its path.
    pub(crate) fn file(path: FilePath, input: Input) -> Endpoint {
        Endpoint { input, way: Way::File(path), accept: None, may_ask: false, begins_jobs: false }
    }

    /// An HTTP request.
    pub(super) fn upstream(layout: Layout, input: Input) -> Endpoint {
        Endpoint { input, way: Way::Upstream(layout), accept: None, may_ask: false, begins_jobs: false }
    }

    /// The HTTP method of its requests.
    pub fn method(&self) -> &str {
        match &self.way {
            Way::Upstream(layout) => &layout.method,
            Way::File(_) => "GET",
            Way::Messages { .. } => "POST",
        }
    }

    /// Scheme and authority of its upstream, as `proxy_pass` takes them: `http://inventory`. Empty if it is a file.
    pub fn origin(&self) -> &str {
        match &self.way {
            Way::Upstream(layout) => &layout.origin,
            Way::File(_) => "",
            Way::Messages { origin, .. } => origin,
        }
    }

    /// The directory that its files are in, if they are files: the URI of a request is the path below it, and nothing
    /// outside of it may be read.
    pub fn file_root(&self) -> Option<&str> {
        match &self.way {
            Way::Upstream(_) | Way::Messages { .. } => None,
            Way::File(path) => Some(path.root()),
        }
    }

    /// The `Accept` header of its upstream requests, if it is known what the answers are.
    pub fn accept(&self) -> Option<&str> {
        self.accept.as_deref()
    }

    /// Texts with variables whose values its calls need: the host evaluates them when a call is made, see
    /// [`Exchange::start`](crate::Exchange::start).
    pub fn operator_values(&self) -> &[String] {
        match &self.way {
            Way::Upstream(layout) => &layout.operator_values,
            Way::File(_) => &[],
            Way::Messages { operator_values, .. } => operator_values,
        }
    }

    /// Whether its calls, or requests about its jobs, may carry a request body.
    pub fn has_body(&self) -> bool {
        let has_body = match &self.way {
            Way::Upstream(layout) => layout.has_body(),
            Way::File(_) => false,
            Way::Messages { .. } => true,
        };
        has_body || (self.begins_jobs && self.may_ask)
    }

    /// Whether its calls may begin jobs: then there are requests of other methods than [`Endpoint::method`], too, and
    /// `Location` and `Retry-After` of answers matter.
    pub fn begins_jobs(&self) -> bool {
        self.begins_jobs
    }

    /// Whether all of its requests have that [method](Endpoint::method).
    pub fn has_one_method(&self) -> bool {
        !self.begins_jobs && !matches!(self.way, Way::Messages { .. })
    }

    /// Whether its answers may ask for input.
    pub(crate) fn may_ask(&self) -> bool {
        self.may_ask
    }

    /// Its answers may be questions from now on: `result mcp`.
    pub(crate) fn let_ask(&mut self) {
        if let Way::Upstream(layout) = &mut self.way {
            self.may_ask = true;
            if !layout.makes_object() {
                layout.header_names.extend(HEADERS.map(str::to_owned));
            }
        }
    }

    /// Its answers may name jobs from now on: `task`.
    pub(crate) fn let_begin_jobs(&mut self) {
        self.begins_jobs = true;
    }

    /// What an answer asks for, if it is a question that can be passed on.
    pub(crate) fn question<'a>(&self, answer: Answer<'a>) -> Option<Question<'a>> {
        match self.way {
            Way::Messages { .. } => find_question(result_of(answer)?),
            _ if self.may_ask => find_question(answer),
            _ => None,
        }
    }

    /// Puts what the client has answered into a request.
    pub(crate) fn add_answers(&self, retry: Retry, request: &mut UpstreamRequest) -> Result<(), InvalidArguments> {
        match &self.way {
            Way::Upstream(layout) if self.may_ask => retry.put_into(request, layout.makes_object()),
            _ => Ok(()),
        }
    }

    /// Every header that its calls may set, `Cookie` among them when something is placed there.
    pub fn header_names(&self) -> &[String] {
        match &self.way {
            Way::Upstream(layout) => &layout.header_names,
            Way::File(_) => &[],
            Way::Messages { header_names, .. } => header_names,
        }
    }

    /// Whether the schema declares such an argument.
    pub(crate) fn takes(&self, name: &str) -> bool {
        match &self.way {
            Way::Upstream(layout) => layout.declares(name),
            Way::File(path) => path.names().any(|known| known == name),
            Way::Messages { .. } => false,
        }
    }

    /// Whether a lost answer leaves no doubt, as the request changes nothing.
    pub(crate) fn is_safe(&self) -> bool {
        is_safe(self.method())
    }

    /// Fills in defaults, validates, and puts every argument where it belongs. `evaluate` gives the value of one of
    /// [`Endpoint::operator_values`].
    pub(crate) fn request(
        &self,
        arguments: Map<String, Value>,
        evaluate: &mut dyn FnMut(usize) -> String,
    ) -> Result<UpstreamRequest, Misuse> {
        self.place(self.input.check(arguments)?, evaluate)
    }

    /// The second half: arguments that were checked.
    pub(super) fn place(
        &self,
        arguments: Map<String, Value>,
        evaluate: &mut dyn FnMut(usize) -> String,
    ) -> Result<UpstreamRequest, Misuse> {
        match &self.way {
            Way::Upstream(layout) => layout.place(arguments, evaluate).map_err(|unfit| match unfit {
                Unfit::Argument(invalid) => invalid.into(),
                Unfit::Operator(index, why) => {
                    let text = layout.operator_values.get(index).map_or("", String::as_str);
                    Misuse::Setup(format!("what \"{text}\" comes to {why}"))
                }
            }),
            Way::File(path) => Ok(UpstreamRequest { uri: path.below_root(&arguments)?, ..UpstreamRequest::default() }),
            Way::Messages { .. } => Err(Misuse::Setup("a server is sent messages".into())),
        }
    }
}

/// What arguments must be.
#[derive(Debug)]
pub(crate) struct Input {
    pub(super) schema: Schema,
    pub(super) defaults: Defaults,
}

impl Input {
    /// Compiles a schema, which came from this directive.
    fn compile(from: &str, json: &Value) -> Result<Input, ConfigError> {
        let schema = Schema::compile(from, json)?;
        if !schema.is_object() {
            return Err(ConfigError(format!(
                "\"{from}\" must describe an object; add \"type\": \"object\" at its root"
            )));
        }
        Ok(Input { schema, defaults: checked_defaults(json)? })
    }

    /// What is described by `argument` lines alone.
    pub(crate) fn of_arguments(mut arguments: Vec<Argument>) -> Result<Input, ConfigError> {
        Input::compile("argument", &schema_of(&mut arguments)?)
    }

    /// Fills in defaults and validates.
    pub(crate) fn check(&self, mut arguments: Map<String, Value>) -> Result<Map<String, Value>, Misuse> {
        self.defaults.fill(&mut arguments);
        let arguments = Value::Object(arguments);
        self.schema.check(&arguments).map_err(|failure| match failure {
            Failure::Value(why) => InvalidArguments(format!("invalid arguments: {why}")).into(),
            Failure::Schema(why) => Misuse::Setup(format!("its input schema is not valid: {why}")),
        })?;
        let Value::Object(arguments) = arguments else { unreachable!("made an object above") };
        Ok(arguments)
    }
}

/// What the directives of a block said about its calls.
#[derive(Debug, Default)]
pub(crate) struct EndpointBuilder {
    pass: Option<(Method, Url)>,
    pub(crate) arguments: Vec<Argument>,
    input_schema: Option<Value>,
}

/// An endpoint, and what its directives said beside it.
pub(super) struct Built {
    pub(super) endpoint: Endpoint,
    /// The input schema, and the directive that it came from.
    pub(super) schema: Value,
    pub(super) from: &'static str,
    /// As the operator wrote it.
    pub(super) path: String,
}

impl EndpointBuilder {
    /// `pass [METHOD] URL`: where the calls go; GET unless said otherwise.
    pub(crate) fn pass(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        if self.pass.replace(target("pass", args)?).is_some() {
            return Err(ConfigError("\"pass\" is duplicate".into()));
        }
        Ok(())
    }

    /// Whether there was one.
    pub(crate) fn has_pass(&self) -> bool {
        self.pass.is_some()
    }

    /// `argument NAME …`
    pub(crate) fn argument(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.add_argument(Argument::parse(args)?)
    }

    /// Takes an argument that was read.
    pub(crate) fn add_argument(&mut self, argument: Argument) -> Result<(), ConfigError> {
        if self.arguments.iter().any(|other| other.name == argument.name) {
            return Err(ConfigError(format!("argument \"{}\" is duplicate", argument.name)));
        }
        self.arguments.push(argument);
        Ok(())
    }

    /// The text of the file that `input_schema FILE` names.
    pub(super) fn input_schema(&mut self, json: &str) -> Result<(), ConfigError> {
        if self.input_schema.replace(schema::parse("input_schema", json)?).is_some() {
            return Err(ConfigError("\"input_schema\" is duplicate".into()));
        }
        Ok(())
    }

    /// A call of `args` as in `pass`, with these arguments.
    pub(crate) fn call(directive: &str, args: &[&str], arguments: Vec<Argument>) -> Result<Endpoint, ConfigError> {
        let pass = Some(target(directive, args)?);
        EndpointBuilder { pass, arguments, input_schema: None }.build()
    }

    /// Checks everything together and compiles it.
    pub(crate) fn build(self) -> Result<Endpoint, ConfigError> {
        self.assemble().map(|built| built.endpoint)
    }

    pub(super) fn assemble(mut self) -> Result<Built, ConfigError> {
        let Some((method, url)) = self.pass.take() else {
            return Err(ConfigError(
                "it has no \"pass\"; add where its calls go, as in: pass GET \"http://backend/items/{id}\"".into(),
            ));
        };
        let (from, schema) = self.schema()?;
        let input = Input::compile(from, &schema)?;
        self.check_path_arguments(&url, &input.defaults)?;
        let properties: Vec<_> = schema::properties(&schema)
            .map(|(name, schema)| (name, schema.get("type").is_some_and(|kind| kind == "integer")))
            .collect();
        let path = url.path();
        let layout = Layout::of_block(method, url, &properties, &self.arguments)?;
        Ok(Built { endpoint: Endpoint::upstream(layout, input), schema, from, path })
    }

    /// The input schema, and the directive that it came from.
    fn schema(&mut self) -> Result<(&'static str, Value), ConfigError> {
        let Some(json) = self.input_schema.take() else {
            return schema_of(&mut self.arguments).map(|json| ("argument", json));
        };
        for argument in &self.arguments {
            let name = &argument.name;
            if let Some(word) = &argument.describes_value {
                return Err(ConfigError(format!(
                    "argument \"{name}\": the input_schema says what it is, so \"{word}\" cannot; beside an input_schema an \
                     argument takes only in=, name= and whole"
                )));
            }
            if !schema::properties(&json).any(|(known, _)| known == name) {
                return Err(ConfigError(format!("argument \"{name}\": the input_schema has no such property")));
            }
        }
        Ok(("input_schema", json))
    }

    /// A path has no way to leave out a value, so an `argument` line must see to it that there is one.
    fn check_path_arguments(&self, url: &Url, defaults: &Defaults) -> Result<(), ConfigError> {
        for name in url.path_placeholders() {
            let line =
                self.arguments.iter().find(|argument| argument.name == name && argument.describes_value.is_some());
            if line.is_some_and(|line| !line.required) && !defaults.top().iter().any(|(known, _)| known == name) {
                return Err(ConfigError(format!(
                    "argument \"{name}\" is part of the path, so a call cannot do without; add: required, or default=…"
                )));
            }
        }
        Ok(())
    }
}

/// Where the messages to an MCP server go, and their path and query.
pub(crate) fn message_endpoint(
    directive: &str,
    url: &str,
    header_names: Vec<String>,
    operator_values: Vec<String>,
) -> Result<(Endpoint, String), ConfigError> {
    let parsed = Url::parse(directive, url)?;
    if parsed.placeholders().next().is_some() {
        return Err(ConfigError(format!("invalid URL \"{url}\" in \"{directive}\": it takes no {{argument}}")));
    }
    let Url { origin, .. } = parsed;
    let uri = match &url[origin.len()..] {
        target if target.starts_with('/') => target.to_owned(),
        target => format!("/{target}"),
    };
    let input = Input::compile(directive, &json!({"type": "object"}))?;
    let way = Way::Messages { origin: origin.into(), header_names, operator_values };
    let accept = Some("application/json, text/event-stream".into());
    Ok((Endpoint { input, way, accept, may_ask: true, begins_jobs: false }, uri))
}

/// `[METHOD] URL`
fn target(directive: &str, args: &[&str]) -> Result<(Method, Url), ConfigError> {
    let (method, url) = match args {
        [url] => (Method::Get, url),
        [method, url] => (Method::parse(directive, method)?, url),
        _ => return Err(ConfigError(format!("\"{directive}\" takes a URL, or a method and a URL"))),
    };
    Ok((method, Url::parse(directive, url)?))
}

fn schema_of(arguments: &mut [Argument]) -> Result<Value, ConfigError> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for argument in arguments {
        let Some(schema) = argument.schema.take() else {
            return Err(ConfigError(format!(
                "argument \"{0}\" has no type; write it after the name, as in: argument {0} string",
                argument.name
            )));
        };
        properties.insert(argument.name.clone(), schema.into());
        if argument.required {
            required.push(argument.name.clone());
        }
    }
    let mut schema = Map::from_iter([("type".into(), "object".into()), ("properties".into(), properties.into())]);
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    schema.insert("additionalProperties".into(), false.into());
    Ok(schema.into())
}

/// The schema's defaults; each of the top level must be a value that the schema takes.
fn checked_defaults(input: &Value) -> Result<Defaults, ConfigError> {
    let defaults = Defaults::of(input);
    for (name, value) in defaults.top() {
        let Some((_, property)) = schema::properties(input).find(|(known, _)| known == name) else { continue };
        // What it refers to stands at the root, so it is compiled with the root's definitions around it.
        let Value::Object(mut around) = input.clone() else { continue };
        for keyword in ["required", "minProperties", "dependentRequired", "allOf", "anyOf", "oneOf", "not", "if"] {
            around.shift_remove(keyword);
        }
        around.insert("properties".into(), Map::from_iter([(name.clone(), property.clone())]).into());
        let schema = Schema::compile("default", &around.into())?;
        let given = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
        if let Err(Failure::Value(text) | Failure::Schema(text)) = schema.check(&given) {
            return Err(ConfigError(format!("the default of argument \"{name}\" is not valid: {text}")));
        }
    }
    Ok(defaults)
}
