//! The last good copies.
//!
//! A copy is one file, so that it is replaced as a whole: lines of what is known about the document, an empty line, the
//! document. Only its owner can read it: what came with credentials is nobody else's.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::download::Document;
use crate::location::Location;

/// The most that is known about a document.
const MAX_HEAD: usize = 64 << 10;

/// The readable part of a file's name.
const MAX_READABLE: usize = 80;

/// Where the copy of one URL lies.
pub(crate) struct Cache<'a> {
    dir: &'a Path,
    file: PathBuf,
}

/// A document as it was when its source last had it.
pub(crate) struct Copy {
    pub(crate) document: Document,
    pub(crate) age: Duration,
}

impl<'a> Cache<'a> {
    pub(crate) fn new(dir: &'a Path, location: &Location) -> Self {
        let url = location.public();
        let readable: String = url.host_str().unwrap_or_default().chars().chain(url.path().chars()).collect();
        let readable = readable.trim_end_matches('/').replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "_");
        let readable = &readable[..readable.len().min(MAX_READABLE)];
        let hash = hex(&Sha256::digest(url.as_str())[..16]);
        Self { dir, file: dir.join(format!("{readable}-{hash}")) }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The copy, if it is whole and no larger than `max_size`.
    pub(crate) fn load(&self, max_size: usize) -> Result<Copy, String> {
        let problem = |what: &dyn std::fmt::Display| format!("the copy \"{}\" {what}", self.file.display());
        let unreadable = |e| match e {
            e if io::Error::kind(&e) == io::ErrorKind::NotFound => {
                format!("there is no copy of it in \"{}\" yet", self.dir.display())
            }
            e => problem(&format_args!("cannot be read: {e}")),
        };
        let meta = fs::metadata(&self.file).map_err(unreadable)?;
        // Opening a pipe would wait for its writer.
        if !meta.is_file() {
            return Err(problem(&"is not a file"));
        }
        let most = max_size.saturating_add(MAX_HEAD) as u64;
        if meta.len() > most {
            return Err(problem(&format_args!("is larger than {max_size} bytes")));
        }
        let mut content = String::new();
        File::open(&self.file).and_then(|file| file.take(most).read_to_string(&mut content)).map_err(unreadable)?;
        let document = parse(&content).ok_or_else(|| problem(&"is damaged"))?;
        if document.text.len() > max_size {
            return Err(problem(&format_args!("is larger than {max_size} bytes")));
        }
        let age = meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
        Ok(Copy { document, age })
    }

    /// Replaces the copy.
    pub(crate) fn store(&self, document: &Document) -> Result<(), String> {
        let write = || {
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(self.dir)?;
            file.write_all(head(document).as_bytes())?;
            file.write_all(document.text.as_bytes())?;
            file.persist(&self.file).map_err(|e| e.error)
        };
        write().map(drop).map_err(|e| self.not_kept(&e))
    }

    /// Notes that the source still has this document.
    pub(crate) fn confirm(&self) -> Result<(), String> {
        let touch = || File::options().append(true).open(&self.file)?.set_modified(SystemTime::now());
        touch().map_err(|e| self.not_kept(&e))
    }

    fn not_kept(&self, error: &io::Error) -> String {
        format!(
            "cannot keep a copy in \"{}\": {error}; the directory must exist, and who starts nginx be able to write in it",
            self.dir.display()
        )
    }
}

fn head(document: &Document) -> String {
    let mut head = format!("url: {}\n", document.url);
    if let Some(etag) = &document.etag {
        head += &format!("etag: {etag}\n");
    }
    if document.html {
        head += "html: yes\n";
    }
    head + &format!("sha256: {}\n\n", hex(&Sha256::digest(&document.text)))
}

/// `None` if it is not what [`head`] and the document were: nothing is synced to the disk, so a crash may cut it short.
fn parse(content: &str) -> Option<Document> {
    let (head, text) = content.split_once("\n\n")?;
    let field = |name| head.lines().filter_map(|line| line.split_once(": ")).find(|field| field.0 == name);
    let field = |name| field(name).map(|field| field.1.to_owned());
    (field("sha256")? == hex(&Sha256::digest(text))).then_some(())?;
    Some(Document { text: text.to_owned(), url: field("url")?, etag: field("etag"), html: field("html").is_some() })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A time as a person says it.
pub(crate) fn rough(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s @ 7200..172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86400),
    }
}
