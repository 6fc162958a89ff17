//! A data folder whose disk is full: clear 503s, nothing lost that was answered, and all is well once there is space.

use std::{
    fs,
    io::Write,
    process::Command,
    time::{Duration, Instant},
};

use test_support::{Client, Process, program, temp_dir};

/// Where a file system of the test's own can be had: in a namespace of its own, which on some machines takes root.
fn can_mount() -> bool {
    let mount = ["--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    Command::new("unshare").args(mount).output().is_ok_and(|done| done.status.success())
}

#[tokio::test]
async fn a_full_disk_is_a_503_and_no_loss() {
    if !can_mount() {
        println!("not tested: no file system can be mounted here");
        return;
    }
    let folder = temp_dir();
    let start = folder.path().join("start");
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let text = format!(
        "#!/bin/sh\nmount -t tmpfs -o size=16m tmpfs {0} && exec {1} --data-dir {0}/auth\n",
        data.display(),
        program("auth-service")
    );
    fs::write(&start, text).unwrap();
    let args = ["--map-root-user", "--mount", "sh", start.to_str().unwrap()];
    let env = [("BCRYPT_COST", "10"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("RUST_LOG", "info")];
    let process = Process::start_with_args("unshare", &args, 1, &env);
    let client = Client::new(process.addr(0));
    let tokens = client.new_user("before").await;

    let filler = format!("/proc/{}/root{}/filler", process.id(), data.display());
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
    // What needs no space goes on.
    assert_eq!(client.get("/me", Some(&tokens.access)).await.status, 200);

    drop(file);
    fs::remove_file(&filler).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.register(&refused).await.status != 201 {
        assert!(Instant::now() < deadline, "there is space again, and no registration");
    }
    for name in registered.iter().chain([&refused, &"before".to_owned()]) {
        assert_eq!(client.login(name).await.status, 200, "{name}: {}", process.log());
    }
    client.refreshed(&tokens.refresh).await;
    println!("{} were registered after the disk was full, and none of them was lost", registered.len());
}
