use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;

/// A backend in memory whose reads wait to be let through.
#[derive(Debug)]
struct Memory {
    kept: Mutex<HashMap<Id, Bytes>>,
    gets: AtomicUsize,
    puts: AtomicUsize,
    gate: Semaphore,
    failing: AtomicUsize,
}

impl Memory {
    fn open() -> Arc<Memory> {
        Memory::with_gate(usize::MAX >> 4)
    }

    fn with_gate(permits: usize) -> Arc<Memory> {
        Arc::new(Memory {
            kept: Mutex::default(),
            gets: AtomicUsize::new(0),
            puts: AtomicUsize::new(0),
            gate: Semaphore::new(permits),
            failing: AtomicUsize::new(0),
        })
    }

    async fn pass(&self) -> Result<(), Error> {
        self.gate.acquire().await.unwrap().forget();
        let failing = self.failing.load(Ordering::SeqCst);
        if failing > 0 {
            self.failing.store(failing - 1, Ordering::SeqCst);
            return Err(Error::Backend {
                text: "away".into(),
                kind: Kind::Upstream,
            });
        }
        Ok(())
    }
}

impl Backend for Arc<Memory> {
    fn get<'a>(&'a self, id: &'a Id) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        async move {
            self.gets.fetch_add(1, Ordering::SeqCst);
            self.pass().await?;
            Ok(self.kept.lock().unwrap().get(id).cloned())
        }
        .boxed()
    }

    fn put<'a>(&'a self, id: &'a Id, canonical: Bytes) -> BoxFuture<'a, Result<Put, Error>> {
        async move {
            self.puts.fetch_add(1, Ordering::SeqCst);
            self.pass().await?;
            let old = self.kept.lock().unwrap().insert(*id, canonical);
            Ok(if old.is_some() {
                Put::Existing
            } else {
                Put::Created
            })
        }
        .boxed()
    }

    fn place(&self, id: &Id) -> String {
        format!("memory of {id}")
    }
}

fn schematic(arg: &str) -> Schematic {
    let mut schematic = Schematic::default();
    schematic.customization.extra_kernel_args.push(arg.into());
    schematic
}

fn store(memory: &Arc<Memory>) -> Store {
    Store::new(Arc::clone(memory), Options::default())
}

fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

/// Waits until other tasks have come as far as they can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_put_is_found() {
    let memory = Memory::open();
    let store = store(&memory);
    let (id, put) = store.put(&schematic("a")).await.unwrap();
    assert_eq!(put, Put::Created);
    assert_eq!(*store.get(&id).await.unwrap(), schematic("a"));
    assert_eq!(
        store.put(&schematic("a")).await.unwrap(),
        (id, Put::Existing)
    );
    assert_eq!(
        (count(&memory.gets), count(&memory.puts)),
        (0, 1),
        "the cache answered"
    );

    let restarted = self::store(&memory);
    assert_eq!(*restarted.get(&id).await.unwrap(), schematic("a"));
    let again = self::store(&memory).put(&schematic("a")).await.unwrap();
    assert_eq!(again, (id, Put::Existing));
}

#[tokio::test]
async fn a_missing_id_is_asked_for_once_until_it_is_put() {
    let memory = Memory::open();
    let store = store(&memory);
    let id = schematic("a").id();
    for _ in 0..3 {
        let error = store.get(&id).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(
            error.to_string(),
            format!("schematic ID \"{id}\" not found")
        );
    }
    assert_eq!(count(&memory.gets), 1);
    store.put(&schematic("a")).await.unwrap();
    assert!(store.get(&id).await.is_ok());
}

#[tokio::test]
async fn a_missing_id_is_asked_for_again_after_its_time() {
    let memory = Memory::open();
    let options = Options {
        negative_ttl: Duration::ZERO,
        ..Options::default()
    };
    let store = Store::new(Arc::clone(&memory), options);
    let id = schematic("a").id();
    for _ in 0..3 {
        assert!(store.get(&id).await.is_err());
    }
    assert_eq!(count(&memory.gets), 3);
}

#[tokio::test]
async fn failures_are_not_remembered() {
    let memory = Memory::open();
    let store = store(&memory);
    let (id, _) = store.put(&schematic("a")).await.unwrap();
    let store = self::store(&memory);
    memory.failing.store(1, Ordering::SeqCst);
    assert_eq!(store.get(&id).await.unwrap_err().kind(), Kind::Upstream);
    assert!(store.get(&id).await.is_ok());
}

#[tokio::test]
async fn many_readers_are_one_flight() {
    let memory = Memory::with_gate(0);
    let store = store(&memory);
    let id = schematic("a").id();
    let readers: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.get(&id).await.is_err() })
        })
        .collect();
    settle().await;
    memory.gate.add_permits(1000);
    for reader in readers {
        assert!(reader.await.unwrap());
    }
    assert_eq!(count(&memory.gets), 1);
}

#[tokio::test]
async fn a_put_that_joined_a_miss_still_writes() {
    let memory = Memory::with_gate(0);
    let store = store(&memory);
    let id = schematic("a").id();
    let reader = tokio::spawn({
        let store = store.clone();
        async move { store.get(&id).await }
    });
    settle().await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move { store.put(&schematic("a")).await }
    });
    settle().await;
    assert_eq!(count(&memory.puts), 0, "the put waits for the get");
    memory.gate.add_permits(1000);
    assert!(reader.await.unwrap().is_err());
    assert_eq!(writer.await.unwrap().unwrap(), (id, Put::Created));
    assert_eq!(*store.get(&id).await.unwrap(), schematic("a"));
}

#[tokio::test]
async fn a_get_waits_for_a_put() {
    let memory = Memory::with_gate(0);
    let store = store(&memory);
    let id = schematic("a").id();
    let writer = tokio::spawn({
        let store = store.clone();
        async move { store.put(&schematic("a")).await }
    });
    settle().await;
    let reader = tokio::spawn({
        let store = store.clone();
        async move { store.get(&id).await }
    });
    settle().await;
    memory.gate.add_permits(1000);
    assert!(writer.await.unwrap().is_ok());
    assert_eq!(*reader.await.unwrap().unwrap(), schematic("a"));
    assert_eq!(count(&memory.gets), 0);
}

#[tokio::test]
async fn the_work_goes_on_when_who_asked_has_left() {
    let memory = Memory::with_gate(0);
    let store = store(&memory);
    let writer = tokio::spawn({
        let store = store.clone();
        async move { store.put(&schematic("a")).await }
    });
    settle().await;
    writer.abort();
    settle().await;
    memory.gate.add_permits(1000);
    settle().await;
    assert_eq!(
        *store.get(&schematic("a").id()).await.unwrap(),
        schematic("a")
    );
    assert_eq!(count(&memory.puts), 1);
}

#[tokio::test]
async fn bytes_of_another_hash_are_refused() {
    let memory = Memory::open();
    let id = schematic("a").id();
    memory
        .kept
        .lock()
        .unwrap()
        .insert(id, Bytes::from_static(b"customization: {}\n"));
    let error = store(&memory).get(&id).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert_eq!(
        error.to_string(),
        format!("schematic {id} is damaged at memory of {id}")
    );
}

#[tokio::test]
async fn a_schematic_of_a_newer_service_is_a_bad_request() {
    let memory = Memory::open();
    let text = Bytes::from_static(b"customization: {}\nnew: 1\n");
    let id = Id::of(&text);
    memory.kept.lock().unwrap().insert(id, text);
    assert_eq!(
        store(&memory).get(&id).await.unwrap_err().kind(),
        Kind::BadRequest
    );
}

#[tokio::test]
async fn what_does_not_read_back_is_a_bad_request_however_often_it_is_posted() {
    let store = store(&Memory::open());
    // Two keys that are written alike: the reference keeps that as well.
    let document = b"overlay: {options: {m: {1: a, 1.0: b}}}";
    for put in [Put::Created, Put::Existing] {
        let (id, _, found) = store.create(document).await.unwrap();
        assert_eq!(found, put);
        assert_eq!(store.get(&id).await.unwrap_err().kind(), Kind::BadRequest);
    }
}

#[tokio::test]
async fn a_document_is_kept_under_its_canonical_name() {
    let store = store(&Memory::open());
    let (id, _, put) = store
        .create(b"{customization: {extraKernelArgs: [a]}}")
        .await
        .unwrap();
    assert_eq!((id, put), (schematic("a").id(), Put::Created));
    let error = store.create(b"owner: alice").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "owner field is only supported in Enterprise edition"
    );
    assert_eq!(store.create(b"").await.unwrap_err().to_string(), "EOF");
}

#[tokio::test]
async fn a_directory_keeps_canonical_forms_as_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("schematics");
    let open = || Store::new(Directory::open(&path).unwrap(), Options::default());
    let store = open();
    let (id, put) = store.put(&schematic("a")).await.unwrap();
    assert_eq!(put, Put::Created);
    let file = path.join(id.to_string());
    assert_eq!(std::fs::read(&file).unwrap(), schematic("a").canonical());
    assert_eq!(
        std::fs::read_dir(&path).unwrap().count(),
        1,
        "no temporary files stay"
    );
    assert_eq!(
        open().put(&schematic("a")).await.unwrap(),
        (id, Put::Existing)
    );
    assert_eq!(*open().get(&id).await.unwrap(), schematic("a"));
}

#[tokio::test]
async fn a_damaged_file_is_named_and_repaired_by_posting_again() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        Store::new(
            Directory::open(directory.path()).unwrap(),
            Options::default(),
        )
    };
    let (id, _) = open().put(&schematic("a")).await.unwrap();
    let file = directory.path().join(id.to_string());
    std::fs::write(&file, b"customization:").unwrap();
    let store = open();
    let error = store.get(&id).await.unwrap_err().to_string();
    assert!(error.contains(&file.display().to_string()), "{error}");
    assert_eq!(
        store.put(&schematic("a")).await.unwrap(),
        (id, Put::Created)
    );
    assert_eq!(*store.get(&id).await.unwrap(), schematic("a"));
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gone");
    let store = Store::new(Directory::open(&path).unwrap(), Options::default());
    std::fs::remove_dir(&path).unwrap();
    let error = store.put(&schematic("a")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert!(error.to_string().contains("gone"), "{error}");
}

#[test]
fn the_image_of_the_default_schematic_is_the_known_one() {
    let canonical = Schematic::default().canonical();
    let config = registry::config(&canonical);
    assert_eq!(config.len(), 233);
    let digest = formats::Digest::of(&config).to_string();
    assert!(digest.starts_with("sha256:a1318fc1"), "{digest}");
    let id = Id::of(&canonical).digest().to_string();
    let expected = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{}\",\
         \"config\":{{\"mediaType\":\"{}\",\"size\":233,\"digest\":\"{digest}\"}},\
         \"layers\":[{{\"mediaType\":\"{}\",\"size\":18,\"digest\":\"{id}\"}}]}}",
        registry::MANIFEST,
        registry::CONFIG,
        registry::LAYER,
    );
    assert_eq!(
        String::from_utf8(registry::manifest(&canonical)).unwrap(),
        expected
    );
}
