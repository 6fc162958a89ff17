//! The requests of a client that was written for Django REST framework and simplejwt, unchanged: the
//! statuses and the members that such a client reads.

use crate::support::{TestApp, on_both_stores};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Answer, Tokens};

const PASSWORD: &str = "correct horse battery";
const BLANK: &str = "This field may not be blank.";
const REQUIRED: &str = "This field is required.";

/// How the client encodes its bodies: `requests.post(url, json=…)` or `data=…`.
#[derive(Clone, Copy)]
enum Encoding {
    Json,
    Form,
}

impl TestApp {
    async fn send_fields(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        encoding: Encoding,
        access: Option<&str>,
    ) -> Answer {
        let request = self.request(Method::POST, path);
        let request = match encoding {
            Encoding::Form => request.form(fields),
            Encoding::Json => {
                let members = fields.iter().map(|(name, value)| ((*name).into(), json!(value)));
                request.json(&Value::Object(members.collect()))
            }
        };
        self.send(access.iter().fold(request, |request, access| request.bearer_auth(access))).await
    }
}

#[track_caller]
fn assert_members(answer: &Answer, status: u16, members: &Value) {
    assert_eq!(answer.status, status, "{answer:?}");
    for (name, expected) in members.as_object().unwrap() {
        assert_eq!(&answer.json[name], expected, "{name}: {answer:?}");
    }
}

#[apply(on_both_stores)]
async fn whole_session_of_a_client_works(app: TestApp) {
    for (name, encoding) in [("ada", Encoding::Json), ("grace", Encoding::Form)] {
        let email = format!("{name}@example.com");
        // A form in a browser adds fields and leaves blanks.
        let typed = format!("  {name} ");
        let typed_email = format!("{email}\n");
        let fields = [
            ("email", typed_email.as_str()),
            ("username", &typed),
            ("password", PASSWORD),
            ("password2", PASSWORD),
        ];
        let registered = app.send_fields("/register/", &fields, encoding, None).await;
        assert_members(&registered, 201, &json!({"email": email, "username": name}));

        for (field, value) in [("username", &typed), ("email", &typed_email)] {
            let fields = [(field, value.as_str()), ("password", PASSWORD), ("next", "/")];
            let answer = app.send_fields("/login/", &fields, encoding, None).await;
            assert_members(&answer, 200, &json!({"email": email, "username": name}));
        }
        let fields = [("username", name), ("password", PASSWORD)];
        let tokens = app.send_fields("/login/", &fields, encoding, None).await.tokens();

        let fields = [("refresh", tokens.refresh.as_str())];
        let refreshed = app.send_fields("/token/refresh/", &fields, encoding, None).await;
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        let Tokens { access, refresh } = refreshed.tokens();
        let fields = [("token", access.as_str())];
        let verified = app.send_fields("/token/verify/", &fields, encoding, None).await;
        assert_eq!((verified.status, verified.json), (200, json!({})));

        let fields = [("refresh", refresh.as_str())];
        let answer = app.send_fields("/logout/", &fields, encoding, Some(&access)).await;
        assert_eq!((answer.status, answer.json), (204, Value::Null));
        let answer = app.send_fields("/token/refresh/", &fields, encoding, None).await;
        assert_members(&answer, 401, &json!({"code": "token_not_valid"}));
        let fields = [("token", "nonsense")];
        let answer = app.send_fields("/token/verify/", &fields, encoding, None).await;
        assert_members(&answer, 401, &json!({"code": "token_not_valid"}));
    }
}

#[actix_web::test]
async fn wrong_fields_are_members_of_the_answer() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    for encoding in [Encoding::Json, Encoding::Form] {
        let fields = [("email", "ADA@example.com"), ("username", "ada"), ("password", PASSWORD)];
        let answer = app.send_fields("/register", &fields, encoding, None).await;
        let expected = json!({
            "email": ["A user with that email already exists."],
            "username": ["A user with that username already exists."],
        });
        assert_members(&answer, 400, &expected);
        assert_eq!(answer.json["errors"], expected);
        answer.assert_problem(400, "invalid");

        let fields = [("email", " "), ("username", "\t"), ("password", "")];
        let answer = app.send_fields("/register", &fields, encoding, None).await;
        assert_members(&answer, 400, &json!({"email": [BLANK], "username": [BLANK]}));
        let fields = [("username", " "), ("password", PASSWORD)];
        let answer = app.send_fields("/login", &fields, encoding, None).await;
        assert_members(&answer, 400, &json!({"username": [BLANK]}));
        let answer = app.send_fields("/login", &[("username", "ada")], encoding, None).await;
        assert_members(&answer, 400, &json!({"password": [REQUIRED]}));
        // Blanks are part of a password.
        let spaced = format!("{PASSWORD} ");
        let fields = [("username", "ada"), ("password", spaced.as_str())];
        let answer = app.send_fields("/login", &fields, encoding, None).await;
        assert_members(&answer, 401, &json!({"code": "no_active_account"}));
    }
}

#[actix_web::test]
async fn request_without_a_body_lacks_every_field() {
    let app = TestApp::embedded().await;
    let access = app.new_user("ada").await.access;
    for (path, field) in
        [("/login", "password"), ("/token/refresh", "refresh"), ("/token/verify", "token")]
    {
        let answer = app.send(app.request(Method::POST, path)).await;
        assert_members(&answer, 400, &json!({field: [REQUIRED]}));
    }
    let logout = app.request(Method::POST, "/logout").bearer_auth(access);
    assert_members(&app.send(logout).await, 400, &json!({"refresh": [REQUIRED]}));
}

#[apply(on_both_stores)]
async fn wrong_refresh_token_at_logout_is_a_wrong_field(app: TestApp) {
    let ada = app.new_user("ada").await;
    let grace = app.new_user("grace").await;
    let logout = |access: Option<String>, refresh: String| {
        let app = &app;
        async move {
            let fields = [("refresh", refresh.as_str())];
            app.send_fields("/logout", &fields, Encoding::Json, access.as_deref()).await
        }
    };
    let access = Some(ada.access.clone());
    for (refresh, why) in [
        ("nonsense", "The refresh token is invalid."),
        (ada.access.as_str(), "The refresh token is invalid."),
        (grace.refresh.as_str(), "The refresh token belongs to another user."),
    ] {
        let answer = logout(access.clone(), refresh.into()).await;
        assert_members(&answer, 400, &json!({"refresh": [why], "code": "invalid"}));
    }
    let answer = logout(None, ada.refresh.clone()).await;
    answer.assert_problem(401, "not_authenticated");
    // The refusals have ended no session.
    app.refreshed(&grace.refresh).await;
    app.refreshed(&ada.refresh).await;
}

#[apply(on_both_stores)]
async fn refused_access_token_is_explained_as_in_simplejwt(app: TestApp) {
    let tokens = app.new_user("ada").await;
    assert_eq!(app.logout(&tokens).await.status, 204);
    for (access, detail) in [
        ("nonsense", "The token is malformed."),
        (tokens.refresh.as_str(), "The token's algorithm is not accepted."),
        (tokens.access.as_str(), "The token's session has ended."),
    ] {
        let answer = app.get("/me", Some(access)).await;
        answer.assert_problem(401, "token_not_valid");
        let message =
            json!({"token_class": "AccessToken", "token_type": "access", "message": detail});
        assert_members(&answer, 401, &json!({"detail": detail, "messages": [message]}));
    }
    assert_eq!(app.get("/me", None).await.json.get("messages"), None);
}

#[actix_web::test]
async fn form_is_read_strictly() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    let form = "application/x-www-form-urlencoded";
    let encoded = "username=ada&password=correct+horse%20battery";
    let post = |path, content_type: &'static str, body: &'static str| {
        app.post_raw(path, content_type, body)
    };
    assert_eq!(post("/login", form, encoded).await.status, 200);
    let charset = "application/x-www-form-urlencoded; charset=UTF-8";
    assert_eq!(post("/login", charset, encoded).await.status, 200);
    let twice = "username=ada&password=wrong&password=correct+horse+battery";
    let answer = post("/login", form, twice).await;
    assert_members(&answer, 400, &json!({"password": ["This field may occur only once."]}));
    for not_utf8 in ["username=ada&password=%ff", "%ff=1"] {
        post("/login", form, not_utf8).await.assert_problem(400, "parse_error");
    }
    // JSON in a form, and a form in JSON.
    post("/login", form, r#"{"username": "ada"}"#).await.assert_fields(&["password", "username"]);
    post("/login", "application/json", encoded).await.assert_problem(400, "parse_error");
}

#[actix_web::test]
async fn flag_of_a_form_is_a_text() {
    let app = TestApp::embedded().await;
    let access = app.new_user("ada").await.access;
    let fields =
        |keep| [("old_password", PASSWORD), ("new_password", "a better horse battery"), keep];
    let change = |keep, encoding| {
        let app = &app;
        let access = &access;
        async move {
            app.send_fields("/password", &fields(("keep_session", keep)), encoding, Some(access))
                .await
        }
    };
    change("maybe", Encoding::Form).await.assert_fields(&["keep_session"]);
    change("true", Encoding::Json).await.assert_fields(&["keep_session"]);
    let changed = change("True", Encoding::Form).await;
    assert!(changed.status < 300, "{changed:?}");
    assert_eq!(app.get("/sessions", Some(&access)).await.status, 200);
}
