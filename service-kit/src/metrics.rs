//! Metrics for Prometheus, as OpenMetrics 1.0 text.

use std::{cell::RefCell, time::Instant};

use actix_web::{
    HttpResponse,
    http::{Method, header::CACHE_CONTROL},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Labels whose values are known when the service is built: a client cannot add one.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];

/// A counter for each value of these labels.
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// Media type of the answer to `GET /metrics`.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Registers a counter for each value of one label. Each of them starts at 0.
pub fn counters(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl IntoIterator<Item = &'static str>,
) -> Counters<1> {
    let counters = Counters::default();
    registry.register(name, help, counters.clone());
    init_counters(&counters, label, values);
    counters
}

/// Creates the counter of each value of one label, so that an event that never happened is
/// reported as 0 rather than missing.
pub fn init_counters(
    counters: &Counters<1>,
    label: &'static str,
    values: impl IntoIterator<Item = &'static str>,
) {
    for value in values {
        drop(counters.get_or_create(&[(label, value)]));
    }
}

/// Registers a gauge.
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

/// Number of requests by route and status, and their durations by route.
#[derive(Clone, Debug)]
pub struct RequestMetrics {
    counts: Family<ResponseLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

impl RequestMetrics {
    /// Upper bounds of the histogram's buckets, in seconds: a look-up in memory takes less than
    /// a millisecond, a password hash at the end of a full queue takes seconds.
    const BUCKETS: [f64; 14] =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

    /// Registers the metrics of requests.
    pub fn new(registry: &mut Registry) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(Self::BUCKETS);
        let counts = Family::default();
        registry.register(
            "http_requests",
            "Number of requests by route and status",
            counts.clone(),
        );
        let durations = Family::new_with_constructor(histogram);
        let help = "Time from a request to the head of its response by route, in seconds";
        registry.register("http_request_duration_seconds", help, durations.clone());
        Self { counts, durations }
    }

    /// Returns metrics that no registry exports.
    pub fn unregistered() -> Self {
        Self::new(&mut Registry::default())
    }

    /// Counts a request. `route` is `None` if no route took the request.
    pub(crate) fn count(
        &self,
        method: &Method,
        route: Option<&RouteMetrics>,
        status: u16,
        started: Instant,
    ) {
        // A method that the client invented must not become a label.
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        let seconds = started.elapsed().as_secs_f64();
        let metrics_of = |route| ResponseMetrics {
            count: self.counts.get_or_create_owned(&ResponseLabels { method, route, status }),
            durations: self.durations.get_or_create_owned(&RouteLabels { method, route }),
        };
        match route {
            Some(route) => route.add(method, status, seconds, metrics_of),
            None => metrics_of("none").add(seconds),
        }
    }
}

/// One worker's copy of the metrics of a route.
///
/// A look-up in [`RequestMetrics`] at each request would take longer than the count, and would lock
/// out the other workers.
pub(crate) struct RouteMetrics {
    route: &'static str,
    /// By method and status, as far as the route has given such answers.
    responses: RefCell<Vec<((&'static str, u16), ResponseMetrics)>>,
}

impl RouteMetrics {
    pub(crate) fn new(route: &'static str) -> Self {
        Self { route, responses: RefCell::default() }
    }

    fn add(
        &self,
        method: &'static str,
        status: u16,
        seconds: f64,
        metrics_of: impl FnOnce(&'static str) -> ResponseMetrics,
    ) {
        let mut responses = self.responses.borrow_mut();
        let known = responses.iter().position(|(known, _)| *known == (method, status));
        let index = known.unwrap_or_else(|| {
            responses.push(((method, status), metrics_of(self.route)));
            responses.len() - 1
        });
        responses[index].1.add(seconds);
    }
}

struct ResponseMetrics {
    count: Counter,
    durations: Histogram,
}

impl ResponseMetrics {
    fn add(&self, seconds: f64) {
        self.durations.observe(seconds);
        self.count.inc();
    }
}

/// Returns the answer to `GET /metrics`.
pub fn answer(registry: &Registry) -> HttpResponse {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, registry);
    HttpResponse::Ok()
        .content_type(MEDIA_TYPE)
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text)
}
