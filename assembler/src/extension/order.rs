//! What goes where when an initramfs is rebuilt (spec/initramfs.md 1.7 and 4.2).
//!
//! Firmware leaves the extensions for the initramfs itself, where the kernel finds it before they are mounted;
//! microcode goes in front of everything, where it is found before that.

use std::collections::BTreeSet;

use super::parts::Vendor;

/// Names in the archives around the base archive, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The archive in front.
    pub early: Vec<String>,
    /// The archive behind.
    pub appended: Vec<String>,
}

/// Orders the names for extensions whose regular files have these paths below their roots.
///
/// `firmware` is the directory of firmware: `usr/lib/firmware`, or `lib/firmware` before Talos 1.10.
pub fn rebuild_order<P: AsRef<str>>(extensions: &[Vec<P>], firmware: &str) -> Order {
    let mut early = BTreeSet::new();
    let mut appended = BTreeSet::new();
    if extensions.is_empty() {
        return Order::default();
    }
    appended.extend((0..extensions.len()).map(|place| vec![format!("{place}.sqsh")]));
    appended.insert(vec!["extensions.yaml".to_owned()]);
    for path in extensions.iter().flatten() {
        let path = path.as_ref();
        let Some(inside) = path
            .strip_prefix(firmware)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            continue;
        };
        match Vendor::of(inside) {
            Some(vendor) => {
                let file = vendor.file();
                insert(&mut early, &format!("kernel/x86/microcode/{file}"));
                // The directory stays behind, empty.
                let (directory, _) = path.rsplit_once('/').unwrap_or_default();
                insert(&mut appended, directory);
            }
            None => insert(&mut appended, path),
        }
    }
    let join =
        |names: BTreeSet<Vec<String>>| names.into_iter().map(|name| name.join("/")).collect();
    Order {
        early: join(early),
        appended: join(appended),
    }
}

/// Adds a path with its parents. By parts, because a directory is walked before what is named like it and more.
fn insert(names: &mut BTreeSet<Vec<String>>, path: &str) {
    let parts: Vec<String> = path.split('/').map(String::from).collect();
    names.extend((1..=parts.len()).map(|n| parts[..n].to_vec()));
}
