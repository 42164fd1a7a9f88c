//! The order of a hash table: Paul Hsieh's SuperFastHash in buckets, names in byte order within one (spec/initramfs.md 3.2).

/// Buckets of depmod's table of modules, and of its table of symbols.
pub(super) const MODULE_BUCKETS: u32 = 512;
pub(super) const SYMBOL_BUCKETS: u32 = 2048;

/// What sorts `name` as iterating a table of `buckets` does.
pub(super) fn place(name: &str, buckets: u32) -> (u32, &str) {
    (hash(name.as_bytes()) & (buckets - 1), name)
}

fn hash(bytes: &[u8]) -> u32 {
    let half = |at: &[u8]| u32::from(u16::from_le_bytes([at[0], at[1]]));
    let mut h = u32::try_from(bytes.len()).expect("names are short");
    let mut fours = bytes.chunks_exact(4);
    for four in &mut fours {
        h = h.wrapping_add(half(four));
        let mixed = (half(&four[2..]) << 11) ^ h;
        h = (h << 16) ^ mixed;
        h = h.wrapping_add(h >> 11);
    }
    match fours.remainder() {
        three @ [_, _, last] => {
            h = h.wrapping_add(half(three));
            h ^= h << 16;
            h ^= u32::from(*last) << 18;
            h = h.wrapping_add(h >> 11);
        }
        two @ [_, _] => {
            h = h.wrapping_add(half(two));
            h ^= h << 11;
            h = h.wrapping_add(h >> 17);
        }
        [one] => {
            h = h.wrapping_add(u32::from(*one));
            h ^= h << 10;
            h = h.wrapping_add(h >> 1);
        }
        _ => {}
    }
    h ^= h << 3;
    h = h.wrapping_add(h >> 5);
    h ^= h << 4;
    h = h.wrapping_add(h >> 17);
    h ^= h << 25;
    h.wrapping_add(h >> 6)
}
