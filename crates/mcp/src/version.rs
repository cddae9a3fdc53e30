//! The protocol's revisions.

use std::fmt;

/// A revision of the protocol, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// 2024-11-05: HTTP+SSE.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP, batches.
    V2025_03_26,
    /// 2025-06-18: `MCP-Protocol-Version`, structured output.
    V2025_06_18,
    /// 2025-11-25: the last revision with sessions.
    V2025_11_25,
    /// 2026-07-28: stateless, `_meta` on every request.
    V2026_07_28,
}

impl ProtocolVersion {
    /// Every revision, newest first, the order in which a server lists what it supports.
    pub const ALL: [ProtocolVersion; 5] =
        [Self::V2026_07_28, Self::V2025_11_25, Self::V2025_06_18, Self::V2025_03_26, Self::V2024_11_05];

    /// The revisions that a client may choose from. 2024-11-05 has another transport than this choice is offered in, and is answered
    /// when asked for.
    pub(crate) const ADVERTISED: [ProtocolVersion; 4] =
        [Self::V2026_07_28, Self::V2025_11_25, Self::V2025_06_18, Self::V2025_03_26];

    /// The newest revision that begins with `initialize`; what a client that asks for an unknown one is offered.
    pub const LATEST_LEGACY: ProtocolVersion = Self::V2025_11_25;

    /// The revision's date, as it goes over the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of a date; none for one that this server does not know.
    pub fn parse(date: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str().as_bytes() == date)
    }

    /// Whether requests carry their own metadata and there are no sessions (2026-07-28 and later).
    pub fn is_stateless(self) -> bool {
        self >= Self::V2026_07_28
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
