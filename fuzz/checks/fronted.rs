//! Whatever a server behind this one lists, answers, asks and says, clients get whole messages, one reply each, and names once.
//!
//! An input is a script like that of a [`conversation`], whose server is in front of another one. What that says in a call is an
//! answer of an upstream there. Besides:
//!
//! | | act |
//! |---|---|
//! | `l` | it answers what it was asked of a look, which begins if none is under way; second byte: session, and how the answer is cut |
//! | `L` | it does not answer that |
//! | `s` | it says something between requests; second byte: how that is cut |

use std::collections::HashSet;
use std::sync::OnceLock;

use crate::conversation::{Script, acts, answer, failure};
use crate::front::Front;
use crate::host::Host;
use crate::servers;

/// Lists, and what the members of them are known by.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ("prompts/list", "prompts", "name"),
];
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

pub(crate) fn check(data: &[u8]) {
    static SCRIPT: OnceLock<Script> = OnceLock::new();
    let script = SCRIPT.get_or_init(|| Script::new(servers::fronting_server()));
    let mut host = Host::new(&script.server);
    host.front = Some(Front::new(&script.server));
    for (act, whom, text) in acts(data) {
        let size = 1 + usize::from(whom & 31);
        match (act, &text[..]) {
            (b'l', [how, body @ ..]) => {
                let session = match whom {
                    b'~' => Some(&b"a b\xff"[..]),
                    _ if whom & 1 == 1 => Some(&b"s-1"[..]),
                    _ => None,
                };
                if host.look(Ok(answer(*how, body)), session, size) {
                    check_lists(script, &mut host);
                }
            }
            (b'L', [how, ..]) => drop(host.look(Err(failure(*how)), None, 1)),
            (b's', [how, body @ ..]) => host.say(answer(*how, body), size),
            _ => script.perform(&mut host, act, whom, &text),
        }
    }
    host.finish();
}

/// What is listed of it now, to clients of several revisions.
fn check_lists(script: &Script, host: &mut Host<'_>) {
    for (method, member, key) in LISTS {
        for whom in *b"abcm" {
            let meta = if whom == b'm' { META } else { "" };
            let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{meta}}}}}"#);
            script.perform(host, b'>', whom, message.as_bytes());
            let [response] = &host.said[..] else { continue };
            let Some(listed) = response["result"][member].as_array() else {
                assert_eq!(response["error"]["code"], -32601, "{response}");
                continue;
            };
            let mut keys = HashSet::new();
            for item in listed {
                let name = item[key].as_str().expect("a text");
                assert!(keys.insert(name) && !name.contains(char::is_control), "{name:?} of {response}");
                assert!(method != "tools/list" || item["inputSchema"]["type"] == "object", "{item}");
            }
        }
    }
}
