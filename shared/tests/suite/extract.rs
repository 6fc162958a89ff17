//! The extractors in both frameworks: status and challenge for every kind of request.
#![cfg(all(feature = "actix", feature = "axum", feature = "testing"))]

use axum::extract::FromRequestParts;
use shared::{
    AccessToken, OptionalToken, Requirement, Requires, Verifier, keys::JwkSet, testing::TestIssuer,
};

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
        <AccessToken as FromRequestParts<_>>::from_request_parts(&mut parts, verifier)
            .await
            .map(drop),
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

/// Returns the answers of both frameworks to a request with this `Authorization` header: the status,
/// and the subject that a handler with an optional token sees.
async fn optional_responses(verifier: &Verifier, header: Option<&str>) -> Vec<(u16, String)> {
    use axum::response::IntoResponse;
    async fn actix(OptionalToken(token): OptionalToken) -> String {
        subject(token)
    }
    fn subject(token: Option<AccessToken>) -> String {
        token.map_or_else(|| "guest".into(), |token| token.sub.clone())
    }
    let app = actix_web::App::new()
        .app_data(actix_web::web::Data::new(verifier.clone()))
        .route("/", actix_web::web::get().to(actix));
    let app = actix_web::test::init_service(app).await;
    let mut request = actix_web::test::TestRequest::get();
    let mut axum_request = axum::http::Request::builder();
    if let Some(header) = header {
        request = request.insert_header(("authorization", header));
        axum_request = axum_request.header("authorization", header);
    }
    let answer = actix_web::test::call_service(&app, request.to_request()).await;
    let status = answer.status().as_u16();
    let body = actix_web::test::read_body(answer).await;
    let seen = |status, text: &[u8]| match status {
        200 => (200, String::from_utf8(text.to_vec()).unwrap()),
        status => (status, String::new()),
    };
    let mut answers = vec![seen(status, &body)];

    let (mut parts, ()) = axum_request.body(()).unwrap().into_parts();
    let option = Option::<AccessToken>::from_request_parts(&mut parts, verifier).await;
    let wrapped = OptionalToken::from_request_parts(&mut parts, verifier).await;
    for token in [option, wrapped.map(|OptionalToken(token)| token)] {
        answers.push(match token {
            Ok(token) => (200, subject(token)),
            Err(why) => (why.into_response().status().as_u16(), String::new()),
        });
    }
    answers
}

#[actix_web::test]
async fn an_optional_token_may_be_absent_but_not_refused() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let bearer = |token: String| format!("Bearer {token}");
    let valid = bearer(issuer.token().subject("ada").mint());
    let expired = bearer(issuer.token().lifetime_secs(-60).mint());
    let foreign = bearer(TestIssuer::new().token().mint());
    let refused = (401, String::new());
    for (header, expected) in [
        (None, (200, "guest".to_owned())),
        (Some(&*valid), (200, "ada".to_owned())),
        (Some(&expired), refused.clone()),
        (Some(&foreign), refused.clone()),
        (Some("Basic YTpi"), refused.clone()),
        (Some("Bearer"), refused.clone()),
        (Some(""), refused),
    ] {
        assert_eq!(optional_responses(&verifier, header).await, vec![expected; 3], "{header:?}");
    }
}

/// The guard of the guide: it protects every route of a scope in actix-web.
async fn editors_only(
    _: Requires<Editor>,
    request: actix_web::dev::ServiceRequest,
    next: actix_web::middleware::Next<impl actix_web::body::MessageBody>,
) -> actix_web::Result<actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody>> {
    next.call(request).await
}

#[actix_web::test]
async fn a_guard_protects_every_route_of_a_scope_or_router() {
    use actix_web::{middleware::from_fn, test, web};
    use tower::ServiceExt;
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let actix = actix_web::App::new().app_data(web::Data::new(verifier.clone())).service(
        web::scope("/edit")
            .wrap(from_fn(editors_only))
            .route("/one", web::get().to(async || "one"))
            .route("/two", web::get().to(async || "two")),
    );
    let actix = test::init_service(actix).await;
    let guard =
        axum::middleware::from_extractor_with_state::<Requires<Editor>, _>(verifier.clone());
    let router = axum::Router::new()
        .route("/edit/one", axum::routing::get(async || "one"))
        .route("/edit/two", axum::routing::get(async || "two"))
        .route_layer(guard)
        .route("/public", axum::routing::get(async || "public"))
        .with_state(verifier);
    let bearer = |token: String| format!("Bearer {token}");
    let plain = bearer(issuer.token().mint());
    let editor = bearer(issuer.token().role("editor").mint());
    let expired = bearer(issuer.token().role("editor").lifetime_secs(-60).mint());
    for (token, expected) in [("", 401), (&plain, 403), (&editor, 200), (&expired, 401)] {
        for path in ["/edit/one", "/edit/two"] {
            let mut request = test::TestRequest::get().uri(path);
            let mut axum_request = axum::http::Request::get(path);
            if !token.is_empty() {
                request = request.insert_header(("authorization", token));
                axum_request = axum_request.header("authorization", token);
            }
            // The server turns the error of a guard into its response.
            let answer = test::try_call_service(&actix, request.to_request()).await;
            let status = match answer {
                Ok(answer) => answer.status(),
                Err(why) => why.error_response().status(),
            };
            assert_eq!(status.as_u16(), expected, "actix {path} {token}");
            let body = axum_request.body(axum::body::Body::empty()).unwrap();
            let answer = router.clone().oneshot(body).await.unwrap();
            assert_eq!(answer.status().as_u16(), expected, "axum {path} {token}");
        }
    }
    let public = axum::http::Request::get("/public").body(axum::body::Body::empty()).unwrap();
    assert_eq!(router.oneshot(public).await.unwrap().status().as_u16(), 200);
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
