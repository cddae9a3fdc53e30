//! What was published, in memory that the host's workers share: what they have yet to hear, and what is kept for streams of
//! sessions that come later.

use super::ring::{Ring, set_word, word};
use super::{BusId, Delivery, Heard, MAX_ENVELOPE, Publication};

/// Ids that were seen lately, and the bytes of each.
const SEEN: usize = 4096;
const ID: usize = 16;
/// Bytes in front of the rings: the last id, where the next one that is seen will be noted, and those that were.
const HEAD: usize = ID + 8 + SEEN * ID;

/// A log of messages in a piece of memory, which the host guards from others while it is used.
///
/// Memory of zeros is an empty log. When it is full the oldest messages make room, whomever they are for: half of it is for
/// all messages, which each worker reads from where it was ([`MessageLog::passed`]), and half for those that sessions may want
/// later ([`MessageLog::kept`]).
#[derive(Debug)]
pub struct MessageLog<'m> {
    head: &'m mut [u8],
    passing: Ring<'m>,
    kept: Ring<'m>,
}

/// A message on its way through the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The server that it is for, as [`MessageLog::publish`] was told.
    pub server: u128,
    /// Its id.
    pub id: BusId,
    /// For [`Delivery::parse`].
    pub envelope: Vec<u8>,
}

impl<'m> MessageLog<'m> {
    /// Bytes of memory with which everything fits that may be published.
    pub const SIZE: usize = HEAD + 2 * Ring::size_for(MAX_ENVELOPE);

    /// The log in a piece of memory, which must have held nothing else before.
    pub fn new(memory: &'m mut [u8]) -> Self {
        let (head, rings) = memory.split_at_mut(memory.len().min(HEAD));
        let (passing, kept) = rings.split_at_mut(rings.len() / 2);
        MessageLog { head, passing: Ring::new(passing), kept: Ring::new(kept) }
    }

    /// Takes what is published for a server at `now` milliseconds since the epoch, and gives the id that it has from then on; none
    /// if it is too large. `machine` tells logs apart whose messages meet.
    pub fn publish(&mut self, server: u128, publication: &Publication, now: u64, machine: u16) -> Option<BusId> {
        let id = self.next_id(now, machine);
        if !self.passing.insert(server, id, &publication.envelope) {
            return None;
        }
        self.see(id);
        if let Some(session) = publication.topic.session().filter(|_| publication.keep) {
            self.kept.insert(fingerprint(session), id, &publication.envelope);
        }
        Some(id)
    }

    /// Takes what was published elsewhere; false if it is here already, or too large.
    pub fn receive(&mut self, server: u128, id: BusId, envelope: &[u8]) -> bool {
        let Some(delivery) = Delivery::parse(envelope).filter(|_| !self.has_seen(id)) else { return false };
        if !self.passing.insert(server, id, envelope) {
            return false;
        }
        self.see(id);
        self.note(id);
        if let Some(session) = delivery.topic().session().filter(|_| delivery.is_kept()) {
            self.kept.insert(fingerprint(session), id, envelope);
        }
        true
    }

    /// What a session may still want: its messages that its client has not heard, since a time in milliseconds since the epoch;
    /// in their order.
    pub fn kept(&self, session: &str, heard: &Heard, since: u64) -> Vec<(BusId, Vec<u8>)> {
        let session = fingerprint(session);
        let entries = self.kept.entries().filter(|entry| entry.key == session && entry.id.time >= since);
        let wanted = entries.filter(|entry| !heard.has(entry.id));
        let mut messages: Vec<_> = wanted.map(|entry| (entry.id, entry.message.to_vec())).collect();
        messages.sort_by_key(|(id, _)| *id);
        messages
    }

    /// Where the next message will stand: a reader begins here.
    pub fn end(&self) -> u64 {
        self.passing.end()
    }

    /// What was published since a reader was at `place`, which moves to the end; none if some of it is there no more.
    pub fn passed(&self, place: &mut u64) -> Option<Vec<Passed>> {
        let begin = std::mem::replace(place, self.end());
        let passed = self.passing.entries_from(begin)?.map(|entry| Passed {
            server: entry.key,
            id: entry.id,
            envelope: entry.message.to_vec(),
        });
        Some(passed.collect())
    }

    fn next_id(&mut self, now: u64, machine: u16) -> BusId {
        let last = self.id(0);
        // A clock that was put back does not take ids back.
        let (time, number) = if now > last.time { (now, 0) } else { (last.time, (last.tag >> 16) + 1) };
        let id = BusId { time, tag: number << 16 }.of_machine(machine);
        self.note(id);
        id
    }

    /// Later ids are greater than this one.
    fn note(&mut self, id: BusId) {
        if id > self.id(0) {
            self.set_id(0, id);
        }
    }

    fn see(&mut self, id: BusId) {
        let at = word(self.head, ID) as usize % SEEN;
        self.set_id(ID + 8 + at * ID, id);
        set_word(self.head, ID, (at + 1) as u64);
    }

    fn has_seen(&self, id: BusId) -> bool {
        (0..SEEN).any(|at| self.id(ID + 8 + at * ID) == id)
    }

    fn id(&self, at: usize) -> BusId {
        BusId { time: word(self.head, at), tag: word(self.head, at + 8) }
    }

    fn set_id(&mut self, at: usize, id: BusId) {
        set_word(self.head, at, id.time);
        set_word(self.head, at + 8, id.tag);
    }
}

/// The number that a session's name is, which is written in hexadecimal digits.
pub(super) fn fingerprint(session: &str) -> u128 {
    u128::from_str_radix(session, 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topic;

    const SIZE: usize = HEAD + 8000;
    const SERVER: u128 = 7;

    fn message(topic: Topic, text: &str) -> Publication {
        Publication::message(topic, &format!(r#"{{"method":"{text}"}}"#))
    }

    fn texts(messages: impl IntoIterator<Item = Vec<u8>>) -> Vec<String> {
        let text = |envelope: Vec<u8>| {
            let envelope: serde_json::Value = serde_json::from_slice(&envelope).unwrap();
            envelope["message"]["method"].as_str().unwrap().to_owned()
        };
        messages.into_iter().map(text).collect()
    }

    fn kept(log: &MessageLog<'_>, session: &str, last: Option<BusId>) -> Vec<String> {
        let mut heard = Heard::default();
        last.into_iter().for_each(|id| heard.note(id));
        texts(log.kept(Topic::of_session(session).session().unwrap(), &heard, 0).into_iter().map(|(_, text)| text))
    }

    #[test]
    fn ids_grow_whatever_the_clock_does() {
        let mut memory = vec![0; SIZE];
        let mut log = MessageLog::new(&mut memory);
        let tools = message(Topic::ToolsListChanged, "m");
        let mut last = BusId { time: 0, tag: 0 };
        for (now, machine) in [(100, 5), (100, 5), (99, 7), (101, 5), (50, 5)] {
            let id = log.publish(SERVER, &tools, now, machine).unwrap();
            assert!(id > last, "{id} {last}");
            assert_eq!(id.machine(), machine);
            last = id;
        }
        let foreign = BusId { time: 200, tag: 3 << 16 };
        assert!(log.receive(SERVER, foreign, &tools.envelope));
        assert!(log.publish(SERVER, &tools, 150, 1).unwrap() > foreign);
    }

    #[test]
    fn each_reader_reads_everything_once() {
        let mut memory = vec![0; SIZE];
        let mut log = MessageLog::new(&mut memory);
        let mut readers = [log.end(), 0];
        for text in ["a", "b"] {
            let id = log.publish(SERVER, &message(Topic::ToolsListChanged, text), 100, 1);
            let passed = log.passed(&mut readers[0]).unwrap();
            assert_eq!((passed[0].server, Some(passed[0].id)), (SERVER, id));
            assert_eq!(texts(passed.into_iter().map(|passed| passed.envelope)), [text]);
        }
        let passed = log.passed(&mut readers[1]).unwrap();
        assert_eq!(texts(passed.into_iter().map(|passed| passed.envelope)), ["a", "b"]);
        assert_eq!(readers, [log.end(); 2]);
        assert_eq!(log.passed(&mut readers[0]), Some(Vec::new()));
    }

    #[test]
    fn a_reader_that_falls_behind_is_told() {
        let mut memory = vec![0; SIZE];
        let mut log = MessageLog::new(&mut memory);
        let mut reader = log.end();
        for _ in 0..100 {
            log.publish(SERVER, &message(Topic::ToolsListChanged, "m"), 100, 1).unwrap();
        }
        assert_eq!(log.passed(&mut reader), None);
        assert_eq!(log.passed(&mut reader), Some(Vec::new()));
    }

    #[test]
    fn what_comes_from_elsewhere_is_taken_once() {
        let mut memory = vec![0; SIZE];
        let mut log = MessageLog::new(&mut memory);
        let (envelope, id) = (message(Topic::of_session("s"), "m").envelope, BusId { time: 5, tag: 9 });
        assert!(log.receive(SERVER, id, &envelope));
        assert!(!log.receive(SERVER, id, &envelope));
        assert!(!log.receive(SERVER, BusId { time: 6, tag: 9 }, b"noise"));
        // One's own comes back from elsewhere, too.
        let own = log.publish(SERVER, &message(Topic::of_session("s"), "n"), 6, 1).unwrap();
        assert!(!log.receive(SERVER, own, &envelope));
        assert_eq!(kept(&log, "s", None), ["m", "n"]);
        assert_eq!(log.passed(&mut 0).unwrap().len(), 2);
    }

    #[test]
    fn a_session_reads_what_was_kept_for_it() {
        let mut memory = vec![0; SIZE];
        let mut log = MessageLog::new(&mut memory);
        let mut ids = Vec::new();
        for number in 0..6u64 {
            let topic = Topic::of_session(if number % 2 == 0 { "a" } else { "b" });
            ids.push(log.publish(SERVER, &message(topic, &format!("m{number}")), 100 + number, 1).unwrap());
        }
        log.publish(SERVER, &Publication::end_of_session("a"), 106, 1).unwrap();
        log.publish(SERVER, &message(Topic::ToolsListChanged, "all"), 106, 1).unwrap();
        assert_eq!(kept(&log, "a", None), ["m0", "m2", "m4"]);
        assert_eq!(kept(&log, "b", Some(ids[1])), ["m3", "m5"]);
        assert_eq!(log.kept(Topic::of_session("a").session().unwrap(), &Heard::default(), 103).len(), 1);
    }

    #[test]
    fn what_another_machine_said_before_is_kept_for_who_has_not_heard_it() {
        let mut memory = vec![0; SIZE];
        let mut log = MessageLog::new(&mut memory);
        let of_machine = |machine, time| BusId { time, tag: 0 }.of_machine(machine);
        for (machine, time, text) in [(2, 7, "second"), (1, 5, "first")] {
            assert!(log.receive(SERVER, of_machine(machine, time), &message(Topic::of_session("s"), text).envelope));
        }
        assert_eq!(kept(&log, "s", Some(of_machine(2, 7))), ["first"]);
        assert_eq!(kept(&log, "s", Some(of_machine(1, 5))), ["second"]);
    }

    #[test]
    fn what_is_too_large_is_not_taken() {
        let mut memory = vec![0; SIZE];
        let mut log = MessageLog::new(&mut memory);
        let large = message(Topic::of_session("a"), &"x".repeat(1000));
        assert_eq!(log.publish(SERVER, &large, 1, 1), None);
        assert!(!log.receive(SERVER, BusId { time: 1, tag: 1 }, &large.envelope));
        assert_eq!(kept(&log, "a", None), [""; 0]);
        assert_eq!(MessageLog::new(&mut [0; 20]).publish(SERVER, &large, 1, 1), None);
    }
}
