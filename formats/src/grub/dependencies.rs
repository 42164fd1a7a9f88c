//! Which modules a list of modules needs, from `moddep.lst`: lines of `name: name name`.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;

/// Longest `moddep.lst`; real ones have 5 KB.
const MAX_LEN: usize = 1 << 20;

/// The modules `wanted` and all that they need, each once, behind what it needs. What a module needs is taken from the end of
/// its line, as `grub-mkimage` does.
pub fn closure(moddep: &[u8], wanted: &[&str]) -> Result<Vec<String>, Error> {
    if moddep.len() > MAX_LEN {
        return Err(Error::TooMany {
            what: "bytes of moddep.lst",
            count: moddep.len() as u64,
            limit: MAX_LEN as u64,
        });
    }
    let text = std::str::from_utf8(moddep).map_err(|_| Error::Unknown("a list of modules"))?;
    let needs: BTreeMap<&str, Vec<&str>> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, needed)| (name.trim(), needed.split_ascii_whitespace().collect()))
        .collect();

    let mut order = Vec::new();
    let mut done = BTreeSet::new();
    for name in wanted {
        // The way down: modules with those of their dependencies that are still to be looked at. A stack of our own, because
        // a list can be made that is deeper than the program's.
        let mut way = vec![enter(&needs, name)?];
        while let Some((module, next)) = way.last_mut() {
            if done.contains(*module) {
                way.pop();
                continue;
            }
            let Some(needed) = next.next() else {
                done.insert(*module);
                order.push((*module).to_owned());
                way.pop();
                continue;
            };
            if way.iter().any(|(module, _)| *module == needed) {
                return Err(Error::Circle(needed.to_owned()));
            }
            way.push(enter(&needs, needed)?);
        }
    }
    Ok(order)
}

type Step<'a> = (
    &'a str,
    std::iter::Rev<std::iter::Copied<std::slice::Iter<'a, &'a str>>>,
);

fn enter<'a>(needs: &'a BTreeMap<&'a str, Vec<&'a str>>, name: &str) -> Result<Step<'a>, Error> {
    let (name, needed) = needs
        .get_key_value(name)
        .ok_or_else(|| Error::NoModule(name.to_owned()))?;
    Ok((name, needed.iter().copied().rev()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first_and_once() {
        let list = b"xfs: fshelp\nfshelp:\nnormal: crypto terminal\ncrypto:\nterminal: crypto\next2: fshelp\n";
        assert_eq!(
            closure(list, &["ext2", "xfs", "normal", "xfs"]).unwrap(),
            ["fshelp", "ext2", "xfs", "crypto", "terminal", "normal"]
        );
    }

    #[test]
    fn lists_that_do_not_add_up_are_refused() {
        assert_eq!(
            closure(b"a: b\nb: a\n", &["a"]),
            Err(Error::Circle("a".to_owned()))
        );
        assert_eq!(
            closure(b"a: b\n", &["a"]),
            Err(Error::NoModule("b".to_owned()))
        );
        assert!(closure(b"\xff", &[]).is_err());
    }
}
