//! What the newest configuration lists, for workers of older ones.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::sys::ngx_conf_t;
use super::zone::Zone;

/// Lists that are remembered; of two that meet in a place the later one is.
const PLACES: usize = 4096;

#[derive(Clone, Copy)]
struct Entry {
    list: u64,
    digest: u64,
}

type Table = [Entry; PLACES];

/// A handle to the shared table.
#[derive(Clone, Copy)]
pub(crate) struct ListDigests(Zone);

impl ListDigests {
    /// Asks for the shared memory; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<ListDigests> {
        Zone::add(cf, "mcp_lists", size_of::<Table>()).map(ListDigests)
    }

    /// Remembers what a list holds.
    pub(crate) fn insert(self, list: impl Hash, digest: u64) {
        let list = fingerprint(list);
        self.with(|table| table[list as usize % PLACES] = Entry { list, digest });
    }

    /// The same; whether that is news.
    pub(crate) fn replace(self, list: impl Hash, digest: u64) -> bool {
        let list = fingerprint(list);
        let replaced = self.with(|table| std::mem::replace(&mut table[list as usize % PLACES], Entry { list, digest }));
        replaced.is_none_or(|entry| entry.list != list || entry.digest != digest)
    }

    /// What it held last; none if that is not known.
    pub(crate) fn get(self, list: impl Hash) -> Option<u64> {
        let list = fingerprint(list);
        let entry = self.with(|table| table[list as usize % PLACES])?;
        (entry.list == list).then_some(entry.digest)
    }

    fn with<T>(self, act: impl FnOnce(&mut Table) -> T) -> Option<T> {
        // SAFETY: the zone has the size of a table, for which all bits zero is a value, and nobody else uses it now.
        self.0.with(|memory| act(unsafe { &mut *memory.cast::<Table>() }))
    }
}

/// A fixed hash, the same in every process.
fn fingerprint(list: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    hasher.finish()
}
