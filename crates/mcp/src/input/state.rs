//! `requestState`: a backend's, or where a client is with a call that is held for it; sealed while it goes through the client.
//!
//! It is bound to the principal, the method, what it names and its arguments, and it is good for an hour: whoever brings
//! it with another request, or as somebody else, is refused (specification 2026-07-28, multi round-trip requests).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::exchange::Context;
use crate::facts::Facts;
use crate::listen::hex;
use crate::seal::{Purpose, Unsealable};
use crate::server::Server;

/// Seconds that a client and its user have to answer.
const LIFETIME: u64 = 60 * 60;

/// Where a client is with a call that is held while it is asked something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldPlace {
    /// The name of the call, which nobody can guess.
    pub(crate) call: String,
    /// How much of what it has said ([`Said::number`](crate::listen::Said)) the client knows of.
    pub(crate) heard: u64,
    /// What the client was asked last.
    pub(crate) asked: Vec<u64>,
}

/// What is sealed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A backend's own.
    Backends(String),
    Held(HeldPlace),
}

/// Seals a state for the client of a request; none if it is too long.
pub(crate) fn seal_state(server: &Server, context: &Context, facts: &Facts, state: &State) -> Option<String> {
    let until = context.now.saturating_add(LIFETIME);
    let place;
    let (purpose, payload) = match state {
        State::Backends(state) => (Purpose::RequestState, state),
        State::Held(held) => {
            place = serde_json::to_string(held).ok()?;
            (Purpose::HeldCall, &place)
        }
    };
    with_bound(context, facts, |bound| server.seals().seal(purpose, bound, until, payload.as_bytes()))
}

/// The state behind what a client has brought.
pub(crate) fn open_state(server: &Server, context: &Context, facts: &Facts, token: &str) -> Result<State, Unsealable> {
    with_bound(context, facts, |bound| {
        let open = |purpose| server.seals().open(purpose, bound, context.now, token);
        match open(Purpose::RequestState) {
            Ok(state) => String::from_utf8(state).map(State::Backends).map_err(|_| Unsealable),
            Err(_) => serde_json::from_slice(&open(Purpose::HeldCall)?).map(State::Held).map_err(|_| Unsealable),
        }
    })
}

/// What a state is bound to.
fn with_bound<T>(context: &Context, facts: &Facts, act: impl FnOnce(&[&str]) -> T) -> T {
    let arguments = digest(facts.arguments());
    let subject = facts.tool().or(facts.prompt()).or(facts.uri()).unwrap_or_default();
    act(&[&context.principal, facts.method().unwrap_or_default(), subject, &arguments])
}

/// A digest of arguments that does not depend on the order of members and on white space: a client may write them anew.
fn digest(arguments: Option<&str>) -> String {
    let mut hash = Sha256::new();
    match arguments.map(serde_json::from_str::<Value>) {
        Some(Ok(arguments)) => add(&arguments, &mut hash),
        // Such arguments were refused.
        Some(Err(_)) => hash.update(b"?"),
        None => add(&Value::Object(serde_json::Map::new()), &mut hash),
    }
    hex(&hash.finalize())
}

fn add(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            hash.update(b"{");
            for (name, value) in members {
                hash.update(Value::from(name.as_str()).to_string());
                add(value, hash);
            }
            hash.update(b"}");
        }
        Value::Array(items) => {
            hash.update(b"[");
            items.iter().for_each(|item| add(item, hash));
            hash.update(b"]");
        }
        other => {
            hash.update(b" ");
            hash.update(other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_of_what_arguments_mean() {
        let same = [r#"{"a":[1,{"b":"x","c":null}],"d":{}}"#, r#"{ "d":{}, "a":[1, {"c":null,"b":"\u0078"}] }"#];
        assert_eq!(digest(Some(same[0])), digest(Some(same[1])));
        assert_eq!(digest(None), digest(Some("{}")));
        let different = [
            "{}",
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":11}"#,
            r#"{"a":[1,1]}"#,
            r#"{"a":[[1],1]}"#,
            r#"{"a":[[1,1]]}"#,
            r#"{"a":{}}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":"{"}"#,
            r#"{"a":"","b":1}"#,
        ];
        for (at, one) in different.iter().enumerate() {
            for other in &different[..at] {
                assert_ne!(digest(Some(one)), digest(Some(other)), "{one} {other}");
            }
        }
    }
}
