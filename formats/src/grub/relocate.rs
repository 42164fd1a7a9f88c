//! Relocations of the two machines with UEFI: what each does to the word at its place.
//!
//! Sources: System V ABI for AMD64, table 4.9; ELF for the Arm 64-bit Architecture, 5.7.

use super::Error;

/// What a relocation does. `S + A` is the symbol's address with the addend, `P` the place's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// A word of 64 bits: S + A.
    Absolute64,
    /// A word of 64 bits: S + A − P.
    Relative64,
    /// A word of 32 bits: S + A − P.
    Relative32,
    /// `b`, `bl`: S + A − P in words, 26 bits.
    Branch26,
    /// `adrp`: pages from that of P to that of S + A, 21 bits.
    Page21,
    /// `add`: S + A within its page, 12 bits.
    Add12,
    /// `ldr`, `str` of 64 bits: S + A within its page, in words of 64 bits.
    LoadStore12,
    /// `adrp` to a slot that holds S + A.
    SlotPage,
    /// `ldr` from the slot.
    SlotOffset,
    /// Nothing.
    None,
}

/// A relocation, for what is said about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) section: usize,
    pub(super) offset: u64,
    pub(super) kind: u32,
}

impl Effect {
    /// `R_X86_64_*`. Those of 32 bits that are absolute are refused: the image may be loaded beyond 4 GiB.
    pub(super) fn x86_64(kind: u32) -> Option<Self> {
        Some(match kind {
            0 => Self::None,
            1 => Self::Absolute64,
            2 | 4 => Self::Relative32,
            24 => Self::Relative64,
            _ => return None,
        })
    }

    /// `R_AARCH64_*`.
    pub(super) fn aarch64(kind: u32) -> Option<Self> {
        Some(match kind {
            0 | 256 => Self::None,
            257 => Self::Absolute64,
            261 => Self::Relative32,
            275 => Self::Page21,
            277 => Self::Add12,
            282 | 283 => Self::Branch26,
            286 => Self::LoadStore12,
            311 => Self::SlotPage,
            312 => Self::SlotOffset,
            _ => return None,
        })
    }

    /// Bytes that are changed.
    pub(super) fn len(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Absolute64 | Self::Relative64 => 8,
            _ => 4,
        }
    }
}

impl Place {
    pub(super) fn unsupported(&self) -> Error {
        Error::RelocationKind {
            kind: self.kind,
            section: self.section,
            offset: self.offset,
        }
    }

    fn out_of_range(&self, value: i64) -> Error {
        Error::RelocationRange {
            kind: self.kind,
            section: self.section,
            offset: self.offset,
            value,
        }
    }
}

/// Changes the word at the start of `memory`, which lies at `address`; `value` is S + A, or the slot's address.
pub(super) fn apply(
    effect: Effect,
    place: &Place,
    memory: &mut [u8],
    value: u64,
    address: u64,
) -> Result<(), Error> {
    /// Pages of `adrp`.
    const PAGE_BITS: u32 = 12;
    let distance = value.wrapping_sub(address).cast_signed();
    match effect {
        Effect::None => {}
        Effect::Absolute64 => put64(memory, value),
        Effect::Relative64 => put64(memory, distance.cast_unsigned()),
        Effect::Relative32 => {
            // What stands there counts as well: builds differ in where they keep the addend.
            let found = i64::from(get32(memory).cast_signed());
            let sum = distance.wrapping_add(found);
            let sum = i32::try_from(sum).map_err(|_| place.out_of_range(sum))?;
            put32(memory, sum.cast_unsigned());
        }
        Effect::Branch26 => {
            let field = field(distance, 2, 26).ok_or_else(|| place.out_of_range(distance))?;
            put32(memory, get32(memory) & 0xfc00_0000 | field);
        }
        Effect::Page21 | Effect::SlotPage => {
            let page = |address: u64| address >> PAGE_BITS << PAGE_BITS;
            let pages = page(value).wrapping_sub(page(address)).cast_signed();
            let field = field(pages, PAGE_BITS, 21).ok_or_else(|| place.out_of_range(pages))?;
            let (low, high) = (field & 3, field >> 2);
            put32(memory, get32(memory) & 0x9f00_001f | low << 29 | high << 5);
        }
        Effect::Add12 => {
            let within = u32::try_from(value & 0xfff).expect("masked");
            put32(memory, get32(memory) & 0xffc0_03ff | within << 10);
        }
        Effect::LoadStore12 | Effect::SlotOffset => {
            let within = u32::try_from(value & 0xfff).expect("masked");
            if !within.is_multiple_of(8) {
                return Err(place.out_of_range(within.into()));
            }
            put32(memory, get32(memory) & 0xffc0_03ff | (within >> 3) << 10);
        }
    }
    Ok(())
}

/// `value` in units of `1 << shift`, as a signed number of `bits` bits; nothing if it is none.
fn field(value: i64, shift: u32, bits: u32) -> Option<u32> {
    let units = value >> shift;
    let limit = 1_i64 << (bits - 1);
    let fits = units << shift == value && (-limit..limit).contains(&units);
    fits.then(|| u32::try_from(units & ((1 << bits) - 1)).expect("masked to fewer bits"))
}

fn get32(memory: &[u8]) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&memory[..4]);
    u32::from_le_bytes(word)
}

fn put32(memory: &mut [u8], value: u32) {
    memory[..4].copy_from_slice(&value.to_le_bytes());
}

fn put64(memory: &mut [u8], value: u64) {
    memory[..8].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place {
        section: 1,
        offset: 0,
        kind: 0,
    };

    fn after(effect: Effect, word: u32, value: u64, address: u64) -> Result<u32, Error> {
        let mut memory = word.to_le_bytes();
        apply(effect, &HERE, &mut memory, value, address)?;
        Ok(u32::from_le_bytes(memory))
    }

    /// Words as an assembler for the same addresses makes them.
    #[test]
    fn instructions_get_their_fields() {
        let (bl, adrp, add, ldr) = (0x9400_0000, 0x9000_0000, 0x9100_0000, 0xf940_0000);
        assert_eq!(after(Effect::Branch26, bl, 0x1000, 0x2000), Ok(0x97ff_fc00));
        assert_eq!(
            after(Effect::Page21, adrp, 0xd_e018, 0x1ffc),
            Ok(0xb000_06e0)
        );
        assert_eq!(after(Effect::Page21, adrp, 0x1ffc, 0x3000), Ok(0xd0ff_ffe0));
        assert_eq!(after(Effect::Add12, add, 0xd_e018, 0), Ok(0x9100_6000));
        assert_eq!(
            after(Effect::LoadStore12, ldr, 0xd_e018, 0),
            Ok(0xf940_0c00)
        );
        assert_eq!(
            after(Effect::Relative32, 4, 0x1000, 0x2000),
            Ok(0xffff_f004)
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (effect, value) in [
            (Effect::Branch26, 1 << 27),
            (Effect::Branch26, 2),
            (Effect::Page21, 1 << 32),
            (Effect::LoadStore12, 4),
            (Effect::Relative32, 1 << 31),
        ] {
            let result = after(effect, 0, value, 0);
            assert!(
                matches!(result, Err(Error::RelocationRange { .. })),
                "{effect:?}"
            );
        }
    }
}
