//! Malformed requests: each gets the right 4xx status, with problem details.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::support::TestApp;
use reqwest::Method;
use serde_json::json;

const ROUTES: [&str; 4] = ["/register", "/login", "/token/refresh", "/token/verify"];

#[actix_web::test]
async fn body_that_is_not_a_json_object_is_rejected() {
    let app = TestApp::embedded().await;
    let bodies: [&[u8]; 11] = [
        b"{",
        b"nonsense",
        b"null",
        b"[]",
        b"\"text\"",
        b"{\"username\": \"\xff\xfe\"}",
        b"{\"username\": \"\\ud800\"}",
        b"{\"username\": \"a\x00b\"}",
        b"{\"a\": 1} {\"b\": 2}",
        b"{'username': 'ada'}",
        &[b'['; 50_000],
    ];
    for route in ROUTES {
        for body in bodies {
            let answer = app.post_raw(route, "application/json", body).await;
            answer.assert_problem(400, "parse_error");
        }
    }
}

#[actix_web::test]
async fn other_content_types_are_rejected() {
    let app = TestApp::embedded().await;
    for route in ROUTES {
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencodedx",
            "multipart/form-data",
            "application/xml",
            "",
        ] {
            let answer = app.post_raw(route, content_type, "{}").await;
            let problem = answer.assert_problem(415, "unsupported_media_type").json.clone();
            let accepted = "application/json or application/x-www-form-urlencoded";
            assert_eq!(problem["detail"], format!("The request's body must be {accepted}."));
        }
        let untyped = app.request(Method::POST, route).body("{}");
        app.send(untyped).await.assert_problem(415, "unsupported_media_type");
        let zipped = app.request(Method::POST, route).header("content-type", "application/json");
        let zipped = zipped.header("content-encoding", "gzip").body("{}");
        app.send(zipped).await.assert_problem(415, "unsupported_media_type");
        let charset = app.post_raw(route, "Application/JSON; charset=utf-8", "{}").await;
        charset.assert_problem(400, "invalid");
    }
}

#[actix_web::test]
async fn missing_fields_are_named_and_unknown_ones_ignored() {
    let app = TestApp::embedded().await;
    app.post("/token/refresh", json!({})).await.assert_fields(&["refresh"]);
    app.post("/token/refresh", json!({"refresh": ""})).await.assert_fields(&["refresh"]);
    app.post("/token/refresh", json!({"refresh": {"a": 1}})).await.assert_fields(&["refresh"]);
    app.post("/token/verify", json!({"tokn": "x"})).await.assert_fields(&["token"]);
    let answer = app.post("/token/verify", json!({"x".repeat(40_000): 1})).await;
    assert!(answer.assert_problem(400, "invalid").json.to_string().len() < 1000);
}

#[actix_web::test]
async fn very_long_values_are_rejected() {
    let app = TestApp::embedded().await;
    let long = "x".repeat(20_000);
    let answer =
        app.post("/register", json!({"email": long, "username": long, "password": long})).await;
    answer.assert_fields(&["email", "password", "username"]);
    app.login_with(&long, &long).await.assert_problem(401, "no_active_account");
    app.refresh(&long).await.assert_problem(401, "token_not_valid");
}

#[actix_web::test]
async fn body_of_ten_megabytes_is_rejected() {
    let app = TestApp::embedded().await;
    let ten_megabytes = vec![b' '; 10_000_000];
    for route in ROUTES {
        // Once with an announced length, and once in chunks of unknown number.
        let head =
            format!("POST {route} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n");
        let answer = send_raw(
            &app,
            format!("{head}Content-Length: 10000000\r\n\r\n").as_bytes(),
            &ten_megabytes,
        );
        assert!(
            answer.starts_with("HTTP/1.1 413") && answer.contains("\"code\":\"too_large\""),
            "{answer}"
        );
        let mut chunk = b"f4240\r\n".to_vec();
        chunk.extend_from_slice(&ten_megabytes[..1_000_000]);
        chunk.extend_from_slice(b"\r\n");
        let answer = send_raw(
            &app,
            format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes(),
            &chunk.repeat(10),
        );
        assert!(
            answer.starts_with("HTTP/1.1 413") && answer.contains("\"code\":\"too_large\""),
            "{answer}"
        );
    }
    // The service still works.
    assert_eq!(app.register("ada").await.status, 201);
}

#[actix_web::test]
async fn malformed_authorization_headers_are_rejected() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let access = &tokens.access;
    let me = |headers: &[&str]| {
        let request = headers.iter().fold(app.request(Method::GET, "/me"), |request, header| {
            request.header("authorization", *header)
        });
        app.send(request)
    };
    let anonymous = me(&[]).await;
    anonymous.assert_problem(401, "not_authenticated");
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    for bad in [
        "",
        "Bearer",
        "Bearer ",
        access,
        "Basic YTpi",
        &format!("Bearer {access} {access}"),
        &format!("Bearer {access},{access}"),
        &format!("Token {access}"),
    ] {
        let answer = me(&[bad]).await;
        answer.assert_problem(401, "authentication_failed");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_request""#);
    }
    let bearer = format!("Bearer {access}");
    me(&[&bearer, &bearer]).await.assert_problem(401, "authentication_failed");
    for good in [bearer, format!("bearer {access}"), format!("BEARER   {access}")] {
        assert_eq!(me(&[&good]).await.status, 200, "{good}");
    }
}

/// Sends a request, as much of it as the server reads, and returns the answer.
fn send_raw(app: &TestApp, head: &[u8], body: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.addr).unwrap();
    stream.write_all(head).unwrap();
    // The server may close the connection before it has read the whole body.
    let mut reader = stream.try_clone().unwrap();
    let body = body.to_vec();
    let writer = std::thread::spawn(move || drop(stream.write_all(&body)));
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
        if answer.ends_with(b"}") {
            break;
        }
    }
    drop(reader);
    writer.join().unwrap();
    String::from_utf8(answer).unwrap()
}
