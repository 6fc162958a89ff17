//! Trace headers of resource-service's requests to the issuer.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
};

use test_support::{Collector, Process};

/// Returns the head of the first request that a resource-service with these settings sends to its
/// issuer.
fn first_request(settings: &[(&str, &str)]) -> Vec<String> {
    let issuer = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", issuer.local_addr().unwrap());
    let mut env = vec![("ISSUER", &*url), ("RUST_LOG", "info")];
    env.extend(settings);
    let _process = Process::start(env!("CARGO_BIN_EXE_resource-service"), 1, &env);
    let (request, _) = issuer.accept().unwrap();
    BufReader::new(request)
        .lines()
        .map(Result::unwrap)
        .take_while(|line| !line.is_empty())
        .collect()
}

#[actix_web::test]
async fn a_fetch_of_keys_carries_its_trace() {
    let collector = Collector::start();
    let settings =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url()), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let request = first_request(&settings);
    let sent =
        request.iter().find_map(|line| line.strip_prefix("traceparent: ")).expect("a traceparent");
    let [version, trace_id, id, sampled] = sent.split('-').collect::<Vec<_>>()[..] else {
        panic!("{sent}")
    };
    assert_eq!((version, trace_id.len(), id.len(), sampled), ("00", 32, 16, "01"));
    assert_eq!(request[0], "GET /.well-known/oauth-authorization-server HTTP/1.1");
}

#[test]
fn without_a_collector_requests_carry_no_trace() {
    let request = first_request(&[]);
    assert!(request[0].starts_with("GET /.well-known/"), "{request:?}");
    assert!(!request.iter().any(|line| line.starts_with("trace")), "{request:?}");
}
