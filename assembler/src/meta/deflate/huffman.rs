//! Length-limited Huffman codes by package-merge.

use super::Bits;

/// A canonical code: bits and length of each symbol; length 0 for unused ones.
pub(super) struct Code {
    pub(super) lengths: Vec<usize>,
    codes: Vec<usize>,
}

impl Code {
    /// The shortest code for these frequencies whose lengths do not exceed `max_bits`.
    pub(super) fn limited(counts: &[u32], max_bits: usize) -> Self {
        let mut leaves: Vec<(u32, usize)> = counts
            .iter()
            .enumerate()
            .filter(|&(_, &count)| count > 0)
            .map(|(symbol, &count)| (count, symbol))
            .collect();
        let mut lengths = vec![0; counts.len()];
        if leaves.len() <= 2 {
            for (_, symbol) in leaves {
                lengths[symbol] = 1;
            }
            return Self::canonical(&lengths);
        }
        leaves.sort_unstable();
        for selected in package_merge(&leaves, max_bits.min(leaves.len() - 1)) {
            for &(_, symbol) in &leaves[..selected] {
                lengths[symbol] += 1;
            }
        }
        Self::canonical(&lengths)
    }

    /// The canonical code of these lengths (RFC 1951, 3.2.2).
    pub(super) fn canonical(lengths: &[usize]) -> Self {
        let mut codes = vec![0; lengths.len()];
        let mut next = 0;
        for length in 1..=lengths.iter().copied().max().unwrap_or(0) {
            next <<= 1;
            for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, l)| **l == length) {
                *code = next;
                next += 1;
            }
        }
        Self {
            lengths: lengths.to_vec(),
            codes,
        }
    }

    /// Bits that symbols of these frequencies take.
    pub(super) fn size(&self, counts: &[u32]) -> usize {
        counts
            .iter()
            .zip(&self.lengths)
            .map(|(&count, length)| count as usize * length)
            .sum()
    }

    /// Writes a symbol, most significant bit first.
    pub(super) fn write(&self, bits: &mut Bits, symbol: usize) {
        for bit in (0..self.lengths[symbol]).rev() {
            bits.push((self.codes[symbol] >> bit) & 1, 1);
        }
    }
}

/// How many of the sorted leaves each level selects. Where a leaf and a package weigh the same, the package goes first.
fn package_merge(leaves: &[(u32, usize)], levels: usize) -> Vec<usize> {
    // For each level, its items in order: the weight, and whether it is a leaf.
    let mut items: Vec<Vec<(u64, bool)>> = Vec::with_capacity(levels);
    for _ in 0..levels {
        let packages: Vec<u64> = items.last().map_or_else(Vec::new, |below| {
            below
                .chunks_exact(2)
                .map(|pair| pair[0].0 + pair[1].0)
                .collect()
        });
        let mut level: Vec<(u64, bool)> =
            packages.into_iter().map(|weight| (weight, false)).collect();
        level.extend(leaves.iter().map(|&(weight, _)| (u64::from(weight), true)));
        // Stable: packages stand before leaves.
        level.sort_by_key(|&(weight, _)| weight);
        items.push(level);
    }

    let mut take = 2 * leaves.len() - 2;
    let mut selected = Vec::with_capacity(levels);
    for level in items.iter().rev() {
        let taken_leaves = level[..take].iter().filter(|(_, leaf)| *leaf).count();
        selected.push(taken_leaves);
        take = 2 * (take - taken_leaves);
    }
    selected
}
