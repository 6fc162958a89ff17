//! SIGHUP: a client's new secret is put to use without a restart.

use system_tests::Deployment;
use test_support::{Client, Process, program, temp_dir};

#[tokio::test]
async fn told_to_resource_service_follows_the_revocations_with_the_secret_that_is_in_its_file_now() {
    let deployment = Deployment::start(1).await;
    let (folder, addr) = (temp_dir(), deployment.auth[0].addr(0).to_string());
    let file = folder.path().join("secret");
    std::fs::write(&file, "an old one").unwrap();
    let mut settings = deployment.resource_settings(&addr);
    let own = settings.iter().position(|(name, _)| *name == "REVOCATIONS_CLIENT_SECRET").unwrap();
    let (_, secret) = settings.remove(own);
    settings.push(("REVOCATIONS_CLIENT_SECRET_FILE", file.to_str().unwrap().into()));
    let env: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(&program("resource-service"), 1, &env);
    process.log_with("cannot follow the revocations");

    std::fs::write(&file, "").unwrap();
    process.hang_up();
    process.log_with("cannot reload REVOCATIONS_CLIENT_SECRET_FILE: must not be empty");

    std::fs::write(&file, format!("{secret}\n")).unwrap();
    process.hang_up();
    process.log_with("reloaded: REVOCATIONS_CLIENT_SECRET_FILE");
    let client = Client::new(process.addr(0));
    client.until_json("/readyz", &[("revocations", "ok"), ("keys", "ok")]).await;
    assert!(!process.log().contains(&secret));
}
