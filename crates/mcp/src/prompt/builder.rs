//! From the directives of an `mcp_prompt` block to a [`Prompt`].

use super::result::Reply;
use super::{Message, Prompt, Source};
use crate::completion::CompletionBuilder;
use crate::presentation::Presentation;
use crate::text_template::TextTemplate;
use crate::tool::{Argument, ConfigError, EndpointBuilder, Input, check_name, once};

/// What the directives inside one `mcp_prompt NAME { … }` block said.
///
/// Each method takes a directive's values, without its name and without quotes. A wrong value is refused at once; what
/// can only be judged together is judged by [`build`](PromptBuilder::build).
#[derive(Debug)]
pub struct PromptBuilder {
    name: String,
    presentation: Presentation,
    call: EndpointBuilder,
    messages: Vec<Message>,
    result: Option<Reply>,
    completions: CompletionBuilder,
}

impl PromptBuilder {
    /// `mcp_prompt NAME { … }`: 1 to 128 letters, digits, `_`, `.` and `-`.
    pub fn new(name: &str) -> Result<PromptBuilder, ConfigError> {
        check_name("prompt", name)?;
        Ok(PromptBuilder {
            name: name.to_owned(),
            presentation: Presentation::default(),
            call: EndpointBuilder::default(),
            messages: Vec::new(),
            result: None,
            completions: CompletionBuilder::default(),
        })
    }

    /// `title`, `description`, `icons` and `meta`.
    pub fn presentation(&mut self) -> &mut Presentation {
        &mut self.presentation
    }

    /// `argument NAME [required] [key=value …] ["description"]`: a text that the user gives.
    pub fn argument(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.call.add_argument(Argument::parse_text(args)?)
    }

    /// `message user|assistant TEXT`: a message, with the argument's value for each `{name}`.
    pub fn message(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let (role, text) = match args {
            ["user", text] => ("user", text),
            ["assistant", text] => ("assistant", text),
            _ => return Err(ConfigError("\"message\" takes user or assistant, and a text in quotes".into())),
        };
        let text = TextTemplate::parse(text).map_err(|why| ConfigError(format!("\"message\": {why}")))?;
        self.messages.push(Message { role, text });
        Ok(())
    }

    /// `pass [METHOD] URL`: who makes the messages.
    pub fn pass(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.call.pass(args)
    }

    /// `complete ARGUMENT VALUE …` or `complete ARGUMENT METHOD URL`
    pub fn complete(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.completions.add(args)
    }

    /// `result auto|text|mcp`: what the upstream's body is. `auto` goes by its content type and makes one message of the
    /// user of it; `mcp` is a `GetPromptResult` of the upstream's own making.
    pub fn result(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let reply = match args {
            ["auto"] => Reply::Auto,
            ["text"] => Reply::Text,
            ["mcp"] => Reply::Mcp,
            _ => return Err(ConfigError("\"result\" of a prompt takes auto, text or mcp".into())),
        };
        once("result", &mut self.result, reply)
    }

    /// Checks everything together and compiles it.
    pub fn build(self) -> Result<Prompt, ConfigError> {
        let name = self.name.clone();
        self.assemble().map_err(|ConfigError(text)| ConfigError(format!("prompt \"{name}\": {text}")))
    }

    fn assemble(mut self) -> Result<Prompt, ConfigError> {
        let arguments = self.call.arguments.clone();
        let completers = self.completions.build(&arguments)?;
        let source = match (self.call.has_pass(), self.messages.is_empty()) {
            (true, true) => {
                let mut endpoint = self.call.build()?;
                let reply = self.result.unwrap_or(Reply::Auto);
                if reply == Reply::Mcp {
                    endpoint.let_ask();
                }
                Source::Endpoint { endpoint: Box::new(endpoint), site: 0, reply }
            }
            (false, false) => {
                let unknown = |name: &&str| !arguments.iter().any(|argument| argument.name == *name);
                if let Some(name) = self.messages.iter().flat_map(|message| message.text.names()).find(unknown) {
                    return Err(ConfigError(format!(
                        "\"message\" has a {{{name}}}, but there is no such argument; add: argument {name}"
                    )));
                }
                if self.result.is_some() {
                    return Err(ConfigError(
                        "\"result\" is for what an upstream answers, not for a \"message\"".into(),
                    ));
                }
                Source::Messages(self.messages, Input::of_arguments(arguments.clone())?)
            }
            (true, false) => return Err(ConfigError("it has both \"message\" and \"pass\"; drop one of them".into())),
            (false, true) => return Err(ConfigError("it has no messages; add \"message\" or \"pass\"".into())),
        };
        // Clients show prompts to people, who go by what stands there.
        self.presentation.describe(|| format!("The prompt {}", self.name));
        Ok(Prompt { name: self.name.into(), presentation: self.presentation, arguments, source, completers })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ProtocolVersion;

    fn build(directives: &[&[&str]]) -> Result<Prompt, ConfigError> {
        let mut builder = PromptBuilder::new("p")?;
        for directive in directives {
            let (name, args) = directive.split_first().unwrap();
            match *name {
                "title" => builder.presentation().title(args),
                "description" => builder.presentation().description(args),
                "argument" => builder.argument(args),
                "message" => builder.message(args),
                "pass" => builder.pass(args),
                "complete" => builder.complete(args),
                "result" => builder.result(args),
                other => panic!("no directive {other}"),
            }?;
        }
        builder.build()
    }

    #[test]
    fn a_prompt_shows_what_its_directives_say() {
        let prompt = build(&[
            &["title", "P"],
            &["argument", "item", "required", "item id"],
            &["argument", "how", "title=How", "default=well", "enum=well,badly"],
            &["message", "user", "Draft {item} {how}."],
            &["message", "assistant", "{{ok}}"],
        ]);
        let prompt = prompt.unwrap();
        let definition = |version| {
            let mut out = Vec::new();
            prompt.write_definition(version, &mut out);
            serde_json::from_slice::<Value>(&out).unwrap()
        };
        let expected = json!({
            "name": "p", "title": "P", "description": "The prompt p",
            "arguments": [
                {"name": "item", "description": "item id", "required": true},
                {"name": "how", "title": "How", "required": false},
            ],
        });
        assert_eq!(definition(ProtocolVersion::V2026_07_28), expected);
        assert_eq!(definition(ProtocolVersion::V2025_03_26)["arguments"][1], json!({"name": "how", "required": false}));
        let messages = |arguments: Value| {
            let Value::Object(arguments) = arguments else { panic!("no object") };
            prompt.messages(arguments).unwrap()
        };
        let expected = vec![("user", "Draft a{b well.".to_owned()), ("assistant", "{ok}".to_owned())];
        assert_eq!(messages(json!({"item": "a{b"})), Ok(expected));
        for wrong in
            [json!({}), json!({"item": 1}), json!({"item": "a", "more": "b"}), json!({"item": "a", "how": "x"})]
        {
            assert!(messages(wrong.clone()).is_err(), "{wrong}");
        }
        // What has an `enum` is completed by it.
        assert_eq!(prompt.completers.len(), 1);
    }

    #[test]
    fn wrong_directives_say_what_is_right() {
        let message: &[&str] = &["message", "user", "x"];
        let pass: &[&str] = &["pass", "http://x/"];
        let cases: [(&[&[&str]], &str); 11] = [
            (&[], "prompt \"p\": it has no messages; add \"message\" or \"pass\""),
            (&[message, pass], "it has both \"message\" and \"pass\""),
            (&[&["message", "system", "x"]], "\"message\" takes user or assistant, and a text in quotes"),
            (&[&["message", "user"]], "\"message\" takes user or assistant"),
            (&[&["message", "user", "{x"]], "\"message\": an argument is written {name}"),
            (&[&["message", "user", "{x}"]], "\"message\" has a {x}, but there is no such argument; add: argument x"),
            (&[message, &["result", "mcp"]], "\"result\" is for what an upstream answers"),
            (&[pass, &["result", "json"]], "\"result\" of a prompt takes auto, text or mcp"),
            (&[message, &["argument", "a", "integer"]], "argument \"a\": unknown word \"integer\""),
            (&[message, &["argument", "a"], &["argument", "a"]], "argument \"a\" is duplicate"),
            (&[message, &["complete", "a", "b"]], "\"complete\" is for \"a\", but there is no such argument"),
        ];
        for (directives, expected) in cases {
            let error = build(directives).map(|_| ()).unwrap_err().0;
            assert!(error.contains(expected), "{directives:?}: {error}");
        }
        assert!(PromptBuilder::new("a b").unwrap_err().0.contains("invalid prompt name \"a b\""));
    }
}
