//! Finds what a text repeats: hash chains, and lazy matching.

use super::{MAX_MATCH, MIN_MATCH, Token};

const WINDOW: usize = 1 << 15;
const HASH_BITS: u32 = 17;
const MAX_CHAIN: usize = 4096;
/// A match of [`MIN_MATCH`] bytes further away than this costs more than it saves.
const MAX_SHORT_DISTANCE: usize = 4096;
/// A block ends when it has this many tokens.
const MAX_TOKENS: usize = 1 << 14;

/// Finds matches, deferring each by one byte in case the next one is longer.
pub(super) struct Matcher<'a> {
    text: &'a [u8],
    heads: Vec<Option<u32>>,
    previous: Vec<Option<u32>>,
    /// How much of the text the encoder sees; it slides over long texts by a window at a time.
    end: usize,
    /// The oldest position the encoder still has.
    base: usize,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            heads: vec![None; 1 << HASH_BITS],
            previous: vec![None; WINDOW],
            end: text.len().min(2 * WINDOW),
            base: 0,
        }
    }

    /// Calls `block` with the tokens of each block and the bytes they stand for (none if the encoder has lost some of them).
    pub(super) fn run(mut self, mut block: impl FnMut(&[Token], Option<&[u8]>)) {
        let text = self.text;
        let mut tokens = Vec::new();
        let mut block_start = 0;
        let mut flush = |tokens: &mut Vec<Token>, base: usize, end: usize| {
            block(
                tokens,
                (block_start >= base).then(|| &text[block_start..end]),
            );
            tokens.clear();
            block_start = end;
        };

        let mut position = 0;
        let (mut len, mut distance) = (MIN_MATCH - 1, 0);
        let mut pending = false;
        while position < text.len() {
            if self.end - position < MIN_MATCH + MAX_MATCH && self.end < text.len() {
                self.slide();
                continue;
            }
            let candidate = self.insert(position);
            let (previous_len, previous_distance) = (len, distance);
            (len, distance) = (MIN_MATCH - 1, 0);
            if text.len() - position > previous_len
                && previous_len < MAX_MATCH
                && let Some(found) = candidate.and_then(|candidate| self.find(position, candidate))
            {
                (len, distance) = found;
            }
            if previous_len >= MIN_MATCH && len <= previous_len {
                tokens.push(Token::Match {
                    len: previous_len,
                    distance: previous_distance,
                });
                let next = position + previous_len - 1;
                for position in position + 1..next {
                    self.insert(position);
                }
                position = next;
                pending = false;
                len = MIN_MATCH - 1;
                if tokens.len() == MAX_TOKENS {
                    flush(&mut tokens, self.base, position);
                }
            } else {
                if pending {
                    tokens.push(Token::Literal(text[position - 1]));
                    if tokens.len() == MAX_TOKENS {
                        flush(&mut tokens, self.base, position);
                    }
                }
                position += 1;
                pending = true;
            }
        }
        if pending {
            tokens.push(Token::Literal(text[text.len() - 1]));
        }
        if !tokens.is_empty() {
            flush(&mut tokens, self.base, text.len());
        }
    }

    fn slide(&mut self) {
        self.base += WINDOW;
        self.end = self.text.len().min(self.end + WINDOW);
    }

    /// Enters a position into its chain and returns the chain's former head. A position with too few bytes after it has no chain.
    fn insert(&mut self, position: usize) -> Option<usize> {
        let bytes = self.text.get(position..position + MIN_MATCH)?;
        let bytes = u32::from_be_bytes(bytes.try_into().expect("four bytes"));
        let hash = bytes.wrapping_mul(0x1e35_a7bd) >> (u32::BITS - HASH_BITS);
        let position = u32::try_from(position).expect("META is far below 4 GiB");
        let head = self.heads[hash as usize].replace(position);
        self.previous[position as usize % WINDOW] = head;
        head.map(|head| head as usize)
    }

    /// The longest match for a position along a chain of candidates, newest first.
    fn find(&self, position: usize, mut candidate: usize) -> Option<(usize, usize)> {
        let oldest = self.base.max(position.saturating_sub(WINDOW));
        if candidate < oldest {
            return None;
        }
        let limit = MAX_MATCH.min(self.end - position);
        let here = &self.text[position..position + limit];
        let mut best = MIN_MATCH - 1;
        let mut found = None;
        for _ in 0..MAX_CHAIN {
            if self.text[candidate + best] == here[best] {
                let len = common_prefix(here, &self.text[candidate..]);
                let distance = position - candidate;
                if len > best && (len > MIN_MATCH || distance <= MAX_SHORT_DISTANCE) {
                    best = len;
                    found = Some((len, distance));
                    if len >= limit {
                        break;
                    }
                }
            }
            // The chain's link of a position this far back is overwritten already.
            if candidate + WINDOW == position {
                break;
            }
            match self.previous[candidate % WINDOW] {
                Some(next) if next as usize >= oldest => candidate = next as usize,
                _ => break,
            }
        }
        found
    }
}

/// How many bytes two texts have in common at their start; eight at a time, for texts of two letters have long chains.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (words_a, _) = a.as_chunks::<8>();
    let (words_b, _) = b.as_chunks::<8>();
    let same = 8 * words_a
        .iter()
        .zip(words_b)
        .take_while(|(a, b)| a == b)
        .count();
    let rest = a[same..].iter().zip(&b[same..]);
    same + rest.take_while(|(a, b)| a == b).count()
}
