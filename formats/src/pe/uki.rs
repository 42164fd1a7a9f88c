//! The unified kernel image: a stub, a kernel, and what belongs to it, as sections of one PE image
//! (UAPI group specification 5, <https://uapi-group.org/specifications/specs/unified_kernel_image/>).

use bytes::Bytes;

use super::{Error, SectionName, Stub, append};
use crate::Layout;

/// The sections in the order of the file: those of the image, then, for each profile, those of the profile.
///
/// Unsigned: `.osrel .cmdline [.uname] .splash .linux .initrd .profile(main) .profile(X) .cmdline(X)`; signed:
/// `.osrel .cmdline [.uname] .splash .pcrpkey .linux .initrd .profile(main) .pcrsig#0 .profile(X) .cmdline(X) .pcrsig#1`.
/// The stub takes what stands before the first `.profile` for all profiles, and what follows a `.profile` for that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// `os-release` of what is booted.
    OsRelease,
    /// Kernel command line.
    Cmdline,
    /// Kernel release.
    Uname,
    /// Picture shown while booting.
    Splash,
    /// Public key of the PCR signatures.
    PcrPublicKey,
    /// The kernel.
    Linux,
    /// The initramfs.
    Initrd,
    /// Start of a profile: its identifier and title.
    Profile,
    /// Kernel command line of a profile instead of the image's.
    ProfileCmdline,
    /// Signatures of the PCR values that a profile, or an image without profiles, leads to.
    PcrSignature,
}

impl Section {
    /// The name in the section table. It is not unique.
    pub const fn name(self) -> SectionName {
        *match self {
            Self::OsRelease => b".osrel\0\0",
            Self::Cmdline | Self::ProfileCmdline => b".cmdline",
            Self::Uname => b".uname\0\0",
            Self::Splash => b".splash\0",
            Self::PcrPublicKey => b".pcrpkey",
            Self::Linux => b".linux\0\0",
            Self::Initrd => b".initrd\0",
            Self::Profile => b".profile",
            Self::PcrSignature => b".pcrsig\0",
        }
    }
}

/// Identifier of the profile that every image with profiles begins with.
pub const MAIN_PROFILE: &str = "main";

/// What goes into an image, beside the stub.
#[derive(Debug, Clone, Default)]
pub struct Uki {
    /// Text of [`os_release`].
    pub os_release: Bytes,
    /// Kernel command line, without NUL or newline.
    pub cmdline: Bytes,
    /// Kernel release ([`kernel_release`](super::kernel_release)); no section if it is not known.
    pub uname: Option<Bytes>,
    /// A BMP.
    pub splash: Layout,
    /// PEM of the key behind the PCR signatures; none in an unsigned image.
    pub pcr_public_key: Option<Bytes>,
    /// The kernel.
    pub linux: Layout,
    /// The initramfs.
    pub initrd: Layout,
    /// Profiles after [`MAIN_PROFILE`], which is always there; `None` for an image without any `.profile`.
    pub profiles: Option<Vec<Profile>>,
    /// PCR signatures of the main profile, or of an image without profiles; none in an unsigned image.
    pub pcr_signature: Option<Bytes>,
}

/// A further way to boot the same kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Identifier, unique in the image.
    pub id: String,
    /// Title in the boot menu.
    pub title: Option<String>,
    /// Kernel command line; the image's if there is none.
    pub cmdline: Option<Bytes>,
    /// PCR signatures of this profile; none in an unsigned image.
    pub pcr_signature: Option<Bytes>,
}

impl Profile {
    /// Text of `.profile`: lines without a newline at the end.
    fn text(&self) -> String {
        match &self.title {
            Some(title) => format!("ID={}\nTITLE={title}", self.id),
            None => format!("ID={}", self.id),
        }
    }
}

impl Uki {
    /// The image as a file, its time stamp in seconds since 1970.
    pub fn layout(&self, stub: &Stub<'_>, time_date_stamp: u32) -> Result<Layout, Error> {
        let sections: Vec<_> = self
            .sections()?
            .into_iter()
            .map(|(section, content)| (section.name(), content))
            .collect();
        append(stub, time_date_stamp, &sections)
    }

    /// The appended sections in the order of the file, with their exact contents: what is measured into PCR 11.
    pub fn sections(&self) -> Result<Vec<(Section, Layout)>, Error> {
        let mut sections = vec![
            (Section::OsRelease, inline(&self.os_release)),
            (Section::Cmdline, inline(&self.cmdline)),
        ];
        let optional = |section, content: &Option<Bytes>| {
            content
                .iter()
                .map(|bytes| (section, inline(bytes)))
                .collect::<Vec<_>>()
        };
        sections.extend(optional(Section::Uname, &self.uname));
        sections.push((Section::Splash, self.splash.clone()));
        sections.extend(optional(Section::PcrPublicKey, &self.pcr_public_key));
        sections.push((Section::Linux, self.linux.clone()));
        sections.push((Section::Initrd, self.initrd.clone()));
        let Some(profiles) = &self.profiles else {
            sections.extend(optional(Section::PcrSignature, &self.pcr_signature));
            return Ok(sections);
        };
        if profiles.iter().any(|profile| profile.id == MAIN_PROFILE) {
            return Err(Error::ReservedProfile);
        }
        let main = Profile {
            id: MAIN_PROFILE.to_owned(),
            pcr_signature: self.pcr_signature.clone(),
            ..Profile::default()
        };
        for profile in std::iter::once(&main).chain(profiles) {
            sections.push((Section::Profile, inline(&profile.text().into())));
            sections.extend(optional(Section::ProfileCmdline, &profile.cmdline));
            sections.extend(optional(Section::PcrSignature, &profile.pcr_signature));
        }
        Ok(sections)
    }
}

fn inline(bytes: &Bytes) -> Layout {
    let mut layout = Layout::new();
    layout.bytes(bytes.clone());
    layout
}

/// Text of `.osrel` for the system `name` (`Talos` unless a profile says otherwise) in `version`, verbatim.
///
/// Quotes in the name are not escaped, as in the images that are out there; readers take the line up to the last quote.
pub fn os_release(name: &str, version: &str) -> String {
    let id = name.to_lowercase().replace(' ', "_");
    format!(
        "NAME=\"{name}\"\n\
         ID={id}\n\
         VERSION_ID={version}\n\
         PRETTY_NAME=\"{name} ({version})\"\n\
         HOME_URL=\"https://www.talos.dev/\"\n\
         BUG_REPORT_URL=\"https://github.com/siderolabs/talos/issues\"\n\
         VENDOR_NAME=\"Sidero Labs\"\n\
         VENDOR_URL=\"https://www.siderolabs.com/\"\n"
    )
}
