//! Prometheus metrics, under the reference's names (spec/http.md, 10), and those that only we have.

mod page;
mod process;

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use assembler::forge::Forge;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};

pub use self::page::Page;
use self::process::Process;

/// Seconds: the default buckets of Prometheus.
const SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Seconds that preparing an artifact takes.
const PREPARING: [f64; 5] = [1.0, 10.0, 60.0, 180.0, 600.0];

/// Labels of one kind of request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Always empty, as in the reference.
    pub service: &'static str,
    /// The route's pattern.
    pub handler: &'static str,
    /// The method.
    pub method: &'static str,
    /// The status.
    pub code: u16,
}

/// Labels of requests being answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InflightLabels {
    /// Always empty, as in the reference.
    pub service: &'static str,
    /// The route's pattern.
    pub handler: &'static str,
}

/// Labels of artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AssetLabels {
    /// Without `v`.
    pub talos_version: String,
    /// `kernel`, `iso`, …
    pub output_kind: &'static str,
    /// `amd64` or `arm64`.
    pub arch: &'static str,
}

/// Labels of requested extensions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ExtensionLabels {
    /// As the schematic names it.
    pub extension: String,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// From the request's head to the end of the answer's body.
    pub request_duration: Family<RequestLabels, Histogram>,
    /// Bytes of bodies.
    pub response_size: Family<RequestLabels, Histogram>,
    /// Requests being answered.
    pub inflight: Family<InflightLabels, Gauge>,
    /// Answers about artifacts that were composed for the request.
    pub assets_built: Family<AssetLabels, Counter>,
    /// Bytes of bodies of them.
    pub assets_built_bytes: Family<AssetLabels, Counter>,
    /// Answers about artifacts whose layout was known.
    pub assets_cached: Family<AssetLabels, Counter>,
    /// Bytes of bodies of them.
    pub assets_cached_bytes: Family<AssetLabels, Counter>,
    /// Artifacts that were not known, as the reference counts every miss, or could not be made.
    pub assets_cached_errors: Family<AssetLabels, Counter>,
    /// Waiting before composing begins: always none, there is no queue.
    pub concurrency_latency: Histogram,
    /// From the request to the artifact's layout with all its inputs.
    pub build_latency: Histogram,
    /// Schematics read.
    pub schematic_get: Counter,
    /// Schematics created.
    pub schematic_create: Counter,
    /// Schematics created again.
    pub schematic_duplicate: Counter,
    /// Schematics in memory.
    pub schematic_cache: Gauge,
    /// Extensions in requested artifacts.
    pub extension_hits: Family<ExtensionLabels, Counter>,
    /// Open connections.
    pub connections: Gauge,
    /// Images used without their signature being verified.
    pub images_unverified: Gauge,
    /// Blobs made from extensions: file systems, firmware.
    pub prepared: Counter,
    /// How often such a blob was there already.
    pub prepared_reused: Counter,
    /// Seconds spent making them.
    pub prepared_seconds: Counter<f64, AtomicU64>,
    /// Bytes read for them.
    pub prepared_read: Counter,
    /// Bytes of them.
    pub prepared_bytes: Counter,
    /// Such blobs being made.
    pub preparing: Gauge,
    /// Seconds since the list of versions was fetched.
    pub versions_age: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let sizes = || Histogram::new((0..8).map(|power| 100.0 * 10f64.powi(power)));
        let mut metrics = Self {
            registry: Registry::default(),
            request_duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            response_size: Family::new_with_constructor(sizes),
            inflight: Family::default(),
            assets_built: Family::default(),
            assets_built_bytes: Family::default(),
            assets_cached: Family::default(),
            assets_cached_bytes: Family::default(),
            assets_cached_errors: Family::default(),
            concurrency_latency: Histogram::new(PREPARING),
            build_latency: Histogram::new(PREPARING),
            schematic_get: Counter::default(),
            schematic_create: Counter::default(),
            schematic_duplicate: Counter::default(),
            schematic_cache: Gauge::default(),
            extension_hits: Family::default(),
            connections: Gauge::<i64, AtomicI64>::default(),
            images_unverified: Gauge::default(),
            prepared: Counter::default(),
            prepared_reused: Counter::default(),
            prepared_seconds: Counter::default(),
            prepared_read: Counter::default(),
            prepared_bytes: Counter::default(),
            preparing: Gauge::default(),
            versions_age: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: &M) {
            registry.register(name, help, metric.clone());
        }
        let registry = &mut self.registry;
        add(
            registry,
            "http_request_duration_seconds",
            "Time to the end of the answer",
            &self.request_duration,
        );
        add(
            registry,
            "http_response_size_bytes",
            "Bytes of bodies",
            &self.response_size,
        );
        add(
            registry,
            "http_requests_inflight",
            "Requests being answered",
            &self.inflight,
        );
        add(
            registry,
            "image_factory_assets_built",
            "Answers about artifacts composed for the request",
            &self.assets_built,
        );
        add(
            registry,
            "image_factory_assets_built_bytes",
            "Bytes of answers about artifacts composed for the request",
            &self.assets_built_bytes,
        );
        add(
            registry,
            "image_factory_assets_delivered_cached",
            "Answers about artifacts whose layout was known",
            &self.assets_cached,
        );
        add(
            registry,
            "image_factory_assets_cached_bytes",
            "Bytes of answers about artifacts whose layout was known",
            &self.assets_cached_bytes,
        );
        add(
            registry,
            "image_factory_assets_cached_errors",
            "Artifacts that were not known or could not be made",
            &self.assets_cached_errors,
        );
        add(
            registry,
            "image_factory_assets_concurrency_latency_seconds",
            "Time before composing an artifact begins",
            &self.concurrency_latency,
        );
        add(
            registry,
            "image_factory_assets_build_latency_seconds",
            "Time until an artifact's inputs are there",
            &self.build_latency,
        );
        add(
            registry,
            "image_factory_schematic_get",
            "Schematics read",
            &self.schematic_get,
        );
        add(
            registry,
            "image_factory_schematic_create",
            "Schematics created",
            &self.schematic_create,
        );
        add(
            registry,
            "image_factory_schematic_duplicate_create",
            "Schematics created again",
            &self.schematic_duplicate,
        );
        add(
            registry,
            "image_factory_schematic_cache_size",
            "Schematics in memory",
            &self.schematic_cache,
        );
        add(
            registry,
            "image_factory_profile_system_extension_hits",
            "Extensions in requested artifacts",
            &self.extension_hits,
        );
        add(
            registry,
            "http_connections",
            "Open connections",
            &self.connections,
        );
        add(
            registry,
            "images_unverified",
            "Images used without verified signature",
            &self.images_unverified,
        );
        add(
            registry,
            "extension_parts_prepared",
            "File systems and firmware archives made from extensions",
            &self.prepared,
        );
        add(
            registry,
            "extension_parts_reused",
            "File systems and firmware archives of extensions that were there already",
            &self.prepared_reused,
        );
        add(
            registry,
            "extension_parts_prepare_seconds",
            "Time spent preparing extensions",
            &self.prepared_seconds,
        );
        add(
            registry,
            "extension_parts_read_bytes",
            "Bytes read to prepare extensions",
            &self.prepared_read,
        );
        add(
            registry,
            "extension_parts_prepared_bytes",
            "Bytes of what was made from extensions",
            &self.prepared_bytes,
        );
        add(
            registry,
            "extension_parts_preparing",
            "File systems and firmware archives being made from extensions",
            &self.preparing,
        );
        add(
            registry,
            "versions_age_seconds",
            "Age of the list of versions",
            &self.versions_age,
        );
        self.registry.register_collector(Box::new(Process::new()));
    }

    /// Asks `forge` for what it counts itself.
    pub fn refresh(&self, forge: &Forge) {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.schematic_cache.set(gauge(forge.schematics_cached()));
        self.images_unverified.set(gauge(forge.images_unverified()));
        let prepared = forge.prepared();
        self.prepared.inner().store(prepared.made, Relaxed);
        self.prepared_reused.inner().store(prepared.reused, Relaxed);
        let seconds = prepared.time.as_secs_f64().to_bits();
        self.prepared_seconds.inner().store(seconds, Relaxed);
        self.prepared_read
            .inner()
            .store(prepared.read_bytes, Relaxed);
        self.prepared_bytes
            .inner()
            .store(prepared.made_bytes, Relaxed);
        self.preparing.set(gauge(forge.preparing().len() as u64));
        if let Some(age) = forge.versions_age() {
            self.versions_age.set(age.as_secs_f64());
        }
    }

    /// Prometheus' text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        text
    }

    /// Records the end of an answer.
    pub fn finished(&self, labels: &RequestLabels, duration: Duration, bytes: u64) {
        self.request_duration
            .get_or_create(labels)
            .observe(duration.as_secs_f64());
        #[expect(
            clippy::cast_precision_loss,
            reason = "histograms count in floating point"
        )]
        self.response_size
            .get_or_create(labels)
            .observe(bytes as f64);
        self.inflight.get_or_create(&labels.inflight()).dec();
    }
}

impl RequestLabels {
    /// The same without method and status.
    pub fn inflight(&self) -> InflightLabels {
        InflightLabels {
            service: self.service,
            handler: self.handler,
        }
    }
}

impl AssetLabels {
    /// Labels for the last segment of an artifact's URL.
    pub fn of(version: &str, path: &str) -> Self {
        let extension = path.rsplit('.').next();
        let kind = match (path.split('-').next(), extension) {
            (Some("kernel"), _) => "kernel",
            (Some("cmdline"), _) => "cmdline",
            (Some("initramfs"), _) => "initramfs",
            (_, Some("iso")) => "iso",
            (_, Some("efi")) => "uki",
            _ if path.contains("installer-") => "installer",
            _ => "image",
        };
        let arch = if path.contains("arm64") {
            "arm64"
        } else {
            "amd64"
        };
        Self {
            talos_version: version.trim_start_matches('v').to_owned(),
            output_kind: kind,
            arch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_buckets_are_those_of_the_reference() {
        let metrics = Metrics::new();
        let labels = RequestLabels {
            service: "",
            handler: "/versions",
            method: "GET",
            code: 200,
        };
        metrics.inflight.get_or_create(&labels.inflight()).inc();
        metrics.finished(&labels, Duration::from_millis(20), 5_000);
        metrics
            .assets_built
            .get_or_create(&AssetLabels::of("v1.14.0", "metal-arm64.iso"))
            .inc();
        let text = metrics.render();
        let expected = [
            r#"http_request_duration_seconds_bucket{le="0.025",service="",handler="/versions",method="GET",code="200"} 1"#,
            r#"http_response_size_bytes_bucket{le="10000.0",service="",handler="/versions",method="GET",code="200"} 1"#,
            r#"http_response_size_bytes_bucket{le="1000000000.0","#,
            r#"http_requests_inflight{service="",handler="/versions"} 0"#,
            r#"image_factory_assets_built_total{talos_version="1.14.0",output_kind="iso",arch="arm64"} 1"#,
            "image_factory_schematic_create_total 0",
            "image_factory_schematic_duplicate_create_total 0",
            r#"image_factory_assets_build_latency_seconds_bucket{le="600.0"} 0"#,
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
            "images_unverified 0",
        ];
        for line in expected {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
