//! Extensions and the rebuild of the initramfs against what was recorded from the reference.

use assembler::{
    extension::{
        Content, Error, ExtraInfo, Layer, Manifest, Order, VirtualExtension, VirtualFile,
        checkout_order, embedded_config, extensions_yaml, rebuild_order, schematic_extension,
    },
    schematic::Schematic,
};
use formats::Digest;
use serde_json::{Value, json};

fn vectors() -> Value {
    let text = include_str!("../../testdata/extensions.json");
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn cases(op: &str) -> Vec<Value> {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().expect("the vectors hold cases");
    cases
        .iter()
        .filter(|case| case["op"] == op)
        .cloned()
        .collect()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Major, minor and patch of a version with or without `v`, nothing of what is none.
fn core(version: &str) -> Option<(u64, u64, u64)> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// The name, type and content of the members of the tar file that the reference makes of an extension.
fn members(extension: &VirtualExtension, slash: &str) -> Vec<(String, VirtualFile)> {
    let file = |path: &str, content| VirtualFile {
        path: path.into(),
        mode: if content == Content::Directory {
            0o755
        } else {
            0o644
        },
        content,
        xattrs: Vec::new(),
    };
    let manifest = file(
        "manifest.yaml",
        Content::File(extension.manifest.to_yaml().into()),
    );
    let inside = extension.files.iter().map(|inside| VirtualFile {
        path: format!("rootfs/{}", inside.path),
        ..inside.clone()
    });
    let all = [manifest, file("rootfs", Content::Directory)]
        .into_iter()
        .chain(inside);
    let named = all.map(|member| match member.content {
        Content::Directory => (format!("{}{slash}", member.path), member),
        Content::File(_) => (member.path.clone(), member),
    });
    named.collect()
}

fn entries(extension: &VirtualExtension, slash: &str) -> Value {
    let show = |(name, member): (String, VirtualFile)| {
        let mut entry =
            json!({ "mode": format!("{:04o}", member.mode), "name": name, "size": 0, "type": "5" });
        if let Content::File(bytes) = &member.content {
            entry["type"] = json!("0");
            entry["size"] = json!(bytes.len());
            if !bytes.is_empty() {
                entry["content"] = json!(str::from_utf8(bytes).expect("text"));
            }
        }
        for (name, value) in &member.xattrs {
            let name = format!("SCHILY.xattr.{name}");
            entry["pax"] = json!({ name: str::from_utf8(value).expect("text") });
        }
        entry
    };
    members(extension, slash).into_iter().map(show).collect()
}

#[test]
fn the_schematic_extension_holds_what_was_recorded() {
    let vectors = vectors();
    let url = text(&vectors, "external_url");
    let cases = cases("schematic-extension");
    for case in &cases {
        let schematic = Schematic::parse(text(case, "schematic").as_bytes()).expect("a schematic");
        let extra = match core(text(case, "version")) {
            Some(version) if version < (1, 7, 0) => ExtraInfo::Omitted,
            _ => ExtraInfo::Schematic,
        };
        let extension = schematic_extension(&schematic, url, extra);
        assert_eq!(schematic.id().to_string(), text(case, "id"));
        assert_eq!(entries(&extension, "/"), case["entries"], "{}", case["n"]);
    }
    println!("schematic-extension: {} passed, 0 skipped", cases.len());
}

#[test]
fn the_embedded_configuration_is_where_it_was_recorded() {
    let cases = cases("embedded-config");
    for case in &cases {
        let extension = embedded_config(text(case, "config").as_bytes());
        assert_eq!(entries(&extension, ""), case["entries"], "{}", case["n"]);
    }
    println!("embedded-config: {} passed, 0 skipped", cases.len());
}

/// The tar file, as Go's writer makes it.
fn tarball(extension: &VirtualExtension) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, member) in members(extension, "/") {
        let mut header = tar::Header::new_ustar();
        let content = match &member.content {
            Content::Directory => &[][..],
            Content::File(bytes) => bytes,
        };
        let directory = member.content == Content::Directory;
        header.set_entry_type(if directory {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_mode(member.mode);
        header.set_size(content.len() as u64);
        let zeros = [header.set_device_major(0), header.set_device_minor(0)];
        zeros
            .into_iter()
            .collect::<Result<Vec<()>, _>>()
            .expect("a USTAR header");
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_path(&name).expect("a short name");
        header.set_cksum();
        // Go writes six digits of checksum, NUL and blank.
        let sum = header.cksum().expect("it was just set");
        header.as_mut_bytes()[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.append(&header, content).expect("writing to memory");
    }
    tar.into_inner().expect("writing to memory")
}

#[test]
fn the_default_schematic_makes_the_tar_file_known_since_the_beginning() {
    let known = [
        (
            ExtraInfo::Schematic,
            "9c50496988560fc864337d4001c9a0abba2f3ea288f7112c8e7aadede08a90ed",
            "dbb8d4a8d85c083293be900a1bd1870d7d530e1919817083867820fcd88c02cd",
        ),
        (
            ExtraInfo::Omitted,
            "51707332df35512a1c1aa3b16abf01ad59d8a1f18cbe03af1dd756f8291fd101",
            "e7fe0130b43f86dbe39395dae4c150275bbe7b551146fa2e3496ec7eba66c6c5",
        ),
    ];
    for (extra, manifest, tar) in known {
        let extension =
            schematic_extension(&Schematic::default(), "https://factory.talos.dev/", extra);
        assert_eq!(Digest::of(extension.manifest.to_yaml()).hex(), manifest);
        assert_eq!(Digest::of(tarball(&extension)).hex(), tar);
    }
}

/// What of a rebuild follows from manifests and names.
fn rebuild(case: &Value, builder: &str) -> Result<(Order, String), Error> {
    let version = text(case, "version").trim_start_matches('v');
    let (core, shown) = match core(version) {
        Some(core) => (core, version.split('-').next().unwrap_or_default()),
        None => (
            core(builder).expect("a version"),
            builder.trim_start_matches('v'),
        ),
    };
    let firmware = if core < (1, 10, 0) {
        "lib/firmware"
    } else {
        "usr/lib/firmware"
    };
    let extensions = case["extensions"].as_array().expect("a list");
    let mut layers = Vec::new();
    for place in checkout_order(extensions.len()) {
        let manifest = Manifest::parse(text(&extensions[place], "manifest").as_bytes());
        let metadata = manifest.map_err(|e| e.at(place))?;
        layers.push((format!("{place}.sqsh"), metadata));
    }
    for (_, manifest) in &layers {
        manifest.validate(core, shown)?;
    }
    let files = extensions.iter().map(|extension| {
        let files = extension["files"].as_object().expect("files");
        files.keys().cloned().collect::<Vec<_>>()
    });
    let order = rebuild_order(&files.collect::<Vec<_>>(), firmware);
    let layers = layers.into_iter().map(|(image, manifest)| Layer {
        image,
        metadata: manifest.metadata,
    });
    Ok((order, extensions_yaml(&layers.collect::<Vec<_>>())))
}

#[test]
fn rebuilds_order_and_list_extensions_as_recorded() {
    let vectors = vectors();
    let cases = cases("initramfs");
    for case in &cases {
        let names = |name: &str| case.get(name).cloned().unwrap_or_else(|| json!([]));
        match rebuild(case, text(&vectors, "builder_tag")) {
            Ok((order, yaml)) => {
                assert_eq!(json!(order.early), names("early_cpio"), "{}", case["n"]);
                assert_eq!(json!(order.appended), names("cpio"), "{}", case["n"]);
                if let Some(expected) = case["extensions_yaml"].as_str() {
                    assert_eq!(yaml, expected, "{}", case["n"]);
                }
            }
            Err(e) => assert_eq!(json!(e.to_string()), case["error"], "{}", case["n"]),
        }
    }
    println!(
        "initramfs (order, extensions.yaml, errors): {} passed, 0 skipped",
        cases.len()
    );
    println!(
        "initramfs (squashfs listings): 0 passed, {} skipped: they need the writer of squashfs images",
        cases.len()
    );
}
