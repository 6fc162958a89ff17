//! What is done with every request: an id, and a line of the log.

use crate::support::TestApp;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Client, Process, claims_of, temp_dir};

#[actix_web::test]
async fn every_answer_has_the_requests_id_or_one_of_its_own() {
    let app = TestApp::embedded().await;
    let ask = async |id: &str| {
        let answer = app.send(app.request(Method::GET, "/healthz").header("x-request-id", id)).await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(ask("4bf92f35-77b3.4da6/a=1").await, "4bf92f35-77b3.4da6/a=1");
    let mut ids = std::collections::BTreeSet::new();
    for unfit in ["", "two words", "quote\"", "<script>", &"x".repeat(129)] {
        let id = ask(unfit).await;
        assert_ne!(id, unfit);
        assert!(!id.is_empty() && ids.insert(id), "{ids:?}");
    }
    // Whatever the answer is.
    let nowhere = app.get("/nowhere", None).await;
    assert!(ids.insert(nowhere.header("x-request-id").to_owned()));
}

#[actix_web::test]
async fn a_request_is_a_line_of_the_log_without_what_is_secret() {
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    let env = [
        ("DATA_DIR", data),
        ("BCRYPT_COST", "10"),
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "info,request=debug"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    let tokens = client.new_user("ada").await;
    let request = client.request(Method::GET, "/me/?token=hunter2").header("x-request-id", "mine");
    assert_eq!(client.send(request.bearer_auth(&tokens.access)).await.status, 200);
    let log = process.wait_for_log("\"request_id\":\"mine\"");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let line = lines.iter().find(|line| line["request_id"] == "mine").unwrap();
    assert_eq!(
        (&line["message"], &line["route"], &line["status"], &line["user"], &line["ip"]),
        (
            &json!("GET /me 200"),
            &json!("/me"),
            &json!("200"),
            &claims_of(&tokens.access)["sub"],
            &json!("127.0.0.1")
        )
    );
    assert!(line["ms"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{line}");
    assert!(!log.contains("hunter2") && !log.contains("eyJ") && !log.contains("horse"), "{log}");
}
