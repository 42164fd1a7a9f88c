//! What a single-board overlay's image brings along for the profile (spec/http.md 4, step 8).

use bstr::BString;
use serde::Deserialize;

use super::profile::{EnrollKeys, ImageOptions, IsoOptions, Profile};
use crate::schematic::{Bootloader, MetaValue};

/// The texts of boot loaders, the zero value first.
const BOOTLOADERS: [(&str, Bootloader); 4] = [
    ("none", Bootloader::None),
    ("dual-boot", Bootloader::DualBoot),
    ("sd-boot", Bootloader::SdBoot),
    ("grub", Bootloader::Grub),
];

/// The part of an overlay's profile that counts: its input, architecture, platform, version, Secure Boot, output kind and
/// packing, disk format and size are discarded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OverlayProfile {
    extra_kernel_args: Vec<BString>,
    meta: Vec<MetaValue>,
    embedded_config: BString,
    image: Option<ImageOptions>,
    iso: Option<IsoOptions>,
}

/// The profile as the file has it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    customization: Option<FileCustomization>,
    output: Option<FileOutput>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct FileCustomization {
    extra_kernel_args: Vec<String>,
    meta_contents: Vec<FileMeta>,
    embedded_machine_configuration: String,
}

#[derive(Deserialize)]
struct FileMeta {
    key: u8,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct FileOutput {
    image_options: Option<FileOptions>,
    iso_options: Option<FileOptions>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct FileOptions {
    disk_sector_size: u64,
    bootloader: String,
    #[serde(rename = "sdBootEnrollKeys")]
    enroll_keys: String,
}

impl OverlayProfile {
    /// Reads `profiles/<name>.yaml`. The error is a sentence about the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let customization = file.customization.unwrap_or_default();
        let output = file.output.unwrap_or_default();
        Ok(Self {
            extra_kernel_args: customization
                .extra_kernel_args
                .into_iter()
                .map(BString::from)
                .collect(),
            meta: customization
                .meta_contents
                .into_iter()
                .map(|FileMeta { key, value }| MetaValue {
                    key,
                    value: value.into(),
                })
                .collect(),
            embedded_config: customization.embedded_machine_configuration.into(),
            image: output
                .image_options
                .map(|options| options.image())
                .transpose()?,
            iso: output
                .iso_options
                .map(|options| options.iso())
                .transpose()?,
        })
    }

    /// Merges it into a profile: what is set replaces, lists are appended.
    pub(super) fn merge_into(&self, profile: &mut Profile) {
        profile
            .extra_kernel_args
            .extend_from_slice(&self.extra_kernel_args);
        profile.meta.extend_from_slice(&self.meta);
        if !self.embedded_config.is_empty() {
            profile.embedded_config.clone_from(&self.embedded_config);
        }
        if let Some(own) = &self.image {
            let image = profile.output.image.get_or_insert_default();
            replace_set(&mut image.sector_size, own.sector_size);
            replace_set(&mut image.bootloader, own.bootloader);
            replace_set(&mut image.enroll_keys, own.enroll_keys);
        }
        if let Some(own) = &self.iso {
            let iso = profile.output.iso.get_or_insert_default();
            replace_set(&mut iso.bootloader, own.bootloader);
            replace_set(&mut iso.enroll_keys, own.enroll_keys);
        }
    }
}

impl FileOptions {
    fn image(&self) -> Result<ImageOptions, String> {
        Ok(ImageOptions {
            sector_size: self.disk_sector_size,
            bootloader: self.bootloader()?,
            enroll_keys: self.enroll_keys()?,
            ..ImageOptions::default()
        })
    }

    fn iso(&self) -> Result<IsoOptions, String> {
        Ok(IsoOptions {
            bootloader: self.bootloader()?,
            enroll_keys: self.enroll_keys()?,
        })
    }

    fn bootloader(&self) -> Result<Bootloader, String> {
        if self.bootloader.is_empty() {
            return Ok(Bootloader::None);
        }
        BOOTLOADERS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&self.bootloader))
            .map(|(_, bootloader)| *bootloader)
            .ok_or_else(|| {
                format!(
                    "{} does not belong to BootloaderKind values",
                    self.bootloader
                )
            })
    }

    fn enroll_keys(&self) -> Result<EnrollKeys, String> {
        if self.enroll_keys.is_empty() {
            return Ok(EnrollKeys::default());
        }
        EnrollKeys::parse(self.enroll_keys.as_bytes()).map_err(|error| error.to_string())
    }
}

/// The zero value means "not set".
fn replace_set<T: Default + PartialEq>(value: &mut T, own: T) {
    if own != T::default() {
        *value = own;
    }
}
