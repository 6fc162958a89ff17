//! What the system knows of this process, under the names that every Prometheus client uses, and which version it is. Read
//! from `/proc` when asked: where there is none, as on macOS, there are no such metrics.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::Registry,
};

/// In which `/proc` counts time: a hundredth of a second on every machine that Linux runs on in earnest (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds them to what a service of this version tells.
pub fn register(registry: &mut Registry, version: &'static str) {
    registry.register("build", "Which version runs", Info::new([("version", version)]));
    registry.register_collector(Box::new(Process));
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name, help, value: Option<f64>| {
            let Some(value) = value else { return Ok(()) };
            let gauge = ConstGauge::new(value);
            let metric = prometheus_client::metrics::MetricType::Gauge;
            gauge.encode(encoder.encode_descriptor(name, help, None, metric)?)
        };
        gauge("process_resident_memory_bytes", "Memory in use, in bytes", resident_memory())?;
        gauge("process_open_fds", "Open file descriptors", open_fds())?;
        gauge("process_max_fds", "How many file descriptors may be open", max_fds())?;
        gauge("process_start_time_seconds", "When it started, since the Unix epoch", start_time())?;
        let Some(seconds) = cpu_time() else { return Ok(()) };
        let counter = ConstCounter::new(seconds);
        let metric = prometheus_client::metrics::MetricType::Counter;
        counter.encode(encoder.encode_descriptor(
            "process_cpu_seconds",
            "CPU time used, in seconds",
            None,
            metric,
        )?)
    }
}

fn resident_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? * 1024.0)
}

fn open_fds() -> Option<f64> {
    // One is this very look.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

/// How many file descriptors, and thus connections, this process may have open.
pub fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn start_time() -> Option<f64> {
    let system = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted + stat_field(22)? / TICKS_PER_SECOND)
}

fn cpu_time() -> Option<f64> {
    Some((stat_field(14)? + stat_field(15)?) / TICKS_PER_SECOND)
}

/// A field of `/proc/self/stat`, by its number in proc(5).
fn stat_field(number: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second is the program's name, in brackets: it may be anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split_whitespace().nth(number - 3)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - start_time().unwrap();
        assert!((-2.0..3600.0).contains(&age), "{age}");
        let before = open_fds().unwrap();
        let held = [(); 50].map(|()| fs::File::open("/proc/self/status").unwrap());
        // Tests of other threads may open some, too.
        assert!(open_fds().unwrap() >= before + 40.0);
        assert!(max_fds().unwrap() > open_fds().unwrap());
        drop(held);
        let memory = vec![1_u8; 64 << 20];
        assert!(resident_memory().unwrap() > memory.len() as f64);
        let used = cpu_time().unwrap();
        while cpu_time().unwrap() < used + 0.05 {}
    }
}
