//! `kill -9` at any moment: nothing that was acknowledged is lost.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::{Client, Process, TempDir, TestDatabase, Tokens, redis_url, temp_dir, unique};

/// What clients were told before the crash.
#[derive(Default)]
struct Acknowledged {
    users: Vec<String>,
    /// A user's newest tokens, and whether the session was ended.
    sessions: HashMap<String, (Tokens, bool)>,
}

struct Deployment {
    folder: TempDir,
    database: Option<(TestDatabase, String, String)>,
}

impl Deployment {
    fn embedded() -> Self {
        Self { folder: temp_dir(), database: None }
    }

    fn deployed() -> Self {
        let folder = temp_dir();
        Self { folder, database: Some((TestDatabase::create(), redis_url(), unique("test:"))) }
    }

    async fn start(&self) -> (Process, Client) {
        let mut env = vec![
            ("DATA_DIR", self.folder.path().to_str().unwrap().to_owned()),
            ("ISSUER", "http://auth.example.com".into()),
            ("BCRYPT_COST", "10".into()),
            // An answer that the crash swallowed is asked for again, however long the test takes.
            ("REFRESH_GRACE", "300".into()),
            ("RUST_LOG", "info".into()),
        ];
        if let Some((database, redis, prefix)) = &self.database {
            env.extend([
                ("DATABASE_URL", database.url()),
                ("REDIS_URL", redis.clone()),
                ("REDIS_KEY_PREFIX", prefix.clone()),
            ]);
        }
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
        let client = Client::new(process.addr(0));
        client.wait_for_status("/readyz", 200).await;
        (process, client)
    }
}

/// Registers, logs in, refreshes, and sometimes logs out, until the service is gone.
async fn live(client: Client, number: usize, known: Arc<Mutex<Acknowledged>>, done: Arc<AtomicUsize>) {
    for round in 0.. {
        let name = format!("user-{number}-{round}");
        let steps = async {
            let post = async |path: &str, body: Value, access: Option<&str>| {
                let mut request = client.request(reqwest::Method::POST, path).json(&body);
                if let Some(access) = access {
                    request = request.bearer_auth(access);
                }
                let answer = request.send().await.ok()?;
                let answer = answer.error_for_status().ok()?.bytes().await.ok()?;
                done.fetch_add(1, Ordering::Relaxed);
                serde_json::from_slice::<Value>(&answer).or(Ok::<_, ()>(Value::Null)).ok()
            };
            let tokens = |json: &Value| Tokens {
                access: json["access"].as_str().unwrap().into(),
                refresh: json["refresh"].as_str().unwrap().into(),
            };
            let password = "correct horse battery";
            let email = format!("{name}@example.com");
            post("/register", json!({"username": name, "email": email, "password": password}), None).await?;
            known.lock().unwrap().users.push(name.clone());
            let login = post("/login", json!({"username": name, "password": password}), None).await?;
            let mut newest = tokens(&login["tokens"]);
            let remember = |tokens: &Tokens, ended| {
                known.lock().unwrap().sessions.insert(name.clone(), (tokens.clone(), ended));
            };
            remember(&newest, false);
            for _ in 0..3 {
                newest = tokens(&post("/token/refresh", json!({"refresh": newest.refresh}), None).await?);
                remember(&newest, false);
            }
            if round % 2 == 0 {
                // Asked for, it may have happened, answered or not.
                known.lock().unwrap().sessions.remove(&name);
                post("/logout", json!({"refresh": newest.refresh}), Some(&newest.access)).await?;
                remember(&newest, true);
            }
            Some(())
        };
        if steps.await.is_none() {
            return;
        }
    }
}

async fn nothing_acknowledged_is_lost(deployment: Deployment) {
    let known = Arc::new(Mutex::new(Acknowledged::default()));
    for (crash, after) in [7, 23, 41].into_iter().enumerate() {
        let (mut process, client) = deployment.start().await;
        let done = Arc::new(AtomicUsize::new(0));
        let lives: Vec<_> = (0..4)
            .map(|number| {
                let life = live(client.clone(), crash * 10 + number, Arc::clone(&known), Arc::clone(&done));
                actix_web::rt::spawn(life)
            })
            .collect();
        while done.load(Ordering::Relaxed) < after {
            tokio::task::yield_now().await;
        }
        process.kill();
        join_all(lives).await;
    }

    let (_process, client) = deployment.start().await;
    let known = std::mem::take(&mut *known.lock().unwrap());
    assert!(known.users.len() >= 4);
    for name in &known.users {
        assert_eq!(client.login(name).await.status, 200, "{name} was registered");
    }
    for (name, (tokens, ended)) in &known.sessions {
        let answer = client.refresh(&tokens.refresh).await;
        assert_eq!(answer.status, if *ended { 401 } else { 200 }, "{name}, ended: {ended}: {answer:?}");
    }
}

#[actix_web::test]
async fn embedded() {
    nothing_acknowledged_is_lost(Deployment::embedded()).await;
}

#[actix_web::test]
async fn deployed() {
    nothing_acknowledged_is_lost(Deployment::deployed()).await;
}
