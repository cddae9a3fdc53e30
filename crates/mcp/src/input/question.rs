//! An `input_required` result as a backend wrote it.

use std::borrow::Cow;

use memchr::memmem;

use super::Capabilities;
use crate::jsonrpc::text;
use crate::session::cut;
use crate::tool::{Answer, Members, Object, checked_json, coding_of, write_meta};

/// The `resultType` of a question.
pub(crate) const INPUT_REQUIRED: &str = "input_required";

/// What an answer with an MCP result asks for. One that is not right is none: whoever makes the result of it says why.
pub(crate) fn find_question(answer: Answer<'_>) -> Option<Question<'_>> {
    let Answer::Response(response) = answer else { return None };
    let is_result = (200..300).contains(&response.status) && coding_of(&response).is_none();
    if !is_result || memmem::find(response.body, INPUT_REQUIRED.as_bytes()).is_none() {
        return None;
    }
    let result = Members::of(checked_json(response.body).ok()?, "it").ok()?;
    let is_question = result.text("resultType").ok()?.as_deref() == Some(INPUT_REQUIRED);
    if is_question { Question::of(result).ok() } else { None }
}

/// Requests in one result.
const MOST: usize = 32;
/// Bytes of a backend's state; sealed it goes through the client twice.
const LONGEST_STATE: usize = 16 << 10;
/// Bytes of a key.
const LONGEST_KEY: usize = 256;
/// Bytes of a message that are shown to a client who cannot be asked.
const SHOWN: usize = 256;

/// What a backend asks for.
pub(crate) struct Question<'j> {
    result: Members<'j>,
    pub(crate) requests: Vec<InputRequest<'j>>,
    pub(crate) state: Option<String>,
}

/// One thing that it asks for.
pub(crate) struct InputRequest<'j> {
    pub(crate) key: Cow<'j, str>,
    pub(crate) method: Method,
    /// An object.
    pub(crate) params: Option<&'j str>,
}

/// Whom the request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Elicit,
    Sample,
    ListRoots,
}

impl Method {
    const ALL: [Method; 3] = [Self::Elicit, Self::Sample, Self::ListRoots];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Elicit => "elicitation/create",
            Self::Sample => "sampling/createMessage",
            Self::ListRoots => "roots/list",
        }
    }
}

impl<'j> Question<'j> {
    /// Reads the members of a result whose `resultType` is `input_required`; the error says what is wrong with it.
    pub(crate) fn of(result: Members<'j>) -> Result<Self, String> {
        let mut requests = Vec::new();
        let asked = result.get("inputRequests");
        if let Some(json) = asked {
            for (key, request) in Members::of(json, "its \"inputRequests\"")?.0 {
                requests.push(InputRequest::read(key, request.get())?);
            }
            match requests.len() {
                0 => return Err("its \"inputRequests\" is empty".into()),
                1..=MOST => {}
                more => return Err(format!("its \"inputRequests\" has {more} members; {MOST} are allowed")),
            }
        }
        let state = result.text("requestState")?;
        if state.as_ref().is_some_and(|state| state.len() > LONGEST_STATE) {
            return Err(format!("its \"requestState\" is longer than {LONGEST_STATE} bytes"));
        }
        if asked.is_none() && state.is_none() {
            return Err("it asks for input, but has neither \"inputRequests\" nor \"requestState\"".into());
        }
        Ok(Question { result, requests, state })
    }

    /// What the client must be able to do.
    pub(crate) fn needs(&self) -> Capabilities {
        self.requests.iter().map(InputRequest::needs).fold(Capabilities::NONE, Capabilities::and)
    }

    /// Appends the result with another state; `meta` is the `_meta` of the server's results.
    pub(crate) fn write(&self, state: Option<&str>, meta: Option<&str>, out: &mut Vec<u8>) -> Result<(), String> {
        let mut object = Object::begin(out);
        object.member("resultType", "\"input_required\"");
        if let Some(requests) = self.result.get("inputRequests") {
            object.member("inputRequests", requests);
        }
        if let Some(state) = state {
            object.text("requestState", state);
        }
        write_meta(&self.result, meta, &mut object)?;
        object.end();
        Ok(())
    }

    /// The requests as JSON.
    pub(crate) fn requests_json(&self) -> &'j str {
        self.result.get("inputRequests").unwrap_or("{}")
    }

    /// The same for somebody who cannot be asked; `why` says so.
    pub(crate) fn in_words(&self, why: &str) -> String {
        let mut words = format!("input is needed before this can go on, but {why}");
        let asked: Vec<String> = self.requests.iter().map(InputRequest::in_words).collect();
        if !asked.is_empty() {
            words.push_str("; it asks for: ");
            words.push_str(&asked.join("; "));
        }
        words
    }
}

impl<'j> InputRequest<'j> {
    /// A request that a server sends by itself; the error is for it.
    pub(crate) fn new(method: &str, params: Option<&'j str>) -> Result<Self, String> {
        let method = Method::ALL.into_iter().find(|known| known.as_str() == method);
        let method = method.ok_or("nobody here answers requests of this method")?;
        Ok(InputRequest { key: Cow::Borrowed(""), method, params: params.filter(|params| params.starts_with('{')) })
    }

    fn read(key: Cow<'j, str>, json: &'j str) -> Result<Self, String> {
        if key.len() > LONGEST_KEY {
            return Err(format!("a key of its \"inputRequests\" is longer than {LONGEST_KEY} bytes"));
        }
        let whose = format!("its input request \"{key}\"");
        let request = Members::of(json, &whose)?;
        let named = request.text("method")?;
        let Some(method) = Method::ALL.into_iter().find(|method| Some(method.as_str()) == named.as_deref()) else {
            let known = Method::ALL.map(Method::as_str).join(", ");
            return Err(format!("{whose} is not of method {known}"));
        };
        let params = request.get("params");
        match params {
            Some(params) => drop(Members::of(params, &format!("\"params\" of {whose}"))?),
            None if method == Method::ListRoots => {}
            None => return Err(format!("{whose} has no \"params\"")),
        }
        Ok(InputRequest { key, method, params })
    }

    /// A member of the parameters, raw.
    pub(crate) fn param(&self, name: &str) -> Option<&'j str> {
        Members::of(self.params?, "").ok()?.get(name)
    }

    pub(crate) fn is_url(&self) -> bool {
        self.method == Method::Elicit && self.param("mode").and_then(text).as_deref() == Some("url")
    }

    pub(crate) fn needs(&self) -> Capabilities {
        match self.method {
            Method::Elicit if self.is_url() => Capabilities::URL,
            Method::Elicit => Capabilities::FORM,
            Method::Sample if self.param("tools").is_some() || self.param("toolChoice").is_some() => {
                Capabilities::SAMPLING.and(Capabilities::SAMPLING_TOOLS)
            }
            Method::Sample => Capabilities::SAMPLING,
            Method::ListRoots => Capabilities::ROOTS,
        }
    }

    fn in_words(&self) -> String {
        match self.method {
            Method::Elicit => {
                let message = self.param("message").and_then(text).unwrap_or_default();
                let url = self.param("url").and_then(text).filter(|_| self.is_url());
                let url = url.map(|url| format!(" at {}", cut(&url, SHOWN))).unwrap_or_default();
                format!("an answer of the user to \"{}\"{url}", cut(&message, SHOWN))
            }
            Method::Sample => "a message of the client's model (sampling)".into(),
            Method::ListRoots => "the client's roots".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read<T>(result: &Value, act: impl FnOnce(Question<'_>) -> T) -> Result<T, String> {
        let json = result.to_string();
        Question::of(Members::of(&json, "it")?).map(act)
    }

    fn asks(requests: Value) -> Value {
        json!({"resultType": "input_required", "inputRequests": requests})
    }

    #[test]
    fn a_question_passes_as_it_is_apart_from_its_state() {
        let requests = json!({
            "login": {"method": "elicitation/create", "params": {"message": "name?", "requestedSchema": {"type": "object", "properties": {}}}},
            "roots": {"method": "roots/list"},
        });
        let mut result = asks(requests.clone());
        result["requestState"] = "s".into();
        result["_meta"] = json!({"a": 1});
        let written = |result: &Value, state: Option<&str>| {
            let mut out = Vec::new();
            read(result, |question| question.write(state, Some(r#"{"b":2}"#), &mut out)).unwrap().unwrap();
            serde_json::from_slice::<Value>(&out).unwrap()
        };
        let mut expected = asks(requests);
        expected["_meta"] = json!({"b": 2});
        expected["_meta"]["a"] = 1.into();
        assert_eq!(written(&result, None), expected);
        expected["requestState"] = "sealed".into();
        assert_eq!(written(&result, Some("sealed")), expected);
        let alone = json!({"resultType": "input_required", "requestState": ""});
        assert_eq!(read(&alone, |question| (question.state, question.requests.len())), Ok((Some(String::new()), 0)));
    }

    #[test]
    fn what_it_needs_of_the_client_is_known() {
        let form = json!({"method": "elicitation/create", "params": {"message": "m", "requestedSchema": {}}});
        let url =
            json!({"method": "elicitation/create", "params": {"mode": "url", "message": "m", "url": "https://a/"}});
        let sample = json!({"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}});
        let tools = json!({"method": "sampling/createMessage", "params": {"messages": [], "tools": []}});
        let roots = json!({"method": "roots/list", "params": {}});
        for (requests, expected) in [
            (json!({"a": form}), "elicitation.form"),
            (json!({"a": url}), "elicitation.url"),
            (json!({"a": sample, "b": roots}), "sampling roots"),
            (json!({"a": tools, "b": form}), "elicitation.form sampling sampling.tools"),
        ] {
            assert_eq!(read(&asks(requests), |question| question.needs().to_string()).unwrap(), expected);
        }
        let words = read(&asks(json!({"a": form, "b": url, "c": sample, "d": roots})), |q| q.in_words("it cannot"));
        assert_eq!(
            words.unwrap(),
            "input is needed before this can go on, but it cannot; it asks for: an answer of the user to \"m\"; an \
             answer of the user to \"m\" at https://a/; a message of the client's model (sampling); the client's roots"
        );
    }

    #[test]
    fn what_no_client_could_answer_is_refused() {
        let many: serde_json::Map<_, _> = (0..33).map(|at| (at.to_string(), json!({"method": "roots/list"}))).collect();
        for (result, expected) in [
            (json!({"resultType": "input_required"}), "neither \"inputRequests\" nor \"requestState\""),
            (json!({"requestState": 1}), "its \"requestState\" is not a string"),
            (json!({"requestState": "s".repeat(LONGEST_STATE + 1)}), "longer than 16384 bytes"),
            (asks(json!([])), "its \"inputRequests\" is not an object"),
            (asks(json!({})), "its \"inputRequests\" is empty"),
            (asks(many.into()), "has 33 members; 32 are allowed"),
            (asks(json!({"k".repeat(257): {"method": "roots/list"}})), "longer than 256 bytes"),
            (asks(json!({"a": {"method": "ping"}})), "its input request \"a\" is not of method elicitation/create, "),
            (asks(json!({"a": {"method": 1}})), "its \"method\" is not a string"),
            (asks(json!({"a": {"method": "elicitation/create"}})), "its input request \"a\" has no \"params\""),
            (asks(json!({"a": {"method": "roots/list", "params": 1}})), "\"params\" of its input request \"a\" is not"),
        ] {
            let error = read(&result, |_| ()).unwrap_err();
            assert!(error.contains(expected), "{result}: {error}");
        }
    }
}
