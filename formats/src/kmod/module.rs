//! What a module says of itself: aliases, wishes, symbols (spec/initramfs.md 3.1).

use std::collections::HashSet;

use zerocopy::FromBytes;

use super::elf::{Elf, ElfError, Symbol};
use super::names::is_text;

/// What begins the name of a symbol that says another one is exported.
const CRC: &[u8] = b"__crc_";

/// Bytes of a record of `__versions`: a checksum, then a name padded with NUL.
const VERSION_LEN: usize = 64;
const VERSION_CHECKSUM_LEN: usize = 8;

/// What a module may cost its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of the symbol table.
    pub symbols: usize,
    /// Bytes of one text. The kernel's own limit for symbols is 512.
    pub text: usize,
    /// Bytes of all texts together, each counted with `TEXT_COST` more.
    pub texts: usize,
}

impl Default for Limits {
    /// Ten times what the largest modules have.
    fn default() -> Self {
        Self {
            symbols: 1 << 18,
            text: 4096,
            texts: 16 << 20,
        }
    }
}

/// What keeping a text costs besides its bytes.
const TEXT_COST: usize = 32;

/// What the index files need to know of a module: a function of its bytes, without its path or name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// Devices and names that it answers to, in its own order.
    pub aliases: Vec<String>,
    /// Modules that it would like to be loaded before or after it.
    pub softdeps: Vec<String>,
    /// Modules that it may make use of.
    pub weakdeps: Vec<String>,
    /// Symbols that others may use.
    pub exports: Vec<String>,
    /// Symbols that it uses and does not have, in the order of its symbol table.
    pub needs: Vec<String>,
}

impl Module {
    /// Reads an ELF file; whatever is appended is ignored.
    pub fn read(bytes: &[u8], limits: Limits) -> Result<Self, ElfError> {
        let elf = Elf::parse(bytes)?;
        let mut reader = Reader { limits, spent: 0 };
        let mut module = Self::default();
        for (key, value) in modinfo(elf.section(".modinfo")?.unwrap_or_default()) {
            let texts = match key {
                b"alias" => &mut module.aliases,
                b"softdep" => &mut module.softdeps,
                b"weakdep" => &mut module.weakdeps,
                _ => continue,
            };
            texts.extend(reader.keep(value)?);
        }
        reader.symbols(&elf, &mut module)?;
        Ok(module)
    }

    /// What keeping it costs, in bytes, as [`Limits::texts`] counts them.
    pub fn cost(&self) -> usize {
        [
            &self.aliases,
            &self.softdeps,
            &self.weakdeps,
            &self.exports,
            &self.needs,
        ]
        .into_iter()
        .flatten()
        .map(|text| text.len() + TEXT_COST)
        .sum()
    }
}

/// The `key=value` texts of a `.modinfo` section; what has no `=` is passed over.
pub fn modinfo(section: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    section.split(|byte| *byte == 0).filter_map(|text| {
        let at = text.iter().position(|byte| *byte == b'=')?;
        Some((&text[..at], &text[at + 1..]))
    })
}

/// Counts what is kept.
struct Reader {
    limits: Limits,
    spent: usize,
}

impl Reader {
    /// `text` if an index can hold it.
    fn keep(&mut self, text: &[u8]) -> Result<Option<String>, ElfError> {
        if text.len() > self.limits.text {
            return Err(ElfError::Limit {
                what: "bytes of one text",
                limit: self.limits.text as u64,
            });
        }
        self.spent += text.len() + TEXT_COST;
        if self.spent > self.limits.texts {
            return Err(ElfError::Limit {
                what: "bytes of texts",
                limit: self.limits.texts as u64,
            });
        }
        let text = str::from_utf8(text).ok().filter(|text| is_text(text));
        Ok(text.map(str::to_owned))
    }

    fn symbols(&mut self, elf: &Elf<'_>, module: &mut Module) -> Result<(), ElfError> {
        let mut seen = HashSet::new();
        if let (Some(table), Some(names)) = (elf.section(".symtab")?, elf.section(".strtab")?) {
            for symbol in self.table(table)? {
                let undefined = symbol.section.get() == 0;
                let name = name_at(names, symbol)?;
                if let Some(exported) = name.strip_prefix(CRC) {
                    let exported = self.until_nul(exported)?;
                    module.exports.extend(self.keep(exported)?);
                }
                if undefined && name.first().is_some_and(|byte| *byte != 0) {
                    let needed = self.until_nul(name)?;
                    if let Some(needed) = self.keep(needed)?
                        && seen.insert(needed.clone())
                    {
                        module.needs.push(needed);
                    }
                }
            }
        }
        if module.exports.is_empty() {
            let exported = elf.section("__ksymtab_strings")?.unwrap_or_default();
            for name in exported.split(|byte| *byte == 0) {
                if !name.is_empty() {
                    module.exports.extend(self.keep(name)?);
                }
            }
        }
        let versions = elf.section("__versions")?.unwrap_or_default();
        for record in versions.chunks_exact(VERSION_LEN) {
            let name = &record[VERSION_CHECKSUM_LEN..];
            let len = name.iter().position(|byte| *byte == 0);
            let name = &name[..len.unwrap_or(name.len())];
            if !name.is_empty()
                && let Some(needed) = self.keep(name)?
                && seen.insert(needed.clone())
            {
                module.needs.push(needed);
            }
        }
        Ok(())
    }

    /// The rows of a symbol table without the first, which is nobody's.
    fn table<'a>(&self, bytes: &'a [u8]) -> Result<&'a [Symbol], ElfError> {
        let whole = bytes.len() - bytes.len() % size_of::<Symbol>();
        let symbols =
            <[Symbol]>::ref_from_bytes(&bytes[..whole]).expect("a whole number of unaligned rows");
        if symbols.len() > self.limits.symbols {
            return Err(ElfError::Limit {
                what: "symbols",
                limit: self.limits.symbols as u64,
            });
        }
        Ok(symbols.get(1..).unwrap_or_default())
    }

    /// `bytes` up to the first NUL, which must be near.
    fn until_nul<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], ElfError> {
        let near = &bytes[..bytes.len().min(self.limits.text + 1)];
        match near.iter().position(|byte| *byte == 0) {
            Some(len) => Ok(&near[..len]),
            None => Err(ElfError::Limit {
                what: "bytes of one text",
                limit: self.limits.text as u64,
            }),
        }
    }
}

/// The table of names from the name of `symbol` on.
fn name_at<'a>(names: &'a [u8], symbol: &Symbol) -> Result<&'a [u8], ElfError> {
    let offset = symbol.name.get();
    if offset == 0 {
        return Ok(&[]);
    }
    usize::try_from(offset)
        .ok()
        .and_then(|start| names.get(start..))
        .filter(|rest| !rest.is_empty())
        .ok_or(ElfError::Outside {
            what: "symbol name",
            offset: u64::from(offset),
            len: 1,
            file_len: names.len() as u64,
        })
}
