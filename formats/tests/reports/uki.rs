//! UKIs held against the recorded reports of served ones: what follows from the sizes of inputs is recomputed from the image
//! itself, what the inputs are is left out, everything else must be as recorded.

use formats::{
    Digest,
    pe::{HEAD_LEN, Image, SectionHeader},
};
use serde_json::{Value, json};

pub(crate) const X86_64: u16 = 0x8664;
const AARCH64: u16 = 0xaa64;

pub(crate) fn testdata(name: &str) -> Vec<u8> {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = here
        .ancestors()
        .map(|folder| folder.join("testdata").join(name));
    std::fs::read(folders.find(|path| path.exists()).unwrap()).unwrap()
}

pub(crate) fn report(machine: u16) -> Value {
    let name = match machine {
        X86_64 => "reports/metal-amd64-uki.efi.json",
        AARCH64 => "reports/metal-arm64-uki.efi.json",
        other => panic!("no report for machine {other:#x}"),
    };
    serde_json::from_slice(&testdata(name)).unwrap()
}

/// Sections whose content is an input of the image; their lengths and digests are not those recorded.
const INPUTS: [&str; 5] = [".cmdline", ".uname", ".splash", ".linux", ".initrd"];

fn is_input(section: &Value) -> bool {
    INPUTS.iter().any(|name| section["name"] == *name)
}

/// Every difference between `file` and `report`, a line each.
pub(crate) fn differences(file: &[u8], report: &Value) -> Vec<String> {
    let image = Image::parse(&file[..HEAD_LEN.min(file.len())], file.len() as u64).unwrap();
    let expected = expected(&image, report);
    let found = found(file, &image);
    let mut differences = Vec::new();
    compare("", &expected, &found, &mut differences);
    differences
}

/// Goes down to the leaves of both, so that a difference names a field. What `expected` does not say is not compared.
fn compare(place: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                let found = found.get(key).unwrap_or(&Value::Null);
                compare(&format!("{place}/{key}"), value, found, differences);
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{place}/{index}"), expected, found, differences);
            }
        }
        _ if expected == found => {}
        _ => differences.push(format!("{place}: expected {expected}, found {found}")),
    }
}

fn number(value: &Value) -> u64 {
    match value {
        Value::String(text) => u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap(),
        _ => value.as_u64().unwrap(),
    }
}

/// The report for an image with these inputs: their lengths taken over, all places after them worked out anew.
pub(crate) fn expected(image: &Image, report: &Value) -> Value {
    let mut expected = report["PE"].clone();
    let (section_alignment, file_alignment) = (
        number(&expected["header"]["sectionAlign"]),
        number(&expected["header"]["fileAlign"]),
    );
    let headers = number(&expected["header"]["sizeOfHeaders"]);
    let (mut address, mut offset, mut initialized) = (0_u64, headers, 0);
    for (index, section) in expected["sections"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        address = if is_stub(section) {
            number(&section["vaddr"])
        } else {
            address.next_multiple_of(section_alignment)
        };
        if is_input(section) {
            let len = image
                .sections
                .get(index)
                .map_or(0, |found| found.virtual_size.get());
            section["vsize"] = len.into();
            section["rawsize"] = u64::from(len).next_multiple_of(file_alignment).into();
            section.as_object_mut().unwrap().remove("sha256");
        }
        section["vaddr"] = format!("{address:#x}").into();
        section["rawoff"] = offset.into();
        address += number(&section["vsize"]);
        offset += number(&section["rawsize"]);
        if number(&section["chars"]) & u64::from(formats::pe::INITIALIZED_DATA) != 0 {
            initialized += number(&section["rawsize"]);
        }
    }
    expected["header"]["sizeOfInitData"] = initialized.into();
    expected["header"]["sizeOfImage"] = address.next_multiple_of(section_alignment).into();
    expected["header"]["fileSize"] = offset.into();
    expected
}

fn is_stub(section: &Value) -> bool {
    let name = section["name"].as_str().unwrap();
    [".text", ".rodata", ".data", ".sbat", ".sdmagic", ".reloc"].contains(&name)
}

/// The image in the words of the report.
pub(crate) fn found(file: &[u8], image: &Image) -> Value {
    let (coff, optional) = (&image.coff, &image.optional);
    let hex = |value: u64| format!("{value:#x}");
    let directories: Vec<Value> = (0_u32..)
        .zip(&image.directories)
        .filter(|(_, directory)| directory.size.get() != 0)
        .map(|(index, directory)| {
            json!([
                index,
                hex(directory.virtual_address.get().into()),
                directory.size.get()
            ])
        })
        .collect();
    let section = |section: &SectionHeader| {
        let start = section.pointer_to_raw_data.get() as usize;
        let content = &file[start..][..section.content_len() as usize];
        json!({
            "name": section.name().escape_ascii().to_string(),
            "vaddr": hex(section.virtual_address.get().into()),
            "vsize": section.virtual_size.get(),
            "rawsize": section.size_of_raw_data.get(),
            "rawoff": section.pointer_to_raw_data.get(),
            "chars": hex(section.characteristics.get().into()),
            "sha256": Digest::of(content).hex(),
        })
    };
    json!({
        "header": {
            "e_lfanew": image.dos.e_lfanew.get(),
            "machine": hex(coff.machine.get().into()),
            "sections": coff.number_of_sections.get(),
            "timestamp": coff.time_date_stamp.get(),
            "characteristics": hex(coff.characteristics.get().into()),
            "magic": hex(optional.magic.get().into()),
            "linker": format!("{}.{}", optional.major_linker_version, optional.minor_linker_version),
            "sizeOfCode": optional.size_of_code.get(),
            "sizeOfInitData": optional.size_of_initialized_data.get(),
            "sizeOfUninit": optional.size_of_uninitialized_data.get(),
            "entry": hex(optional.address_of_entry_point.get().into()),
            "baseOfCode": hex(optional.base_of_code.get().into()),
            "imageBase": hex(optional.image_base.get()),
            "sectionAlign": optional.section_alignment.get(),
            "fileAlign": optional.file_alignment.get(),
            "versions": [
                optional.major_operating_system_version.get(),
                optional.minor_operating_system_version.get(),
                optional.major_image_version.get(),
                optional.minor_image_version.get(),
                optional.major_subsystem_version.get(),
                optional.minor_subsystem_version.get(),
            ],
            "sizeOfImage": optional.size_of_image.get(),
            "sizeOfHeaders": optional.size_of_headers.get(),
            "checksum": optional.check_sum.get(),
            "subsystem": optional.subsystem.get(),
            "dllChar": hex(optional.dll_characteristics.get().into()),
            "dirs": directories,
            "fileSize": file.len(),
        },
        "sections": image.sections.iter().map(section).collect::<Vec<_>>(),
    })
}
