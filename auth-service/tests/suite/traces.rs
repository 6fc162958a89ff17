//! Traces: the parts of each request, sent to an OpenTelemetry collector.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    Client, Collector, Process, Proxy, Span, TempDir, TestDatabase, redis_url, temp_dir, unique,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn traceparent() -> String {
    format!("00-{TRACE}-{CALLER}-01")
}

fn start(data: &TempDir, settings: &[(&str, &str)]) -> (Process, Client) {
    let mut env = vec![
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("BCRYPT_COST", "10"),
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "info,request=debug"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    env.extend(settings);
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    (process, client)
}

/// Sends a GET request with this header, and returns the status.
async fn get_with(client: &Client, path: &str, name: &str, value: &str) -> u16 {
    client.send(client.request(Method::GET, path).header(name, value)).await.status
}

fn has_path(span: &Span, path: &str) -> bool {
    span.attributes.get("url.path").is_some_and(|named| named == path)
}

fn lines(log: &str, message: &str) -> usize {
    log.lines().filter(|line| line.contains(message)).count()
}

#[actix_web::test]
async fn request_span_joins_the_callers_trace_and_contains_no_secrets() {
    let data = temp_dir();
    let database = TestDatabase::create();
    let mut collector = Collector::start();
    let url = database.url();
    let redis = redis_url();
    let prefix = unique("test:");
    let endpoint = collector.url();
    let (process, client) = start(
        &data,
        &[
            ("DATABASE_URL", &url),
            ("REDIS_URL", &redis),
            ("REDIS_KEY_PREFIX", &prefix),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ],
    );
    client.wait_for_status("/readyz", 200).await;
    assert_eq!(client.register("ada").await.status, 201);

    let body = json!({"username": "ada", "password": "correct horse battery"});
    let request = client.request(Method::POST, "/login/?token=hunter2").json(&body);
    let request = request.header("traceparent", traceparent()).header("tracestate", "vendor=value");
    let tokens = client.send(request).await.tokens();
    let login =
        collector.wait_for_span(|span| span.trace_id == TRACE && span.name == "POST /login").await;
    assert_eq!((&*login.parent_id, &*login.trace_state), (CALLER, "vendor=value"));
    assert_eq!((&*login.service, login.is_error), ("auth-service", false));
    let expected = [
        ("client.address", "127.0.0.1"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("http.route", "/login"),
        ("url.path", "/login"),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.into(), value.into())).into();
    assert_eq!(login.attributes, expected);
    for part in ["database", "wait for a hash", "hash"] {
        let part =
            collector.wait_for_span(|span| span.trace_id == TRACE && span.name == part).await;
        assert_eq!((&part.parent_id, part.attributes.len()), (&login.id, 0), "{part:?}");
    }

    let tokens = client.refreshed(&tokens.refresh).await;
    let refresh = collector.wait_for_span(|span| span.name == "POST /token/refresh").await;
    assert_ne!(refresh.trace_id, TRACE);
    assert_eq!(refresh.parent_id, "");
    let asked =
        collector.wait_for_span(|span| span.name == "Redis" && span.parent_id == refresh.id).await;
    assert_eq!(asked.trace_id, refresh.trace_id);

    assert_eq!(
        get_with(&client, "/nowhere", "authorization", &format!("Bearer {}", tokens.access)).await,
        404
    );
    let nowhere = collector.wait_for_span(|span| has_path(span, "/nowhere")).await;
    assert_eq!((&*nowhere.name, nowhere.attributes.get("http.route")), ("GET", None));

    for secret in ["correct horse", "hunter2", "eyJ", &tokens.refresh[..20], "ada", "postgres://"] {
        assert!(!collector.contains(secret), "{secret}");
    }
    let log = process.wait_for_log("POST /login 200");
    let line = log.lines().find(|line| line.contains("POST /login 200")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(line).unwrap()["trace_id"], TRACE);
}

#[actix_web::test]
async fn invalid_traceparent_starts_a_new_trace() {
    let data = temp_dir();
    let mut collector = Collector::start();
    let (_process, client) = start(&data, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())]);
    let bad = [
        "".to_owned(),
        "nonsense".into(),
        format!("00-{TRACE}-{CALLER}"),
        format!("ff-{TRACE}-{CALLER}-01"),
        format!("00-{}-{CALLER}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{CALLER}-01", TRACE.to_uppercase()),
        "00-".repeat(1000),
    ];
    for (number, bad) in bad.iter().enumerate() {
        let path = format!("/nowhere/{number}");
        assert_eq!(get_with(&client, &path, "traceparent", bad).await, 404);
        let span = collector.wait_for_span(|span| has_path(span, &path)).await;
        assert_eq!((&*span.parent_id, span.trace_id == TRACE), ("", false), "{bad}");
    }
    // A state beyond the size limit is dropped, and the trace continues.
    let state = format!("vendor={}", "x".repeat(600));
    let request = client.request(Method::GET, "/healthz").header("traceparent", traceparent());
    assert_eq!(client.send(request.header("tracestate", state)).await.status, 200);
    let span = collector.wait_for_span(|span| span.trace_id == TRACE).await;
    assert_eq!((&*span.parent_id, &*span.trace_state), (CALLER, ""));
}

#[actix_web::test]
async fn server_error_marks_the_span_as_failed() {
    let data = temp_dir();
    let mut collector = Collector::start();
    let endpoint = collector.url();
    let settings =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("REDIS_URL", "redis://127.0.0.1:1/")];
    let (_process, client) = start(&data, &settings);
    let tokens = client.new_user("ada").await;
    assert_eq!(client.refresh(&tokens.refresh).await.status, 503);
    let refresh = collector.wait_for_span(|span| span.name == "POST /token/refresh").await;
    let asked =
        collector.wait_for_span(|span| span.name == "Redis" && span.parent_id == refresh.id).await;
    assert!(refresh.is_error && asked.is_error);
    assert_eq!(refresh.attributes["http.response.status_code"], "503");
    client.refresh("not a token").await.assert_problem(401, "token_not_valid");
    let refused = |span: &Span| {
        span.attributes.get("http.response.status_code").is_some_and(|status| status == "401")
    };
    assert!(!collector.wait_for_span(refused).await.is_error);
}

#[actix_web::test]
async fn service_without_a_collector_sends_no_traces() {
    let data = temp_dir();
    let mut collector = Collector::start();
    // An empty variable counts as not set.
    let (mut process, client) = start(&data, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]);
    assert_eq!(get_with(&client, "/healthz", "traceparent", &traceparent()).await, 200);
    let log = process.wait_for_log("GET /healthz 200");
    assert_eq!(process.terminate().code(), Some(0));
    assert!(!log.contains("trace"), "{log}");
    assert!(collector.spans().is_empty());
}

#[actix_web::test]
async fn last_spans_are_sent_before_the_service_ends() {
    let data = temp_dir();
    let mut collector = Collector::start();
    let endpoint = collector.url();
    let (mut process, client) = start(
        &data,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
            ("OTEL_SERVICE_NAME", "the-one"),
            ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
        ],
    );
    assert_eq!(get_with(&client, "/healthz", "traceparent", &traceparent()).await, 200);
    assert!(collector.spans().is_empty());
    assert_eq!(process.terminate().code(), Some(0));
    let span = collector.spans().iter().find(|span| span.trace_id == TRACE).unwrap();
    assert_eq!((&*span.name, &*span.service), ("GET /healthz", "the-one"));
}

#[actix_web::test]
async fn sampler_applies_to_traces_that_begin_here() {
    let data = temp_dir();
    let mut collector = Collector::start();
    let endpoint = collector.url();
    let (mut process, client) = start(
        &data,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ],
    );
    client.new_user("ada").await;
    assert_eq!(get_with(&client, "/healthz", "traceparent", &traceparent()).await, 200);
    assert_eq!(process.terminate().code(), Some(0));
    assert!(
        collector.spans().iter().all(|span| span.trace_id == TRACE),
        "{:#?}",
        collector.spans()
    );
    assert_eq!(collector.spans().len(), 1);
}

#[actix_web::test]
async fn unreachable_collector_causes_one_log_line_and_no_failed_request() {
    let data = temp_dir();
    let (mut process, client) =
        start(&data, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")]);
    let tokens = client.new_user("ada").await;
    process.wait_for_log("cannot send traces to http://127.0.0.1:1/v1/traces: ");
    client.refreshed(&tokens.refresh).await;
    assert_eq!(process.terminate().code(), Some(0));
    let log = process.log();
    assert_eq!(lines(&log, "cannot send traces"), 1, "{log}");
}

#[actix_web::test]
async fn hanging_collector_delays_only_the_shutdown() {
    let data = temp_dir();
    let collector = Collector::start();
    let proxy = Proxy::to(collector.addr().to_string());
    let endpoint = format!("http://{}", proxy.addr());
    proxy.blackhole_all();
    let (mut process, client) = start(&data, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    let tokens = client.new_user("ada").await;
    client.refreshed(&tokens.refresh).await;
    let signalled = Instant::now();
    assert_eq!(process.terminate().code(), Some(0));
    assert!(signalled.elapsed() < Duration::from_secs(8), "{:?}", signalled.elapsed());
    process.wait_for_log("the collector did not accept the last traces in time");
}

#[actix_web::test]
async fn rejection_and_recovery_of_the_collector_are_logged_once() {
    let data = temp_dir();
    let mut collector = Collector::start();
    let (process, client) = start(&data, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())]);
    collector.answer_with(500);
    for number in 0..3 {
        let path = format!("/nowhere/{number}");
        assert_eq!(client.get(&path, None).await.status, 404);
        collector.wait_for_span(|span| has_path(span, &path)).await;
    }
    let log = process.wait_for_log("the collector answered 500");
    assert_eq!(lines(&log, "cannot send traces"), 1, "{log}");
    collector.answer_with(200);
    assert_eq!(client.get("/healthz", None).await.status, 200);
    let log = process.wait_for_log("/v1/traces again");
    assert_eq!(lines(&log, "cannot send traces"), 1, "{log}");
}
