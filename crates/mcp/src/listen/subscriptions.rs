//! The resources that sessions have subscribed to (`resources/subscribe`), in memory that the host's workers share.

use super::log::fingerprint;

/// Pieces of the memory, each for the sessions whose names fall into it.
const BUCKETS: usize = 128;
/// Bytes of one of them.
const BUCKET: usize = 32 * 1024;
/// Bytes in front of a piece's entries: how many they take.
const HEAD: usize = 4;
/// Bytes in front of an entry's URI: its length, the session and when that expires.
const ENTRY: usize = 4 + 16 + 8;
/// Bytes that one session may take: it must not drive out others.
const MOST: usize = BUCKET / 2;

/// A table of subscriptions in a piece of memory, which the host guards from others while it is used.
///
/// Memory of zeros is an empty table. When there is no room the oldest subscriptions make it.
#[derive(Debug)]
pub struct Subscriptions<'m>(&'m mut [u8]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    session: u128,
    /// Seconds since the epoch.
    until: u64,
    uri: String,
}

impl Entry {
    fn size(&self) -> usize {
        ENTRY + self.uri.len()
    }
}

impl<'m> Subscriptions<'m> {
    /// Bytes of memory that a table takes.
    pub const SIZE: usize = BUCKETS * BUCKET;

    /// The table in a piece of memory, which must have held nothing else before.
    pub fn new(memory: &'m mut [u8]) -> Self {
        Subscriptions(memory)
    }

    /// Remembers that a session, by its [name](crate::Topic::session), wants to hear of a resource, until it expires. False
    /// if it has too many subscriptions.
    pub fn add(&mut self, session: &str, uri: &str, until: u64, now: u64) -> bool {
        let session = fingerprint(session);
        let mut entries = self.entries(session);
        entries.retain(|entry| entry.until > now && !(entry.session == session && entry.uri == uri));
        entries.push(Entry { session, until, uri: uri.to_owned() });
        let own: usize = entries.iter().filter(|entry| entry.session == session).map(Entry::size).sum();
        if own > MOST {
            return false;
        }
        let mut excess = entries.iter().map(Entry::size).sum::<usize>().saturating_sub(BUCKET - HEAD);
        entries.retain(|entry| {
            let makes_room = excess > 0 && entry.session != session;
            if makes_room {
                excess = excess.saturating_sub(entry.size());
            }
            !makes_room
        });
        self.write(session, &entries);
        true
    }

    /// Forgets it again.
    pub fn remove(&mut self, session: &str, uri: &str) {
        self.forget(session, |entry| entry.uri == uri);
    }

    /// Forgets all of a session that has ended.
    pub fn clear(&mut self, session: &str) {
        self.forget(session, |_| true);
    }

    fn forget(&mut self, session: &str, which: impl Fn(&Entry) -> bool) {
        let session = fingerprint(session);
        let mut entries = self.entries(session);
        let before = entries.len();
        entries.retain(|entry| entry.session != session || !which(entry));
        if entries.len() < before {
            self.write(session, &entries);
        }
    }

    /// The URIs that a session wants to hear of, in the order in which it said so.
    pub fn of(&mut self, session: &str, now: u64) -> Vec<String> {
        let session = fingerprint(session);
        let entries = self.entries(session).into_iter();
        entries.filter(|entry| entry.session == session && entry.until > now).map(|entry| entry.uri).collect()
    }

    fn bucket(&mut self, session: u128) -> &mut [u8] {
        let start = (session % BUCKETS as u128) as usize * BUCKET;
        self.0.get_mut(start..start + BUCKET).unwrap_or_default()
    }

    /// What is in the bucket of a session; whatever cannot be read is not there.
    fn entries(&mut self, session: u128) -> Vec<Entry> {
        let bucket = &*self.bucket(session);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_be_bytes) as usize;
        let (used, rest) = bucket.split_at(HEAD.min(bucket.len()));
        let mut rest = rest.get(..number(used)).unwrap_or_default();
        let mut entries = Vec::new();
        while let Some((head, behind)) = rest.split_at_checked(ENTRY) {
            let Some((uri, behind)) = behind.split_at_checked(number(&head[..4])) else { break };
            let session = head[4..20].try_into().map_or(0, u128::from_be_bytes);
            let until = head[20..28].try_into().map_or(0, u64::from_be_bytes);
            entries.extend(std::str::from_utf8(uri).map(|uri| Entry { session, until, uri: uri.to_owned() }));
            rest = behind;
        }
        entries
    }

    fn write(&mut self, session: u128, entries: &[Entry]) {
        let mut bytes = vec![0; HEAD];
        for entry in entries {
            bytes.extend_from_slice(&(entry.uri.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&entry.session.to_be_bytes());
            bytes.extend_from_slice(&entry.until.to_be_bytes());
            bytes.extend_from_slice(entry.uri.as_bytes());
        }
        let used = (bytes.len() - HEAD) as u32;
        bytes[..HEAD].copy_from_slice(&used.to_be_bytes());
        if let Some(room) = self.bucket(session).get_mut(..bytes.len()) {
            room.copy_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::MAX_URI;

    fn with<T>(act: impl FnOnce(&mut Subscriptions<'_>) -> T) -> T {
        act(&mut Subscriptions::new(&mut vec![0; Subscriptions::SIZE]))
    }

    #[test]
    fn a_session_has_its_own_subscriptions_until_it_expires() {
        with(|table| {
            for uri in ["a:1", "a:2", "a:1"] {
                assert!(table.add("1", uri, 100, 0));
            }
            assert!(table.add("2", "a:3", 50, 0));
            assert_eq!(table.of("1", 0), ["a:2", "a:1"]);
            assert_eq!((table.of("2", 49), table.of("2", 50).len()), (vec!["a:3".to_owned()], 0));
            table.remove("1", "a:2");
            table.remove("1", "a:3");
            assert_eq!((table.of("1", 0), table.of("2", 0)), (vec!["a:1".to_owned()], vec!["a:3".to_owned()]));
            table.clear("1");
            assert_eq!((table.of("1", 0).len(), table.of("2", 0).len()), (0, 1));
        });
    }

    #[test]
    fn a_session_has_its_limit_and_drives_out_the_oldest_of_others() {
        with(|table| {
            let uri = |number: usize| format!("a:{number}{}", "0".repeat(MAX_URI - 3));
            let taken = (0..10).take_while(|number| table.add("1", &uri(*number), 100, 0)).count();
            assert_eq!((taken, table.of("1", 0).len()), (3, 3));
            // All of the same bucket.
            let names: Vec<_> = (1..10).map(|number| format!("{:x}", 1 + number * BUCKETS)).collect();
            for name in &names {
                assert!(table.add(name, &uri(0), 100, 0));
                assert_eq!(table.of(name, 0).len(), 1);
            }
            assert_eq!((table.of("1", 0).len(), table.of(&names[0], 0).len()), (0, 0));
            // What has expired makes room first.
            assert!(table.add("1", "a:", 200, 100));
            assert_eq!(table.of(&names[8], 0).len(), 0);
        });
    }

    #[test]
    fn memory_that_holds_something_else_does_no_harm() {
        for byte in [1, 0x7F, 0xFF] {
            let mut memory = vec![byte; Subscriptions::SIZE];
            let mut table = Subscriptions::new(&mut memory);
            assert_eq!(table.of("1", 0).len(), 0);
            assert!(table.add("1", "a:", 100, 0));
            assert_eq!(table.of("1", 0), ["a:"]);
        }
    }
}
