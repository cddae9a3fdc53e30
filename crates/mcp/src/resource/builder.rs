//! From the directives of an `mcp_resource` block to a [`Resource`].

use serde_json::{Map, Value};

use super::result::Read;
use super::template::{UriTemplate, check_uri, is_template};
use super::{Resource, Scalars, Source, annotations};
use crate::completion::CompletionBuilder;
use crate::directory::Directory;
use crate::listen::MAX_URI;
use crate::presentation::Presentation;
use crate::server::scope;
use crate::text_template::TextTemplate;
use crate::tool::{Argument, ConfigError, Endpoint, EndpointBuilder, FilePath, Input, once, text};

/// What the directives inside one `mcp_resource URI { … }` block said.
///
/// Each method takes a directive's values, without its name and without quotes. A wrong value is refused at once; what
/// can only be judged together is judged by [`build`](ResourceBuilder::build).
#[derive(Debug)]
pub struct ResourceBuilder {
    uri: String,
    pub(super) template: Option<UriTemplate>,
    name: Option<String>,
    presentation: Presentation,
    mime_type: Option<String>,
    annotations: Option<Map<String, Value>>,
    size: Option<u64>,
    call: EndpointBuilder,
    file: Option<String>,
    text: Option<String>,
    list: Option<bool>,
    hide: Vec<String>,
    skills: bool,
    cache_ttl: Option<u64>,
    cache_scope: Option<&'static str>,
    result: Option<Read>,
    completions: CompletionBuilder,
}

impl ResourceBuilder {
    /// `mcp_resource URI { … }`; a URI with `{…}` in it is a template.
    pub fn new(uri: &str) -> Result<ResourceBuilder, ConfigError> {
        let wrong = |why: String| ConfigError(format!("invalid URI \"{uri}\": {why}"));
        if uri.len() > MAX_URI {
            return Err(wrong(format!("it has more than {MAX_URI} bytes")));
        }
        let template = match is_template(uri) {
            true => Some(UriTemplate::parse(uri).map_err(wrong)?),
            false => check_uri(uri).map(|()| None).map_err(wrong)?,
        };
        Ok(ResourceBuilder {
            uri: uri.to_owned(),
            template,
            name: None,
            presentation: Presentation::default(),
            mime_type: None,
            annotations: None,
            size: None,
            call: EndpointBuilder::default(),
            file: None,
            text: None,
            list: None,
            hide: Vec::new(),
            skills: false,
            cache_ttl: None,
            cache_scope: None,
            result: None,
            completions: CompletionBuilder::default(),
        })
    }

    /// `name TEXT`: the URI unless it is given.
    pub fn name(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        once("name", &mut self.name, text("name", args)?)
    }

    /// `title`, `description`, `icons` and `meta`.
    pub fn presentation(&mut self) -> &mut Presentation {
        &mut self.presentation
    }

    /// `mime_type TYPE`: what the contents are, whatever the upstream says.
    pub fn mime_type(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let value = text("mime_type", args)?;
        let token = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
        };
        if !value.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype)) {
            return Err(ConfigError(format!("\"mime_type\" takes a type such as text/markdown, not \"{value}\"")));
        }
        once("mime_type", &mut self.mime_type, value)
    }

    /// `annotations [audience=user,assistant] [priority=0.5] [lastModified=TIME]`
    pub fn annotations(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        once("annotations", &mut self.annotations, annotations::parse(args)?)
    }

    /// `size BYTES`: how large the contents are.
    pub fn size(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let value = text("size", args)?;
        let size =
            value.parse().map_err(|_| ConfigError(format!("\"size\" takes a number of bytes, not \"{value}\"")))?;
        if self.template.is_some() {
            return Err(ConfigError("\"size\" is for a resource, not for a template of many".into()));
        }
        once("size", &mut self.size, size)
    }

    /// `pass [METHOD] URL`: who has the contents.
    pub fn pass(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.call.pass(args)
    }

    /// The absolute path of `file PATH`.
    pub fn file(&mut self, path: &str) -> Result<(), ConfigError> {
        once("file", &mut self.file, path.to_owned())
    }

    /// `text TEXT`: the contents.
    pub fn text(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        match args {
            [contents] => once("text", &mut self.text, (*contents).to_owned()),
            _ => Err(ConfigError("\"text\" takes one value; put it in quotes".into())),
        }
    }

    /// `mcp_skills DIRECTORY [URI]`: the files below a directory, an absolute path, are resources below a URI, and those
    /// directories skills that have a `SKILL.md`.
    pub fn skills(directory: &str, uri: &str) -> Result<Resource, ConfigError> {
        let mut builder = ResourceBuilder::new(&format!("{uri}{{+path}}"))?;
        builder.file(&format!("{}/{{path}}", directory.trim_end_matches('/').replace('{', "{{").replace('}', "}}")))?;
        builder.list = Some(true);
        builder.skills = true;
        builder.build()
    }

    /// `list on|off`: whether the files of a template are listed.
    pub fn list(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let on = match args {
            ["on"] => true,
            ["off"] => false,
            _ => return Err(ConfigError("\"list\" takes on or off".into())),
        };
        once("list", &mut self.list, on)
    }

    /// `hide PATTERN …`: files and directories that are neither listed nor read.
    pub fn hide(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        if args.is_empty() || args.iter().any(|pattern| pattern.is_empty() || pattern.starts_with('/')) {
            return Err(ConfigError(
                "\"hide\" takes patterns of names, such as *.tmp, or of paths below the directory, such as drafts/*"
                    .into(),
            ));
        }
        self.hide.extend(args.iter().map(|pattern| (*pattern).to_owned()));
        Ok(())
    }

    /// `cache_ttl TIME`, in milliseconds: how long a client may keep the contents.
    pub fn cache_ttl(&mut self, milliseconds: u64) -> Result<(), ConfigError> {
        once("cache_ttl", &mut self.cache_ttl, milliseconds)
    }

    /// `cache_scope public|private`: whether they are for one user alone.
    pub fn cache_scope(&mut self, private: bool) -> Result<(), ConfigError> {
        once("cache_scope", &mut self.cache_scope, scope(private))
    }

    /// `argument VARIABLE [key=value …] ["description"]`: what a variable must be, and where it goes.
    pub fn argument(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let argument = Argument::parse_text(args)?;
        if !self.template.as_ref().is_some_and(|template| template.names().any(|name| name == argument.name)) {
            return Err(ConfigError(format!("argument \"{}\": the URI has no such variable", argument.name)));
        }
        self.call.add_argument(argument)
    }

    /// `complete VARIABLE VALUE …` or `complete VARIABLE METHOD URL`
    pub fn complete(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.completions.add(args)
    }

    /// `result auto|text|mcp`: what the upstream's body is. `auto` goes by its content type; `mcp` is a
    /// `ReadResourceResult` of the upstream's own making.
    pub fn result(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let read = match args {
            ["auto"] => Read::Auto,
            ["text"] => Read::Text,
            ["mcp"] => Read::Mcp,
            _ => return Err(ConfigError("\"result\" of a resource takes auto, text or mcp".into())),
        };
        once("result", &mut self.result, read)
    }

    /// Checks everything together and compiles it.
    pub fn build(self) -> Result<Resource, ConfigError> {
        let uri = self.uri.clone();
        self.assemble().map_err(|ConfigError(text)| ConfigError(format!("resource \"{uri}\": {text}")))
    }

    fn assemble(mut self) -> Result<Resource, ConfigError> {
        let arguments = self.arguments();
        let completers = self.completions.build(&arguments)?;
        self.call.arguments.clone_from(&arguments);
        let is_template = self.template.is_some();
        let declared = |mut names: Box<dyn Iterator<Item = &str> + '_>| match names
            .find(|name| !arguments.iter().any(|argument| argument.name == *name))
        {
            Some(name) => Err(ConfigError(format!("there is a {{{name}}}, but no such variable in the URI"))),
            None => Ok(()),
        };
        let endpoint = |mut endpoint: Endpoint, read: Option<Read>| {
            if read == Some(Read::Mcp) {
                endpoint.let_ask();
            }
            Source::Endpoint { endpoint: Box::new(endpoint), site: 0, read: read.unwrap_or(Read::Auto) }
        };
        let lists = self.list == Some(true);
        if (lists || !self.hide.is_empty()) && !(is_template && self.file.is_some()) {
            return Err(ConfigError("\"list\" and \"hide\" are for a template whose contents are a \"file\"".into()));
        }
        if !lists && !self.hide.is_empty() {
            return Err(ConfigError("\"hide\" is for files that are listed; add \"list on\"".into()));
        }
        let mut directory = None;
        let source = match (self.call.has_pass(), self.file, self.text) {
            (true, None, None) => endpoint(self.call.build()?, self.result),
            (false, Some(path), None) => {
                let deep = self.template.as_ref().map(UriTemplate::deep).unwrap_or_default();
                let path = FilePath::parse(&path, is_template, deep)
                    .map_err(|why| ConfigError(format!("\"file\" cannot be \"{path}\": {why}")))?;
                declared(Box::new(path.names()))?;
                if self.result == Some(Read::Mcp) {
                    return Err(ConfigError("\"result mcp\" is for what an upstream answers, not for a file".into()));
                }
                if lists {
                    let uri = self.template.as_ref().and_then(UriTemplate::around);
                    let uri = uri.ok_or_else(|| ConfigError("\"list\" needs a URI with one variable in it".into()))?;
                    directory = Some(Directory::new(path.clone(), uri, self.hide, self.skills)?);
                }
                endpoint(Endpoint::file(path, Input::of_arguments(arguments.clone())?), self.result)
            }
            (false, None, Some(contents)) => {
                let contents = match is_template {
                    true => TextTemplate::parse(&contents).map_err(|why| ConfigError(format!("\"text\": {why}")))?,
                    false => TextTemplate::literal(&contents),
                };
                declared(Box::new(contents.names()))?;
                if self.result.is_some() {
                    return Err(ConfigError("\"result\" is for what an upstream answers, not for a \"text\"".into()));
                }
                Source::Text(contents, Input::of_arguments(arguments.clone())?)
            }
            (false, None, None) => {
                return Err(ConfigError("it has no contents; add \"pass\", \"file\" or \"text\"".into()));
            }
            _ => return Err(ConfigError("it has more than one of \"pass\", \"file\" and \"text\"".into())),
        };
        Ok(Resource {
            name: self.name.unwrap_or_else(|| self.uri.clone()),
            uri: self.uri.into(),
            template: self.template,
            scalars: Scalars::default(),
            presentation: self.presentation,
            mime_type: self.mime_type,
            annotations: self.annotations.unwrap_or_default(),
            size: self.size,
            caching: (self.cache_ttl, self.cache_scope),
            source,
            directory,
            completers,
        })
    }

    /// What is said of each variable, in the order of the template.
    fn arguments(&self) -> Vec<Argument> {
        let Some(template) = &self.template else { return Vec::new() };
        let argument = |name: &str| {
            let mut argument = match self.call.arguments.iter().find(|argument| argument.name == name) {
                Some(said) => said.clone(),
                None => Argument::plain(name, false),
            };
            argument.required |= template.requires(name);
            argument
        };
        template.names().map(argument).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ProtocolVersion;

    fn build(uri: &str, directives: &[&[&str]]) -> Result<Resource, ConfigError> {
        let mut builder = ResourceBuilder::new(uri)?;
        for directive in directives {
            let (name, args) = directive.split_first().unwrap();
            match *name {
                "name" => builder.name(args),
                "title" => builder.presentation().title(args),
                "description" => builder.presentation().description(args),
                "mime_type" => builder.mime_type(args),
                "annotations" => builder.annotations(args),
                "size" => builder.size(args),
                "pass" => builder.pass(args),
                "file" => builder.file(args[0]),
                "text" => builder.text(args),
                "argument" => builder.argument(args),
                "complete" => builder.complete(args),
                "list" => builder.list(args),
                "hide" => builder.hide(args),
                "result" => builder.result(args),
                other => panic!("no directive {other}"),
            }?;
        }
        builder.build()
    }

    fn definition(resource: &Resource) -> Value {
        let mut out = Vec::new();
        resource.write_definition(ProtocolVersion::V2026_07_28, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_resource_shows_what_its_directives_say() {
        let resource = build(
            "stock://berlin/report",
            &[
                &["name", "report"],
                &["title", "Report"],
                &["description", "Of Berlin."],
                &["mime_type", "text/markdown"],
                &["annotations", "priority=1"],
                &["size", "12"],
                &["text", "{no place}"],
            ],
        );
        let expected = json!({
            "uri": "stock://berlin/report", "name": "report", "title": "Report", "description": "Of Berlin.",
            "mimeType": "text/markdown", "annotations": {"priority": 1.0}, "size": 12,
        });
        let resource = resource.unwrap();
        assert_eq!(definition(&resource), expected);
        assert_eq!(resource.text(Map::new()).unwrap().unwrap(), "{no place}");
        let template = build("stock://{warehouse}/report", &[&["text", "of {warehouse}"]]).unwrap();
        let expected = json!({"uriTemplate": "stock://{warehouse}/report", "name": "stock://{warehouse}/report"});
        assert_eq!(definition(&template), expected);
        let values = template.values("stock://k%C3%B6ln/report").unwrap();
        assert_eq!(template.text(values).unwrap().unwrap(), "of köln");
    }

    #[test]
    fn variables_go_where_a_tools_arguments_go() {
        let request = |directives: &[&[&str]], uri: &str| {
            let resource = build("stock://{warehouse}/{item}{?lang}", directives).unwrap();
            let values = resource.values(uri).unwrap();
            let endpoint = resource.endpoints().next().unwrap();
            endpoint.request(values, &mut |_| String::new()).map(|request| (request.uri, request.headers))
        };
        let pass: &[&str] = &["pass", "GET", "http://x/{warehouse}"];
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(request(&[pass], "stock://a%2Fb/1"), Ok(("/a%2Fb?item=1".into(), vec![])));
        assert_eq!(request(&[pass], "stock://a/1?lang=de"), Ok(("/a?item=1&lang=de".into(), vec![])));
        let placed = request(&[pass, &["argument", "item", "in=header", "name=X-Item"]], "stock://a/1");
        assert_eq!(placed, Ok(("/a".into(), vec![header("X-Item", "1")])));
        let defaulted = request(&[pass, &["argument", "lang", "default=en"]], "stock://a/1");
        assert_eq!(defaulted, Ok(("/a?item=1&lang=en".into(), vec![])));
        assert!(request(&[pass, &["argument", "item", "enum=2,3"]], "stock://a/1").is_err());
        assert!(request(&[pass], "stock://../1").is_err());
        let file: &[&str] = &["file", "/data/{warehouse}/{item}.md"];
        assert_eq!(request(&[file], "stock://a/1"), Ok(("/a/1.md".into(), vec![])));
        assert!(request(&[file], "stock://a%2Fb/1").is_err() && request(&[file], "stock://../1").is_err());
    }

    #[test]
    fn wrong_directives_say_what_is_right() {
        let pass: &[&str] = &["pass", "http://x/"];
        let template = "a://{v}";
        let cases: [(&str, &[&[&str]], &str); 24] = [
            ("report", &[], "invalid URI \"report\": it must begin with a scheme"),
            ("a://{v", &[], "invalid URI \"a://{v\": a variable is written {name}"),
            ("a://b", &[], "resource \"a://b\": it has no contents; add \"pass\", \"file\" or \"text\""),
            ("a://b", &[pass, &["text", "x"]], "it has more than one of \"pass\", \"file\" and \"text\""),
            ("a://b", &[pass, pass], "\"pass\" is duplicate"),
            ("a://b", &[&["pass", "FETCH", "http://x/"]], "unknown method \"FETCH\" in \"pass\""),
            ("a://b", &[&["pass", "http://x/{v}"]], "\"pass\" has a placeholder {v}, but there is no such argument"),
            ("a://b", &[&["file", "/data/"]], "\"file\" cannot be \"/data/\": it names a directory"),
            (template, &[&["file", "/data/{w}"]], "there is a {w}, but no such variable in the URI"),
            (template, &[&["text", "{w}"]], "there is a {w}, but no such variable in the URI"),
            (template, &[&["text", "{"]], "\"text\": an argument is written {name}"),
            ("a://b", &[&["text", "a", "b"]], "\"text\" takes one value; put it in quotes"),
            ("a://b", &[&["text", "a"], &["result", "mcp"]], "\"result\" is for what an upstream answers"),
            ("a://b", &[&["file", "/d/a"], &["result", "mcp"]], "\"result mcp\" is for what an upstream answers"),
            ("a://b", &[pass, &["result", "json"]], "\"result\" of a resource takes auto, text or mcp"),
            ("a://b", &[pass, &["mime_type", "markdown"]], "\"mime_type\" takes a type such as text/markdown"),
            ("a://b", &[pass, &["size", "large"]], "\"size\" takes a number of bytes, not \"large\""),
            (template, &[pass, &["size", "1"]], "\"size\" is for a resource, not for a template of many"),
            ("a://b", &[pass, &["argument", "v"]], "argument \"v\": the URI has no such variable"),
            (template, &[pass, &["argument", "v", "integer"]], "argument \"v\": unknown word \"integer\""),
            (template, &[pass, &["complete", "v"]], "\"complete\" takes an argument's name and values"),
            (template, &[pass, &["complete", "w", "a"]], "\"complete\" is for \"w\", but there is no such argument"),
            (
                template,
                &[pass, &["complete", "v", "a"], &["complete", "v", "b"]],
                "\"complete\" has argument \"v\" twice",
            ),
            (template, &[pass, &["complete", "v", "GET", "http://x/{w}"]], "a placeholder {w}, but there is no such"),
        ];
        for (uri, directives, expected) in cases {
            let error = build(uri, directives).map(|_| ()).unwrap_err().0;
            assert!(error.contains(expected), "{uri} {directives:?}: {error}");
        }
    }
}
