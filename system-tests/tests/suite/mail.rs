//! Replicas are killed while mails go out: no mail is lost, and a mail that is sent twice has the
//! same Message-ID both times.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde_json::json;
use system_tests::Deployment;
use test_support::{Client, MailServer, sized, wait_until};
use tokio::task::JoinHandle;

/// Clients that ask for mails at one replica after the other.
const CLIENTS: usize = 2;
/// Number of mails with codes that a user gets within a day.
const MAILS_PER_USER: usize = 10;

/// Inserts users by copying one.
fn copy_users(deployment: &Deployment, count: usize) {
    let inserted = deployment.sql(&format!(
        "INSERT INTO users (id, username, username_key, folded_username,
                email, email_key, folded_email, password_hash, created_at, revision)
         SELECT gen_random_uuid(), name, name, name, email, email, email,
                password_hash, created_at, revision
         FROM (SELECT password_hash, created_at, revision,
                    'user' || i AS name, 'user' || i || '@example.com' AS email
                FROM users, generate_series(1, {count}) AS i) AS copies"
    ));
    assert_eq!(inserted, count);
}

/// Clients that ask for mails. A request that fails is the request of a client that gets no answer
/// and no mail: the mail is promised once its row is committed.
struct Clients {
    tasks: Vec<JoinHandle<()>>,
    replicas: Arc<Mutex<Vec<SocketAddr>>>,
    is_over: Arc<AtomicBool>,
}

impl Clients {
    fn start(users: usize, replicas: Vec<SocketAddr>) -> Self {
        let replicas = Arc::new(Mutex::new(replicas));
        let is_over = Arc::new(AtomicBool::new(false));
        let number = Arc::new(AtomicUsize::new(0));
        let start = |_| {
            let (replicas, is_over) = (Arc::clone(&replicas), Arc::clone(&is_over));
            let number = Arc::clone(&number);
            tokio::spawn(async move {
                let http = reqwest::Client::builder().no_proxy().build().unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    let addr = {
                        let replicas = replicas.lock().unwrap();
                        replicas[number % replicas.len()]
                    };
                    let name = format!("user{}", number % users + 1);
                    let request = http.post(format!("http://{addr}/password/reset"));
                    if let Ok(answer) = request.json(&json!({"username": name})).send().await {
                        assert_eq!(answer.status(), 202);
                    }
                }
            })
        };
        Self { tasks: (0..CLIENTS).map(start).collect(), replicas, is_over }
    }

    async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

/// Kills a replica, lets the time of all leases pass, and starts the replica again. The time also
/// passes for messages that the other replica is about to send, so these are sent twice.
async fn kill_and_restart(deployment: &mut Deployment, number: usize, clients: &Clients) {
    deployment.auth[number].kill();
    deployment.sql("UPDATE outbox SET due_at = 0 WHERE attempts > 0");
    let replica = deployment.start_replica(&[]);
    clients.replicas.lock().unwrap()[number] = replica.addr(0);
    deployment.auth[number] = replica;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_is_lost_when_replicas_are_killed_while_mails_go_out() {
    let mails = sized(100, 100, 10_000);
    let kills = sized(3, 3, 60);
    let server = MailServer::start();
    let url = server.url();
    let settings = [
        ("MAIL_URL", &*url),
        ("MAIL_FROM", "no-reply@example.com"),
        ("LOGIN_FAILURES_PER_ADDRESS", "0"),
    ];
    let mut deployment = Deployment::start_with(2, &settings).await;
    assert_eq!(deployment.client(0).register("ada").await.status, 201);
    let users = mails / MAILS_PER_USER + 10;
    copy_users(&deployment, users);
    let began = Instant::now();
    let addrs = deployment.auth.iter().map(|replica| replica.addr(0)).collect();
    let clients = Clients::start(users, addrs);
    let written = |deployment: &Deployment| {
        deployment.sql("SELECT 1 FROM audit_events WHERE event = 'code_mailed'")
    };
    for kill in 1..=kills {
        let goal = (kill - 1) * mails / kills + fastrand::usize(1..=mails / kills);
        wait_until(format!("{goal} mails"), async || {
            let sent = server.count();
            if sent >= goal { Ok(()) } else { Err(format!("{sent} mails")) }
        })
        .await;
        // Both replicas at once, now and then.
        let first = fastrand::usize(..2);
        kill_and_restart(&mut deployment, first, &clients).await;
        if fastrand::u8(..4) == 0 {
            kill_and_restart(&mut deployment, 1 - first, &clients).await;
        }
    }
    wait_until("all mails are written", async || {
        let written = written(&deployment);
        if written >= mails { Ok(()) } else { Err(written.to_string()) }
    })
    .await;
    clients.stop().await;
    for replica in &deployment.auth {
        Client::new(replica.addr(0)).wait_for_status("/readyz", 200).await;
    }
    deployment.sql("UPDATE outbox SET due_at = 0 WHERE attempts > 0");
    let (ids, distinct) = wait_until("the mail server has every mail", async || {
        let (written, left) = (written(&deployment), deployment.sql("SELECT 1 FROM outbox"));
        if left > 0 {
            return Err(format!("{written} written, {left} to be sent"));
        }
        let ids = server.message_ids();
        let distinct = ids.iter().collect::<HashSet<_>>().len();
        if distinct == written {
            return Ok((ids, distinct));
        }
        Err(format!("{written} written, {distinct} different ones received"))
    })
    .await;
    let took = began.elapsed();
    println!(
        "{distinct} mails, of which {} were sent again, in {took:?} with {kills} kills: \
         {:.0} mails a second",
        ids.len() - distinct,
        ids.len() as f64 / took.as_secs_f64()
    );
    assert_eq!(deployment.sql("SELECT 1 FROM audit_events WHERE event = 'message_given_up'"), 0);
}
