//! The path of an upstream request, and the pairs of its query that the URL has: text with places for values.

use super::encode;
use super::expansion::Expansion;
use super::layout::{Unfit, Values};
use super::request::Query;
use super::url::{Part, Url};

/// A run of text.
#[derive(Debug)]
pub(super) enum Piece {
    Literal(Box<str>),
    Value(Slot),
}

/// Where a value goes.
#[derive(Debug)]
pub(super) struct Slot {
    /// Of the placement.
    pub(super) index: usize,
    /// Its name for the upstream, encoded.
    pub(super) key: Box<str>,
    pub(super) expansion: Expansion,
}

/// A run of the path: literal segments with their slashes, or one segment with values in it.
#[derive(Debug)]
enum Run {
    Literal(Box<str>),
    Segment(Vec<Piece>),
}

/// A path with places for values.
#[derive(Debug)]
pub(super) struct Path(Vec<Run>);

impl Path {
    /// `piece` says what becomes of a placeholder.
    pub(super) fn new(url: &Url, piece: &dyn Fn(&str) -> Piece) -> Result<Path, String> {
        let mut runs = Vec::new();
        let mut literal = String::new();
        for segment in &url.segments {
            let pieces = pieces(segment, piece);
            match pieces.as_slice() {
                [] => literal.push('/'),
                [Piece::Literal(text)] if encode::has_dot_segment(text) => {
                    return Err(format!("the path segment \"{text}\" leads elsewhere"));
                }
                [Piece::Literal(text)] => literal.extend(["/", text]),
                _ => {
                    if !literal.is_empty() {
                        runs.push(Run::Literal(std::mem::take(&mut literal).into()));
                    }
                    runs.push(Run::Segment(pieces));
                }
            }
        }
        if !literal.is_empty() {
            runs.push(Run::Literal(literal.into()));
        }
        Ok(Path(runs))
    }

    pub(super) fn write(&self, values: &Values<'_>, uri: &mut String) -> Result<(), Unfit> {
        for run in &self.0 {
            match run {
                Run::Literal(text) => uri.push_str(text),
                Run::Segment(pieces) => {
                    uri.push('/');
                    let start = uri.len();
                    for piece in pieces {
                        match piece {
                            Piece::Literal(text) => uri.push_str(text),
                            Piece::Value(slot) => slot.write_into_path(values, uri)?,
                        }
                    }
                    if encode::has_dot_segment(&uri[start..]) {
                        let indices = pieces.iter().filter_map(|piece| match piece {
                            Piece::Value(slot) => Some(slot.index),
                            Piece::Literal(_) => None,
                        });
                        return Err(
                            values.unfit(&indices.collect::<Vec<_>>(), "must not contain a path step such as \"..\"")
                        );
                    }
                }
            }
        }
        Ok(())
    }
}

impl Slot {
    fn write_into_path(&self, values: &Values<'_>, uri: &mut String) -> Result<(), Unfit> {
        let start = uri.len();
        let Some(value) = values.get(self.index).filter(|value| !value.is_null()) else {
            return Err(values.unfit(&[self.index], "is required, as it is part of a path"));
        };
        self.write(value, self.expansion.lead, values, uri)?;
        if uri.len() > start {
            return Ok(());
        }
        Err(values.unfit(&[self.index], "must not be empty, as it is part of a path"))
    }

    fn write(&self, value: &serde_json::Value, lead: &str, values: &Values<'_>, out: &mut String) -> Result<(), Unfit> {
        self.expansion.write(&self.key, value, lead, out).map_err(|why| values.unfit(&[self.index], &why.0))
    }
}

/// A pair of the URL's query.
#[derive(Debug)]
pub(super) enum Pair {
    /// Text, and values in it; it is left out where one of them is.
    Text(Vec<Piece>),
    /// One value and nothing else, which may repeat like a query argument.
    Value(Slot),
}

impl Pair {
    pub(super) fn new(key: &str, value: &[Part], piece: &dyn Fn(&str) -> Piece) -> Pair {
        let mut pieces = pieces(value, piece);
        if matches!(pieces.as_slice(), [Piece::Value(_)]) {
            if let Some(Piece::Value(slot)) = pieces.pop() {
                let key = key.strip_suffix('=').unwrap_or(key).into();
                let expansion = match slot.expansion {
                    Expansion::PATH => Expansion::QUERY,
                    joined => Expansion { named: true, lead: "", ..joined },
                };
                return Pair::Value(Slot { key, expansion, ..slot });
            }
        }
        Pair::Text(join(std::iter::once(Piece::Literal(key.into())).chain(pieces)))
    }

    pub(super) fn write(&self, values: &Values<'_>, query: &mut Query<'_>) -> Result<(), Unfit> {
        match self {
            Pair::Value(slot) => match values.get(slot.index) {
                Some(value) => {
                    let lead = query.lead();
                    slot.write(value, lead, values, query.uri)
                }
                None => Ok(()),
            },
            Pair::Text(pieces) => {
                let start = query.uri.len();
                query.uri.push_str(query.lead());
                for piece in pieces {
                    match piece {
                        Piece::Literal(literal) => query.uri.push_str(literal),
                        Piece::Value(slot) => match values.get(slot.index).filter(|value| !value.is_null()) {
                            Some(value) => slot.write(value, slot.expansion.lead, values, query.uri)?,
                            None => {
                                query.uri.truncate(start);
                                return Ok(());
                            }
                        },
                    }
                }
                Ok(())
            }
        }
    }
}

fn pieces(parts: &[Part], piece: &dyn Fn(&str) -> Piece) -> Vec<Piece> {
    join(parts.iter().map(|part| match part {
        Part::Literal(text) => Piece::Literal(text.as_str().into()),
        Part::Placeholder(name) => piece(name),
    }))
}

/// Makes one of literals that follow each other.
fn join(pieces: impl Iterator<Item = Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Piece::Literal(before)), Piece::Literal(text)) => *before = [&**before, &*text].concat().into(),
            (_, piece) => joined.push(piece),
        }
    }
    joined
}
