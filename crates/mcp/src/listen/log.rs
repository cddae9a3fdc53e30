//! What was published for sessions, kept for streams that come later: in memory that the host's workers share.

use super::BusId;

/// Bytes in front of the entries: the last id, where the oldest entry stands, where the next one will, and how many there are.
const HEAD: usize = 40;
/// Bytes in front of a message: its own and those to the next entry, the session, and the id.
const ENTRY: usize = 40;
/// Entries begin at multiples of this.
const ALIGN: usize = 8;
/// An entry is no larger than this part of the log: one message must not drive all others out.
const LARGEST: usize = 4;

/// A log of messages in a piece of memory, which the host guards from others while it is used.
///
/// Memory of zeros is an empty log. When it is full the oldest messages make room, whichever session they are for.
#[derive(Debug)]
pub struct MessageLog<'m>(&'m mut [u8]);

impl<'m> MessageLog<'m> {
    /// The log in a piece of memory, which must have held nothing else before.
    pub fn new(memory: &'m mut [u8]) -> Self {
        MessageLog(memory)
    }

    /// The id for what is published next, at `now` seconds since the epoch. `machine` tells logs apart whose messages meet.
    pub fn next_id(&mut self, now: u64, machine: u16) -> BusId {
        let (time, tag) = (self.word(0), self.word(8));
        // A clock that was put back does not take ids back.
        let (time, number) = if now > time { (now, 0) } else { (time, (tag >> 16) + 1) };
        let id = BusId { time, tag: (number << 16) | u64::from(machine) };
        self.note(id);
        id
    }

    /// Later ids are greater than this one, which came from elsewhere.
    pub fn note(&mut self, id: BusId) {
        if id > (BusId { time: self.word(0), tag: self.word(8) }) {
            self.set_word(0, id.time);
            self.set_word(8, id.tag);
        }
    }

    /// Keeps a message for the session with this name; false if it is too large to be kept.
    pub fn insert(&mut self, session: &str, id: BusId, message: &[u8]) -> bool {
        let room = self.0.len().saturating_sub(HEAD);
        let size = (ENTRY + message.len()).next_multiple_of(ALIGN);
        if size > room / LARGEST {
            return false;
        }
        let mut at = self.next();
        if room - at < size {
            // What is left at the end is passed over.
            self.make_room(at, room - at);
            self.skip(at, room - at);
            at = 0;
        }
        self.make_room(at, size);
        let start = HEAD + at;
        self.set_word(start, ((message.len() as u64) << 32) | size as u64);
        self.set_word(start + 8, fingerprint(session).0);
        self.set_word(start + 16, fingerprint(session).1);
        self.set_word(start + 24, id.time);
        self.set_word(start + 32, id.tag);
        self.0[start + ENTRY..start + ENTRY + message.len()].copy_from_slice(message);
        self.set_word(24, ((at + size) % room.max(1)) as u64);
        self.set_word(32, self.count() + 1);
        true
    }

    /// Whether a message is kept.
    pub fn contains(&self, session: &str, id: BusId) -> bool {
        self.entries().any(|entry| entry.is_for(session) && entry.id == id)
    }

    /// The messages of a session that came after `after` and not before `since`, in seconds since the epoch; in their order.
    pub fn read(&self, session: &str, after: Option<BusId>, since: u64) -> Vec<(BusId, Vec<u8>)> {
        let wanted = |entry: &Entry<'_>| {
            entry.is_for(session) && entry.id.time >= since && after.is_none_or(|after| entry.id > after)
        };
        let mut messages: Vec<_> =
            self.entries().filter(wanted).map(|entry| (entry.id, entry.message.to_vec())).collect();
        messages.sort_by_key(|(id, _)| *id);
        messages
    }

    /// Entries from the oldest to the newest.
    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut at = self.oldest();
        (0..self.count()).filter_map(move |_| {
            let (entry, next) = self.entry(at)?;
            at = next;
            entry
        })
    }

    /// What stands somewhere, if it is a message, and where the next entry begins.
    fn entry(&self, at: usize) -> Option<(Option<Entry<'_>>, usize)> {
        let room = self.0.len().checked_sub(HEAD)?;
        let start = HEAD + at;
        let sizes = self.word(start);
        let (length, size) = ((sizes >> 32) as usize, (sizes & 0xffff_ffff) as usize);
        if size == 0 || at + size > room {
            return None;
        }
        let next = (at + size) % room;
        if sizes >> 32 == u64::from(u32::MAX) {
            return Some((None, next));
        }
        let message = self.0.get(start + ENTRY..start + ENTRY + length)?;
        let id = BusId { time: self.word(start + 24), tag: self.word(start + 32) };
        let session = (self.word(start + 8), self.word(start + 16));
        Some((Some(Entry { session, id, message }), next))
    }

    /// Gives up the oldest entries until so many bytes from `at` on are free.
    fn make_room(&mut self, at: usize, size: usize) {
        while self.count() > 0 {
            let oldest = self.oldest();
            if oldest < at || oldest >= at + size {
                return;
            }
            match self.entry(oldest).map(|(_, next)| next) {
                Some(next) => {
                    self.set_word(16, next as u64);
                    self.set_word(32, self.count() - 1);
                }
                // It is not a log that we wrote: begin anew.
                None => self.set_word(32, 0),
            }
        }
        self.set_word(16, at as u64);
    }

    /// Fills a place with an entry that is none.
    fn skip(&mut self, at: usize, size: usize) {
        if size > 0 {
            self.set_word(HEAD + at, (u64::from(u32::MAX) << 32) | size as u64);
            self.set_word(32, self.count() + 1);
        }
    }

    fn oldest(&self) -> usize {
        self.word(16) as usize
    }

    fn next(&self) -> usize {
        self.word(24) as usize
    }

    fn count(&self) -> u64 {
        self.word(32)
    }

    fn word(&self, at: usize) -> u64 {
        let bytes = self.0.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    }

    fn set_word(&mut self, at: usize, word: u64) {
        if let Some(bytes) = self.0.get_mut(at..at + 8) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
    }
}

struct Entry<'m> {
    session: (u64, u64),
    id: BusId,
    message: &'m [u8],
}

impl Entry<'_> {
    fn is_for(&self, session: &str) -> bool {
        self.session == fingerprint(session)
    }
}

/// The number that a session's name is, which is written in hexadecimal digits.
fn fingerprint(session: &str) -> (u64, u64) {
    let number = u128::from_str_radix(session, 16).unwrap_or(0);
    ((number >> 64) as u64, number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "000102030405060708090a0b0c0d0e0f";
    const B: &str = "100102030405060708090a0b0c0d0e0f";

    fn texts(log: &MessageLog<'_>, session: &str, after: Option<BusId>) -> Vec<String> {
        log.read(session, after, 0).into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn ids_grow_whatever_the_clock_does() {
        let mut memory = vec![0; 1000];
        let mut log = MessageLog::new(&mut memory);
        let mut last = BusId { time: 0, tag: 0 };
        for (now, machine) in [(100, 5), (100, 5), (99, 7), (101, 5), (50, 5)] {
            let id = log.next_id(now, machine);
            assert!(id > last, "{id} {last}");
            assert_eq!(id.tag & 0xffff, u64::from(machine));
            last = id;
        }
        log.note(BusId { time: 200, tag: 3 << 16 });
        assert!(log.next_id(150, 1) > BusId { time: 200, tag: 3 << 16 });
    }

    #[test]
    fn a_session_reads_what_was_kept_for_it() {
        let mut memory = vec![0; 4000];
        let mut log = MessageLog::new(&mut memory);
        let ids: Vec<BusId> = (0..6u64).map(|number| log.next_id(100 + number, 1)).collect();
        for (number, id) in ids.iter().enumerate() {
            assert!(log.insert(if number % 2 == 0 { A } else { B }, *id, format!("m{number}").as_bytes()));
        }
        assert_eq!(texts(&log, A, None), ["m0", "m2", "m4"]);
        assert_eq!(texts(&log, B, Some(ids[1])), ["m3", "m5"]);
        assert_eq!(log.read(A, None, 103).len(), 1);
        assert!(log.contains(A, ids[0]) && !log.contains(B, ids[0]));
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        for size in [300, 512, 1000, 1001, 4096] {
            let mut memory = vec![0; size];
            let mut log = MessageLog::new(&mut memory);
            let mut kept: Vec<String> = Vec::new();
            for number in 0..500usize {
                let text = format!("{number}{}", "x".repeat(number * 7 % 60));
                let id = log.next_id(number as u64, 1);
                if log.insert(A, id, text.as_bytes()) {
                    kept.push(text);
                }
                let read = texts(&log, A, None);
                assert!(kept.ends_with(&read), "{number} of {size}: {read:?}");
                assert!(read.len() >= 2.min(kept.len()) || size < 512, "{number} of {size}: {read:?}");
            }
        }
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let mut memory = vec![0; 1000];
        let mut log = MessageLog::new(&mut memory);
        let id = log.next_id(1, 1);
        assert!(!log.insert(A, id, &[b'x'; 300]));
        assert!(!MessageLog::new(&mut []).insert(A, id, b"x"));
        assert_eq!(texts(&MessageLog::new(&mut [0; 20]), A, None), [""; 0]);
    }

    #[test]
    fn noise_in_the_memory_is_survived() {
        let mut seed = 88172645463325252u64;
        for _ in 0..2000 {
            let mut memory = vec![0u8; 600];
            for byte in &mut memory {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                *byte = if seed % 3 == 0 { seed as u8 } else { 0 };
            }
            // Counts that make sense, as a loop over 2^64 entries would not end.
            memory[32..40].copy_from_slice(&(seed % 40).to_ne_bytes());
            memory[16..24].copy_from_slice(&(seed % 700).to_ne_bytes());
            memory[24..32].copy_from_slice(&(seed % 560 / 8 * 8).to_ne_bytes());
            let mut log = MessageLog::new(&mut memory);
            let id = BusId { time: 1, tag: 1 };
            log.insert(A, id, b"message");
            log.read(A, None, 0);
        }
    }
}
