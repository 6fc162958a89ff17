//! Requests whose client has stopped waiting are not carried out.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::json;
use test_support::{Client, Process, TempDir, temp_dir, wait_until};

/// A little more than the time for which a request may wait to be read.
const LONGEST_WAIT: Duration = Duration::from_millis(10_200);

/// Starts a service that takes a repeated refresh for a theft at once.
async fn start(data: &TempDir, settings: &[(&str, &str)]) -> (Process, Client) {
    let mut env = vec![
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("BCRYPT_COST", "10"),
        ("ISSUER", "http://auth.example.com"),
        ("REFRESH_GRACE", "0"),
    ];
    env.extend(settings);
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::without_keep_alive(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    (process, client)
}

fn refresh_request(refresh: &str, padding: usize) -> String {
    let body = format!("{}{}", json!({"refresh": refresh}), " ".repeat(padding));
    let length = body.len();
    format!(
        "POST /token/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn connect(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).unwrap()
}

/// Sends a request on a connection, and closes the connection.
fn send_and_close(mut connection: TcpStream, request: &str) {
    connection.write_all(request.as_bytes()).unwrap();
}

/// Waits until the log has this many refreshes, carried out or not.
async fn wait_for_refreshes(process: &Process, count: usize) {
    wait_until(format!("{count} refreshes are in the log"), async || {
        let log = process.log();
        if log.matches("POST /token/refresh ").count() >= count { Ok(()) } else { Err(log) }
    })
    .await;
}

#[actix_web::test]
async fn refresh_is_not_carried_out_after_its_client_has_gone() {
    let data = temp_dir();
    let (process, client) = start(&data, &[]).await;
    let tokens = client.new_user("ada").await;
    // One connection has been accepted already. Its client is idle.
    let mut accepted = connect(process.addr(0));
    accepted.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(accepted.read(&mut [0; 4096]).unwrap() > 0);

    process.pause();
    send_and_close(accepted, &refresh_request(&tokens.refresh, 0));
    send_and_close(connect(process.addr(0)), &refresh_request(&tokens.refresh, 0));
    // The end of the connection comes after many bytes.
    send_and_close(connect(process.addr(0)), &refresh_request(&tokens.refresh, 20_000));
    process.unpause();
    wait_for_refreshes(&process, 3).await;
    client.refreshed(&tokens.refresh).await;
}

#[actix_web::test]
async fn refresh_that_waited_for_a_free_connection_is_not_carried_out_after_its_client_has_gone() {
    let data = temp_dir();
    let limits = [("MAX_CONNECTIONS", "2"), ("AUTH_WORKERS", "1")];
    let (process, client) = start(&data, &limits).await;
    let tokens = client.new_user("ada").await;
    let mut holders = [(); 4].map(|()| connect(process.addr(0)));
    for holder in &mut holders {
        holder.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    }
    send_and_close(connect(process.addr(0)), &refresh_request(&tokens.refresh, 0));
    drop(holders);
    wait_for_refreshes(&process, 1).await;
    client.refreshed(&tokens.refresh).await;
}

/// A client that loses its network does not close its connection.
#[actix_web::test]
async fn refresh_that_waited_for_long_is_not_carried_out_although_its_connection_is_open() {
    let data = temp_dir();
    let limits = [("MAX_CONNECTIONS", "2"), ("AUTH_WORKERS", "1")];
    let (process, client) = start(&data, &limits).await;
    let tokens = client.new_user("ada").await;
    let holders = [(); 2].map(|()| {
        let mut holder = connect(process.addr(0));
        holder.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(holder.read(&mut [0; 4096]).unwrap() > 0);
        holder
    });
    let mut late = connect(process.addr(0));
    late.write_all(refresh_request(&tokens.refresh, 0).as_bytes()).unwrap();
    tokio::time::sleep(LONGEST_WAIT).await;
    drop(holders);
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("The request waited too long and was not carried out"), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 1\r\n"), "{answer}");
    wait_until("the refresh token is still good", async || {
        let answer = client.refresh(&tokens.refresh).await;
        if answer.status == 200 { Ok(()) } else { Err(answer) }
    })
    .await;
}

#[actix_web::test]
async fn half_closed_connection_gets_answers_that_change_nothing() {
    let data = temp_dir();
    let (process, client) = start(&data, &[]).await;
    let tokens = client.new_user("ada").await;
    process.pause();
    let requests =
        ["GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &refresh_request(&tokens.refresh, 0)];
    let connections = requests.map(|request| {
        let mut connection = connect(process.addr(0));
        connection.write_all(request.as_bytes()).unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        connection
    });
    process.unpause();
    let [health, refresh] = connections.map(|mut connection| {
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    assert!(refresh.starts_with("HTTP/1.1 400 "), "{refresh}");
    assert!(refresh.contains(r#""code":"connection_closed""#), "{refresh}");
    client.refreshed(&tokens.refresh).await;
}
