//! Rotations of the signing keys under load, with two processes of each service.

use std::{
    collections::BTreeSet,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use test_support::{
    Client, Process, TestDatabase, decode_part, program, redis_url, temp_dir, unique,
};

#[actix_web::test]
async fn no_request_fails_while_keys_rotate() {
    let database = TestDatabase::create();
    let folder = temp_dir();
    let prefix = unique("test:");
    let url = database.url();
    let redis = redis_url();
    let env = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis),
        ("REDIS_KEY_PREFIX", &prefix),
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("ISSUER", "http://auth.example.com"),
        ("BCRYPT_COST", "10"),
        ("KEY_PUBLISH_AHEAD", "4"),
        ("RUST_LOG", "info"),
    ];
    let auth_service = program("auth-service");
    let auth = [(), ()].map(|()| Process::start(&auth_service, 1, &env));
    let auths = auth.each_ref().map(|process| Client::new(process.addr(0)));
    let resource = auth.each_ref().map(|process| {
        let jwks = format!("http://{}/.well-known/jwks.json", process.addr(0));
        let env = [
            env[4],
            ("JWKS_URL", jwks.as_str()),
            ("JWKS_REFRESH_INTERVAL", "1"),
            ("RUST_LOG", "info"),
        ];
        Process::start(env!("CARGO_BIN_EXE_resource-service"), 1, &env)
    });
    let resources = resource.each_ref().map(|process| Client::new(process.addr(0)));
    for client in auths.iter().chain(&resources) {
        client.wait_for_status("/readyz", 200).await;
    }

    let stop = Arc::new(AtomicBool::new(false));
    // For each worker, the ids of the keys that signed its tokens.
    let seen: [Arc<Mutex<BTreeSet<String>>>; 4] = std::array::from_fn(|_| Arc::default());
    let work = |number: usize| {
        let auths = auths.clone();
        let resources = resources.clone();
        let stop = Arc::clone(&stop);
        let seen = Arc::clone(&seen[number]);
        actix_web::rt::spawn(async move {
            let mut tokens = auths[number % 2].new_user(&format!("user{number}")).await;
            let mut requests = 1;
            while !stop.load(Ordering::Relaxed) {
                for client in &resources {
                    let answer = client.get("/whoami", Some(&tokens.access)).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
                for client in &auths {
                    let answer = client.get("/me", Some(&tokens.access)).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
                let kid = decode_part(&tokens.access, 0)["kid"].as_str().unwrap().to_owned();
                seen.lock().unwrap().insert(kid);
                requests += 5;
                tokens = auths[requests % 2].refreshed(&tokens.refresh).await;
            }
            requests
        })
    };
    let workers: Vec<_> = (0..seen.len()).map(work).collect();

    for algorithm in ["ES256", "RS256", "EdDSA"] {
        let output = Command::new(&auth_service)
            .env_clear()
            .envs(env)
            .args(["keys", "rotate", "--algorithm", algorithm])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let rotated = String::from_utf8(output.stdout).unwrap();
        let kid = rotated.split_whitespace().next().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !seen.iter().all(|seen| seen.lock().unwrap().contains(kid)) {
            assert!(!workers.iter().any(|worker| worker.is_finished()), "a request failed");
            assert!(Instant::now() < deadline, "{kid} did not sign a token of each worker");
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        let requests = worker.await.expect("a request failed");
        assert!(requests > 100, "only {requests} requests");
    }
}
