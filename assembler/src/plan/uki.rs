//! The UKI: systemd's stub with kernel, initramfs, command line and picture as sections (spec/boot.md 1).

use formats::{Layout, pe};

use super::{EPOCH, Error, Uki, push};

/// The system's name in `.osrel`.
const NAME: &str = "Talos";

impl Uki {
    pub(super) fn layout(&self) -> Result<Layout, Error> {
        let blob = |section, content| {
            let mut layout = Layout::new();
            push(&mut layout, section, content);
            layout
        };
        // `main` is always there and says nothing of its own; the format puts it first itself.
        let further = self
            .profiles
            .iter()
            .filter(|profile| profile.id != pe::MAIN_PROFILE);
        let profiles = further.map(|profile| pe::Profile {
            id: profile.id.to_owned(),
            title: profile.title.map(str::to_owned),
            cmdline: profile.cmdline.as_ref().map(|text| text.to_vec().into()),
            pcr_signature: None,
        });
        let uki = pe::Uki {
            os_release: pe::os_release(NAME, &self.tag).into(),
            cmdline: self.cmdline.to_vec().into(),
            uname: self.kernel_release.clone(),
            splash: blob("splash", &self.splash),
            pcr_public_key: None,
            linux: blob("kernel", &self.kernel),
            initrd: self.initramfs.layout()?,
            profiles: (!self.profiles.is_empty()).then(|| profiles.collect()),
            pcr_signature: None,
        };
        let stub = pe::Stub {
            head: &self.stub_head,
            digest: self.stub.digest,
            len: self.stub.len,
        };
        Ok(uki.layout(&stub, EPOCH)?)
    }
}
