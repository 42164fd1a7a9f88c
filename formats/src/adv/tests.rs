use super::{raw::COPY_LEN, *};
use crate::Digest;

fn bytes(values: &[(u8, &[u8])]) -> Vec<u8> {
    layout(values)
        .unwrap()
        .collect(|_| unreachable!("there are no blobs"))
}

/// SHA-256 of the whole partition of 1 MiB.
fn partition(values: &[(u8, &[u8])]) -> String {
    let mut bytes = bytes(values);
    bytes.resize(1 << 20, 0);
    Digest::of(&bytes).hex()
}

/// The vectors of spec/profile.md 6.3.
#[test]
fn partitions_are_the_references() {
    for (values, digest) in [
        (
            &[(0x11, &b"dual-boot"[..])][..],
            "06e3d2ed4b42cb23159b6dd3a8ef54020b78207138a62f366fdb1465ab138438",
        ),
        (
            &[(0xa, b"foo"), (0x11, b"dual-boot")],
            "fc1eb9a5dae577076e0a30dccc5c81779563690318999b8d939c41ef19126a14",
        ),
        (
            &[],
            "addd75e8d886fa2358dd171d3366db2f814803b85d5928af9a638fb7157b23f0",
        ),
    ] {
        assert_eq!(partition(values), digest, "{values:?}");
    }
}

#[test]
fn tags_ascend_and_later_values_win() {
    let one = bytes(&[(0x11, b"x"), (0xa, b"a"), (0x11, b"dual-boot")]);
    let other = bytes(&[(0xa, b"a"), (0x11, b"dual-boot")]);
    assert_eq!(one, other);
}

#[test]
fn tag_zero_hides_no_other() {
    let contents = read(bytes(&[(0, b"hidden"), (10, b"b")]).as_slice()).unwrap();
    assert_eq!(contents.values, [(10, b"b".to_vec())]);
}

#[test]
fn a_copy_holds_its_capacity_and_no_more() {
    let value = vec![b'x'; CAPACITY - 7];
    let error = layout(&[(10, &value)]).unwrap_err();
    assert_eq!(error.to_string(), "adv: overflow 1 bytes");
    let contents = read(bytes(&[(10, &value[1..])]).as_slice()).unwrap();
    assert_eq!(contents.values[0].1.len(), CAPACITY - 8);
}

#[test]
fn the_second_copy_stands_in_for_a_damaged_first() {
    let whole = bytes(&[(10, b"foo"), (11, b"\xff\n")]);
    insta::assert_snapshot!(read(whole.as_slice()).unwrap().dump(), @r#"
    ADV, first copy
      0xa 3 bytes "foo"
      0xb 2 bytes "\xff\n"
    "#);
    for at in [0, 5, COPY_LEN - 40, COPY_LEN - 36, COPY_LEN - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let contents = read(damaged.as_slice()).unwrap();
        assert_eq!((contents.copy, contents.values.len()), (Copy::Second, 2));
        damaged[COPY_LEN + at] ^= 1;
        assert!(read(damaged.as_slice()).is_err());
    }
    assert!(read(&whole[..COPY_LEN]).is_ok());
    assert!(read(&whole[..COPY_LEN - 1]).is_err());
}
