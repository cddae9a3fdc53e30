//! Which texts have which words, and how much each word says of its text.

use std::collections::BTreeMap;

use super::words::words;

/// BM25's two numbers: how soon a word that comes again counts for little, and how much a long text counts for less.
const K1: f32 = 1.2;
const B: f32 = 0.6;
/// Words of a query beyond these are left aside.
const MOST_WORDS: usize = 32;

/// Texts, numbered from 0, by their words: everything but the sum over a query's words is computed beforehand.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// All words one after the other, sorted.
    text: Box<str>,
    /// One for each word.
    words: Box<[Word]>,
    postings: Box<[Posting]>,
    texts: usize,
}

/// Where a word and its postings end; they begin where those of the word before end.
#[derive(Debug, Clone, Copy)]
struct Word {
    end: u32,
    postings_end: u32,
}

/// A text that has a word, and what the word adds to its score.
#[derive(Debug, Clone, Copy)]
struct Posting {
    text: u32,
    score: f32,
}

impl Index {
    /// The texts that have words of the query, the best first and equal ones in their order; all of them if there is no
    /// word in the query.
    pub(super) fn find(&self, query: &str) -> Vec<usize> {
        let mut wanted: Vec<String> = Vec::new();
        words(query, &mut |word| {
            if wanted.len() < MOST_WORDS && !wanted.iter().any(|known| known == word) {
                wanted.push(word.to_owned());
            }
        });
        if wanted.is_empty() {
            return (0..self.texts).collect();
        }
        let mut scores = vec![0.0_f32; self.texts];
        for posting in wanted.iter().flat_map(|word| self.postings(word)) {
            scores[posting.text as usize] += posting.score;
        }
        let mut found: Vec<usize> = (0..self.texts).filter(|text| scores[*text] > 0.0).collect();
        // A stable sort.
        found.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        found
    }

    fn postings(&self, word: &str) -> &[Posting] {
        let start = |at: usize, end: fn(&Word) -> u32| at.checked_sub(1).map_or(0, |before| end(&self.words[before]));
        let text = |at: usize| &self.text[start(at, |word| word.end) as usize..self.words[at].end as usize];
        let (mut low, mut high) = (0, self.words.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if text(middle) < word { low = middle + 1 } else { high = middle }
        }
        if low == self.words.len() || text(low) != word {
            return &[];
        }
        &self.postings[start(low, |word| word.postings_end) as usize..self.words[low].postings_end as usize]
    }
}

/// Takes up texts.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    /// How often each text has the word, fields weighted.
    words: BTreeMap<String, Vec<(usize, f32)>>,
    lengths: Vec<f32>,
}

impl IndexBuilder {
    /// Adds a text of several fields, each with the weight of its words.
    pub(super) fn add(&mut self, fields: &[(f32, &str)]) {
        let text = self.lengths.len();
        let mut length = 0.0;
        for (weight, field) in fields {
            words(field, &mut |word| {
                length += weight;
                let Some(counts) = self.words.get_mut(word) else {
                    self.words.insert(word.to_owned(), vec![(text, *weight)]);
                    return;
                };
                match counts.last_mut() {
                    Some((last, count)) if *last == text => *count += weight,
                    _ => counts.push((text, *weight)),
                }
            });
        }
        self.lengths.push(length);
    }

    /// Computes the scores.
    pub(super) fn build(self) -> Index {
        let texts = self.lengths.len();
        let average = self.lengths.iter().sum::<f32>() / texts.max(1) as f32;
        let (mut all, mut words, mut postings) = (String::new(), Vec::new(), Vec::new());
        for (word, counts) in self.words {
            let (with, without) = (counts.len() as f32, (texts - counts.len()) as f32);
            let rarity = (1.0 + (without + 0.5) / (with + 0.5)).ln();
            postings.extend(counts.into_iter().map(|(text, count)| {
                let length = 1.0 - B + B * self.lengths[text] / average;
                Posting { text: text as u32, score: rarity * count * (K1 + 1.0) / (count + K1 * length) }
            }));
            all.push_str(&word);
            words.push(Word { end: all.len() as u32, postings_end: postings.len() as u32 });
        }
        Index { text: all.into(), words: words.into(), postings: postings.into(), texts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str]) -> Index {
        let mut index = IndexBuilder::default();
        texts.iter().for_each(|text| index.add(&[(1.0, text)]));
        index.build()
    }

    #[test]
    fn the_best_text_is_the_first() {
        let index = index(&[
            "list the orders of a user",
            "get a user",
            "delete an order, an order, an order of a user and all that belongs to it",
            "list users",
        ]);
        for (query, expected) in [
            ("orders", &[2, 0][..]),
            ("list user", &[3, 0, 1, 2]),
            ("LIST_USERS", &[3, 0, 1, 2]),
            ("get", &[1]),
            ("get get get delete", &[1, 2]),
            ("ship", &[]),
            ("zzz", &[]),
            ("", &[0, 1, 2, 3]),
            (" * ", &[0, 1, 2, 3]),
        ] {
            assert_eq!(index.find(query), expected, "{query}");
        }
    }

    #[test]
    fn rare_words_and_heavy_fields_count_for_more() {
        let index = index(&["common rare", "common common", "common"]);
        assert_eq!(index.find("common rare")[0], 0);
        let mut index = IndexBuilder::default();
        index.add(&[(3.0, "other"), (1.0, "order")]);
        index.add(&[(3.0, "order"), (1.0, "other")]);
        assert_eq!(index.build().find("order"), [1, 0]);
    }

    #[test]
    fn equal_texts_keep_their_order() {
        let index = index(&["a b", "b a", "a b"]);
        assert_eq!(index.find("b a"), [0, 1, 2]);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        for index in [Index::default(), IndexBuilder::default().build(), index(&["", "!"])] {
            assert_eq!(index.find("a"), [0; 0]);
        }
    }

    #[test]
    fn a_query_has_an_end() {
        let texts: Vec<String> = (0..100).map(|number| format!("w{number}")).collect();
        let index = index(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(index.find(&texts.join(" ")).len(), MOST_WORDS);
    }
}
