//! Headers as text.

use std::fmt::Write as _;

use super::{Error, Image, raw::DIRECTORY_NAMES};

/// The headers, data directories in use and sections of the image of `file_len` bytes that begins with `head`.
pub fn dump(head: &[u8], file_len: u64) -> Result<String, Error> {
    let image = Image::parse(head, file_len)?;
    let mut text = String::new();
    write(&mut text, &image).expect("writing to a String cannot fail");
    Ok(text)
}

fn write(text: &mut String, image: &Image) -> std::fmt::Result {
    let (coff, optional) = (&image.coff, &image.optional);
    writeln!(text, "PE32+ at {:#x}", image.dos.e_lfanew)?;
    writeln!(
        text,
        "machine {:#06x} sections {} time {} symbols {} at {:#x} optional header {} characteristics {:#06x}",
        coff.machine,
        coff.number_of_sections,
        coff.time_date_stamp,
        coff.number_of_symbols,
        coff.pointer_to_symbol_table,
        coff.size_of_optional_header,
        coff.characteristics
    )?;
    writeln!(
        text,
        "linker {}.{} os {}.{} image {}.{} subsystem {} {}.{} dll characteristics {:#06x}",
        optional.major_linker_version,
        optional.minor_linker_version,
        optional.major_operating_system_version,
        optional.minor_operating_system_version,
        optional.major_image_version,
        optional.minor_image_version,
        optional.subsystem,
        optional.major_subsystem_version,
        optional.minor_subsystem_version,
        optional.dll_characteristics
    )?;
    writeln!(
        text,
        "entry {:#x} base of code {:#x} image base {:#x} alignment {:#x} in memory {:#x} in the file",
        optional.address_of_entry_point,
        optional.base_of_code,
        optional.image_base,
        optional.section_alignment,
        optional.file_alignment
    )?;
    writeln!(
        text,
        "code {} initialized data {} uninitialized data {} headers {} image {} checksum {:#x}",
        optional.size_of_code,
        optional.size_of_initialized_data,
        optional.size_of_uninitialized_data,
        optional.size_of_headers,
        optional.size_of_image,
        optional.check_sum
    )?;
    for (name, directory) in DIRECTORY_NAMES.iter().zip(&image.directories) {
        if directory.size.get() != 0 {
            writeln!(
                text,
                "directory {name} at {:#x} size {}",
                directory.virtual_address, directory.size
            )?;
        }
    }
    for section in &image.sections {
        writeln!(
            text,
            "section {:<8} address {:#010x} size {:>10} file {:#010x} size {:>10} characteristics {:#010x}",
            section.name().escape_ascii().to_string(),
            section.virtual_address,
            section.virtual_size,
            section.pointer_to_raw_data,
            section.size_of_raw_data,
            section.characteristics
        )?;
    }
    Ok(())
}
