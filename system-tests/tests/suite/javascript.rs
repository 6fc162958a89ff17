//! The verifier in JavaScript (`verifiers/javascript`): its own tests, and a logout at services in
//! Node.js.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use system_tests::{Deployment, is_accepted};
use test_support::{Client, Process, node, typescript};

/// Returns the path of a file of the package.
fn file(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../verifiers/javascript")).join(name)
}

#[test]
fn the_verifier_passes_its_tests() {
    let files = fs::read_dir(file("test")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    files.sort();
    let mut tests = Command::new(node());
    // The environment is otherwise empty, so that no HTTP proxy is configured.
    tests.env_clear().env("TEST_TYPESCRIPT", typescript());
    tests.args(["--test", "--test-timeout=60000"]).args(&files);
    let output = tests.output().expect("Node.js");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}");
    println!("{report}");
}

/// Starts a service in Node.js that follows the revocation feed at this address, and waits until it
/// has keys and follows the feed.
async fn start_service(deployment: &Deployment, feed: &str) -> (Process, Client) {
    let settings = deployment.resource_settings(feed);
    let env: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let program = file("test/support/service.js");
    let process = Process::start_with_args(&node(), &[program.to_str().unwrap()], 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_fields("/readyz", &[("revocations", "ok"), ("keys", "ok")]).await;
    (process, client)
}

#[tokio::test]
async fn a_logout_takes_effect_at_every_service_in_node_within_a_second() {
    let deployment = Deployment::start(2).await;
    let auth = deployment.client(0);
    let mut services = Vec::new();
    for number in 0..3 {
        services.push(start_service(&deployment, &deployment.addr(number % 2)).await);
    }
    auth.new_user("ada").await;
    let other = auth.login("ada").await.tokens();
    let mut delays = Vec::new();
    for _ in 0..10 {
        let tokens = auth.login("ada").await.tokens();
        for (_, service) in &services {
            assert!(is_accepted(service, &tokens).await);
        }
        assert_eq!(auth.logout(&tokens).await.status, 204);
        let answered = Instant::now();
        for (_, service) in &services {
            // Without a pause, because the delay is measured.
            while is_accepted(service, &tokens).await {
                assert!(answered.elapsed() < Duration::from_secs(1), "still accepted");
            }
            delays.push(answered.elapsed());
        }
    }
    delays.sort();
    let median = delays[delays.len() / 2];
    println!("refused after: median {median:?}, maximum {:?}", delays[delays.len() - 1]);
    for (_, service) in &services {
        assert!(is_accepted(service, &other).await, "another session of the user");
    }
}
