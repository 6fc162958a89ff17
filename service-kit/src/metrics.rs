//! What a service counts, for Prometheus (OpenMetrics 1.0, as text).

use std::{cell::RefCell, fmt, time::Instant};

use actix_web::{
    HttpResponse,
    http::{Method, header::CACHE_CONTROL},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::route::Route;

/// Labels whose values are known when the service is built: nothing that a client sends can be one.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];

/// A counter for each value of these labels.
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// The media type of the answer.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counters of one label, there from the start: what never happened is 0, not missing.
pub fn counters(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl IntoIterator<Item = &'static str>,
) -> Counters<1> {
    let counters = Counters::default();
    registry.register(name, help, counters.clone());
    begin(&counters, label, values);
    counters
}

/// Has these counters of one label there from the start.
pub fn begin(counters: &Counters<1>, label: &'static str, values: impl IntoIterator<Item = &'static str>) {
    for value in values {
        drop(counters.get_or_create(&[(label, value)]));
    }
}

/// A number that goes up and down.
pub fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

/// RequestMetrics by route and status, and how long they took.
#[derive(Clone)]
pub struct RequestMetrics {
    counts: Family<ResponseLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

impl fmt::Debug for RequestMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Requests")
    }
}

/// From half a millisecond to ten seconds: a look-up is at one end, a password's hash in a full queue at the other.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl RequestMetrics {
    /// None counted yet.
    pub fn new(registry: &mut Registry) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let (counts, durations) = (Family::default(), Family::new_with_constructor(histogram));
        registry.register("http_requests", "RequestMetrics, by route and status", counts.clone());
        let help = "How long it took until an answer began, in seconds, by route";
        registry.register("http_request_duration_seconds", help, durations.clone());
        Self { counts, durations }
    }

    pub(super) fn count(&self, method: &Method, route: Option<&Route>, status: u16, began: Instant) {
        // Not what the client wrote, which could be anything.
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        let took = began.elapsed().as_secs_f64();
        let name = route.map_or("none", |route| route.name);
        let found = || ResponseMetrics {
            count: self.counts.get_or_create_owned(&ResponseLabels { method, route: name, status }),
            durations: self.durations.get_or_create_owned(&RouteLabels { method, route: name }),
        };
        match route {
            Some(route) => {
                let mut counted = route.counted.0.borrow_mut();
                let known = counted.iter().position(|(known, _)| *known == (method, status));
                let known = known.unwrap_or_else(|| {
                    counted.push(((method, status), found()));
                    counted.len() - 1
                });
                counted[known].1.add(took);
            }
            None => found().add(took),
        }
    }
}

/// What answers of a route are counted by, as far as it has given such answers: to find that among all others' takes longer
/// than to count, and locks out all other workers.
#[derive(Default)]
pub(super) struct RouteMetrics(RefCell<Vec<((&'static str, u16), ResponseMetrics)>>);

struct ResponseMetrics {
    count: Counter,
    durations: Histogram,
}

impl ResponseMetrics {
    fn add(&self, took: f64) {
        self.durations.observe(took);
        self.count.inc();
    }
}

/// The answer to `GET /metrics`.
pub fn answer(registry: &Registry) -> HttpResponse {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, registry);
    HttpResponse::Ok().content_type(MEDIA_TYPE).insert_header((CACHE_CONTROL, "no-store")).body(text)
}
