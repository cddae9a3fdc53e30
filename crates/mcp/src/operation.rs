//! An HTTP operation as an API description has it: what a call of it sends, and where each argument goes.
//!
//! This is the border between whoever reads API descriptions and [`Tool`](crate::Tool): plain data, nothing of any
//! version of OpenAPI. Style names and their meaning are those of OpenAPI's Parameter Object and Encoding Object.

use serde_json::{Map, Value};

pub use crate::glob::glob;
pub use crate::tool::{check_header, check_pattern};

/// One operation, ready to become a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The tool's name.
    pub name: String,
    /// The tool's name for people.
    pub title: Option<String>,
    /// What a model goes by.
    pub description: String,
    /// `readOnlyHint`, `destructiveHint`, `idempotentHint` …; empty for none.
    pub annotations: Map<String, Value>,
    /// The HTTP method, upper case.
    pub method: String,
    /// Scheme and authority, as `proxy_pass` takes them: `https://api.example.com:8443`.
    pub origin: String,
    /// The path below the origin, the server's own part included, with `{name}` where the parameter of that name in
    /// [`Location::Path`] goes. Everything else is sent as it stands, so it is encoded already.
    pub path: String,
    /// Everything but the body.
    pub parameters: Vec<Parameter>,
    /// The body, if the operation takes one.
    pub body: Option<RequestBody>,
    /// The `Accept` header, if the description says what the answers are.
    pub accept: Option<String>,
    /// A self-contained JSON Schema 2020-12 of type object. Its properties are the arguments.
    pub input_schema: Value,
    /// What the JSON of a good answer is, if it is to be published.
    pub output_schema: Option<Value>,
}

/// Where the value of a parameter comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// The argument of this name.
    Argument(String),
    /// Always this value, which the schema does not show.
    Fixed(Value),
    /// What the operator's text with variables comes to, which the host evaluates for each call
    /// (`$http_x_tenant`, `Bearer $http_x_api_key`); empty, or `Bearer` and `Basic` with nothing behind: the parameter is
    /// left out.
    Operator(String),
}

/// A parameter outside the body.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its value.
    pub source: Source,
    /// Its name for the upstream.
    pub name: String,
    /// Where it goes.
    pub location: Location,
    /// How a value becomes text.
    pub serialization: Serialization,
}

/// `in`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    /// A `{name}` of the path.
    Path,
    /// `?name=value`.
    Query,
    /// OpenAPI 3.2's `in: querystring`: the value is the whole query.
    Querystring,
    /// A header line.
    Header,
    /// A pair of the `Cookie` line.
    Cookie,
}

/// How a value becomes text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serialization {
    /// `style`, `explode` and `allowReserved`.
    Style {
        /// How lists and objects are joined.
        style: Style,
        /// One pair for each item or member.
        explode: bool,
        /// RFC 3986's reserved characters stay as they are, except where they would end the value.
        allow_reserved: bool,
    },
    /// `content`: the value is one text of this media type. JSON types are written as JSON, form types as a form,
    /// everything else takes the value as text.
    Content(String),
}

/// `style`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `blue,black`; path and headers.
    Simple,
    /// `.blue.black`; path.
    Label,
    /// `;color=blue;color=black`; path.
    Matrix,
    /// `color=blue&color=black`; query, cookies, forms.
    Form,
    /// `color=blue%20black`
    SpaceDelimited,
    /// `color=blue%7Cblack`
    PipeDelimited,
    /// Swagger 2.0's `collectionFormat: tsv`: `color=blue%09black`
    TabDelimited,
    /// `color%5BR%5D=100`; nested objects nest their brackets.
    DeepObject,
    /// OpenAPI 3.2's `style: cookie`: as `form`, but values are not percent-encoded, so one that does not fit is
    /// refused.
    Cookie,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestBody {
    /// The argument that it is made of. Without a value for it, a call has no body and no `Content-Type`.
    pub argument: String,
    /// The `Content-Type`, parameters included; `multipart/form-data` gets its boundary when it is sent.
    pub media_type: String,
    /// How the argument becomes bytes.
    pub kind: BodyKind,
}

/// How an argument becomes a body.
#[derive(Debug, Clone, PartialEq)]
pub enum BodyKind {
    /// As JSON.
    Json,
    /// A string, as it is.
    Text,
    /// A base64 string, decoded.
    Bytes,
    /// `application/x-www-form-urlencoded`: the members of an object.
    Form(Vec<Field>),
    /// `multipart/form-data`: the members of an object.
    Multipart(Vec<Field>),
}

/// What the description says of one member of a form. A member that none is for is written as its value's type asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The member.
    pub name: String,
    /// `encoding.style`, `explode`, `allowReserved`, if any of them is given.
    pub style: Option<Serialization>,
    /// `encoding.contentType` or what the schema's type comes to; of a list, that of each item.
    pub content_type: Option<String>,
    /// The value, or each item of it, is base64 and goes out as bytes, as a file in `multipart/form-data`.
    pub binary: bool,
}
