//! What an upstream answers that is no answer, where there is no result that could say so.

use crate::error::Error;
use crate::http::{UpstreamFailure, UpstreamResponse};
use crate::tool::{Answer, Misuse, coding_of, status_line};

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// What the client is told.
    pub(crate) error: Error,
    /// What the operator should know.
    pub(crate) note: Option<String>,
}

impl Failed {
    /// The upstream is to blame, and the operator should know.
    pub(crate) fn noted(why: String) -> Failed {
        Failed { error: Error::Backend(why.clone()), note: Some(why) }
    }

    /// A call cannot be made. `subject` is what the operator knows it as.
    pub(crate) fn unsent(subject: &str, misuse: Misuse) -> Failed {
        match misuse {
            Misuse::Arguments(invalid) => Failed { error: Error::InvalidParams(invalid.0.into()), note: None },
            Misuse::Setup(why) => Failed {
                error: Error::Backend(
                    "it is not set up correctly on this server; its operator finds the reason in the log".into(),
                ),
                note: Some(format!("{subject} cannot be called: {why}")),
            },
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed { error, note: None }
    }
}

/// The answer, if it is a good one.
pub(crate) fn good<'a>(answer: &Answer<'a>) -> Result<UpstreamResponse<'a>, Failed> {
    let why: std::borrow::Cow<'_, str> = match answer {
        Answer::Response(response) => match coding_of(response) {
            _ if !(200..300).contains(&response.status) => {
                format!("its backend answered {}", status_line(response.status)).into()
            }
            None => return Ok(*response),
            Some(coding) => {
                return Err(Failed::noted(format!(
                    "its backend answered with content-encoding \"{coding}\", which was not asked for"
                )));
            }
        },
        Answer::Reported(why) => (*why).into(),
        Answer::Failure(failure) => match failure {
            UpstreamFailure::Unreachable => "its backend could not be reached or gave no valid answer".into(),
            UpstreamFailure::TimedOut => "its backend did not answer in time".into(),
            UpstreamFailure::Unavailable => "its backend is not available at the moment; try again later".into(),
            UpstreamFailure::Truncated => "its backend broke off its answer".into(),
            UpstreamFailure::TooLarge(limit) => {
                format!("the answer of its backend is larger than the limit of {limit} bytes").into()
            }
            UpstreamFailure::Refused(status) => format!("it could not be asked for: {}", status_line(*status)).into(),
        },
    };
    Err(Error::Backend(why.into_owned()).into())
}

/// Whether the answer is that there is no such thing.
pub(crate) fn is_absent(answer: &Answer<'_>) -> bool {
    match answer {
        Answer::Response(response) => matches!(response.status, 404 | 410),
        // Of a file: a directory, one that must not be read, none.
        Answer::Failure(UpstreamFailure::Refused(status)) => matches!(status, 301 | 403 | 404),
        _ => false,
    }
}
