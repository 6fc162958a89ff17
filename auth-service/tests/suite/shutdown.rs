//! SIGTERM: readiness fails first, then requests finish, and delayed writes complete.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    races::hold_lock,
    support::{auth_service, open_sqlite},
};
use reqwest::Method;
use serde_json::json;
use test_support::{
    Client, Process, Proxy, RedisServer, TempDir, TestDatabase, claims_of, sql, temp_dir,
    wait_for_lock_waiters, wait_until_blocking,
};

async fn start(data: &TempDir, settings: &[(&str, &str)]) -> (Process, Client) {
    let mut env = vec![
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("BCRYPT_COST", "12"),
        ("ISSUER", "http://auth.example.com"),
    ];
    env.extend(settings);
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    (process, client)
}

#[actix_web::test]
async fn service_fails_readiness_and_serves_until_the_delay_ends() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[("SHUTDOWN_DELAY", "3")]).await;
    let tokens = client.new_user("ada").await;
    let answer = client.get("/healthz", None).await;
    assert_eq!(answer.header("connection"), "");

    process.send_sigterm();
    let answer = client.wait_for_status("/readyz", 503).await;
    assert_eq!(
        (&answer.json["service"], &answer.json["database"]),
        (&json!("ending"), &json!("ok"))
    );
    // Clients move to other replicas one by one, and no request is refused.
    assert_eq!(answer.header("connection"), "close");
    client.refreshed(&tokens.refresh).await;
    assert_eq!(process.wait().code(), Some(0));
    assert!(client.request(Method::GET, "/healthz").send().await.is_err());
}

#[actix_web::test]
async fn pending_requests_and_delayed_writes_complete() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[]).await;
    let tokens = client.new_user("ada").await;
    let before_ms = jiff::Timestamp::now().as_millisecond();
    // The signal arrives during the hash of the login. The service still answers the login.
    let login = client.login("ada");
    let refresh_and_stop = async {
        let tokens = client.refreshed(&tokens.refresh).await;
        process.send_sigterm();
        tokens
    };
    let (login, tokens) = futures_util::future::join(login, refresh_and_stop).await;
    assert_eq!(login.status, 200);
    assert_eq!(process.wait().code(), Some(0));

    // The answer of /sessions is in minutes.
    let sid = claims_of(&tokens.access)["sid"].as_str().unwrap().to_owned();
    assert!(last_used_at_ms(&data, &sid) >= before_ms);
}

/// Returns the time of the last use of a session, from the file of a service that has ended.
fn last_used_at_ms(data: &TempDir, sid: &str) -> i64 {
    use diesel::{QueryableByName, RunQueryDsl, sql_query};
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        last_used_at: i64,
    }
    let mut connection = open_sqlite(data);
    let query = format!("SELECT last_used_at FROM sessions WHERE id = '{sid}'");
    sql_query(query).get_result::<Row>(&mut connection).unwrap().last_used_at
}

/// A proxy tries another replica after a refused connection, but must not repeat a sent POST.
#[actix_web::test]
async fn every_accepted_connection_is_answered() {
    const REQUEST: &[u8] =
        b"POST /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for _ in 0..3 {
        let data = temp_dir();
        let (mut process, _) = start(&data, &[("RUST_LOG", "info")]).await;
        let addr = process.addr(0);
        let answered = Arc::new(AtomicUsize::new(0));
        let ask = |answered: Arc<AtomicUsize>| {
            move || loop {
                let mut stream = match TcpStream::connect_timeout(&addr, Duration::from_secs(10)) {
                    Ok(stream) => stream,
                    Err(error) => {
                        break assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
                    }
                };
                let mut answer = String::new();
                stream
                    .write_all(REQUEST)
                    .and_then(|()| stream.read_to_string(&mut answer))
                    .unwrap();
                assert!(answer.starts_with("HTTP/1.1 404"), "{answer:?}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        };
        let clients = [(); 8].map(|()| thread::spawn(ask(Arc::clone(&answered))));
        wait_until_blocking("500 requests are answered", || answered.load(Ordering::Relaxed) > 500);
        process.send_sigterm();
        for client in clients {
            client.join().unwrap();
        }
        assert_eq!(process.wait().code(), Some(0));
    }
}

#[actix_web::test]
async fn listeners_and_idle_clients_do_not_delay_the_shutdown() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[("SHUTDOWN_TIMEOUT", "30")]).await;
    client.wait_for_status("/healthz", 200).await;
    let created =
        auth_service(&data, &["clients", "create", "reports-api", "--scope", "revocations:read"]);
    let secret =
        String::from_utf8(created.stdout).unwrap().split_whitespace().last().unwrap().to_owned();
    let request =
        client.request(Method::GET, "/revocations").basic_auth("reports-api", Some(secret));
    let mut feed = request.send().await.unwrap();
    assert_eq!(feed.chunk().await.unwrap().unwrap(), "event: caught-up\ndata: {}\n\n");

    let signalled = Instant::now();
    process.send_sigterm();
    // The feed ends without an error.
    while feed.chunk().await.unwrap().is_some() {}
    assert_eq!(process.wait().code(), Some(0));
    // The timeout is only for requests that do not end by themselves.
    assert!(signalled.elapsed() < Duration::from_secs(20), "{:?}", signalled.elapsed());
    println!("the service ended {:?} after the signal", signalled.elapsed());
}

#[actix_web::test]
async fn mail_that_a_request_promised_is_written_before_the_process_ends() {
    let (database, redis, data) = (TestDatabase::create(), RedisServer::start(), temp_dir());
    let (database_url, redis_url) = (database.url(), redis.url());
    let settings = [
        ("DATABASE_URL", &*database_url),
        ("DATABASE_TIMEOUT", "20"),
        ("REDIS_URL", &redis_url),
        ("RUST_LOG", "info"),
    ];
    let (mut process, client) = start(&data, &settings).await;
    client.new_user("ada").await;
    let held = hold_lock(&database_url, "SELECT 1 FROM users FOR UPDATE");
    let asked = client.post("/password/reset", json!({"email": "ada@example.com"})).await;
    assert_eq!(asked.status, 202);
    wait_for_lock_waiters(&database_url, 1).await;
    process.send_sigterm();
    // The server has ended once the kernel refuses connections. Before, it drops them.
    wait_until_blocking("the server has ended", || {
        let connected = TcpStream::connect_timeout(&process.addr(0), Duration::from_millis(100));
        connected.is_err_and(|why| why.kind() == ErrorKind::ConnectionRefused)
    });
    drop(held);
    assert_eq!(process.wait().code(), Some(0));
    assert_eq!(sql(&database_url, "SELECT 1 FROM one_time_codes"), 1);
}

/// A thread that waits for PostgreSQL cannot be interrupted.
#[actix_web::test]
async fn service_ends_while_both_stores_hang() {
    let database = TestDatabase::create();
    let postgres = Proxy::to(database.server_addr());
    let redis = RedisServer::start();
    let data = temp_dir();
    let database_url = database.url_via(postgres.addr());
    let redis_url = redis.url();
    let settings = [
        ("DATABASE_URL", &*database_url),
        ("DATABASE_TIMEOUT", "1"),
        ("REDIS_URL", &redis_url),
        ("SHUTDOWN_TIMEOUT", "1"),
    ];
    for (user, signals) in [("ada", 1), ("grace", 2)] {
        let (mut process, client) = start(&data, &settings).await;
        let tokens = client.new_user(user).await;
        client.refreshed(&tokens.refresh).await;

        postgres.blackhole_all();
        redis.pause();
        assert_eq!(client.login(user).await.status, 503);
        for _ in 0..signals {
            process.send_sigterm();
            process.wait_for_log("readiness now fails");
        }
        assert_eq!(process.wait_for_end().code(), Some(0), "{}", process.log());
        process.wait_for_log("threads that wait for the database or another service are abandoned");
        redis.unpause();
        postgres.restore();
    }
}

#[actix_web::test]
async fn second_signal_ends_pending_requests() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[("SHUTDOWN_TIMEOUT", "600")]).await;
    // The rest of the body never arrives.
    let mut slow = std::net::TcpStream::connect(process.addr(0)).unwrap();
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 9\r\n\r\n{";
    std::io::Write::write_all(&mut slow, head.as_bytes()).unwrap();
    client.wait_for_status("/healthz", 200).await;
    process.send_sigterm();
    process.wait_for_log("new connections are refused");
    let signalled = Instant::now();
    process.send_sigterm();
    assert_eq!(process.wait().code(), Some(0));
    // Without the second signal, the service would wait longer for the body.
    assert!(signalled.elapsed() < Duration::from_secs(8), "{:?}", signalled.elapsed());
}

#[actix_web::test]
async fn second_signal_ends_the_delay() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[("SHUTDOWN_DELAY", "600")]).await;
    process.send_sigterm();
    client.wait_for_status("/readyz", 503).await;
    process.send_sigterm();
    assert_eq!(process.wait().code(), Some(0));
}
