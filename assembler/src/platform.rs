//! Platforms: where Talos runs, and the kernel arguments that each needs (spec/profile.md 5.3).

use std::fmt;

use crate::quirks::Quirks;

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// 64-bit x86.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// The name that paths of release images and artifacts use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The architecture of exactly this name.
    pub fn find(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|arch| arch.name().as_bytes() == name)
    }

    /// Like [`Arch::find`], and the names that iPXE gives to x86 machines of either width.
    pub fn find_in_path(name: &[u8]) -> Option<Self> {
        match name {
            b"x86_64" | b"i386" => Some(Self::Amd64),
            _ => Self::find(name),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A platform.
#[derive(Debug)]
pub struct Platform {
    /// The value of `talos.platform`.
    pub name: &'static str,
    /// Another name of the same platform.
    alias: Option<&'static str>,
    amd64: &'static [Argument],
    arm64: &'static [Argument],
}

/// A kernel argument that some versions need.
#[derive(Debug)]
enum Argument {
    Always(&'static str),
    If(fn(&Quirks) -> bool, &'static str),
}

impl Platform {
    /// The platform of exactly this name or alias.
    pub fn find(name: &[u8]) -> Option<&'static Self> {
        PLATFORMS
            .iter()
            .find(|platform| platform.names().any(|known| known.as_bytes() == name))
    }

    /// All platforms: metal first, then by name.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        PLATFORMS.iter()
    }

    /// Their names, for people.
    pub fn list() -> String {
        let names: Vec<_> = Self::all().map(|platform| platform.name).collect();
        names.join(", ")
    }

    /// The kernel arguments, in order.
    pub fn kernel_args(&self, arch: Arch, quirks: &Quirks) -> Vec<&'static str> {
        let arguments = match arch {
            Arch::Amd64 => self.amd64,
            Arch::Arm64 => self.arm64,
        };
        arguments
            .iter()
            .filter_map(|argument| match argument {
                Argument::Always(text) => Some(*text),
                Argument::If(applies, text) => applies(quirks).then_some(*text),
            })
            .collect()
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.alias)
    }
}

const fn platform(
    name: &'static str,
    amd64: &'static [Argument],
    arm64: &'static [Argument],
) -> Platform {
    Platform {
        name,
        alias: None,
        amd64,
        arm64,
    }
}

const fn uniform(name: &'static str, arguments: &'static [Argument]) -> Platform {
    platform(name, arguments, arguments)
}

use Argument::{Always, If};

const NO_IFNAMES: Argument = Always("net.ifnames=0");
const NO_DASHBOARD: Argument = Always("talos.dashboard.disabled=1");
const NO_KEXEC: Argument = Always("sysctl.kernel.kexec_load_disabled=1");
const TTY0: Argument = Always("console=tty0");
const TTY1: Argument = Always("console=tty1");
const SERIAL: Argument = Always("console=ttyS0");

/// Screen, then serial: what most clouds show.
const CLOUD: &[Argument] = &[TTY1, SERIAL, NO_IFNAMES];
const CLOUD_WITHOUT_DASHBOARD: &[Argument] = &[TTY1, SERIAL, NO_IFNAMES, NO_DASHBOARD];
const SERIAL_FIRST: &[Argument] = &[SERIAL, TTY0, TTY1, NO_IFNAMES];

/// All platforms: metal first, then by name.
static PLATFORMS: [Platform; 20] = [
    platform(
        "metal",
        &[
            If(|quirks| quirks.metal_serial_console, "console=ttyS0"),
            TTY0,
        ],
        &[Always("console=ttyAMA0"), TTY0],
    ),
    uniform("akamai", SERIAL_FIRST),
    uniform("alibabacloud", CLOUD),
    uniform(
        "aws",
        &[
            TTY1,
            SERIAL,
            NO_IFNAMES,
            If(
                |quirks| quirks.nvme_timeout_aws_only,
                "nvme_core.io_timeout=4294967295",
            ),
        ],
    ),
    uniform(
        "azure",
        &[
            Always("console=ttyS0,115200n8"),
            Always("earlyprintk=ttyS0,115200"),
            Always("rootdelay=300"),
            NO_IFNAMES,
            NO_DASHBOARD,
            NO_KEXEC,
        ],
    ),
    uniform("cloudstack", CLOUD),
    uniform("container", &[]),
    uniform("digital-ocean", SERIAL_FIRST),
    Platform {
        alias: Some("packet"),
        ..platform(
            "equinixMetal",
            &[Always("console=ttyS1,115200n8")],
            &[Always("console=ttyAMA0,115200")],
        )
    },
    uniform("exoscale", CLOUD),
    uniform("gcp", &[SERIAL, NO_IFNAMES, NO_DASHBOARD, NO_KEXEC]),
    uniform("hcloud", CLOUD),
    uniform("nocloud", CLOUD),
    uniform("opennebula", CLOUD),
    uniform("openstack", CLOUD),
    uniform("oracle", CLOUD_WITHOUT_DASHBOARD),
    uniform("scaleway", CLOUD_WITHOUT_DASHBOARD),
    uniform("upcloud", &[NO_IFNAMES]),
    platform(
        "vmware",
        &[
            Always("talos.config=guestinfo"),
            TTY0,
            SERIAL,
            Always("earlyprintk=ttyS0,115200"),
            NO_IFNAMES,
        ],
        &[
            Always("talos.config=guestinfo"),
            TTY0,
            Always("console=ttyAMA0"),
            NO_IFNAMES,
        ],
    ),
    uniform("vultr", &[NO_IFNAMES]),
];
