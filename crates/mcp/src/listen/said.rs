//! What a call says that is held while its client is asked something.

use crate::jsonrpc::text;
use crate::scan::{Scanner, compact};

/// One thing that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// How many questions and ends it has said by then, this one included.
    pub(crate) number: u64,
    pub(crate) saying: Saying,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saying {
    /// A notification for the client, raw: of no use to whoever comes later.
    Tells(String),
    /// A question: `method` and `params`, raw. The number is the id of the answer.
    Asks(String),
    /// The response of the server, raw: nothing more comes.
    Answers(String),
    /// Why there is none.
    Fails(String),
}

impl Said {
    /// Whether it is kept for who comes later.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self.saying, Saying::Tells(_))
    }

    pub(super) fn to_json(&self) -> String {
        let quoted;
        let (name, raw) = match &self.saying {
            Saying::Tells(raw) => ("tells", raw),
            Saying::Asks(raw) => ("asks", raw),
            Saying::Answers(raw) => ("answers", raw),
            Saying::Fails(why) => {
                quoted = serde_json::Value::from(why.as_str()).to_string();
                ("fails", &quoted)
            }
        };
        let mut json = format!("{{\"number\":{},\"{name}\":", self.number);
        compact(raw, &mut json);
        json.push('}');
        json
    }

    pub(super) fn read(json: &str) -> Option<Said> {
        let (mut number, mut saying) = (None, None);
        let walked = Scanner::new(json).object(|name, scanner| {
            let is_object = scanner.is_at_object();
            let value = scanner.value()?;
            let raw = || is_object.then(|| value.to_owned());
            match name {
                "number" => number = value.parse().ok(),
                "tells" => saying = raw().map(Saying::Tells),
                "asks" => saying = raw().map(Saying::Asks),
                "answers" => saying = raw().map(Saying::Answers),
                "fails" => saying = text(value).map(|why| Saying::Fails(why.into_owned())),
                _ => {}
            }
            Ok(())
        });
        walked.ok()?;
        Some(Said { number: number?, saying: saying? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{Delivery, Publication, Topic};

    #[test]
    fn what_is_said_is_heard() {
        let [topic, other] = Topic::of_held_call("abc");
        assert_ne!(topic, other);
        let raw = |json: &str| json.to_owned();
        for (saying, is_kept) in [
            (Saying::Tells(raw(r#"{"method":"notifications/progress","params":{"progress":1.50}}"#)), false),
            (Saying::Asks(raw(r#"{"method":"roots/list"}"#)), true),
            (Saying::Answers(raw(r#"{"id":1,"result":{"a":"\u00e9 b"}}"#)), true),
            (Saying::Fails("it is \"away\"\n".to_owned()), true),
        ] {
            let said = Said { number: 7, saying };
            let publication = Publication::said(topic.clone(), &said);
            let delivery = Delivery::parse(&publication.envelope).unwrap();
            assert_eq!((delivery.said(), delivery.topic()), (Some(&said), &topic));
            assert_eq!((publication.keep, delivery.is_kept(), delivery.is_for_calls()), (is_kept, is_kept, false));
        }
        let spaced = Said { number: 1, saying: Saying::Asks("{ \"method\":\r\n\"a b\" }".to_owned()) };
        let publication = Publication::said(topic, &spaced);
        let delivery = Delivery::parse(&publication.envelope).unwrap();
        assert_eq!(delivery.said().unwrap().saying, Saying::Asks(raw(r#"{"method":"a b"}"#)));
    }

    #[test]
    fn nothing_else_is_said() {
        for wrong in ["{}", "1", r#"{"number":1}"#, r#"{"number":-1,"asks":{}}"#, r#"{"number":1,"asks":1}"#] {
            assert_eq!(Said::read(wrong), None, "{wrong}");
        }
    }
}
