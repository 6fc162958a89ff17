//! SIGHUP: a new client secret is used without a restart.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use system_tests::Deployment;
use test_support::{Client, Process, program, temp_dir, write_private};

#[tokio::test]
async fn after_sighup_the_feed_is_followed_with_the_secret_that_is_now_in_the_file() {
    let deployment = Deployment::start(1).await;
    let folder = temp_dir();
    let file = folder.path().join("secret");
    write_private(&file, "an old secret");
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
    write_private(&file, &format!("{secret}\n"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    process.send_sighup();
    process.wait_for_log("cannot reload REVOCATIONS_CLIENT_SECRET_FILE: is open to all users");
    let mut refused = Command::new(program("resource-service"));
    let refused = refused.env_clear().envs(env.iter().copied()).output().unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    let fault = "(REVOCATIONS_CLIENT_SECRET_FILE) is open to all users of this machine (mode 644)";
    assert!(error.contains(fault) && error.contains("chmod 640"), "{error}");
    assert!(!error.contains(secret), "{error}");
    assert_eq!(refused.status.code(), Some(1), "{error}");

    write_private(&file, &format!("{secret}\n"));
    process.send_sighup();
    process.wait_for_log("reloaded: REVOCATIONS_CLIENT_SECRET_FILE");
    let client = Client::new(process.addr(0));
    client.wait_for_fields("/readyz", &[("revocations", "ok"), ("keys", "ok")]).await;
    assert!(!process.log().contains(secret));
}
