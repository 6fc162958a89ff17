//! Requests from resource-service to auth-service: one trace spans both services.

use system_tests::Deployment;
use test_support::{Collector, Span};

#[tokio::test]
async fn a_request_to_auth_service_is_one_trace_in_both_services() {
    let mut collector = Collector::start();
    let url = collector.url();
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let deployment = Deployment::start_with(1, &settings).await;
    let (process, _) = deployment.resource_service(&deployment.addr(0), &settings).await;
    for path in ["/.well-known/jwks.json", "/revocations"] {
        let name = format!("GET {path}");
        let is_request = |span: &Span| span.service == "resource-service" && span.name == name;
        let request = collector.wait_for_span(is_request).await;
        let is_answer =
            |span: &Span| span.service == "auth-service" && span.parent_id == request.id;
        let answer = collector.wait_for_span(is_answer).await;
        assert_eq!(answer.name, request.name);
        assert_eq!(answer.trace_id, request.trace_id);
        assert_eq!(request.parent_id, "");
        assert_eq!(request.kind.as_str_name(), "SPAN_KIND_CLIENT");
        assert_eq!(answer.kind.as_str_name(), "SPAN_KIND_SERVER");
        for span in [&request, &answer] {
            assert_eq!(span.attributes["url.path"], path);
            assert_eq!(span.attributes["http.response.status_code"], "200");
        }
        assert_eq!(request.attributes["server.address"], "127.0.0.1");
    }
    let secret = deployment.feed_secret();
    assert!(!collector.contains(secret) && !process.log().contains(secret));
}
