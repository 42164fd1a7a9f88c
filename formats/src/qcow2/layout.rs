//! An image laid out.

use zerocopy::{IntoBytes as _, big_endian};

use super::{
    Error,
    raw::{COPIED, FEATURE_NAME_LEN, FEATURE_NAMES, FEATURES, Header, MAGIC, REFCOUNT_ORDER},
};
use crate::{Extent, Layout, extent::Run};

/// Bytes of a cluster: a power of two from 512 to 2 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClusterSize(u32);

impl ClusterSize {
    /// qemu-img's own choice, 64 KiB.
    pub const DEFAULT: Self = Self(16);

    /// The cluster size of that many bytes.
    pub fn new(bytes: u64) -> Result<Self, Error> {
        if !bytes.is_power_of_two() || !(512..=2 << 20).contains(&bytes) {
            return Err(Error::ClusterSize(bytes));
        }
        Ok(Self(bytes.ilog2()))
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        1 << self.0
    }

    /// Entries of a table of 64-bit words that fills a cluster.
    const fn entries(self) -> u64 {
        self.bytes() / 8
    }

    /// Reference counts of 16 bits that fill a cluster.
    const fn refcounts(self) -> u64 {
        self.bytes() / 2
    }
}

/// Clusters of the file, by number.
struct Plan {
    refcount_table: u64,
    refcount_blocks: u64,
    l1: u64,
    l2: u64,
    data: u64,
    end: u64,
}

impl Plan {
    /// Reference counts count their own clusters too: more of them are needed until enough are there.
    fn new(size: ClusterSize, l1_entries: u64, l2_tables: u64, data: u64) -> Self {
        let (mut table, mut blocks) = (1, 1);
        loop {
            let plan = {
                let refcount_table = 1;
                let refcount_blocks = refcount_table + table;
                let l1 = refcount_blocks + blocks;
                let l2 = l1 + l1_entries.div_ceil(size.entries()).max(1);
                Self {
                    refcount_table,
                    refcount_blocks,
                    l1,
                    l2,
                    data: l2 + l2_tables,
                    end: l2 + l2_tables + data,
                }
            };
            let enough = plan.end.div_ceil(size.refcounts());
            let table_enough = enough.div_ceil(size.entries());
            if enough <= blocks && table_enough <= table {
                return plan;
            }
            (table, blocks) = (table.max(table_enough), blocks.max(enough));
        }
    }
}

/// A run of clusters with data: the first, and how many.
type Clusters = (u64, u64);

/// `disk` as an image with clusters of `size`. A cluster is there when it is not all in runs of zeros of the disk.
pub fn image(disk: &Layout, size: ClusterSize) -> Layout {
    let bytes = size.bytes();
    let mut data = Layout::new();
    let mut runs: Vec<Clusters> = Vec::new();
    let mut offset = 0;
    for run in disk.runs(bytes, bytes) {
        let len = run.len();
        if let Run::Payload(payload) = run {
            runs.push((offset / bytes, len.div_ceil(bytes)));
            data.append(&payload);
            data.align(bytes);
        }
        offset += len;
    }
    let clusters = data.len() / bytes;
    let l1_entries = disk.len().div_ceil(bytes * size.entries());
    let tables = tables(&runs, size);
    let plan = Plan::new(size, l1_entries, tables.len() as u64, clusters);

    let mut layout = Layout::new();
    layout.section("qcow2 header");
    layout.bytes(header(&plan, size, disk.len(), l1_entries));
    layout.pad_to(plan.refcount_table * bytes);
    layout.section("qcow2 refcount table");
    layout.push(Extent::Sequence64 {
        start: plan.refcount_blocks * bytes,
        step: bytes,
        count: plan.end.div_ceil(size.refcounts()),
    });
    layout.pad_to(plan.refcount_blocks * bytes);
    layout.section("qcow2 refcount blocks");
    refcounts(&mut layout, plan.end);
    layout.pad_to(plan.l1 * bytes);
    layout.section("qcow2 L1 table");
    l1(&mut layout, &plan, size, &tables);
    layout.pad_to(plan.l2 * bytes);
    layout.section("qcow2 L2 tables");
    l2(&mut layout, &plan, size, &runs, &tables);
    layout.pad_to(plan.data * bytes);
    layout.append(&data);
    layout.pad_to(plan.end * bytes);
    layout
}

/// The L2 tables that have an entry, by number.
fn tables(runs: &[Clusters], size: ClusterSize) -> Vec<u64> {
    let of =
        |(first, count): &Clusters| first / size.entries()..=(first + count - 1) / size.entries();
    let mut tables: Vec<u64> = runs.iter().flat_map(of).collect();
    tables.dedup();
    tables
}

fn header(plan: &Plan, size: ClusterSize, disk: u64, l1_entries: u64) -> Vec<u8> {
    let bytes = size.bytes();
    let small =
        |value: u64| big_endian::U32::new(u32::try_from(value).expect("disks are below 2^53"));
    let header = Header {
        magic: MAGIC.into(),
        version: 3.into(),
        backing_offset: 0.into(),
        backing_len: 0.into(),
        cluster_bits: size.0.into(),
        size: disk.into(),
        encryption: 0.into(),
        l1_entries: small(l1_entries),
        l1_offset: (plan.l1 * bytes).into(),
        refcount_table_offset: (plan.refcount_table * bytes).into(),
        refcount_table_clusters: small(plan.refcount_blocks - plan.refcount_table),
        snapshots: 0.into(),
        snapshots_offset: 0.into(),
        incompatible: 0.into(),
        compatible: 0.into(),
        autoclear: 0.into(),
        refcount_order: REFCOUNT_ORDER.into(),
        header_len: 112.into(),
        compression: 0,
        padding: [0; 7],
    };
    let mut whole = header.as_bytes().to_vec();
    let names = FEATURES.iter().flat_map(|(kind, bit, name)| {
        let mut feature = [0; 2 + FEATURE_NAME_LEN];
        (feature[0], feature[1]) = (*kind, *bit);
        feature[2..2 + name.len()].copy_from_slice(name.as_bytes());
        feature
    });
    let names: Vec<u8> = names.collect();
    let names_len = u32::try_from(names.len()).expect("eight names");
    let with_names = whole.len() + 8 + names.len() + 8;
    if with_names as u64 <= bytes {
        whole.extend(FEATURE_NAMES.to_be_bytes());
        whole.extend(names_len.to_be_bytes());
        whole.extend(names);
    }
    let end_of_extensions = [0; 8];
    whole.extend(end_of_extensions);
    whole
}

/// One for each of `count` clusters. Two counts of 16 bits, big-endian, are a word of 32.
fn refcounts(layout: &mut Layout, count: u64) {
    const ONE: [u8; 2] = [0, 1];
    layout.push(Extent::Sequence {
        start: u32::from_le_bytes([ONE[0], ONE[1], ONE[0], ONE[1]]),
        step: 0,
        count: count / 2,
    });
    if count % 2 == 1 {
        layout.bytes(ONE.as_slice());
    }
}

fn l1(layout: &mut Layout, plan: &Plan, size: ClusterSize, tables: &[u64]) {
    let start = plan.l1 * size.bytes();
    let mut place = plan.l2;
    for neighbours in tables.chunk_by(|one, next| one + 1 == *next) {
        let count = neighbours.len() as u64;
        layout.pad_to(start + neighbours[0] * 8);
        layout.push(Extent::Sequence64 {
            start: COPIED | (place * size.bytes()),
            step: size.bytes(),
            count,
        });
        place += count;
    }
}

fn l2(layout: &mut Layout, plan: &Plan, size: ClusterSize, runs: &[Clusters], tables: &[u64]) {
    let mut data = plan.data;
    let mut index = 0;
    for (first, count) in runs {
        let (mut cluster, end) = (*first, first + count);
        while cluster < end {
            let table = cluster / size.entries();
            while tables[index] < table {
                index += 1;
            }
            let stop = end.min((table + 1) * size.entries());
            let entry = (plan.l2 + index as u64) * size.entries() + cluster % size.entries();
            layout.pad_to(entry * 8);
            layout.push(Extent::Sequence64 {
                start: COPIED | (data * size.bytes()),
                step: size.bytes(),
                count: stop - cluster,
            });
            data += stop - cluster;
            cluster = stop;
        }
    }
}
