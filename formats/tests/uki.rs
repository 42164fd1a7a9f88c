//! UKIs held against recorded ones, case by case.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;

use bytes::Bytes;
use formats::{
    Digest, Layout,
    pe::{Error, HEAD_LEN, Image, Profile, SectionHeader, Stub, Uki, kernel_release, os_release},
};
use serde_json::{Value, json};

fn testdata(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn vectors() -> Value {
    serde_json::from_slice(&testdata("uki.json")).unwrap()
}

/// The kernel release that the recorded builder was compiled with: it uses it where the target is its own version.
const BUILDER_KERNEL: &str = "6.18.45-talos";

/// Blobs by digest.
#[derive(Default)]
struct Store(BTreeMap<Digest, Bytes>);

impl Store {
    fn put(&mut self, bytes: Vec<u8>) -> Layout {
        let (digest, len) = (Digest::of(&bytes), bytes.len() as u64);
        self.0.insert(digest, bytes.into());
        let mut layout = Layout::new();
        layout.blob(digest, 0, len);
        layout
    }

    fn whole(&self, layout: &Layout) -> Vec<u8> {
        layout.collect(|digest| self.0[digest].clone())
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A kernel or initramfs as the header of the vectors describes it.
fn input(value: &Value) -> Vec<u8> {
    if let Some(pattern) = value["repeat_hex"].as_str() {
        let count = usize::try_from(value["count"].as_u64().unwrap()).unwrap();
        return unhex(pattern).repeat(count);
    }
    if let Some(version) = value["bzimage_version"].as_str() {
        let mut kernel: Vec<u8> = (0..4096_u32).map(|index| index.to_le_bytes()[0]).collect();
        kernel[..0x800].fill(0);
        kernel[0x1f1] = 4;
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x20e..0x210].copy_from_slice(&0x300_u16.to_le_bytes());
        kernel[0x500..][..version.len()].copy_from_slice(version.as_bytes());
        return kernel;
    }
    value["text"].as_str().unwrap().as_bytes().to_vec()
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn uki(store: &mut Store, vectors: &Value, case: &Value) -> Uki {
    let (name, version) = (
        case["name"].as_str().unwrap(),
        case["version"].as_str().unwrap(),
    );
    let kernel = input(&case["kernel"]);
    let uname = if version == vectors["builder_tag"] {
        Some(BUILDER_KERNEL.into())
    } else {
        kernel_release(&kernel)
    };
    let profile = |profile: &Value| Profile {
        id: profile["ID"].as_str().unwrap().to_owned(),
        title: text(&profile["Title"]),
        cmdline: text(&profile["Cmdline"]).map(Bytes::from),
        pcr_signature: None,
    };
    let profiles = case["profiles"].as_array().map_or(&[][..], Vec::as_slice);
    // Of the versions recorded, 1.9.6 is the one from before profiles.
    let profiles = (version != "v1.9.6").then(|| profiles.iter().map(profile).collect());
    let mut splash = Layout::new();
    splash.bytes(formats::splash::bmp());
    Uki {
        os_release: os_release(name, version).into(),
        cmdline: text(&case["cmdline"]).unwrap_or_default().into(),
        uname,
        splash,
        linux: store.put(kernel),
        initrd: store.put(input(&case["initrd"])),
        profiles,
        ..Uki::default()
    }
}

fn build(store: &mut Store, case: &Value, uki: &Uki) -> Result<Vec<u8>, Error> {
    let stub = testdata("linuxx64.efi.stub");
    let stub_layout = store.put(stub.clone());
    let stub = Stub {
        head: &stub[..HEAD_LEN],
        digest: Digest::of(&stub),
        len: stub_layout.len(),
    };
    let time = case["source_date_epoch"].as_str().unwrap().parse().unwrap();
    Ok(store.whole(&uki.layout(&stub, time)?))
}

fn content<'a>(file: &'a [u8], section: &SectionHeader) -> &'a [u8] {
    let start = section.pointer_to_raw_data.get() as usize;
    &file[start..][..section.virtual_size.get() as usize]
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    Digest::of(bytes).hex()
}

/// The file in the words of the vectors.
fn describe(file: &[u8]) -> Value {
    let image = Image::parse(file, file.len() as u64).unwrap();
    let (coff, optional) = (&image.coff, &image.optional);
    let directories: Vec<Value> = (0..)
        .zip(&image.directories)
        .filter(|(_, directory)| directory.size.get() != 0)
        .map(|(index, directory)| {
            let (size, va): (u32, u32) = (directory.size.get(), directory.virtual_address.get());
            let index: u32 = index;
            json!({"index": index, "size": size, "va": va})
        })
        .collect();
    let sections: Vec<Value> = image
        .sections
        .iter()
        .map(|section| {
            json!({
                "name": section.name().escape_ascii().to_string(),
                "va": section.virtual_address.get(),
                "vsize": section.virtual_size.get(),
                "raw_offset": section.pointer_to_raw_data.get(),
                "raw_size": section.size_of_raw_data.get(),
                "characteristics": format!("{:#x}", section.characteristics),
                "sha256": hex(content(file, section)),
            })
        })
        .collect();
    json!({
        "coff": {
            "machine": coff.machine.get(),
            "sections": coff.number_of_sections.get(),
            "timestamp": coff.time_date_stamp.get(),
            "symptr": coff.pointer_to_symbol_table.get(),
            "nsyms": coff.number_of_symbols.get(),
            "opthdr_size": coff.size_of_optional_header.get(),
            "characteristics": coff.characteristics.get(),
        },
        "opt": {
            "base_of_code": optional.base_of_code.get(),
            "checksum": optional.check_sum.get(),
            "dll_characteristics": optional.dll_characteristics.get(),
            "entry": optional.address_of_entry_point.get(),
            "file_alignment": optional.file_alignment.get(),
            "image_base": format!("{:#x}", optional.image_base),
            "image_version": format!("{}.{}", optional.major_image_version, optional.minor_image_version),
            "linker": format!("{}.{}", optional.major_linker_version, optional.minor_linker_version),
            "os_version": format!(
                "{}.{}", optional.major_operating_system_version, optional.minor_operating_system_version
            ),
            "section_alignment": optional.section_alignment.get(),
            "size_of_code": optional.size_of_code.get(),
            "size_of_headers": optional.size_of_headers.get(),
            "size_of_image": optional.size_of_image.get(),
            "size_of_init_data": optional.size_of_initialized_data.get(),
            "size_of_uninit_data": optional.size_of_uninitialized_data.get(),
            "subsystem": optional.subsystem.get(),
            "subsystem_version": format!(
                "{}.{}", optional.major_subsystem_version, optional.minor_subsystem_version
            ),
        },
        "data_directories": directories,
        "sections": sections,
        "header_sha256": hex(&file[..optional.size_of_headers.get() as usize]),
        "file_size": file.len(),
    })
}

/// The recorded sections without their texts (the digest covers them) and without the digest of the picture, which is ours.
fn recorded_sections(case: &Value) -> Value {
    let mut sections = case["sections"].clone();
    for section in sections.as_array_mut().unwrap() {
        let section = section.as_object_mut().unwrap();
        section.remove("text");
        if section["name"] == ".splash" {
            section.insert("sha256".into(), formats::splash::digest().hex().into());
        }
    }
    sections
}

#[test]
fn unsigned_images_are_those_recorded() {
    let vectors = vectors();
    assert_eq!(vectors["stub_sha256"], hex(testdata("linuxx64.efi.stub")));
    let (mut passed, mut skipped) = (0, Vec::new());
    for case in vectors["cases"].as_array().unwrap() {
        let number = case["n"].as_str().unwrap();
        if case["signed"] == true {
            skipped.push(number);
            continue;
        }
        let mut store = Store::default();
        let uki = uki(&mut store, &vectors, case);
        let built = build(&mut store, case, &uki);
        if case["error"].is_string() {
            assert_eq!(
                built,
                Err(Error::ReservedProfile),
                "{number}: {}",
                case["error"]
            );
        } else {
            let ours = describe(&built.unwrap());
            for key in [
                "coff",
                "opt",
                "data_directories",
                "header_sha256",
                "file_size",
            ] {
                assert_eq!(ours[key], case[key], "{number} {key}");
            }
            assert_eq!(
                ours["sections"],
                recorded_sections(case),
                "{number} sections"
            );
        }
        passed += 1;
    }
    println!(
        "uki.json: {passed} passed, {} skipped (signed): {}",
        skipped.len(),
        skipped.join(" ")
    );
    assert_eq!((passed, skipped.len()), (18, 14));
}

#[test]
fn sections_of_signed_images_stand_where_they_were_recorded() {
    let vectors = vectors();
    let mut passed = 0;
    for case in vectors["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["signed"] == true)
    {
        let number = case["n"].as_str().unwrap();
        let mut store = Store::default();
        let mut uki = uki(&mut store, &vectors, case);
        let texts = |name| {
            let sections = case["sections"].as_array().unwrap().iter();
            sections
                .filter(move |section| section["name"] == name)
                .map(|section| Bytes::from(section["text"].as_str().unwrap().to_owned()))
        };
        uki.pcr_public_key = texts(".pcrpkey").next();
        let mut signatures = texts(".pcrsig");
        uki.pcr_signature = signatures.next();
        for profile in uki.profiles.iter_mut().flatten() {
            profile.pcr_signature = signatures.next();
        }
        let file = build(&mut store, case, &uki).unwrap();
        assert_eq!(
            describe(&file)["sections"],
            recorded_sections(case),
            "{number}"
        );
        passed += 1;
    }
    assert_eq!(passed, 14);
}
