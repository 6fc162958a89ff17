//! Each message about a wrong field or a failure, in German: none stays English.

use crate::support::{
    TestApp,
    mail::PASSWORD,
    page_browser::{Page, PageBrowser},
};

/// Asserts that each message of the page is German: the English ones that the API answers are known
/// by their words.
#[track_caller]
fn assert_german(page: &Page, expected: &[&str]) {
    assert!((400..500).contains(&page.status), "{page:?}");
    page.assert_shows(page.status, &["<html lang=\"de\">", "<title>Fehler: "]);
    page.assert_shows(page.status, expected);
    let words = page.body.split(|c: char| !c.is_ascii_alphabetic());
    let english: Vec<&str> = words
        .filter(|word| {
            ["This", "this", "may", "must", "password", "username", "already", "wrong", "valid"]
                .contains(word)
        })
        .collect();
    // Names of fields are in attributes.
    let text = text_of(&page.body);
    let in_text =
        |word: &&&str| text.split(|c: char| !c.is_ascii_alphabetic()).any(|it| it == **word);
    assert_eq!(english.iter().find(in_text), None, "{text}");
}

/// Returns the text between the tags.
fn text_of(body: &str) -> String {
    let pieces = body.split('<').filter_map(|piece| piece.split_once('>'));
    pieces.map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

#[actix_web::test]
async fn messages_of_the_forms_of_visitors_are_german() {
    let app = TestApp::embedded_with(&["--issuer", "http://127.0.0.1:1"]).await;
    app.register("grace").await;
    let browser = PageBrowser::in_language(&app, "de");
    let long = "x".repeat(151);
    let long_password = "äö".repeat(600);
    for (email, username, password, expected) in [
        ("", "", "", &["Dieses Feld darf nicht leer sein."][..]),
        ("ada", "ab", "1234567", &["gültige E-Mail-Adresse", "mindestens 3", "mindestens 8"]),
        ("ada@example.com", &long, "password", &["höchstens 150", "zu verbreitet"]),
        ("ada@example.com", "a b!", "~~~~~~~~~", &["nur Buchstaben", "ein einziges Zeichen"]),
        ("ada@example.com", "admin", &long_password, &["reserviert", "höchstens 1024 Bytes"]),
        ("ada@example.com", "p\u{430}ypal", PASSWORD, &["mehrerer Schriften"]),
        (
            "ada@example.com",
            "01a20ee7-b215-7041-8694-ef34a8273545",
            PASSWORD,
            &["Form einer Kennung"],
        ),
        ("ada@lovelace.org", "lovelace", "lovelace12", &["dem Benutzernamen, der"]),
        ("grace@example.com", "ada", PASSWORD, &["mit dieser E-Mail-Adresse"]),
        ("x@example.com", "grace", PASSWORD, &["mit diesem Benutzernamen"]),
    ] {
        let fields = [("email", email), ("username", username), ("password", password)];
        assert_german(&browser.submit("/sign-up", &fields).await, expected);
    }
    assert_german(&browser.submit("/sign-up", &[]).await, &["Dieses Feld ist erforderlich."]);
    let twice = [("username", "a"), ("username", "b"), ("password", "x")];
    assert_german(&browser.submit("/sign-in", &twice).await, &["nur einmal"]);
    let both = [("username", "a"), ("email", "b"), ("password", "x")];
    assert_german(&browser.submit("/sign-in", &both).await, &["nicht beides"]);
    let wrong = [("username", "ada"), ("password", "x")];
    assert_german(&browser.submit("/sign-in", &wrong).await, &["Name oder das Passwort"]);
    let code = [("username", "ada"), ("email", "ada@example.com"), ("code", "x")];
    assert_german(&browser.submit("/verify", &code).await, &["falsch, schon benutzt"]);
    assert_german(&browser.submit("/undo-email-change", &code).await, &["falsch, schon benutzt"]);
    assert_german(&browser.send(browser.form("/forgot", &[])).await, &["anderen Website"]);
    for (media_type, body, expected) in [
        ("text/plain", "x".to_owned(), "konnte nicht gelesen werden"),
        ("application/x-www-form-urlencoded", "a=%ff".to_owned(), "konnte nicht gelesen werden"),
        ("application/x-www-form-urlencoded", "x".repeat(70_000), "zu groß"),
    ] {
        let request = browser.request(reqwest::Method::POST, "/forgot").body(body);
        let request = request.header("content-type", media_type);
        let answer = browser.send(request.header("sec-fetch-site", "same-origin")).await;
        assert_german(&answer, &[expected]);
    }
}

#[actix_web::test]
async fn messages_of_the_forms_of_users_are_german() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::in_language(&app, "de");
    let fields = [("email", "ada@example.com"), ("username", "ada"), ("password", PASSWORD)];
    assert_eq!(browser.submit("/sign-up", &fields).await.status, 303);
    app.register("grace").await;
    for (path, fields, expected) in [
        ("/account/profile", [("username", "grace"), ("language", "de")], "mit diesem Benutzern"),
        ("/account/profile", [("username", "admin"), ("language", "fr")], "eine dieser Sprachen"),
        ("/account/profile", [("username", "root"), ("language", "de")], "reserviert"),
        ("/account/email", [("email", "ada@example.com"), ("password", PASSWORD)], "schon Ihre"),
        ("/account/email", [("email", "x@example.com"), ("password", "x")], "Passwort ist falsch"),
        ("/change-email", [("code", "x"), ("x", "")], "falsch, schon benutzt"),
        ("/delete-account", [("code", "x"), ("x", "")], "falsch, schon benutzt"),
        ("/account/delete", [("password", PASSWORD), ("code", "x")], "nicht beides"),
        ("/account/confirm", [("password", "x"), ("x", "")], "Passwort ist falsch"),
        ("/account/sessions", [("end", "x"), ("x", "")], "nicht mehr angemeldet"),
        ("/account/password", [("old_password", "x"), ("new_password", "123")], "zu kurz"),
    ] {
        assert_german(&browser.submit_from(path, &fields).await, &[expected]);
    }
    let user = [("user", "x")];
    assert_german(&browser.submit("/sign-out", &user).await, &["für einen anderen Benutzer"]);
}
