//! Idle connections between a proxy and the service: the proxy closes them first, so that it sends
//! no request on a connection that the service is closing.

use std::{fs, net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use test_support::{Client, Nginx, Process, temp_dir};

/// Requests of each client.
const REQUESTS: usize = 3;
/// Pauses between two requests, in milliseconds: around the time after which nginx closes an idle
/// connection, and around the time after which the service does.
const PAUSES_MS: [u64; 24] = [
    900, 950, 970, 980, 985, 990, 995, 998, 1000, 1002, 1005, 1010, 1020, 1050, 1500, 1900, 1950,
    1980, 1990, 1995, 2000, 2005, 2010, 2050,
];

/// Returns how many connections at this port wait for late packets, and how many connections to it.
/// The side that closes a connection first waits.
fn closed_first(port: u16) -> (usize, usize) {
    const TIME_WAIT: &str = "06";
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let has_port = |address: &str| address.ends_with(&format!(":{port:04X}"));
    let waiting = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields[3] == TIME_WAIT).then(|| (has_port(fields[1]), has_port(fields[2])))
    });
    waiting.fold((0, 0), |(ours, theirs), (is_ours, is_theirs)| {
        (ours + usize::from(is_ours), theirs + usize::from(is_theirs))
    })
}

async fn post_with_pauses(addr: SocketAddr, access: &str, pause_ms: u64) {
    let client = Client::new(addr);
    for number in 0..REQUESTS {
        let answer = client.post("/token/verify", json!({"token": access})).await;
        assert_eq!(answer.status, 200, "pause {pause_ms} ms, request {number}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

#[actix_web::test]
async fn no_post_is_lost_on_an_idle_connection_of_nginx() {
    let data = temp_dir();
    // As with the defaults (nginx: 60 seconds, the service: 75 seconds), with shorter times.
    let env = [
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("BCRYPT_COST", "10"),
        ("ISSUER", "http://auth.example.com"),
        ("KEEP_ALIVE", "2"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let service = process.addr(0);
    let nginx = Nginx::with_idle_connections(service, "1s");
    let client = Client::new(nginx.auth_addr());
    let access = client.new_user("ada").await.access;
    let addr = nginx.auth_addr();
    join_all(PAUSES_MS.map(|pause_ms| post_with_pauses(addr, &access, pause_ms))).await;
    let (by_the_service, by_nginx) = closed_first(service.port());
    assert_eq!(by_the_service, 0, "the service has closed idle connections");
    assert!(by_nginx > 0, "nginx has closed no idle connection");
}
