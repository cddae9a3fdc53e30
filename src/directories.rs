//! The directories whose files are resources, as this worker has seen them.
//!
//! Nothing tells a worker that a file has changed: it looks when somebody asks what there is, and whenever a stream of a
//! client has been silent for some time. That is no work to speak of. A look reads names and sizes alone, what is in a file only
//! of skills and only once it has changed; it comes a second after the last one at the earliest, and a hundred times what that
//! took; and one that would have to read more than [`MAX_READ`] bytes goes on with the next one, while clients are shown
//! what was there before.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, DirEntry, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mcp::{Catalog, Contents, Directory, Found, FoundFile};
use sha2::{Digest, Sha256};

use crate::conf::Location;
use crate::ngx::{self, Level, LocationContext};

/// Files and directories of one directory that are looked at.
const MAX_ENTRIES: usize = 10_000;
/// Directories inside of each other.
const MAX_DEPTH: usize = 32;
/// Bytes that a look reads, unless it is the first one.
const MAX_READ: u64 = 16 << 20;
/// The least time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How much longer that is than a look.
const REST: u32 = 100;
/// A file that was changed more recently may be changed again without a trace, as clocks tick.
const SETTLED: Duration = Duration::from_secs(2);

/// The directories of one MCP location.
#[derive(Default)]
pub(crate) struct Directories {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    catalog: Option<Arc<Catalog>>,
    found: Vec<Found>,
    files: HashMap<PathBuf, Known>,
    next: Option<Instant>,
}

/// What was read of a file.
#[derive(Clone)]
struct Known {
    stamp: Stamp,
    contents: Option<Contents>,
}

/// What changes when a file does.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    inode: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp { size: metadata.len(), modified: metadata.modified().ok(), inode: (metadata.dev(), metadata.ino()) }
    }

    fn is_settled(&self) -> bool {
        let age = self.modified.and_then(|modified| modified.elapsed().ok());
        age.is_none_or(|age| age > SETTLED)
    }
}

impl Directories {
    /// What clients are shown of them.
    pub(crate) fn catalog(&self, location: &'static Location) -> Arc<Catalog> {
        self.look(location);
        self.state.borrow().catalog.clone().unwrap_or_default()
    }

    /// Looks what there is, if it is time to.
    pub(crate) fn look(&self, location: &'static Location) {
        let mut state = self.state.borrow_mut();
        let begun = Instant::now();
        if state.next.is_some_and(|next| begun < next) {
            return;
        }
        let limit = if state.catalog.is_some() { MAX_READ } else { u64::MAX };
        let mut reader = Reader { known: std::mem::take(&mut state.files), seen: HashMap::new(), left: limit };
        let directories = location.server.directories();
        let found: Vec<Found> = directories
            .map(|directory| {
                let files = location.endpoints.get(directory.endpoint()).copied();
                Walk { directory, location: files, reader: &mut reader, found: Found::default(), left: MAX_ENTRIES }
                    .run()
            })
            .collect();
        let (is_whole, files) = reader.end();
        state.files = files;
        let rest = begun.elapsed().saturating_mul(REST).max(INTERVAL);
        state.next = Some(Instant::now() + rest);
        if !is_whole || (state.catalog.is_some() && found == state.found) {
            return;
        }
        state.found.clone_from(&found);
        let catalog = Arc::new(location.server.catalog(found));
        let before = state.catalog.replace(Arc::clone(&catalog));
        drop(state);
        show(location, &catalog, before.as_deref());
    }
}

/// Says what is new: to the operator and, unless it is all, to clients.
fn show(location: &'static Location, catalog: &Catalog, before: Option<&Catalog>) {
    let known = before.map(Catalog::problems).unwrap_or_default();
    let is_first = location.bus.as_ref().is_none_or(|bus| bus.notice_files(catalog.digest()));
    if is_first {
        let problems = catalog.problems().iter().filter(|problem| !known.contains(problem));
        problems.for_each(|problem| ngx::Log::cycle().write(Level::Warn, format_args!("{problem}")));
    }
    if let (Some(bus), Some(before), true) = (&location.bus, before, is_first) {
        catalog.changes(before).iter().for_each(|change| bus.publish(location, change, |_| {}));
    }
}

/// A look at one directory.
struct Walk<'w> {
    directory: &'w Directory,
    /// Where its files are read.
    location: Option<LocationContext>,
    reader: &'w mut Reader,
    found: Found,
    left: usize,
}

impl Walk<'_> {
    fn run(mut self) -> Found {
        let root = Path::new(self.directory.root());
        self.enter(root, "", 0);
        if self.left == 0 {
            self.found
                .problems
                .push(format!("\"{}\" has more than {MAX_ENTRIES} files: not all are listed", root.display()));
        }
        self.found.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.found
    }

    fn enter(&mut self, directory: &Path, below: &str, depth: usize) {
        let mut entries: Vec<DirEntry> = match fs::read_dir(directory) {
            Ok(entries) => entries.take(self.left).filter_map(Result::ok).collect(),
            Err(error) => return self.problem(directory, &error),
        };
        self.left -= entries.len();
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            // A name that is no text can stand in no URI.
            let name = entry.file_name();
            let (Some(name), Ok(kind)) = (name.to_str(), entry.file_type()) else { continue };
            let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            // A link may lead anywhere, and is neither.
            if kind.is_dir() && depth < MAX_DEPTH && self.directory.is_entered(&path) {
                self.found.directories.push(path.clone());
                self.enter(&entry.path(), &path, depth + 1);
            } else if kind.is_file() && self.directory.admits(&path) {
                self.add(&entry, path);
            }
        }
    }

    fn add(&mut self, entry: &DirEntry, path: String) {
        // It may be gone by now.
        let Ok(metadata) = entry.metadata() else { return };
        let contents = match self.directory.wants_contents() {
            true => self.reader.contents(entry.path(), &metadata, self.directory.wants_text(&path)),
            false => None,
        };
        self.found.files.push(FoundFile {
            size: metadata.len(),
            modified: u64::try_from(metadata.mtime()).unwrap_or(0),
            media_type: self.location.and_then(|location| location.media_type(&path)),
            contents,
            path,
        });
    }

    fn problem(&mut self, path: &Path, error: &io::Error) {
        self.found.problems.push(format!("\"{}\" cannot be listed: {error}", path.display()));
    }
}

/// What is in files: read once, and again when they have changed.
struct Reader {
    known: HashMap<PathBuf, Known>,
    seen: HashMap<PathBuf, Known>,
    /// Bytes that may still be read.
    left: u64,
}

impl Reader {
    fn contents(&mut self, path: PathBuf, metadata: &Metadata, wants_text: bool) -> Option<Contents> {
        let stamp = Stamp::of(metadata);
        let known = self.known.remove(&path).filter(|known| known.stamp == stamp);
        let known = match known {
            Some(known) if stamp.is_settled() || self.left == 0 => known,
            _ if self.left == 0 => return None,
            _ => {
                self.left = self.left.saturating_sub(stamp.size.max(1));
                Known { contents: read(&path, &stamp, wants_text).ok().flatten(), stamp }
            }
        };
        self.seen.insert(path, known.clone());
        known.contents
    }

    /// Whether everything was read, and what is known now.
    fn end(self) -> (bool, HashMap<PathBuf, Known>) {
        let is_whole = self.left > 0;
        let mut files = self.seen;
        if !is_whole {
            // What was not come to.
            files.extend(self.known);
        }
        (is_whole, files)
    }
}

/// Reads a file that has this stamp; none if it is larger than what is wanted.
fn read(path: &Path, stamp: &Stamp, wants_text: bool) -> io::Result<Option<Contents>> {
    if stamp.size > Contents::LARGEST {
        return Ok(None);
    }
    // What was a file may be a link or a pipe by now, or in a directory that is a link.
    let flags = (ngx::sys::O_NOFOLLOW | ngx::sys::O_NONBLOCK) as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if Stamp::of(&file.metadata()?) != *stamp {
        return Ok(None);
    }
    hash(file.take(stamp.size), wants_text).map(Some)
}

fn hash(mut file: io::Take<File>, wants_text: bool) -> io::Result<Contents> {
    let mut digest = Sha256::new();
    let mut text = Vec::new();
    let mut part = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut part)?;
        let part = &part[..length];
        if part.is_empty() {
            break;
        }
        digest.update(part);
        if wants_text && text.len() < Contents::TEXT {
            text.extend_from_slice(&part[..part.len().min(Contents::TEXT - text.len())]);
        }
    }
    Ok(Contents { digest: digest.finalize().into(), text: wants_text.then_some(text) })
}
