//! A trace that begins in resource-service goes on in auth-service.

use system_tests::Deployment;
use test_support::{Collector, Span};

#[tokio::test]
async fn what_resource_service_asks_of_auth_service_is_one_trace_in_both() {
    let mut collector = Collector::start();
    let url = collector.url();
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let deployment = Deployment::start_with(1, &settings).await;
    let addr = deployment.auth[0].addr(0).to_string();
    let (process, _) = deployment.resource_service(&addr, &settings).await;
    for (name, path) in
        [("GET /.well-known/jwks.json", "/.well-known/jwks.json"), ("GET /revocations", "/revocations")]
    {
        let is_asked = |span: &Span| span.service == "resource-service" && span.name == name;
        let asked = collector.wait_for_span(is_asked).await;
        let is_answered = |span: &Span| span.service == "auth-service" && span.parent_id == asked.id;
        let answered = collector.wait_for_span(is_answered).await;
        assert_eq!((&answered.name, &answered.trace_id), (&asked.name, &asked.trace_id));
        assert_eq!((&*asked.parent_id, asked.kind.as_str_name()), ("", "SPAN_KIND_CLIENT"));
        assert_eq!(answered.kind.as_str_name(), "SPAN_KIND_SERVER");
        for span in [&asked, &answered] {
            assert_eq!(span.attributes["url.path"], path);
            assert_eq!(span.attributes["http.response.status_code"], "200");
        }
        assert_eq!(asked.attributes["server.address"], "127.0.0.1");
    }
    let (_, secret) = deployment.resource_settings(&addr).into_iter().nth(4).unwrap();
    assert!(!collector.contains(&secret) && !process.log().contains(&secret));
}
