use std::io::Read as _;

use super::*;

fn store(max_bytes: u64) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store"), max_bytes).unwrap();
    (folder, store)
}

#[test]
fn blobs_survive_a_restart() {
    let (folder, store) = store(1 << 20);
    let content = store.put(b"kernel").unwrap();
    drop(store);
    let store = Store::open(&folder.path().join("store"), 1 << 20).unwrap();
    let mut text = String::new();
    store
        .pin(&content.digest)
        .unwrap()
        .unwrap()
        .file
        .as_ref()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "kernel");
    assert_eq!(
        store.stat(),
        Stat {
            blobs: 1,
            bytes: 6,
            max_bytes: 1 << 20
        }
    );
}

#[test]
fn a_damaged_blob_is_dropped_and_can_be_put_again() {
    let (folder, store) = store(1 << 20);
    for damage in [b"kErnel".as_slice(), b"ker", b"kernel and more"] {
        let content = store.put(b"kernel").unwrap();
        drop(store.pin(&content.digest).unwrap().unwrap());
        fs::write(store.blob_path(&content.digest), damage).unwrap();
        let again = Store::open(&folder.path().join("store"), 1 << 20).unwrap();
        assert!(again.contains(&content.digest));
        assert!(again.pin(&content.digest).unwrap().is_none(), "{damage:?}");
        assert!(!again.contains(&content.digest));
        assert!(!again.blob_path(&content.digest).exists());
        store.verify(|_| ()).unwrap();
    }
}

#[test]
fn verify_names_what_it_dropped() {
    let (_folder, store) = store(1 << 20);
    let (good, bad) = (store.put(b"good").unwrap(), store.put(b"bad").unwrap());
    fs::write(store.blob_path(&bad.digest), b"BAD").unwrap();
    assert_eq!(store.verify(|_| ()).unwrap(), [bad.digest]);
    assert!(store.contains(&good.digest));
}

#[test]
fn eviction_takes_the_least_recently_used_but_never_what_is_held() {
    let (_folder, store) = store(25);
    let [a, b] = [b"aaaaaaaaaa", b"bbbbbbbbbb"].map(|content| store.put(content).unwrap().digest);
    let held = store.pin(&a).unwrap().unwrap();
    drop(store.pin(&b).unwrap());
    let c = store.put(b"cccccccccc").unwrap().digest;
    assert_eq!(store.collect_garbage().unwrap(), 10);
    assert!(store.contains(&a) && !store.contains(&b) && store.contains(&c));
    assert_eq!(held.len, 10);
    drop(held);
    let d = store.put(b"dddddddddd").unwrap().digest;
    assert_eq!(store.collect_garbage().unwrap(), 10);
    assert!(!store.contains(&a) && store.contains(&c) && store.contains(&d));
}

#[test]
fn a_file_kept_open_is_found_without_the_disk_and_evicted_like_any_other() {
    let (folder, store) = store(1 << 20);
    let digest = store.put(b"kernel").unwrap().digest;
    assert!(store.pin_open(&digest).is_none(), "nobody has opened it");
    drop(store.pin(&digest).unwrap());
    let held = store.pin_open(&digest).unwrap();
    assert_eq!(store.evict(0).unwrap(), 0, "it is in use");
    drop(held);
    assert_eq!(store.evict(0).unwrap(), 6);
    assert!(store.pin_open(&digest).is_none());
    assert!(!store.blob_path(&digest).exists());
    let tmp = folder.path().join("store/tmp");
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[test]
fn a_blob_in_doubt_is_checked_before_it_is_used_again() {
    let (_folder, store) = store(1 << 20);
    let digest = store.put(b"kernel").unwrap().digest;
    let held = store.pin(&digest).unwrap().unwrap();
    fs::write(store.blob_path(&digest), b"ker").unwrap();
    assert!(store.pin(&digest).unwrap().is_some(), "nobody has noticed");
    store.doubt(&digest);
    assert!(store.pin(&digest).unwrap().is_none());
    assert!(!store.contains(&digest));
    drop(held);
}

#[test]
fn unfinished_writes_leave_nothing() {
    let (folder, store) = store(1 << 20);
    let mut writer = store.writer().unwrap();
    writer.append(b"half a ker").unwrap();
    let tmp = folder.path().join("store/tmp");
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 1);
    drop(writer);
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
    fs::write(tmp.join("left-by-a-crash"), b"x").unwrap();
    Store::open(&folder.path().join("store"), 1).unwrap();
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[test]
fn facts_outlive_blobs() {
    let (_folder, store) = store(0);
    store.remember("trees", "x", &vec![1, 2]).unwrap();
    let blob = store.put(b"gone at once").unwrap();
    store.collect_garbage().unwrap();
    assert!(!store.contains(&blob.digest));
    assert_eq!(store.fact::<Vec<u8>>("trees", "x"), Some(vec![1, 2]));
    assert_eq!(store.fact::<Vec<u8>>("trees", "y"), None);
}

#[test]
fn a_data_directory_has_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let lock = DataLock::take(folder.path()).unwrap();
    let refused = DataLock::take(folder.path()).unwrap_err().to_string();
    assert!(
        refused.contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
    drop(lock);
    DataLock::take(folder.path()).unwrap();
}
