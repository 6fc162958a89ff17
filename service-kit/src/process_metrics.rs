//! Metrics of the process, under the names that every Prometheus client uses, and its version.
//!
//! The crate `procfs` reads them from Linux's `/proc`; other systems have none of them. The crate
//! `metrics-process` knows more systems, but needs libclang to build on macOS.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::Registry,
};

/// Registers the metrics of this process, and the version of its service.
pub fn register(registry: &mut Registry, version: &'static str) {
    registry.register("build", "Version of the service", Info::new([("version", version)]));
    registry.register_collector(Box::new(ProcessCollector));
}

/// Reads the metrics when Prometheus asks for them.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = Readings::now();
        if let Some(seconds) = now.cpu_seconds {
            let help = "CPU time that the process has used, in seconds";
            let counter = MetricType::Counter;
            let encoder = encoder.encode_descriptor("process_cpu_seconds", help, None, counter)?;
            ConstCounter::new(seconds).encode(encoder)?;
        }
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory, in bytes", now.resident_memory),
            ("process_open_fds", "Number of open file descriptors", now.open_fds),
            ("process_max_fds", "Maximum number of open file descriptors", now.max_fds),
            (
                "process_start_time_seconds",
                "Start time of the process, in seconds since the Unix epoch",
                now.start_time,
            ),
        ];
        for (name, help, value) in gauges {
            let Some(value) = value else { continue };
            let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(encoder)?;
        }
        Ok(())
    }
}

/// Values of this process. A value that cannot be read is `None`.
#[derive(Debug, Default)]
struct Readings {
    cpu_seconds: Option<f64>,
    resident_memory: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
    start_time: Option<f64>,
}

impl Readings {
    #[cfg(target_os = "linux")]
    fn now() -> Self {
        use procfs::{
            WithCurrentSystemInfo,
            process::{LimitValue, Process},
        };
        let Ok(process) = Process::myself() else { return Self::default() };
        let stat = process.stat().ok();
        let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
        let boot_time = procfs::boot_time_secs().ok();
        let limits = process.limits().ok();
        Self {
            cpu_seconds: stat.as_ref().map(|stat| seconds(stat.utime + stat.stime)),
            resident_memory: stat.as_ref().map(|stat| stat.rss_bytes().get() as f64),
            open_fds: process.fd_count().ok().map(|count| count as f64),
            max_fds: limits.and_then(|limits| match limits.max_open_files.soft_limit {
                LimitValue::Value(limit) => Some(limit as f64),
                LimitValue::Unlimited => None,
            }),
            start_time: boot_time
                .zip(stat)
                .map(|(boot, stat)| boot as f64 + seconds(stat.starttime)),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn now() -> Self {
        Self::default()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        fs,
        time::{SystemTime, UNIX_EPOCH},
    };

    use super::*;

    fn text() -> String {
        let mut registry = Registry::default();
        register(&mut registry, "1.2.3");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    fn value(metric: &str) -> f64 {
        let text = text();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{metric} ")));
        line.unwrap_or_else(|| panic!("no {metric} in\n{text}")).parse().unwrap()
    }

    #[test]
    fn metrics_describe_this_process() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-2.0..3600.0).contains(&age), "{age}");
        let before = value("process_open_fds");
        let held = [(); 50].map(|()| fs::File::open("/proc/self/status").unwrap());
        let max_fds = Readings::now().max_fds.unwrap();
        // Other threads may close files.
        assert!(value("process_open_fds") >= before + 40.0);
        assert!(max_fds > value("process_open_fds"));
        assert_eq!(max_fds, value("process_max_fds"));
        drop(held);
        let memory = vec![1_u8; 64 << 20];
        assert!(value("process_resident_memory_bytes") > memory.len() as f64);
        let used = value("process_cpu_seconds_total");
        while value("process_cpu_seconds_total") < used + 0.05 {}
        assert!(text().contains(r#"build_info{version="1.2.3"} 1"#));
    }
}
