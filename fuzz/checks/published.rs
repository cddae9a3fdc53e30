//! Whatever backends publish and other machines send, the log hands it out once and in order, and the table of subscriptions
//! keeps within its limits.
//!
//! An input is a script, an act a line: its first byte says what is done, the rest is text.
//!
//! | | act |
//! |---|---|
//! | `p` | a backend publishes for all |
//! | `s` | it publishes for the session |
//! | `r` | another machine sends an envelope; the second byte is a part of its id |
//! | `c` | a reader reads on |
//! | `k` | a stream of the session comes |
//! | `+`, `-` | a session, by the second byte, subscribes to a resource, or no more |

use std::sync::OnceLock;

use mcp::{
    BusId, Delivery, Heard, MAX_ENVELOPE, MessageLog, Publication, PublishRequest, Server, Subscriptions, Topic,
};

use crate::wire::{check_publication, check_reply};

const ACTS: usize = 200;
/// Of the log: few, so that it is full soon.
const BYTES: usize = 80 << 10;
const SERVER: u128 = 5;
/// What makes it a session's id does not matter to the log.
const SESSION: &str = "AAAA";

pub(crate) fn check(data: &[u8]) {
    static SUT: OnceLock<Server> = OnceLock::new();
    let server = SUT.get_or_init(|| {
        let mut builder = mcp::ServerBuilder::new();
        builder.secret([7; 32]);
        builder.channels(true);
        builder.build().expect("a server")
    });
    let (mut messages, mut table) = (vec![0; BYTES], vec![0; Subscriptions::SIZE]);
    let mut shelf = Shelf {
        log: MessageLog::new(&mut messages),
        subscriptions: Subscriptions::new(&mut table),
        place: 0,
        expected: Vec::new(),
        last: BusId { time: 0, tag: 0 },
        now: 1000,
    };
    for line in data.split(|byte| *byte == b'\n').take(ACTS) {
        let Some((act, text)) = line.split_first() else { continue };
        shelf.now += 1;
        match act {
            b'p' => shelf.publish(server, text, false),
            b's' => shelf.publish(server, text, true),
            b'r' => shelf.receive(text),
            b'c' => shelf.read_on(),
            b'k' => shelf.keep(),
            b'+' | b'-' => shelf.subscribe(*act == b'+', text),
            _ => {}
        }
    }
    shelf.read_on();
}

fn session() -> Topic {
    Publication::end_of_session(SESSION).topic
}

struct Shelf<'m> {
    log: MessageLog<'m>,
    subscriptions: Subscriptions<'m>,
    place: u64,
    /// What the reader has yet to hear.
    expected: Vec<(BusId, Vec<u8>)>,
    last: BusId,
    now: u64,
}

impl Shelf<'_> {
    fn publish(&mut self, server: &Server, body: &[u8], to_session: bool) {
        let content_type = Some(&b"application/json"[..]);
        let request =
            PublishRequest { method: "POST", content_type, session: None, body, now: 1000, session_state: None };
        let publications = match server.publish(&request) {
            Ok(publications) => publications,
            Err(reply) => return drop(check_reply(&reply)),
        };
        assert!(publications.len() <= 64);
        for publication in publications {
            check_publication(&publication);
            assert!(publication.envelope.len() <= MAX_ENVELOPE);
            let topic = if to_session { session() } else { publication.topic };
            let publication = Publication { topic, ..publication };
            let Some(id) = self.log.publish(SERVER, &publication, self.now, 1) else { continue };
            assert!(id > self.last, "{id} after {}", self.last);
            self.last = id;
            self.expected.push((id, publication.envelope));
        }
    }

    fn receive(&mut self, text: &[u8]) {
        let Some((number, envelope)) = text.split_first() else { return };
        let id = BusId { time: self.now, tag: (u64::from(*number) << 16) | 2 };
        let was_taken = self.log.receive(SERVER, id, envelope);
        assert!(!self.log.receive(SERVER, id, envelope), "it comes twice");
        if was_taken {
            assert!(Delivery::parse(envelope).is_some());
            self.last = self.last.max(id);
            self.expected.push((id, envelope.to_vec()));
        }
    }

    fn read_on(&mut self) {
        let expected = std::mem::take(&mut self.expected);
        // Either it is told that it has missed something, or it has missed nothing.
        if let Some(passed) = self.log.passed(&mut self.place) {
            let passed: Vec<_> = passed.into_iter().map(|passed| (passed.id, passed.envelope)).collect();
            assert_eq!(passed, expected);
        } else {
            let bytes: usize = expected.iter().map(|(_, envelope)| envelope.len()).sum();
            assert!(bytes > 0, "nothing came, and something was missed");
        }
        assert_eq!(self.log.passed(&mut self.place), Some(Vec::new()));
    }

    fn keep(&mut self) {
        let kept = self.log.kept(session().session().expect("a session"), &Heard::default(), 0);
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0), "{kept:?}");
        let bytes: usize = kept.iter().map(|(_, envelope)| envelope.len()).sum();
        assert!(bytes < BYTES / 2);
    }

    fn subscribe(&mut self, wanted: bool, text: &[u8]) {
        let Some((who, uri)) = text.split_first() else { return };
        let (session, uri) = (format!("{who:x}"), String::from_utf8_lossy(uri));
        match wanted {
            true => {
                let was_taken = self.subscriptions.add(&session, &uri, self.now + 50, self.now);
                assert_eq!(self.subscriptions.of(&session, self.now).iter().any(|other| *other == uri), was_taken);
            }
            false => {
                self.subscriptions.remove(&session, &uri);
                assert!(self.subscriptions.of(&session, self.now).iter().all(|other| *other != uri));
            }
        }
        let bytes: usize = self.subscriptions.of(&session, self.now).iter().map(String::len).sum();
        assert!(bytes <= 16 << 10);
    }
}
