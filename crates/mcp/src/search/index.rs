//! Which texts have which words, and how much each word says of its text.

use std::collections::{BTreeMap, BTreeSet};

use super::words::words;

/// BM25's two numbers: how soon a word that comes again counts for little, and how much a long text counts for less.
const K1: f32 = 1.2;
const B: f32 = 0.6;
/// Words of a query beyond these are left aside.
const MOST_WORDS: usize = 32;
/// How much more a text counts whose title says nothing but what is sought.
const NAMED: f32 = 1.5;
/// English words that join others.
const FILLERS: [&str; 28] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "for", "from", "how", "i", "in", "is", "it", "me",
    "my", "of", "on", "or", "that", "the", "to", "want", "what", "with",
];

/// Texts, numbered from 0, by their words: everything but the sum over a query's words is computed beforehand.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// All words one after the other, sorted.
    text: Box<str>,
    /// One for each word.
    words: Box<[Word]>,
    postings: Box<[Posting]>,
    /// For each text how many words its title has, fillers left aside.
    titles: Box<[u16]>,
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
    in_title: bool,
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
        // What holds a sentence together says nothing of what is sought, unless there is nothing else.
        if !wanted.iter().all(|word| FILLERS.contains(&word.as_str())) {
            wanted.retain(|word| !FILLERS.contains(&word.as_str()));
        }
        if wanted.is_empty() {
            return (0..self.titles.len()).collect();
        }
        let mut scores = vec![(0.0_f32, 0_u16); self.titles.len()];
        for posting in wanted.iter().flat_map(|word| self.postings(word)) {
            let (score, in_title) = &mut scores[posting.text as usize];
            *score += posting.score;
            *in_title += u16::from(posting.in_title);
        }
        let scores: Vec<f32> = scores
            .into_iter()
            .zip(&self.titles)
            .map(|((score, in_title), title)| if in_title > 0 && in_title == *title { score * NAMED } else { score })
            .collect();
        let mut found: Vec<usize> = (0..scores.len()).filter(|text| scores[*text] > 0.0).collect();
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
    /// Where each word stands.
    words: BTreeMap<String, Vec<Occurrence>>,
    /// How many words each field of each text has, and what the field's words weigh.
    fields: Vec<Vec<(f32, f32)>>,
    titles: Vec<u16>,
}

/// The field that is a text's title.
pub(super) const TITLE_FIELD: usize = 1;

/// How often a field of a text has a word.
#[derive(Debug)]
struct Occurrence {
    text: usize,
    field: usize,
    count: f32,
}

impl IndexBuilder {
    /// Adds a text of several fields, each with the weight of its words; all texts have the same fields.
    pub(super) fn add(&mut self, fields: &[(f32, &str)]) {
        let text = self.fields.len();
        let mut title = BTreeSet::new();
        let mut lengths = Vec::with_capacity(fields.len());
        for (field, (weight, content)) in fields.iter().enumerate() {
            let mut length = 0.0;
            words(content, &mut |word| {
                length += 1.0;
                if field == TITLE_FIELD && !FILLERS.contains(&word) {
                    title.insert(word.to_owned());
                }
                let Some(occurrences) = self.words.get_mut(word) else {
                    self.words.insert(word.to_owned(), vec![Occurrence { text, field, count: 1.0 }]);
                    return;
                };
                match occurrences.last_mut() {
                    Some(last) if (last.text, last.field) == (text, field) => last.count += 1.0,
                    _ => occurrences.push(Occurrence { text, field, count: 1.0 }),
                }
            });
            lengths.push((length, *weight));
        }
        self.fields.push(lengths);
        self.titles.push(u16::try_from(title.len()).unwrap_or(u16::MAX));
    }

    /// Computes the scores, by BM25F: a field's words count for less the longer that field is among its like, so that
    /// much text below a short title takes nothing from it.
    pub(super) fn build(self) -> Index {
        let texts = self.fields.len();
        let mean = |field: usize| {
            let lengths = self.fields.iter().filter_map(|fields| Some(fields.get(field)?.0));
            (lengths.sum::<f32>() / texts.max(1) as f32).max(1.0)
        };
        let means: Vec<f32> = (0..self.fields.first().map_or(0, Vec::len)).map(mean).collect();
        let (mut all, mut words, mut postings) = (String::new(), Vec::new(), Vec::<Posting>::new());
        for (word, occurrences) in &self.words {
            let first = postings.len();
            for Occurrence { text, field, count } in occurrences {
                let (length, weight) = self.fields[*text][*field];
                let score = weight * count / (1.0 - B + B * length / means[*field]);
                let in_title = *field == TITLE_FIELD;
                match postings[first..].last_mut() {
                    Some(last) if last.text as usize == *text => {
                        last.score += score;
                        last.in_title |= in_title;
                    }
                    _ => postings.push(Posting { text: *text as u32, score, in_title }),
                }
            }
            let (with, without) = ((postings.len() - first) as f32, (texts + first - postings.len()) as f32);
            let rarity = (1.0 + (without + 0.5) / (with + 0.5)).ln();
            for posting in &mut postings[first..] {
                posting.score = rarity * posting.score * (K1 + 1.0) / (posting.score + K1);
            }
            all.push_str(word);
            words.push(Word { end: all.len() as u32, postings_end: postings.len() as u32 });
        }
        Index { text: all.into(), words: words.into(), postings: postings.into(), titles: self.titles.into() }
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
    fn a_title_that_says_just_what_is_sought_counts_for_more() {
        let mut index = IndexBuilder::default();
        index.add(&[(3.0, "reactions/create-for-issue"), (2.0, "Create reaction for an issue"), (1.0, "An issue's.")]);
        index.add(&[(3.0, "issues/create"), (2.0, "Create an issue"), (1.0, "Whoever may pull can, if they are on.")]);
        index.add(&[(3.0, "issues/list"), (2.0, "List issues"), (1.0, "Those that were created.")]);
        let index = index.build();
        assert_eq!(index.find("create an issue"), [1, 0, 2]);
        assert_eq!(index.find("list the issues of mine"), [2, 1, 0]);
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
