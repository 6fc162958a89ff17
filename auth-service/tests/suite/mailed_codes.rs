//! One-time codes from mails, on both stores: each works once, for its user, its purpose and the
//! state it is for.

use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Client, wait_until};

use crate::support::{TestApp, on_both_stores};

const VERIFY: &str = "Confirm your email address";
const RESET: &str = "Set a new password";
const WRONG_CODE: &str = "The code is wrong, has been used, or has expired.";
const RACERS: usize = 50;

/// Returns the texts of the mails to a user with this subject. Without a mail server, mails are
/// files.
fn mails(app: &TestApp, name: &str, subject: &str) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(app.folder.path().join("mail")) else { return Vec::new() };
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let [to, subject] = [format!("To: {name}@example.com\r\n"), format!("Subject: {subject}\r\n")];
    texts.filter(|text| text.contains(&to) && text.contains(&subject)).collect()
}

/// Asks for a mail at this route, and returns the code of the mail. No mail to the user with this
/// subject may exist yet.
async fn mailed_code(app: &TestApp, path: &str, name: &str) -> String {
    let subject = if path.starts_with("/password") { RESET } else { VERIFY };
    let earlier = mails(app, name, subject).len();
    assert_eq!(earlier, 0, "the code of an earlier mail");
    let asked = app.post(path, json!({"email": format!("{name}@example.com")})).await;
    assert_eq!(asked.status, 202);
    let mail = wait_until(format!("a mail to {name}: {subject}"), async || {
        mails(app, name, subject).pop()
    })
    .await;
    let is_code = |line: &&str| line.len() == 14 && line.matches('-').count() == 2;
    mail.lines().find(is_code).expect("a code").to_owned()
}

async fn reset(client: &Client, name: &str, code: &str, next: &str) -> u16 {
    let email = format!("{name}@example.com");
    let body = json!({"email": email, "code": code, "new_password": next});
    status(client, "/password/reset/confirm", body).await
}

async fn verify(client: &Client, name: &str, code: &str) -> u16 {
    let body = json!({"email": format!("{name}@example.com"), "code": code});
    status(client, "/email/verify/confirm", body).await
}

/// Returns the status, and asserts that there is one text for all wrong codes.
async fn status(client: &Client, path: &str, body: Value) -> u16 {
    let answer = client.post(path, body).await;
    if answer.status == 400 {
        assert_eq!(answer.json["errors"], json!({"code": [WRONG_CODE]}));
    }
    answer.status
}

#[apply(on_both_stores)]
async fn of_fifty_racing_resets_with_one_code_one_wins(app: TestApp) {
    app.register("ada").await;
    let code = mailed_code(&app, "/password/reset", "ada").await;
    let next = |number: usize| format!("a better horse battery {number}");
    let racers = (0..RACERS).map(|number| {
        let (client, code) = (&app, &code);
        async move {
            loop {
                // A client that finds the queue for hashes full tries again.
                match reset(client, "ada", code, &next(number)).await {
                    503 => tokio::task::yield_now().await,
                    status => return status,
                }
            }
        }
    });
    let statuses = join_all(racers).await;
    let winners: Vec<usize> = (0..RACERS).filter(|number| statuses[*number] == 204).collect();
    let [winner] = winners[..] else { panic!("{statuses:?}") };
    assert!(statuses.iter().all(|status| [204, 400].contains(status)), "{statuses:?}");
    assert_eq!(app.login_with("ada", &next(winner)).await.status, 200);
    assert_eq!(app.login_with("ada", &next((winner + 1) % RACERS)).await.status, 401);
}

#[apply(on_both_stores)]
async fn of_fifty_racing_verifications_with_one_code_one_wins(app: TestApp) {
    let access = app.new_user("ada").await.access;
    let code = mailed_code(&app, "/email/verify/request", "ada").await;
    let racers = (0..RACERS).map(|_| verify(&app, "ada", &code));
    let mut statuses = join_all(racers).await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204);
    assert!(statuses[1..].iter().all(|status| *status == 400), "{statuses:?}");
    assert_eq!(app.get("/me", Some(&access)).await.json["email_verified"], true);
}

#[actix_web::test]
async fn of_fifty_racing_resets_at_two_replicas_one_wins() {
    let app = TestApp::deployed_with(&["--login-failures-per-address=0"]).await;
    let other = app.replica().await;
    app.register("ada").await;
    let verify_code = mailed_code(&app, "/email/verify/request", "ada").await;
    let code = mailed_code(&app, "/password/reset", "ada").await;
    let clients: [&Client; 2] = [&app, &other];
    let racers = (0..RACERS).map(|number| verify(clients[number % 2], "ada", &verify_code));
    let statuses = join_all(racers).await;
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    let racers = (0..RACERS)
        .map(|number| reset(clients[number % 2], "ada", &code, "a better horse battery"));
    let statuses = join_all(racers).await;
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
}

#[apply(on_both_stores)]
async fn code_is_typed_in_any_case_with_or_without_dashes(app: TestApp) {
    type Spelling = fn(&str) -> String;
    let spellings: [Spelling; 4] = [
        |code| code.to_lowercase(),
        |code| code.replace('-', ""),
        |code| format!(" {} ", code.replace('-', " ").to_lowercase()),
        |code| code.replace('0', "o").replace('1', "l"),
    ];
    for (number, spelling) in spellings.iter().enumerate() {
        let name = format!("user{number}");
        app.register(&name).await;
        let code = mailed_code(&app, "/email/verify/request", &name).await;
        assert_eq!(verify(&app, &name, &spelling(&code)).await, 204);
        let code = mailed_code(&app, "/password/reset", &name).await;
        assert_eq!(reset(&app, &name, &spelling(&code), "a better horse battery").await, 204);
    }
}

/// Returns the code with another character at this place.
fn with_one_wrong(code: &str, place: usize) -> String {
    let mut chars: Vec<char> = code.chars().collect();
    chars[place] = if chars[place] == 'X' { 'Y' } else { 'X' };
    chars.into_iter().collect()
}

#[apply(on_both_stores)]
async fn code_with_one_wrong_letter_is_refused_and_not_spent(app: TestApp) {
    app.register("ada").await;
    let reset_code = mailed_code(&app, "/password/reset", "ada").await;
    let verify_code = mailed_code(&app, "/email/verify/request", "ada").await;
    for place in (0..14).filter(|place| ![4, 9].contains(place)) {
        let wrong = with_one_wrong(&reset_code, place);
        assert_eq!(reset(&app, "ada", &wrong, "a better horse battery").await, 400);
        assert_eq!(verify(&app, "ada", &with_one_wrong(&verify_code, place)).await, 400);
    }
    for wrong in ["x", "XXXX", &reset_code[1..], &format!("{reset_code}X"), "０", "\u{202e}"] {
        assert_eq!(reset(&app, "ada", wrong, "a better horse battery").await, 400);
        assert_eq!(verify(&app, "ada", wrong).await, 400);
    }
    assert_eq!(verify(&app, "ada", &verify_code).await, 204);
    assert_eq!(reset(&app, "ada", &reset_code, "a better horse battery").await, 204);
}

#[apply(on_both_stores)]
async fn code_of_another_purpose_or_user_is_refused_and_not_spent(app: TestApp) {
    app.register("ada").await;
    let grace = app.new_user("grace").await.access;
    let reset_code = mailed_code(&app, "/password/reset", "ada").await;
    let verify_code = mailed_code(&app, "/email/verify/request", "ada").await;
    let next = "a better horse battery";
    assert_eq!(reset(&app, "ada", &verify_code, next).await, 400);
    assert_eq!(verify(&app, "ada", &reset_code).await, 400);
    assert_eq!(reset(&app, "grace", &reset_code, next).await, 400);
    assert_eq!(verify(&app, "grace", &verify_code).await, 400);
    assert_eq!(reset(&app, "unknown", &reset_code, next).await, 400);
    assert_eq!(verify(&app, "unknown", &verify_code).await, 400);
    // The token decides whose address is verified, whatever the body states.
    let request = app.request(reqwest::Method::POST, "/email/verify/confirm").bearer_auth(grace);
    let body = json!({"email": "ada@example.com", "code": verify_code});
    assert_eq!(app.send(request.json(&body)).await.status, 400);
    assert_eq!(verify(&app, "ada", &verify_code).await, 204);
    assert_eq!(reset(&app, "ada", &reset_code, next).await, 204);
}

#[apply(on_both_stores)]
async fn code_is_void_after_a_change_of_password(app: TestApp) {
    let access = app.new_user("ada").await.access;
    let reset_code = mailed_code(&app, "/password/reset", "ada").await;
    let verify_code = mailed_code(&app, "/email/verify/request", "ada").await;
    let request = app.request(reqwest::Method::POST, "/password").bearer_auth(access);
    let body = json!({"old_password": "correct horse battery", "new_password": "my new horse"});
    assert_eq!(app.send(request.json(&body)).await.status, 204);
    assert_eq!(reset(&app, "ada", &reset_code, "a better horse battery").await, 400);
    assert_eq!(verify(&app, "ada", &verify_code).await, 400);
    assert_eq!(app.login_with("ada", "my new horse").await.status, 200);
}

#[apply(on_both_stores)]
async fn code_works_until_it_expires(app: TestApp) {
    for name in ["early", "late"] {
        app.register(name).await;
    }
    let [early, late] = ["early", "late"].map(|name| mailed_code(&app, "/password/reset", name));
    let (early, late) = (early.await, late.await);
    let verify_code = mailed_code(&app, "/email/verify/request", "late").await;
    app.advance(3590);
    assert_eq!(reset(&app, "early", &early, "a better horse battery").await, 204);
    app.advance(11);
    assert_eq!(reset(&app, "late", &late, "a better horse battery").await, 400);
    assert_eq!(verify(&app, "late", &verify_code).await, 400);
}

#[apply(on_both_stores)]
async fn disabled_user_gets_no_code_and_cannot_use_one(app: TestApp) {
    app.register("ada").await;
    let reset_code = mailed_code(&app, "/password/reset", "ada").await;
    let disabled = app.cli(&["users", "disable", "ada"]);
    assert!(disabled.status.success(), "{disabled:?}");
    assert_eq!(reset(&app, "ada", &reset_code, "a better horse battery").await, 400);
    for path in ["/password/reset", "/email/verify/request"] {
        assert_eq!(app.post(path, json!({"email": "ada@example.com"})).await.status, 202);
    }
    // A mail that is requested later arrives, and no other has been sent by then.
    app.register("grace").await;
    mailed_code(&app, "/password/reset", "grace").await;
    assert_eq!(mails(&app, "ada", RESET).len(), 1);
    assert_eq!(mails(&app, "ada", VERIFY).len(), 0);
}

#[apply(on_both_stores)]
async fn limit_of_mails_counts_each_purpose(app: TestApp) {
    app.register("ada").await;
    for _ in 0..11 {
        for path in ["/password/reset", "/email/verify/request"] {
            assert_eq!(app.post(path, json!({"email": "ADA@example.com"})).await.status, 202);
        }
    }
    let sent = || (mails(&app, "ada", RESET).len(), mails(&app, "ada", VERIFY).len());
    wait_until("ten mails of each kind", async || sent() == (10, 10)).await;
    app.register("grace").await;
    mailed_code(&app, "/password/reset", "grace").await;
    assert_eq!(sent(), (10, 10));
}
