//! The kernel of UEFI, linked: an object file laid out in memory with its relocations applied.

use super::{
    Error, Machine,
    elf::{self, Elf, Section},
    raw::{ABSOLUTE, ALLOC, CLASS_64, EXECUTABLE, Relocation, Symbol, UNDEFINED, section},
    relocate::{self, Effect, Place},
};

/// Sections of the image start and end at multiples of this.
pub(super) const PAGE: u64 = 0x1000;
/// Most memory of a kernel; real ones take 120 KB.
const MAX_LEN: u64 = 16 << 20;

/// The kernel at its addresses from [`PAGE`] on, where the headers end.
#[derive(Debug)]
pub(super) struct Linked {
    /// Code and data, each filled up to whole pages.
    pub(super) memory: Vec<u8>,
    /// Bytes of code.
    pub(super) text_len: u64,
    /// Address where it begins to run.
    pub(super) entry: u64,
    /// Addresses of words that move with the image, of 64 bits, in the order of the file.
    pub(super) moving: Vec<u64>,
}

/// Where the parts of the kernel go.
struct Plan {
    /// Address of each section of the file; none for those that have no place in memory.
    addresses: Vec<Option<u64>>,
    text_end: u64,
    bss_start: u64,
    bss_end: u64,
}

impl Linked {
    pub(super) fn new(kernel: &[u8], machine: Machine) -> Result<Self, Error> {
        let elf = Elf::parse(kernel)?;
        if elf.class != CLASS_64 || elf.machine != machine.elf() {
            return Err(Error::Unknown("a kernel of this machine"));
        }
        let plan = Plan::new(&elf)?;
        let symbols = plan.symbols(&elf)?;
        let tables = elf.relocations()?;

        // Code that reads an address through a table: a slot for each symbol, behind everything else.
        let mut slots: Vec<(usize, i64)> = Vec::new();
        for relocation in tables.iter().flat_map(|(_, table)| table.iter()) {
            let key = key(relocation);
            if machine.effect(kind(relocation)) == Some(Effect::SlotPage) && !slots.contains(&key) {
                slots.push(key);
            }
        }
        let table_start = plan.bss_end.next_multiple_of(PAGE);
        let end = (table_start + 8 * slots.len() as u64).next_multiple_of(PAGE);
        let mut memory = vec![0; usize::try_from(end - PAGE).expect("at most MAX_LEN")];
        for (section, address) in elf.sections.iter().zip(&plan.addresses) {
            if let Some(address) = address {
                let start = usize::try_from(address - PAGE).expect("at most MAX_LEN");
                memory[start..start + section.content.len()].copy_from_slice(section.content);
            }
        }

        let mut moving = Vec::new();
        for (changed, table) in &tables {
            let Some(Some(base)) = plan.addresses.get(*changed) else {
                continue;
            };
            let section = &elf.sections[*changed];
            for relocation in *table {
                let place = Place {
                    section: *changed,
                    offset: relocation.offset.get(),
                    kind: kind(relocation),
                };
                let effect = machine
                    .effect(place.kind)
                    .ok_or_else(|| place.unsupported())?;
                if section.kind == section::NO_BITS {
                    return Err(place.unsupported());
                }
                let (index, addend) = key(relocation);
                let symbol = symbol_at(&symbols, index)?;
                let address = base.checked_add(place.offset).unwrap_or(u64::MAX);
                let slot = slots.iter().position(|slot| *slot == (index, addend));
                let value = match (slot, effect) {
                    (Some(slot), Effect::SlotPage | Effect::SlotOffset) => {
                        table_start + 8 * slot as u64
                    }
                    (None, Effect::SlotOffset) => return Err(place.unsupported()),
                    _ => symbol.wrapping_add_signed(addend),
                };
                let room = section.size.checked_sub(place.offset);
                if room.is_none_or(|room| room < effect.len()) {
                    return Err(Error::Truncated {
                        what: "relocated word",
                        offset: place.offset,
                    });
                }
                let start = usize::try_from(address - PAGE).expect("inside of a section");
                relocate::apply(effect, &place, &mut memory[start..], value, address)?;
                if effect == Effect::Absolute64 {
                    moving.push(address);
                }
            }
        }
        for (index, (symbol, addend)) in slots.iter().enumerate() {
            let address = table_start + 8 * index as u64;
            let start = usize::try_from(address - PAGE).expect("at most MAX_LEN");
            let value = symbol_at(&symbols, *symbol)?.wrapping_add_signed(*addend);
            memory[start..start + 8].copy_from_slice(&value.to_le_bytes());
            moving.push(address);
        }
        Ok(Self {
            memory,
            text_len: plan.text_end - PAGE,
            entry: plan.entry(&elf)?,
            moving,
        })
    }
}

/// The address of a symbol that a relocation names.
fn symbol_at(symbols: &[u64], index: usize) -> Result<u64, Error> {
    symbols.get(index).copied().ok_or(Error::Invalid {
        what: "symbol of a relocation",
        value: index as u64,
    })
}

impl Plan {
    /// Code first, then data, then what is zero.
    fn new(elf: &Elf<'_>) -> Result<Self, Error> {
        let mut addresses = vec![None; elf.sections.len()];
        let mut cursor = PAGE;
        let mut place = |cursor: &mut u64, wanted: &dyn Fn(&Section<'_>) -> bool| {
            for (section, address) in elf.sections.iter().zip(&mut addresses) {
                if section.flags & ALLOC == 0 || !wanted(section) {
                    continue;
                }
                let too_large = Error::TooMany {
                    what: "bytes of the kernel in memory",
                    count: section.size.max(section.align),
                    limit: MAX_LEN,
                };
                if section.align > PAGE || !section.align.is_power_of_two() {
                    return Err(Error::Invalid {
                        what: "alignment of a kernel section",
                        value: section.align,
                    });
                }
                let start = cursor.next_multiple_of(section.align);
                *cursor = start
                    .checked_add(section.size)
                    .filter(|end| *end <= MAX_LEN)
                    .ok_or(too_large)?;
                *address = Some(start);
            }
            Ok(())
        };
        let is_text = |s: &Section<'_>| s.flags & EXECUTABLE != 0;
        let is_zero = |s: &Section<'_>| s.kind == section::NO_BITS;
        place(&mut cursor, &|s| is_text(s) && !is_zero(s))?;
        let text_end = cursor.next_multiple_of(PAGE);
        cursor = text_end;
        place(&mut cursor, &|s| !is_text(s) && !is_zero(s))?;
        let bss_start = cursor;
        place(&mut cursor, &is_zero)?;
        Ok(Self {
            addresses,
            text_end,
            bss_start,
            bss_end: cursor,
        })
    }

    /// The value of each symbol. Those that nothing defines have one too, but for the two that a linker makes.
    fn symbols(&self, elf: &Elf<'_>) -> Result<Vec<u64>, Error> {
        let (symbols, names) = elf.symbols()?;
        symbols
            .iter()
            .map(|symbol| self.value(symbol, elf::text(names, symbol.name.get().into())?))
            .collect()
    }

    fn value(&self, symbol: &Symbol, name: &[u8]) -> Result<u64, Error> {
        let value = symbol.value.get();
        match symbol.section.get() {
            ABSOLUTE => Ok(value),
            UNDEFINED => match name {
                b"" => Ok(0),
                b"__bss_start" => Ok(self.bss_start),
                b"_end" => Ok(self.bss_end),
                _ => Err(Error::Symbol(String::from_utf8_lossy(name).into_owned())),
            },
            section => {
                let base = self.addresses.get(usize::from(section));
                let base = base.ok_or(Error::Invalid {
                    what: "section of a symbol",
                    value: section.into(),
                })?;
                // Symbols of sections that are not in memory, debugging information for one, are of no use.
                Ok(base.map_or(0, |base| base.wrapping_add(value)))
            }
        }
    }

    fn entry(&self, elf: &Elf<'_>) -> Result<u64, Error> {
        let (symbols, names) = elf.symbols()?;
        for symbol in symbols {
            let name = elf::text(names, symbol.name.get().into())?;
            if symbol.section.get() != UNDEFINED && (name == b"_start" || name == b"start") {
                return self.value(symbol, name);
            }
        }
        Err(Error::Symbol("_start".to_owned()))
    }
}

fn kind(relocation: &Relocation) -> u32 {
    u32::try_from(relocation.info.get() & 0xffff_ffff).expect("masked")
}

/// The symbol and the addend.
fn key(relocation: &Relocation) -> (usize, i64) {
    let symbol = usize::try_from(relocation.info.get() >> 32).expect("32 bits");
    (symbol, relocation.addend.get())
}
