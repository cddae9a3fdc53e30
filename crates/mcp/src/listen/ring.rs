//! A piece of memory in which the newest messages stand, the oldest making room.

use super::BusId;

/// Bytes in front of the entries: where the oldest one stands, and where the next one will.
const HEAD: usize = 16;
/// Bytes in front of a message: its own and those to the next entry, the key, and the id.
const ENTRY: usize = 40;
/// Entries begin at multiples of this.
const ALIGN: usize = 8;
/// An entry is no larger than this part of the ring: one message must not drive all others out.
const LARGEST: usize = 4;
/// Stands for the length of a message where there is none: what is left at the end of the memory is passed over.
const NONE: u32 = u32::MAX;

/// The ring. Memory of zeros is an empty one.
///
/// Places are counted from the first entry that there ever was and do not repeat, so that a reader who comes late knows
/// that he has missed something.
#[derive(Debug)]
pub(super) struct Ring<'m>(&'m mut [u8]);

/// A message in a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'m> {
    /// Whom it is for.
    pub(super) key: u128,
    pub(super) id: BusId,
    pub(super) message: &'m [u8],
}

impl<'m> Ring<'m> {
    /// Bytes of memory that take messages of this size.
    pub(super) const fn size_for(message: usize) -> usize {
        HEAD + LARGEST * (ENTRY + message).next_multiple_of(ALIGN)
    }

    pub(super) fn new(memory: &'m mut [u8]) -> Self {
        Ring(memory)
    }

    /// Appends a message; false if it is too large.
    pub(super) fn insert(&mut self, key: u128, id: BusId, message: &[u8]) -> bool {
        let room = self.room();
        let Some(length) = u32::try_from(message.len()).ok().filter(|length| *length != NONE) else { return false };
        let size = (ENTRY + message.len()).next_multiple_of(ALIGN);
        if size > room / LARGEST {
            return false;
        }
        let rest = room - self.offset(self.end());
        if rest < size {
            self.make_room(rest);
            self.set_sizes(self.end(), NONE, rest);
            self.set_end(rest);
        }
        self.make_room(size);
        let start = HEAD + self.offset(self.end());
        self.set_sizes(self.end(), length, size);
        self.set_word(start + 8, (key >> 64) as u64);
        self.set_word(start + 16, key as u64);
        self.set_word(start + 24, id.time);
        self.set_word(start + 32, id.tag);
        self.0[start + ENTRY..start + ENTRY + message.len()].copy_from_slice(message);
        // Last, so that whoever is killed meanwhile has written nothing.
        self.set_end(size);
        true
    }

    /// The messages from the oldest to the newest.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.walk(self.oldest())
    }

    /// The messages from a place on, which was the [`Ring::end`] once; none if some of them are there no more.
    pub(super) fn entries_from(&self, place: u64) -> Option<impl Iterator<Item = Entry<'_>>> {
        let is_there = self.oldest() <= place && place <= self.end();
        is_there.then(|| self.walk(place))
    }

    /// Where the next message will stand.
    pub(super) fn end(&self) -> u64 {
        self.word(8)
    }

    fn walk(&self, mut place: u64) -> impl Iterator<Item = Entry<'_>> {
        std::iter::from_fn(move || {
            while place < self.end() {
                let (entry, size) = self.entry(place)?;
                place += size as u64;
                if entry.is_some() {
                    return entry;
                }
            }
            None
        })
    }

    /// What stands somewhere, if it is a message, and the bytes to the next entry.
    fn entry(&self, place: u64) -> Option<(Option<Entry<'_>>, usize)> {
        let start = HEAD + self.offset(place);
        let sizes = self.word(start);
        let (length, size) = ((sizes >> 32) as u32, (sizes & 0xffff_ffff) as usize);
        if size == 0 || size % ALIGN != 0 {
            return None;
        }
        if length == NONE {
            return Some((None, size));
        }
        let message = self.0.get(start + ENTRY..)?.get(..length as usize)?;
        let id = BusId { time: self.word(start + 24), tag: self.word(start + 32) };
        let key = (u128::from(self.word(start + 8)) << 64) | u128::from(self.word(start + 16));
        Some((Some(Entry { key, id, message }), size))
    }

    /// Gives up the oldest entries until so many bytes after the end are free.
    fn make_room(&mut self, size: usize) {
        let room = self.room() as u64;
        while self.end() + size as u64 > self.oldest() + room {
            let oldest = match self.entry(self.oldest()) {
                Some((_, size)) if self.oldest() + (size as u64) < self.end() => self.oldest() + size as u64,
                _ => self.end(),
            };
            self.set_word(0, oldest);
        }
    }

    /// Bytes for entries.
    fn room(&self) -> usize {
        self.0.len().saturating_sub(HEAD) / ALIGN * ALIGN
    }

    fn offset(&self, place: u64) -> usize {
        (place % (self.room() as u64).max(1)) as usize
    }

    fn oldest(&self) -> u64 {
        self.word(0)
    }

    fn set_end(&mut self, size: usize) {
        self.set_word(8, self.end() + size as u64);
    }

    fn set_sizes(&mut self, place: u64, length: u32, size: usize) {
        self.set_word(HEAD + self.offset(place), (u64::from(length) << 32) | size as u64);
    }

    fn word(&self, at: usize) -> u64 {
        word(self.0, at)
    }

    fn set_word(&mut self, at: usize, word: u64) {
        set_word(self.0, at, word);
    }
}

/// The number at a place in memory; 0 outside of it.
pub(super) fn word(memory: &[u8], at: usize) -> u64 {
    let bytes = memory.get(at..).and_then(|rest| rest.get(..8)).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_ne_bytes)
}

/// Writes it; outside of the memory nothing.
pub(super) fn set_word(memory: &mut [u8], at: usize, word: u64) {
    if let Some(bytes) = memory.get_mut(at..).and_then(|rest| rest.get_mut(..8)) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> BusId {
        BusId { time: number, tag: 0 }
    }

    fn texts<'r>(entries: impl Iterator<Item = Entry<'r>>) -> Vec<String> {
        entries.map(|entry| String::from_utf8(entry.message.to_vec()).unwrap()).collect()
    }

    #[test]
    fn what_was_appended_is_read() {
        let mut memory = vec![0; 1000];
        let mut ring = Ring::new(&mut memory);
        assert_eq!((ring.entries().count(), ring.end()), (0, 0));
        assert!(ring.insert(1 << 100, id(1), b"one") && ring.insert(2, id(2), b""));
        let end = ring.end();
        assert!(ring.insert(3, id(3), b"three"));
        let entries: Vec<_> = ring.entries().collect();
        assert_eq!(entries[0], Entry { key: 1 << 100, id: id(1), message: b"one" });
        assert_eq!(entries[1], Entry { key: 2, id: id(2), message: b"" });
        assert_eq!(texts(ring.entries_from(end).unwrap()), ["three"]);
        assert_eq!(texts(ring.entries_from(ring.end()).unwrap()), [""; 0]);
        assert!(ring.entries_from(ring.end() + 8).is_none());
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        for size in [300, 512, 1000, 1001, 4096] {
            let mut memory = vec![0; size];
            let mut ring = Ring::new(&mut memory);
            let mut inserted: Vec<String> = Vec::new();
            let mut place = 0;
            for number in 0..500usize {
                let text = format!("{number}{}", "x".repeat(number * 7 % 60));
                if ring.insert(1, id(number as u64), text.as_bytes()) {
                    inserted.push(text);
                    assert_eq!(texts(ring.entries_from(place).unwrap()), inserted[inserted.len() - 1..]);
                }
                place = ring.end();
                let read = texts(ring.entries());
                assert!(inserted.ends_with(&read), "{number} of {size}: {read:?}");
                assert!(read.len() >= 2.min(inserted.len()) || size < 512, "{number} of {size}: {read:?}");
            }
            assert!(!inserted.is_empty() && ring.entries_from(0).is_none(), "{size}");
        }
    }

    #[test]
    fn what_is_too_large_is_not_taken() {
        let mut memory = vec![0; 1000];
        assert!(!Ring::new(&mut memory).insert(1, id(1), &[b'x'; 300]));
        assert!(!Ring::new(&mut []).insert(1, id(1), b"x"));
        assert_eq!(Ring::new(&mut [0; 20]).entries().count(), 0);
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
            memory[0..8].copy_from_slice(&(seed % 700).to_ne_bytes());
            memory[8..16].copy_from_slice(&(seed % 1400 / 8 * 8).to_ne_bytes());
            let mut ring = Ring::new(&mut memory);
            for number in 0..20 {
                ring.insert(1, id(number), b"message");
                assert!(ring.entries().count() <= 600 / ALIGN);
            }
            assert!(ring.entries().all(|entry| entry.message == b"message"));
        }
    }
}
