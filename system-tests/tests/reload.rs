//! SIGHUP: a new client secret is used without a restart.

use std::fs;

use system_tests::Deployment;
use test_support::{Client, Process, program, temp_dir};

#[tokio::test]
async fn after_sighup_the_feed_is_followed_with_the_secret_that_is_now_in_the_file() {
    let deployment = Deployment::start(1).await;
    let folder = temp_dir();
    let file = folder.path().join("secret");
    fs::write(&file, "an old secret").unwrap();
    let settings = deployment.resource_settings(&deployment.addr(0));
    let mut env: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    env.retain(|(name, _)| *name != "REVOCATIONS_CLIENT_SECRET");
    env.push(("REVOCATIONS_CLIENT_SECRET_FILE", file.to_str().unwrap()));
    let process = Process::start(&program("resource-service"), 1, &env);
    process.wait_for_log("cannot follow the revocations");

    fs::write(&file, "").unwrap();
    process.send_sighup();
    process.wait_for_log("cannot reload REVOCATIONS_CLIENT_SECRET_FILE: must not be empty");

    let secret = deployment.feed_secret();
    fs::write(&file, format!("{secret}\n")).unwrap();
    process.send_sighup();
    process.wait_for_log("reloaded: REVOCATIONS_CLIENT_SECRET_FILE");
    let client = Client::new(process.addr(0));
    client.wait_for_fields("/readyz", &[("revocations", "ok"), ("keys", "ok")]).await;
    assert!(!process.log().contains(secret));
}
