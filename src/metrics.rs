//! Prometheus metrics, under the reference's names (spec/http.md, 10), and those that only we have.

use std::{
    sync::atomic::{AtomicI64, AtomicU64},
    time::{Duration, SystemTime},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::{Metric, Registry},
};

/// Seconds: the default buckets of Prometheus.
const SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Seconds that preparing an artifact takes.
const PREPARING: [f64; 5] = [1.0, 10.0, 60.0, 180.0, 600.0];
/// Clock ticks a second in `/proc`: Linux shows all architectures' times in these.
const USER_HZ: f64 = 100.0;

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
    /// Answers about artifacts; each is composed for its request.
    pub assets_built: Family<AssetLabels, Counter>,
    /// Their bytes.
    pub assets_built_bytes: Family<AssetLabels, Counter>,
    /// From the request to the artifact's layout with all its inputs.
    pub build_latency: Histogram,
    /// Schematics read.
    pub schematic_get: Counter,
    /// Schematics created.
    pub schematic_create: Counter,
    /// Schematics created again.
    pub schematic_duplicate: Counter,
    /// Extensions in requested artifacts.
    pub extension_hits: Family<ExtensionLabels, Counter>,
    /// Open connections.
    pub connections: Gauge,
    /// Images used without their signature being verified.
    pub images_unverified: Gauge,
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
            build_latency: Histogram::new(PREPARING),
            schematic_get: Counter::default(),
            schematic_create: Counter::default(),
            schematic_duplicate: Counter::default(),
            extension_hits: Family::default(),
            connections: Gauge::<i64, AtomicI64>::default(),
            images_unverified: Gauge::default(),
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
            "Answers about artifacts",
            &self.assets_built,
        );
        add(
            registry,
            "image_factory_assets_built_bytes",
            "Bytes of answers about artifacts",
            &self.assets_built_bytes,
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
            "versions_age_seconds",
            "Age of the list of versions",
            &self.versions_age,
        );
        self.registry.register_collector(Box::new(Process::new()));
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

/// What Prometheus' own libraries say of every process.
#[derive(Debug)]
struct Process {
    start: f64,
}

impl Process {
    fn new() -> Self {
        let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            start: start.map_or(0.0, |start| start.as_secs_f64()),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: f64| {
            let metric = ConstGauge::new(value);
            let encoder = encoder.encode_descriptor(
                name,
                help,
                None,
                prometheus_client::metrics::MetricType::Gauge,
            )?;
            metric.encode(encoder)
        };
        gauge(
            "process_start_time_seconds",
            "Start since the epoch",
            self.start,
        )?;
        if let Some(bytes) = resident_bytes() {
            gauge("process_resident_memory_bytes", "Resident memory", bytes)?;
        }
        if let Some(count) = open_files() {
            gauge("process_open_fds", "Open file descriptors", count)?;
        }
        if let Some(seconds) = processor_seconds() {
            let metric = ConstCounter::new(seconds);
            let encoder = encoder.encode_descriptor(
                "process_cpu_seconds",
                "User and system time",
                None,
                prometheus_client::metrics::MetricType::Counter,
            )?;
            metric.encode(encoder)?;
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_files() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count).ok().map(f64::from)
}

/// Fields 14 and 15 of `/proc/self/stat`, counted from the command in parentheses, which may hold anything.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / USER_HZ)
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
