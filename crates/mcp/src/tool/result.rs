//! What came of an upstream request, as a `CallToolResult`.
//!
//! JSON is checked once and then copied: it is never taken apart unless a directive asks for it.

use std::borrow::Cow;

use serde_json::Value;

use super::media_type::{MediaType, Nature};
use super::schema::{Failure, Schema};
use super::select::Selector;
use super::status::{coding_of, http_error, status_line};
use super::writer::Writer;
use super::{ConfigError, Tool, json, mcp_result};
use crate::ProtocolVersion;
use crate::http::{Outcome, UpstreamFailure, UpstreamResponse};

/// What `result` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResultMode {
    Auto,
    Json,
    Text,
    Mcp,
}

impl ResultMode {
    /// `result auto|json|text|mcp [wrap=NAME]`
    pub(super) fn parse(args: &[&str]) -> Result<(ResultMode, Option<String>), ConfigError> {
        let (mode, wrap) = match args {
            [mode] => (*mode, None),
            [mode, wrap] => (*mode, Some(*wrap)),
            _ => {
                return Err(ConfigError(
                    "\"result\" takes auto, json, text or mcp, and then may take wrap=NAME".into(),
                ));
            }
        };
        let parsed = match mode {
            "auto" => ResultMode::Auto,
            "json" => ResultMode::Json,
            "text" => ResultMode::Text,
            "mcp" => ResultMode::Mcp,
            _ => {
                return Err(ConfigError(format!(
                    "invalid value \"{mode}\" in \"result\"; it takes auto, json, text or mcp"
                )));
            }
        };
        let wrap = match wrap.map(|word| (word, word.strip_prefix("wrap="))) {
            None => None,
            Some((_, Some(name))) if !name.is_empty() && matches!(parsed, ResultMode::Auto | ResultMode::Json) => {
                Some(name.into())
            }
            Some((word, _)) => {
                return Err(ConfigError(format!(
                    "invalid value \"{word}\" in \"result\"; auto and json may take wrap=NAME"
                )));
            }
        };
        Ok((parsed, wrap))
    }
}

/// A declared output schema.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) schema: Schema,
    /// A violation is an error rather than a note.
    pub(super) strict: bool,
}

/// What the directives say about results.
#[derive(Debug)]
pub(super) struct ResultRules {
    pub(super) tool: String,
    pub(super) mode: ResultMode,
    pub(super) wrap: Option<String>,
    pub(super) select: Option<Selector>,
    pub(super) output: Option<Output>,
    /// The upstream request changes nothing, so that a lost answer leaves no doubt.
    pub(super) safe: bool,
}

/// What came of an upstream request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer<'a> {
    /// A whole answer.
    Response(UpstreamResponse<'a>),
    /// The upstream began to answer event by event, and then said why it has no result.
    Reported(&'a str),
    /// No answer, or not a whole one.
    Failure(UpstreamFailure),
}

impl<'a> From<Result<UpstreamResponse<'a>, UpstreamFailure>> for Answer<'a> {
    fn from(answer: Result<UpstreamResponse<'a>, UpstreamFailure>) -> Self {
        answer.map_or_else(Answer::Failure, Answer::Response)
    }
}

/// What a result turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// For variables and logs.
    pub(crate) outcome: Outcome,
    /// What the operator should know about the upstream's answer, for the error log.
    pub(crate) note: Option<String>,
}

impl Tool {
    /// Appends a whole `CallToolResult` of the revision. `meta` is the text of a JSON object, the result's `_meta`.
    pub(crate) fn write_result(
        &self,
        version: ProtocolVersion,
        answer: Answer<'_>,
        meta: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Written {
        let mut writer = Writer { version, meta, out };
        match answer {
            Answer::Response(response) => self.rules.write_response(&response, &mut writer),
            Answer::Reported(why) => writer.error(why, None),
            Answer::Failure(failure) => writer.error(&self.rules.failure_text(failure), None),
        }
    }
}

impl ResultRules {
    /// Whether an answer may be a question.
    pub(super) fn may_ask(&self) -> bool {
        self.mode == ResultMode::Mcp
    }

    /// The output schema for a revision's `tools/list`; before 2026-07-28 it had to describe an object.
    pub(super) fn published_output(&self, version: ProtocolVersion) -> Option<Cow<'_, str>> {
        let schema = &self.output.as_ref()?.schema;
        let known =
            version >= ProtocolVersion::V2026_07_28 || (version >= ProtocolVersion::V2025_06_18 && schema.is_object());
        known.then(|| schema.published(version))
    }

    fn write_response(&self, response: &UpstreamResponse<'_>, writer: &mut Writer<'_>) -> Written {
        if !(200..300).contains(&response.status) {
            return writer.error(&http_error(response), None);
        }
        if let Some(coding) = coding_of(response) {
            let text =
                format!("the tool's backend answered with content-encoding \"{coding}\", which was not asked for");
            return writer.error(&text, Some(text.clone()));
        }
        if response.body.is_empty() {
            let text = format!("The call succeeded: {}, without a body.", status_line(response.status));
            return self.write_plain(writer, |writer| writer.text(&text));
        }
        let media_type = MediaType::parse(response.content_type);
        match self.mode {
            ResultMode::Mcp => self.write_mcp(response.body, writer),
            ResultMode::Json => self.write_json(response.body, &media_type, writer),
            ResultMode::Text => self.write_text(response.body, &media_type, writer),
            ResultMode::Auto => self.write_auto(response.body, &media_type, writer),
        }
    }

    fn write_auto(&self, body: &[u8], media_type: &MediaType, writer: &mut Writer<'_>) -> Written {
        let nature = match media_type.nature() {
            // No type at all: the body has to speak for itself.
            Nature::Binary if media_type.essence.is_empty() => sniff(body),
            nature if self.select.is_some() && nature != Nature::Json => Nature::Json,
            nature => nature,
        };
        match nature {
            Nature::Json => self.write_json(body, media_type, writer),
            Nature::Text => self.write_text(body, media_type, writer),
            Nature::Image => self.write_plain(writer, |writer| writer.media("image", media_type, body)),
            Nature::Audio if writer.version >= ProtocolVersion::V2025_03_26 => {
                self.write_plain(writer, |writer| writer.media("audio", media_type, body))
            }
            Nature::Audio | Nature::Binary => {
                self.write_plain(writer, |writer| writer.blob(&self.tool, media_type, body))
            }
        }
    }

    fn write_json(&self, body: &[u8], media_type: &MediaType, writer: &mut Writer<'_>) -> Written {
        let json = match json::checked(body) {
            Ok(json) => json,
            Err(why) => return self.write_not_json(body, media_type, &why, writer),
        };
        let part = match self.selected(json) {
            Ok(part) => json::on_one_line(part),
            Err(text) => return writer.error(&text, Some(text.clone())),
        };
        let json = match &self.wrap {
            None => part,
            Some(name) => Cow::Owned(format!("{{{}:{part}}}", Value::from(name.as_str()))),
        };
        let note = match self.check_output(Some(&json)) {
            Ok(note) => note,
            Err(text) => return writer.error(&text, Some(text.clone())),
        };
        writer.open();
        writer.text(&json);
        writer.close(may_be_structured(writer.version, &json).then_some(&json), false);
        Written { outcome: Outcome::Ok, note }
    }

    /// A body that should have been JSON: an error where JSON was insisted on, else a text that says so.
    fn write_not_json(&self, body: &[u8], media_type: &MediaType, why: &str, writer: &mut Writer<'_>) -> Written {
        let note = format!("the tool's backend said it sent JSON, but it is not: {why}");
        if self.mode == ResultMode::Json || self.select.is_some() || self.wrap.is_some() {
            return writer
                .error(&note.replace("said it sent JSON, but it is not", "did not answer with JSON"), Some(note));
        }
        let text = media_type.decode(body).unwrap_or_else(|| String::from_utf8_lossy(body));
        let written = self.write_plain(writer, |writer| {
            writer.text(&text);
            writer.out.push(b',');
            writer.text(&format!("({note})"));
        });
        Written { note: Some(note), ..written }
    }

    fn write_text(&self, body: &[u8], media_type: &MediaType, writer: &mut Writer<'_>) -> Written {
        if self.select.is_some() {
            return self.write_selected_text(body, writer);
        }
        match media_type.decode(body) {
            Some(text) => self.write_plain(writer, |writer| writer.text(&text)),
            None if self.mode == ResultMode::Text => {
                self.write_plain(writer, |writer| writer.text(&String::from_utf8_lossy(body)))
            }
            None => self.write_plain(writer, |writer| writer.blob(&self.tool, media_type, body)),
        }
    }

    /// `select` with `result text`: a string becomes its text, everything else stays JSON.
    fn write_selected_text(&self, body: &[u8], writer: &mut Writer<'_>) -> Written {
        let part = json::checked(body)
            .map_err(|why| format!("the tool's backend did not answer with JSON: {why}"))
            .and_then(|json| self.selected(json));
        match part {
            Ok(part) => {
                let text = serde_json::from_str::<String>(part).map_or(json::on_one_line(part), Cow::Owned);
                self.write_plain(writer, |writer| writer.text(&text))
            }
            Err(text) => writer.error(&text, Some(text.clone())),
        }
    }

    /// Content that is not JSON, which an output schema would have wanted.
    fn write_plain(&self, writer: &mut Writer<'_>, content: impl FnOnce(&mut Writer<'_>)) -> Written {
        let note = match self.check_output(None) {
            Ok(note) => note,
            Err(text) => return writer.error(&text, Some(text.clone())),
        };
        writer.open();
        content(writer);
        writer.close(None, false);
        Written { outcome: Outcome::Ok, note }
    }

    fn write_mcp(&self, body: &[u8], writer: &mut Writer<'_>) -> Written {
        let start = writer.out.len();
        let written = json::checked(body)
            .and_then(|json| mcp_result::write(&self.tool, writer.version, json, writer.meta, writer.out))
            .map_err(|why| format!("the MCP result of the tool's backend is invalid: {why}"))
            .and_then(|result| {
                let note = if result.is_error { None } else { self.check_output(result.structured)? };
                Ok(Written { outcome: if result.is_error { Outcome::ToolError } else { Outcome::Ok }, note })
            });
        written.unwrap_or_else(|text| {
            writer.out.truncate(start);
            writer.error(&text, Some(text.clone()))
        })
    }

    fn selected<'j>(&self, json: &'j str) -> Result<&'j str, String> {
        let Some(select) = &self.select else { return Ok(json) };
        select.find(json).ok_or_else(|| format!("the answer of the tool's backend has no \"{}\"", select.as_str()))
    }

    /// Holds structured content to the output schema: a note where it does not fit, an error in a strict tool.
    fn check_output(&self, structured: Option<&str>) -> Result<Option<String>, String> {
        let Some(output) = &self.output else { return Ok(None) };
        let checked = match structured.map(serde_json::from_str::<Value>) {
            Some(Ok(value)) => output.schema.check(&value).map_err(|failure| match failure {
                Failure::Value(why) => why,
                Failure::Schema(why) => format!("the schema cannot be used, {why}"),
            }),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it is not JSON".into()),
        };
        match checked {
            Ok(()) => Ok(None),
            Err(why) => {
                let text = format!("the answer of the tool's backend does not match the output schema: {why}");
                if output.strict { Err(text) } else { Ok(Some(text)) }
            }
        }
    }

    fn failure_text(&self, failure: UpstreamFailure) -> String {
        let doubt = if self.safe { "" } else { "; the request may have been carried out nevertheless" };
        match failure {
            UpstreamFailure::Unreachable => {
                format!("the tool's backend could not be reached or gave no valid answer{doubt}")
            }
            UpstreamFailure::TimedOut => format!("the tool's backend did not answer in time{doubt}"),
            UpstreamFailure::Unavailable => "the tool's backend is not available at the moment; try again later".into(),
            UpstreamFailure::Truncated => format!("the tool's backend broke off its answer{doubt}"),
            UpstreamFailure::TooLarge(limit) => {
                format!(
                    "the answer of the tool's backend is larger than the limit of {limit} bytes; ask for less{doubt}"
                )
            }
            UpstreamFailure::Refused(status) => format!("the call could not be made: {}", status_line(status)),
        }
    }
}

/// Structured content came with 2025-06-18, as an object; since 2026-07-28 it may be any JSON.
fn may_be_structured(version: ProtocolVersion, json: &str) -> bool {
    match version {
        ProtocolVersion::V2024_11_05 | ProtocolVersion::V2025_03_26 => false,
        ProtocolVersion::V2025_06_18 | ProtocolVersion::V2025_11_25 => json.starts_with('{'),
        ProtocolVersion::V2026_07_28 => true,
    }
}

fn sniff(body: &[u8]) -> Nature {
    let looks_like_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    if looks_like_json && json::checked(body).is_ok() {
        Nature::Json
    } else if std::str::from_utf8(body).is_ok_and(|text| !text.contains('\0')) {
        Nature::Text
    } else {
        Nature::Binary
    }
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
