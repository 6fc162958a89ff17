//! The embedded data folder on a full disk: the service answers 503, loses nothing that it has
//! acknowledged, and works again once the disk has space.

use std::{fs, io::Write, process::Command};

use test_support::{Client, Process, TempDir, program, temp_dir, wait_until};

/// Returns whether the test can mount a file system in a separate mount namespace, which on some
/// machines only root can.
fn can_mount() -> bool {
    let mount = ["--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    Command::new("unshare").args(mount).output().is_ok_and(|output| output.status.success())
}

/// Starts auth-service on a disk of 16 MB. Returns the process and the path of a file on that disk.
fn start_on_small_disk(folder: &TempDir) -> (Process, String) {
    let script = folder.path().join("start");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let text = format!(
        "#!/bin/sh\nmount -t tmpfs -o size=16m tmpfs {0} && exec {1} --data-dir {0}/auth\n",
        data.display(),
        program("auth-service")
    );
    fs::write(&script, text).unwrap();
    let args = ["--map-root-user", "--mount", "sh", script.to_str().unwrap()];
    let path = ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let env = [("BCRYPT_COST", "10"), path, ("RUST_LOG", "info")];
    let process = Process::start_with_args("unshare", &args, 1, &env);
    let filler = format!("/proc/{}/root{}/filler", process.id(), data.display());
    (process, filler)
}

#[tokio::test]
async fn a_full_disk_is_answered_503_and_loses_nothing() {
    if !can_mount() {
        println!("skipped: this machine does not let the test mount a file system");
        return;
    }
    let folder = temp_dir();
    let (process, filler) = start_on_small_disk(&folder);
    let client = Client::new(process.addr(0));
    let tokens = client.new_user("before").await;

    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let mut registered = Vec::new();
    let refused = loop {
        let name = format!("user{}", registered.len());
        let answer = client.register(&name).await;
        if answer.status != 201 {
            answer.assert_problem(503, "unavailable");
            break name;
        }
        registered.push(name);
    };
    wait_until("the replica is not ready", async || {
        let answer = client.get("/readyz", None).await;
        let reason = &answer.json["reasons"]["database"];
        if reason == "the disk is full" { Ok(()) } else { Err(answer) }
    })
    .await;
    // Requests that write nothing still work, and do not make the replica ready.
    assert_eq!(client.get("/me", Some(&tokens.access)).await.status, 200);
    assert_eq!(client.get("/readyz", None).await.status, 503);

    drop(file);
    fs::remove_file(&filler).unwrap();
    wait_until("a user can register again", async || {
        let answer = client.register(&refused).await;
        if answer.status == 201 { Ok(()) } else { Err(answer) }
    })
    .await;
    for name in registered.iter().chain([&refused, &"before".to_owned()]) {
        assert_eq!(client.login(name).await.status, 200, "{name}: {}", process.log());
    }
    client.refreshed(&tokens.refresh).await;
    client.wait_for_status("/readyz", 200).await;
    println!("{} users registered while the disk was full, and none was lost", registered.len());
}
