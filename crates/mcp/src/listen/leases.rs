//! Which holders of streams have been heard of lately, in memory that the host's workers share.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Holder;
use super::ring::{set_word, word};

/// Milliseconds without a word of a holder after which its streams are taken for gone.
const LEASE: u64 = 10_000;
/// Pieces of the memory, each for the holders that fall into it, and what each has room for.
const BUCKETS: usize = 256;
const WAYS: usize = 16;
/// Bytes of an entry: whom it is of, and between which times he was heard of, never silent for longer than a lease.
const ENTRY: usize = 24;

/// The holders in a piece of memory, which the host guards from others while it is used. Times are in milliseconds of a clock that is
/// never set.
///
/// Memory of zeros is an empty table. Where there is no room, the holder that has been silent for the longest time is forgotten.
#[derive(Debug)]
pub struct Leases<'m>(&'m mut [u8]);

/// When somebody was heard of.
struct Lease {
    since: u64,
    last: u64,
}

impl Lease {
    fn is_good(&self, now: u64) -> bool {
        now.saturating_sub(self.last) <= LEASE
    }
}

impl<'m> Leases<'m> {
    /// Bytes of memory that a table takes.
    pub const SIZE: usize = BUCKETS * WAYS * ENTRY;

    /// The table in a piece of memory, which must have held nothing else before.
    pub fn new(memory: &'m mut [u8]) -> Self {
        Leases(memory)
    }

    /// A holder of a server's streams says that it is there; none: this machine has heard itself, and so would have heard others.
    pub fn renew(&mut self, server: u128, holder: Option<Holder>, now: u64) {
        let key = fingerprint(server, holder);
        let place = match self.find(key) {
            Some(place) => place,
            None => places(key).min_by_key(|place| self.at(*place).last).unwrap_or_default(),
        };
        if word(self.0, place) != key || !self.at(place).is_good(now) {
            set_word(self.0, place + 8, now);
        }
        set_word(self.0, place + 16, now);
        set_word(self.0, place, key);
    }

    /// Whether a holder may still have its streams: it was heard of lately, or could not have been. Nobody is silent before it is first asked
    /// for him.
    pub fn may_hold(&mut self, server: u128, holder: Holder, now: u64) -> bool {
        match self.find(fingerprint(server, Some(holder))) {
            Some(place) => self.at(place).is_good(now) || !self.hears(server, now),
            None => {
                self.renew(server, Some(holder), now);
                true
            }
        }
    }

    /// Whether this machine has heard of all others for a whole lease.
    fn hears(&self, server: u128, now: u64) -> bool {
        let own = self.find(fingerprint(server, None)).map(|place| self.at(place));
        own.is_some_and(|own| own.is_good(now) && now.saturating_sub(own.since) > LEASE)
    }

    fn find(&self, key: u64) -> Option<usize> {
        places(key).find(|place| word(self.0, *place) == key)
    }

    fn at(&self, place: usize) -> Lease {
        Lease { since: word(self.0, place + 8), last: word(self.0, place + 16) }
    }
}

/// Where the entry of a key may stand.
fn places(key: u64) -> impl Iterator<Item = usize> {
    let bucket = (key % BUCKETS as u64) as usize * WAYS;
    (bucket..bucket + WAYS).map(|index| index * ENTRY)
}

/// A fixed hash, the same in every process, and never that of a free place.
fn fingerprint(server: u128, holder: Option<Holder>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (server, holder).hash(&mut hasher);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: u128 = 7;
    const BEAT: u64 = LEASE / 5;

    fn holder(number: u32) -> Holder {
        Holder::new([1; 4], number.to_be_bytes())
    }

    /// This machine hears itself, and these holders, until a time.
    fn beat(table: &mut Leases<'_>, holders: &[Holder], from: u64, to: u64) {
        for now in (from..=to).step_by(BEAT as usize) {
            table.renew(SERVER, None, now);
            holders.iter().for_each(|holder| table.renew(SERVER, Some(*holder), now));
        }
    }

    #[test]
    fn who_falls_silent_holds_nothing_any_more() {
        let mut memory = vec![0; Leases::SIZE];
        let mut table = Leases::new(&mut memory);
        let (one, two) = (holder(1), holder(2));
        let start = 1_000_000;
        beat(&mut table, &[one, two], start, start + LEASE);
        beat(&mut table, &[two], start + LEASE, start + 2 * LEASE);
        assert!(table.may_hold(SERVER, one, start + 2 * LEASE), "nobody is late by now");
        beat(&mut table, &[two], start + 2 * LEASE, start + 3 * LEASE);
        assert!(!table.may_hold(SERVER, one, start + 3 * LEASE));
        assert!(table.may_hold(SERVER, two, start + 3 * LEASE));
        assert!(table.may_hold(SERVER + 1, one, start + 3 * LEASE), "another server's");
        table.renew(SERVER, Some(one), start + 3 * LEASE);
        assert!(table.may_hold(SERVER, one, start + 3 * LEASE));
    }

    #[test]
    fn nobody_is_silent_whom_this_machine_could_not_have_heard() {
        let mut memory = vec![0; Leases::SIZE];
        let mut table = Leases::new(&mut memory);
        let one = holder(1);
        table.renew(SERVER, Some(one), 0);
        assert!(table.may_hold(SERVER, one, 5 * LEASE), "it hears nothing, not even itself");
        beat(&mut table, &[], 5 * LEASE, 6 * LEASE);
        assert!(table.may_hold(SERVER, one, 6 * LEASE), "it has not heard for long enough");
        beat(&mut table, &[], 6 * LEASE + BEAT, 6 * LEASE + BEAT);
        assert!(!table.may_hold(SERVER, one, 6 * LEASE + BEAT));
        // A break, and it begins again.
        assert!(table.may_hold(SERVER, one, 9 * LEASE));
        beat(&mut table, &[], 9 * LEASE, 10 * LEASE);
        assert!(table.may_hold(SERVER, one, 10 * LEASE));
    }

    #[test]
    fn who_is_not_known_yet_has_a_lease_to_be_heard_of() {
        let mut memory = vec![0; Leases::SIZE];
        let mut table = Leases::new(&mut memory);
        beat(&mut table, &[], 0, 2 * LEASE);
        assert!(table.may_hold(SERVER, holder(1), 2 * LEASE));
        beat(&mut table, &[], 2 * LEASE, 3 * LEASE + BEAT);
        assert!(!table.may_hold(SERVER, holder(1), 3 * LEASE + BEAT));
    }

    #[test]
    fn the_silent_make_room() {
        let mut memory = vec![0; Leases::SIZE];
        let mut table = Leases::new(&mut memory);
        beat(&mut table, &[], 0, 0);
        (0..10_000).for_each(|number| table.renew(SERVER, Some(holder(number)), 1));
        let heard: Vec<_> = (0..500).map(|number| holder(1_000_000 + number)).collect();
        beat(&mut table, &heard, LEASE, 4 * LEASE);
        assert!(heard.iter().all(|holder| table.may_hold(SERVER, *holder, 4 * LEASE)));
        assert!((BUCKETS * WAYS..).contains(&memory.chunks(ENTRY).filter(|entry| entry[..8] != [0; 8]).count()));
    }

    #[test]
    fn memory_that_holds_something_else_does_no_harm() {
        for (byte, size) in [(0xFF, Leases::SIZE), (1, Leases::SIZE), (0, 20)] {
            let mut memory = vec![byte; size];
            let mut table = Leases::new(&mut memory);
            table.renew(SERVER, None, 5);
            table.renew(SERVER, Some(holder(1)), 5);
            assert!(table.may_hold(SERVER, holder(1), 6));
        }
    }
}
