//! An HTTP answer that is no success, as a text for the model.

use super::media_type::{MediaType, Nature};
use crate::http::UpstreamResponse;

/// How much of an error's body a model gets to see.
pub(super) const LONGEST_ERROR_BODY: usize = 64 * 1024;

pub(crate) fn coding_of(response: &UpstreamResponse<'_>) -> Option<String> {
    let coding = String::from_utf8_lossy(response.content_encoding?).trim().to_ascii_lowercase();
    let coding: String = coding.chars().filter(char::is_ascii_graphic).take(40).collect();
    (!coding.is_empty() && coding != "identity").then_some(coding)
}

pub(super) fn http_error(response: &UpstreamResponse<'_>) -> String {
    let line = status_line(response.status);
    if (300..400).contains(&response.status) && response.status != 304 {
        return format!(
            "{line}: the tool's backend points to another location, which is not followed; the operator has to set the \
             tool's \"pass\" to the final one"
        );
    }
    if response.body.is_empty() {
        return line;
    }
    let media_type = MediaType::parse(response.content_type);
    let textual = matches!(media_type.nature(), Nature::Json | Nature::Text) || media_type.essence.is_empty();
    let text = media_type.decode(response.body).filter(|_| textual && coding_of(response).is_none());
    let Some(text) = text else {
        let kind = if media_type.essence.is_empty() { "data" } else { &media_type.essence };
        return format!("{line}\n({} bytes of {kind} omitted)", response.body.len());
    };
    let mut end = text.len().min(LONGEST_ERROR_BODY);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let omitted = text.len() - end;
    let mark = if omitted == 0 { String::new() } else { format!("\n… {omitted} bytes omitted") };
    format!("{line}\n{}{mark}", &text[..end])
}

pub(crate) fn status_line(status: u16) -> String {
    format!("HTTP {status} {}", reason(status)).trim_end().to_owned()
}

pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        507 => "Insufficient Storage",
        _ => "",
    }
}
