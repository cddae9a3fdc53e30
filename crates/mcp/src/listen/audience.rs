//! How many streams hear of what, in memory that the host's workers share.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Topic;
use super::ring::{set_word, word};

/// Pieces of the memory, each for the topics that fall into it, and what each has room for.
const BUCKETS: usize = 4096;
const WAYS: usize = 16;
/// Bytes of an entry: the topic, then the worker and how many streams it has.
const ENTRY: usize = 16;

/// The numbers of streams in a piece of memory, which the host guards from others while it is used.
///
/// Memory of zeros is an empty table. Where there is no room, streams are not counted.
#[derive(Debug)]
pub struct Audience<'m>(&'m mut [u8]);

impl<'m> Audience<'m> {
    /// Bytes of memory that a table takes.
    pub const SIZE: usize = BUCKETS * WAYS * ENTRY;

    /// The table in a piece of memory, which must have held nothing else before.
    pub fn new(memory: &'m mut [u8]) -> Self {
        Audience(memory)
    }

    /// Notes how many streams of a worker hear of a server's topic.
    pub fn set(&mut self, server: u128, topic: &Topic, worker: u32, streams: usize) {
        let key = fingerprint(server, topic);
        let streams = u32::try_from(streams).unwrap_or(u32::MAX);
        let own = places(key).find(|place| self.at(*place) == Some((key, worker)));
        let free = || places(key).find(|place| self.at(*place).is_none());
        if let Some(place) = own.or_else(|| free().filter(|_| streams > 0)) {
            self.write(place, key, worker, streams);
        }
    }

    /// Each worker with streams that hear of a server's topic, and how many.
    pub fn of(&self, server: u128, topic: &Topic) -> Vec<(u32, usize)> {
        let key = fingerprint(server, topic);
        let entries = places(key).filter_map(|place| Some((self.at(place)?, self.streams(place) as usize)));
        entries.filter(|((other, _), _)| *other == key).map(|((_, worker), streams)| (worker, streams)).collect()
    }

    /// Forgets what was noted of a worker before.
    pub fn clear(&mut self, worker: u32) {
        for place in (0..BUCKETS * WAYS).map(|index| index * ENTRY) {
            if self.at(place).is_some_and(|(_, other)| other == worker) {
                self.write(place, 0, 0, 0);
            }
        }
    }

    /// What an entry is of: a topic and a worker; none if it is free.
    fn at(&self, place: usize) -> Option<(u64, u32)> {
        (self.streams(place) > 0).then(|| (word(self.0, place), (word(self.0, place + 8) >> 32) as u32))
    }

    fn streams(&self, place: usize) -> u32 {
        word(self.0, place + 8) as u32
    }

    fn write(&mut self, place: usize, key: u64, worker: u32, streams: u32) {
        set_word(self.0, place, key);
        // Last, so that whoever is killed meanwhile has noted nothing.
        set_word(self.0, place + 8, (u64::from(worker) << 32) | u64::from(streams));
    }
}

/// Where the entries of a topic may stand.
fn places(key: u64) -> impl Iterator<Item = usize> {
    let bucket = (key % BUCKETS as u64) as usize * WAYS;
    (bucket..bucket + WAYS).map(|index| index * ENTRY)
}

/// A fixed hash, the same in every process.
fn fingerprint(server: u128, topic: &Topic) -> u64 {
    let mut hasher = DefaultHasher::new();
    (server, topic).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: u128 = 7;

    fn resource(number: usize) -> Topic {
        Topic::ResourceUpdated(format!("a:{number}"))
    }

    #[test]
    fn each_worker_has_its_own_number() {
        let mut memory = vec![0; Audience::SIZE];
        let mut table = Audience::new(&mut memory);
        let (one, two) = (resource(1), resource(2));
        table.set(SERVER, &one, 0, 3);
        table.set(SERVER, &one, 1, 5);
        table.set(SERVER, &two, 1, 1);
        table.set(SERVER + 1, &one, 0, 9);
        assert_eq!(table.of(SERVER, &one), [(0, 3), (1, 5)]);
        table.set(SERVER, &one, 0, 0);
        table.set(SERVER, &one, 1, 4);
        assert_eq!(table.of(SERVER, &one), [(1, 4)]);
        table.clear(1);
        assert_eq!((table.of(SERVER, &one), table.of(SERVER, &two)), (vec![], vec![]));
        assert_eq!(table.of(SERVER + 1, &one), [(0, 9)]);
    }

    #[test]
    fn what_has_no_room_is_not_counted_and_harms_nothing() {
        let mut memory = vec![0; Audience::SIZE];
        let mut table = Audience::new(&mut memory);
        let topics: Vec<Topic> = (0..2 * BUCKETS * WAYS).map(resource).collect();
        topics.iter().for_each(|topic| table.set(SERVER, topic, 2, 1));
        let counted = topics.iter().filter(|topic| table.of(SERVER, topic) == [(2, 1)]).count();
        assert!((BUCKETS * WAYS / 2..=BUCKETS * WAYS).contains(&counted), "{counted}");
        topics.iter().for_each(|topic| table.set(SERVER, topic, 2, 0));
        assert!(topics.iter().all(|topic| table.of(SERVER, topic).is_empty()));
        assert!(memory.chunks(ENTRY).all(|entry| entry[8..12] == [0; 4] || entry[12..] == [0; 4]));
    }

    #[test]
    fn memory_that_holds_something_else_does_no_harm() {
        for (byte, size) in [(0xFF, Audience::SIZE), (1, Audience::SIZE), (0, 20)] {
            let mut memory = vec![byte; size];
            let mut table = Audience::new(&mut memory);
            table.set(SERVER, &resource(1), 0, 1);
            table.clear(1);
            assert!(table.of(SERVER, &resource(1)).len() <= WAYS);
        }
    }
}
