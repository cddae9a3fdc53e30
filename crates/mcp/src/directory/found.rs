//! What there is in a directory, as its host has seen it.

/// The files of one directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that the directory [admits](super::Directory::admits), sorted by their paths.
    pub files: Vec<FoundFile>,
    /// The directories that were [entered](super::Directory::is_entered), as paths below the root.
    pub directories: Vec<String>,
    /// What kept the host from seeing everything, for the log.
    pub problems: Vec<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Below the directory's root, such as `reports/2026.md`.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// When it was changed, in seconds since the epoch.
    pub modified: u64,
    /// Its type, as whoever reads it will say.
    pub media_type: Option<String>,
    /// What is in it, if that is [wanted](super::Directory::wants_contents).
    pub contents: Option<Contents>,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// SHA-256 of all of it.
    pub digest: [u8; 32],
    /// How it begins, up to [`Contents::TEXT`] bytes, if that is [wanted](super::Directory::wants_text).
    pub text: Option<Vec<u8>>,
}

impl Contents {
    /// Bytes of a text that are looked at.
    pub const TEXT: usize = 64 << 10;
    /// Bytes of the largest file that can be part of a skill.
    pub const LARGEST: u64 = 16 << 20;
}
