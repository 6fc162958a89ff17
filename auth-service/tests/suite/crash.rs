//! `kill -9` at any moment: acknowledged changes survive.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::{
    Client, Process, TempDir, TestDatabase, Tokens, redis_url, temp_dir, unique, wait_until,
};

/// Changes that the service acknowledged before the crash.
#[derive(Default)]
struct Acknowledged {
    users: Vec<String>,
    /// Newest tokens of each user, and `true` if the session has ended.
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
            // Long enough for a retry of the refresh whose answer the crash lost.
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
        let env: Vec<(&str, &str)> =
            env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
        let client = Client::new(process.addr(0));
        client.wait_for_status("/readyz", 200).await;
        (process, client)
    }
}

/// Registers, logs in, refreshes and sometimes logs out, until the service stops.
async fn run_client(
    client: Client,
    number: usize,
    known: Arc<Mutex<Acknowledged>>,
    done: Arc<AtomicUsize>,
) {
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
            post(
                "/register",
                json!({"username": name, "email": email, "password": password}),
                None,
            )
            .await?;
            known.lock().unwrap().users.push(name.clone());
            let login =
                post("/login", json!({"username": name, "password": password}), None).await?;
            let mut newest = tokens(&login["tokens"]);
            let record = |tokens: &Tokens, ended| {
                known.lock().unwrap().sessions.insert(name.clone(), (tokens.clone(), ended));
            };
            record(&newest, false);
            for _ in 0..3 {
                newest = tokens(
                    &post("/token/refresh", json!({"refresh": newest.refresh}), None).await?,
                );
                record(&newest, false);
            }
            if round % 2 == 0 {
                // Without an answer, the state of the session is unknown.
                known.lock().unwrap().sessions.remove(&name);
                post("/logout", json!({"refresh": newest.refresh}), Some(&newest.access)).await?;
                record(&newest, true);
            }
            Some(())
        };
        if steps.await.is_none() {
            return;
        }
    }
}

async fn assert_acknowledged_changes_survive(deployment: Deployment) {
    let known = Arc::new(Mutex::new(Acknowledged::default()));
    for (crash, after) in [7, 23, 41].into_iter().enumerate() {
        let (mut process, client) = deployment.start().await;
        let done = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..4)
            .map(|number| {
                let run = run_client(
                    client.clone(),
                    crash * 10 + number,
                    Arc::clone(&known),
                    Arc::clone(&done),
                );
                actix_web::rt::spawn(run)
            })
            .collect();
        wait_until(format!("{after} requests are answered"), async || {
            done.load(Ordering::Relaxed) >= after
        })
        .await;
        process.kill();
        join_all(clients).await;
    }

    let (_process, client) = deployment.start().await;
    let known = std::mem::take(&mut *known.lock().unwrap());
    assert!(known.users.len() >= 4);
    for name in &known.users {
        assert_eq!(client.login(name).await.status, 200, "{name} is registered");
    }
    for (name, (tokens, ended)) in &known.sessions {
        let answer = client.refresh(&tokens.refresh).await;
        assert_eq!(
            answer.status,
            if *ended { 401 } else { 200 },
            "{name}, ended: {ended}: {answer:?}"
        );
    }
}

#[actix_web::test]
async fn acknowledged_changes_survive_on_the_embedded_store() {
    assert_acknowledged_changes_survive(Deployment::embedded()).await;
}

#[actix_web::test]
async fn acknowledged_changes_survive_on_the_deployed_stores() {
    assert_acknowledged_changes_survive(Deployment::deployed()).await;
}
