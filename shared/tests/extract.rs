//! The extractors in both frameworks: status and challenge for every kind of request.
#![cfg(all(feature = "actix", feature = "axum", feature = "testing"))]

use axum::extract::FromRequestParts;
use shared::{AccessToken, Requirement, Requires, Verifier, keys::JwkSet, testing::TestIssuer};

struct ReadReports;

impl Requirement for ReadReports {
    const SCOPE: Option<&str> = Some("reports:read");
}

struct Editor;

impl Requirement for Editor {
    const ROLE: Option<&str> = Some("editor");
}

/// Returns status and challenge of actix-web for a request with these `Authorization` headers, at
/// `/`, `/reports` and `/edit`.
async fn actix_responses(verifier: &Verifier, headers: &[&str]) -> Vec<(u16, String)> {
    use actix_web::{App, test, web};
    async fn whoami(token: AccessToken) -> String {
        token.sub.clone()
    }
    async fn reports(token: Requires<ReadReports>) -> String {
        token.sub.clone()
    }
    async fn edit(token: Requires<Editor>) -> String {
        token.sub.clone()
    }
    let app = App::new()
        .app_data(web::Data::new(verifier.clone()))
        .route("/", web::get().to(whoami))
        .route("/reports", web::get().to(reports))
        .route("/edit", web::get().to(edit));
    let app = test::init_service(app).await;
    let mut answers = Vec::new();
    for path in ["/", "/reports", "/edit"] {
        let mut request = test::TestRequest::get().uri(path);
        for header in headers {
            request = request.append_header(("authorization", *header));
        }
        let answer = test::call_service(&app, request.to_request()).await;
        let challenge = answer.headers().get("www-authenticate");
        let challenge = challenge.map(|challenge| challenge.to_str().unwrap().to_owned());
        answers.push((answer.status().as_u16(), challenge.unwrap_or_default()));
    }
    answers
}

/// Returns status and challenge of axum for the same requests.
async fn axum_responses(verifier: &Verifier, headers: &[&str]) -> Vec<(u16, String)> {
    use axum::{http::Request, response::IntoResponse};
    let mut request = Request::builder();
    for header in headers {
        request = request.header("authorization", *header);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let answers = [
        AccessToken::from_request_parts(&mut parts, verifier).await.map(drop),
        Requires::<ReadReports>::from_request_parts(&mut parts, verifier).await.map(drop),
        Requires::<Editor>::from_request_parts(&mut parts, verifier).await.map(drop),
    ];
    answers
        .into_iter()
        .map(|answer| {
            let answer = answer.into_response();
            let challenge = answer.headers().get("www-authenticate");
            let challenge = challenge.map(|challenge| challenge.to_str().unwrap().to_owned());
            (answer.status().as_u16(), challenge.unwrap_or_default())
        })
        .collect()
}

#[actix_web::test]
async fn both_frameworks_answer_alike() {
    let issuer = TestIssuer::new();
    let other_issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let bearer = |token: String| format!("Bearer {token}");
    let plain = bearer(issuer.token().mint());
    let reader = bearer(issuer.token().scope("x reports:read").mint());
    let editor = bearer(issuer.token().role("editor").mint());
    let expired = bearer(issuer.token().scope("reports:read").lifetime_secs(-11).mint());
    let foreign = bearer(other_issuer.token().scope("reports:read").mint());
    let elsewhere = bearer(issuer.token().audience("other").mint());
    let ended = issuer.token().scope("reports:read").role("editor");
    issuer.end_session(ended.claims.sid);
    let ended = bearer(ended.mint());

    let ok = (200, String::new());
    let missing = (401, "Bearer".to_owned());
    let invalid = (401, r#"Bearer error="invalid_token""#.to_owned());
    let malformed = (401, r#"Bearer error="invalid_request""#.to_owned());
    let no_scope = (403, r#"Bearer error="insufficient_scope", scope="reports:read""#.to_owned());
    let no_role = (403, r#"Bearer error="insufficient_scope""#.to_owned());
    let all = |answer: &(u16, String)| vec![answer.clone(); 3];
    for (headers, expected) in [
        (vec![], all(&missing)),
        (vec![plain.as_str()], vec![ok.clone(), no_scope.clone(), no_role.clone()]),
        (vec![&reader], vec![ok.clone(), ok.clone(), no_role]),
        (vec![&editor], vec![ok.clone(), no_scope, ok]),
        (vec![&expired], all(&invalid)),
        (vec![&foreign], all(&invalid)),
        (vec![&elsewhere], all(&invalid)),
        (vec![&ended], all(&invalid)),
        (vec![&plain, &plain], all(&malformed)),
        (vec!["Basic YTpi"], all(&malformed)),
        (vec!["Bearer"], all(&malformed)),
    ] {
        assert_eq!(actix_responses(&verifier, &headers).await, expected, "actix {headers:?}");
        assert_eq!(axum_responses(&verifier, &headers).await, expected, "axum {headers:?}");
    }
}

#[actix_web::test]
async fn the_header_must_be_bearer_in_any_case_and_one_token() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token().scope("reports:read").role("editor").mint();
    let malformed = (401, r#"Bearer error="invalid_request""#.to_owned());
    let invalid = (401, r#"Bearer error="invalid_token""#.to_owned());
    let long = format!("Bearer {}", "x".repeat(64 * 1024));
    let cases = [
        (
            (200, String::new()),
            &["bearer {}", "BEARER {}", "bEaReR {}", "Bearer   {}", "Bearer {}  "][..],
        ),
        (
            malformed,
            &[
                "",
                "{}",
                "Bearer ",
                "Bearer{}",
                "Bearer\t{}",
                "Bearer:{}",
                "Bearer: {}",
                "Bearer, {}",
                "Bearer {} {}",
                "Bearer {},{}",
                "Bearer {}, Bearer {}",
                "Bearer Bearer {}",
                "Bearer {},",
                "Basic {}",
                "Token {}",
                "JWT {}",
                "DPoP {}",
                "Bear\u{17f} {}",
            ],
        ),
        (
            invalid,
            &[
                "Bearer {}{}",
                "Bearer {}\t{}",
                "Bearer {};{}",
                "Bearer \"{}\"",
                "Bearer token={}",
                "Bearer {}é",
                "Bearer null",
                &long,
            ],
        ),
    ];
    for (expected, headers) in cases {
        for header in headers {
            let header = header.replace("{}", &token);
            assert_eq!(
                actix_responses(&verifier, &[&header]).await,
                vec![expected.clone(); 3],
                "{header:?}"
            );
            assert_eq!(
                axum_responses(&verifier, &[&header]).await,
                vec![expected.clone(); 3],
                "{header:?}"
            );
        }
    }
}

#[actix_web::test]
async fn without_keys_both_frameworks_answer_503() {
    let verifier = Verifier::builder("http://127.0.0.1:1").audience("api").build();
    let token = format!("Bearer {}", TestIssuer::new().token().mint());
    let unavailable = vec![(503, String::new()); 3];
    assert_eq!(actix_responses(&verifier, &[&token]).await, unavailable);
    assert_eq!(axum_responses(&verifier, &[&token]).await, unavailable);
}

#[actix_web::test]
async fn an_app_without_a_verifier_accepts_no_request() {
    use actix_web::{App, test, web};
    async fn whoami(token: AccessToken) -> String {
        token.sub.clone()
    }
    let app = test::init_service(App::new().route("/", web::get().to(whoami))).await;
    let answer = test::call_service(&app, test::TestRequest::get().uri("/").to_request()).await;
    assert_eq!(answer.status(), 500);
    // A verifier without keys accepts no token.
    let verifier =
        Verifier::builder("http://issuer.test").build_with_keys(&JwkSet { keys: Vec::new() });
    let token = TestIssuer::new().token().mint();
    assert!(verifier.verify(&token).await.is_err());
}
