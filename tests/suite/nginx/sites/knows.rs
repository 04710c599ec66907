//! Which directives this nginx knows, as its own binary has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The directives of the modules that are built in and that may stand in `http` or in `server`;
/// none where the binary is not the 64-bit ELF, with its symbols exported, that this reads.
pub(super) fn directives() -> Option<BTreeSet<String>> {
    let elf = Elf::read(&fs::read("/usr/sbin/nginx").ok()?)?;
    let mut names = BTreeSet::new();
    // ngx_module_t *ngx_modules[], ended by a null.
    let mut place = *elf.symbols.get("ngx_modules")?;
    while let Some(module) = elf.pointer(place) {
        place += 8;
        if elf.number(module + TYPE)? != HTTP_MODULE {
            continue;
        }
        let Some(mut command) = elf.pointer(module + COMMANDS) else {
            continue;
        };
        while let length @ 1.. = elf.number(command)? {
            let name = elf.pointer(command + 8)?;
            if elf.number(command + 16)? & HTTP_OR_SERVER != 0 {
                let bytes = elf.bytes(name, usize::try_from(length).ok()?)?;
                names.insert(String::from_utf8(bytes.to_vec()).ok()?);
            }
            command += COMMAND_SIZE;
        }
    }
    Some(names)
}

/// As much of a loaded program as its tables show.
struct Elf {
    file: Vec<u8>,
    /// Address, place in the file, size.
    sections: Vec<(u64, u64, u64)>,
    symbols: BTreeMap<String, u64>,
    pointers: BTreeMap<u64, u64>,
}

impl Elf {
    fn read(file: &[u8]) -> Option<Self> {
        if !file.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let (start, size, count) = (u64_at(file, 40)?, 64, u16_at(file, 60)?);
        let header = |index: u64| {
            let at = start + index * size;
            let kind = u32_at(file, at + 4)?;
            let field = |offset: u64| u64_at(file, at + offset);
            Some((
                kind,
                field(16)?,
                field(24)?,
                field(32)?,
                u32_at(file, at + 40)?,
            ))
        };
        let mut elf = Self {
            file: file.to_vec(),
            sections: Vec::new(),
            symbols: BTreeMap::new(),
            pointers: BTreeMap::new(),
        };
        let mut relocations = Vec::new();
        let mut addresses = Vec::new();
        for index in 0..u64::from(count) {
            let (kind, address, offset, length, link) = header(index)?;
            let entries = (offset..offset + length).step_by(24);
            match kind {
                NOBITS => continue,
                RELA => relocations.extend(entries),
                DYNSYM => {
                    let (_, _, names, _, _) = header(u64::from(link))?;
                    for at in entries {
                        let name = names + u64::from(u32_at(file, at)?);
                        let name = file.get(usize::try_from(name).ok()?..)?;
                        let name = name.split(|byte| *byte == 0).next()?;
                        let value = u64_at(file, at + 8)?;
                        addresses.push(value);
                        elf.symbols
                            .insert(String::from_utf8_lossy(name).into_owned(), value);
                    }
                }
                _ => (),
            }
            if address != 0 {
                elf.sections.push((address, offset, length));
            }
        }
        for at in relocations {
            let (place, info, add) = (
                u64_at(file, at)?,
                u64_at(file, at + 8)?,
                u64_at(file, at + 16)?,
            );
            let symbol = usize::try_from(info >> 32).ok()?;
            // Relative ones have no symbol.
            let base = if symbol == 0 {
                0
            } else {
                *addresses.get(symbol)?
            };
            elf.pointers.insert(place, base.wrapping_add(add));
        }
        Some(elf)
    }

    /// What is pointed to from here, if anything.
    fn pointer(&self, place: u64) -> Option<u64> {
        self.pointers
            .get(&place)
            .copied()
            .filter(|address| *address != 0)
    }

    fn number(&self, address: u64) -> Option<u64> {
        u64_at(self.bytes(address, 8)?, 0)
    }

    fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
        let inside =
            |section: &&(u64, u64, u64)| (section.0..section.0 + section.2).contains(&address);
        let (start, offset, _) = self.sections.iter().find(inside)?;
        let at = usize::try_from(address - start + offset).ok()?;
        self.file.get(at..at + length)
    }
}

fn u64_at(bytes: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: u64) -> Option<u32> {
    let at = usize::try_from(at).ok()?;
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: u64) -> Option<u16> {
    let at = usize::try_from(at).ok()?;
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

const RELA: u32 = 4;
const NOBITS: u32 = 8;
const DYNSYM: u32 = 11;

/// Where in `ngx_module_t` its commands are.
const COMMANDS: u64 = 64;
const TYPE: u64 = 72;
const HTTP_MODULE: u64 = 0x5054_5448;
const COMMAND_SIZE: u64 = 56;
/// `NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF`
const HTTP_OR_SERVER: u64 = 0x0600_0000;
