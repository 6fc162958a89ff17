//! Pages of a user who is signed in: account, devices, changes, export, deletion.

use reqwest::Method;

use crate::support::{
    TestApp,
    mail::{PASSWORD, WRONG_CODE, embedded_with_mail},
    page_browser::PageBrowser,
};

/// Every page that needs a user.
pub const ACCOUNT_PAGES: [&str; 10] = [
    "/account",
    "/account/profile",
    "/account/email",
    "/account/password",
    "/account/sessions",
    "/account/export",
    "/account/delete",
    "/account/confirm",
    "/change-email",
    "/delete-account",
];

const NEXT_PASSWORD: &str = "a better horse battery";

#[actix_web::test]
async fn visitor_is_sent_to_the_sign_in_page_and_back() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    for path in ACCOUNT_PAGES {
        let browser = PageBrowser::new(&app);
        let sent = browser.get(&format!("{path}?code=7K3M")).await;
        let form = browser.follow(&sent).await;
        assert!(sent.location().starts_with("/sign-in?return_to=%2F"), "{path} {sent:?}");
        let return_to = form.hidden("return_to").replace("&#x2f;", "/");
        let fields = [("username", "ada"), ("password", PASSWORD), ("return_to", &return_to)];
        let signed_in = browser.submit("/sign-in", &fields).await;
        let back = browser.follow(&signed_in).await;
        assert_eq!(back.location(), format!("{}{path}?code=7K3M", app.issuer));
        assert_eq!(browser.follow(&back).await.status, 200, "{path}");
    }
    let browser = PageBrowser::new(&app);
    let posted = browser.submit("/account/profile", &[("user", "x")]).await;
    assert_eq!(posted.location(), "/sign-in?return_to=%2Faccount%2Fprofile");
}

#[actix_web::test]
async fn user_changes_name_and_language() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let fields = [("username", "lovelace"), ("language", "de")];
    let saved = browser.submit_from("/account/profile", &fields).await;
    assert_eq!(saved.location(), "/account?notice=saved");
    let account = browser.follow(&saved).await;
    account.assert_shows(200, &["<html lang=\"de\">", "lovelace", "Ihre Änderungen sind"]);
    let refused = [("username", "admin"), ("language", "de")];
    let refused = browser.submit_from("/account/profile", &refused).await;
    refused.assert_wrong("username", "Dieser Benutzername ist reserviert.");
    refused.assert_shows(400, &["value=\"admin\"", "<title>Fehler: "]);
}

#[actix_web::test]
async fn old_login_is_confirmed_with_the_password_before_a_change() {
    let app = TestApp::embedded_with(&["--recent-login=600"]).await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    app.advance(601);
    let fields = [("username", "lovelace & co"), ("language", "en")];
    let refused = browser.submit_from("/account/profile", &fields).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let fields = [("username", "lovelace"), ("language", "en")];
    let asked = browser.submit_from("/account/profile", &fields).await;
    let expected = "/account/confirm?return_to=%2Faccount%2Fprofile%3Fusername%3Dlovelace%26\
                    language%3Den";
    assert_eq!(asked.location(), expected);
    let form = browser.follow(&asked).await;
    let return_to = form.hidden("return_to").replace("&#x2f;", "/").replace("&amp;", "&");
    let user = form.hidden("user");
    let wrong = [("user", user.as_str()), ("password", "wrong"), ("return_to", &return_to)];
    let wrong = browser.submit("/account/confirm", &wrong).await;
    wrong.assert_wrong("password", "The password is wrong.");
    let right = [("user", user.as_str()), ("password", PASSWORD), ("return_to", &return_to)];
    let confirmed = browser.submit("/account/confirm", &right).await;
    let form = browser.get(confirmed.location().strip_prefix(&app.issuer).unwrap()).await;
    form.assert_shows(200, &["value=\"lovelace\""]);
    let saved = browser.submit_from("/account/profile", &fields).await;
    assert_eq!(saved.location(), "/account?notice=saved");

    assert_eq!(browser.get("/account/export").await.status, 200);
    app.advance(601);
    for path in ["/account/export", "/account/export/account.json"] {
        let asked = browser.get(path).await;
        assert_eq!(asked.location(), "/account/confirm?return_to=%2Faccount%2Fexport");
    }
}

#[actix_web::test]
async fn user_changes_the_address_with_a_code_and_the_former_owner_undoes_it() {
    let (app, server) = embedded_with_mail(&[]).await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let fields = [("email", "ada@example.org"), ("password", "wrong")];
    let refused = browser.submit_from("/account/email", &fields).await;
    refused.assert_wrong("password", "The password is wrong.");
    refused.assert_shows(400, &["value=\"ada@example.org\""]);
    let fields = [("email", "ada@example.org"), ("password", PASSWORD)];
    let asked = browser.submit_from("/account/email", &fields).await;
    assert_eq!(asked.location(), "/change-email?notice=email_code_sent");
    let code = server.wait_for("ada@example.org", "Confirm your new email address").await.code();
    let link = format!("/change-email?email=ada%40example.org&code={code}");
    browser.get(&link).await.assert_shows(200, &[&format!("value=\"{code}\"")]);
    let wrong = browser.submit_from("/change-email", &[("code", "7K3M-QX9V-2B4D")]).await;
    wrong.assert_wrong("code", WRONG_CODE);
    let changed = browser.submit_from("/change-email", &[("code", &code)]).await;
    assert_eq!(changed.location(), "/account?notice=email_changed");
    let account = browser.follow(&changed).await;
    account.assert_shows(200, &["<bdi>ada@example.org</bdi>", "This address is confirmed."]);

    let subject = "The email address of your account was changed";
    let code = server.wait_for("ada@example.com", subject).await.code();
    let owner = PageBrowser::new(&app);
    let fields = [("email", "ada@example.com"), ("code", code.as_str())];
    let undone = owner.submit("/undo-email-change", &fields).await;
    assert_eq!(undone.location(), "/reset?notice=taken_back");
    owner.submit("/undo-email-change", &fields).await.assert_wrong("code", WRONG_CODE);
    let ended = browser.get("/account").await;
    assert_eq!(ended.location(), "/sign-in?return_to=%2Faccount");
}

#[actix_web::test]
async fn change_of_password_keeps_this_browser_and_signs_the_others_out() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let other = PageBrowser::new(&app);
    other.sign_in("ada").await;
    let wrong = [("old_password", "wrong"), ("new_password", NEXT_PASSWORD)];
    let refused = browser.submit_from("/account/password", &wrong).await;
    refused.assert_wrong("old_password", "The password is wrong.");
    assert!(!refused.body.contains(NEXT_PASSWORD), "{}", refused.body);
    let common = [("old_password", PASSWORD), ("new_password", "password1")];
    let refused = browser.submit_from("/account/password", &common).await;
    refused.assert_wrong("new_password", "This password is too common.");
    let right = [("old_password", PASSWORD), ("new_password", NEXT_PASSWORD)];
    let changed = browser.submit_from("/account/password", &right).await;
    assert_eq!(changed.location(), "/account?notice=password_changed");
    browser.follow(&changed).await.assert_shows(200, &["Your password has changed"]);
    assert_eq!(other.get("/account").await.status, 303);
    assert_eq!(app.login_with("ada", NEXT_PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn devices_are_listed_and_signed_out() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let others: Vec<PageBrowser> = (0..10).map(|_| PageBrowser::new(&app)).collect();
    for other in &others {
        other.sign_in("ada").await;
    }
    app.advance(60);
    assert_eq!(browser.get("/account").await.status, 200);
    let list = browser.get("/account/sessions").await;
    assert_eq!(list.body.matches("<li>\n<h2 id=").count(), 10, "{}", list.body);
    assert!(list.body.len() < 11_000, "{} bytes", list.body.len());
    let more = browser.get("/account/sessions?page=2").await;
    assert_eq!(more.body.matches("<li>\n<h2 id=").count(), 1, "{}", more.body);
    let current = [&list, &more].map(|page| page.body.matches("the device that you use").count());
    assert_eq!(current.iter().sum::<usize>(), 1);

    let (_, rest) = list.body.split_once("name=\"end\" value=\"").unwrap();
    let id = rest.split('"').next().unwrap();
    let ended = browser.submit_from("/account/sessions", &[("end", id)]).await;
    assert_eq!(ended.location(), "/account/sessions?notice=session_ended");
    for wrong in ["01a20ee7-b215-7041-8694-ef34a8273545", "nonsense", ""] {
        let again = browser.submit_from("/account/sessions", &[("end", wrong)]).await;
        again.assert_shows(404, &["This device is not signed in any more."]);
    }
    let ended = browser.submit_from("/account/sessions", &[("end", "others")]).await;
    assert_eq!(ended.location(), "/account/sessions?notice=others_ended");
    for other in &others {
        assert_eq!(other.get("/account").await.status, 303);
    }
    assert_eq!(browser.get("/account").await.status, 200);
    let ended = browser.submit_from("/account/sessions", &[("end", "all")]).await;
    assert_eq!(ended.location(), "/sign-in?notice=signed_out");
    assert!(ended.header("set-cookie").contains("Max-Age=0"), "{ended:?}");
    assert_eq!(browser.get("/account").await.status, 303);
}

#[actix_web::test]
async fn user_of_one_cannot_end_sessions_of_another() {
    let app = TestApp::embedded().await;
    let ada = PageBrowser::of_new_user(&app, "ada").await;
    let grace = PageBrowser::of_new_user(&app, "grace").await;
    let other = PageBrowser::new(&app);
    other.sign_in("grace").await;
    let list = grace.get("/account/sessions").await;
    let (_, rest) = list.body.split_once("name=\"end\" value=\"").unwrap();
    let id = rest.split('"').next().unwrap();
    let refused = ada.submit_from("/account/sessions", &[("end", id)]).await;
    refused.assert_shows(404, &["This device is not signed in any more."]);
    assert_eq!(other.get("/account").await.status, 200);
}

#[actix_web::test]
async fn form_of_a_user_who_has_left_the_browser_is_refused() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let user = browser.get("/account/profile").await.hidden("user");
    PageBrowser::of_new_user(&app, "grace").await;
    browser.forget_cookies();
    browser.sign_in("grace").await;
    for (path, fields) in [
        ("/account/profile", [("username", "taken"), ("language", "de")]),
        ("/account/password", [("old_password", PASSWORD), ("new_password", NEXT_PASSWORD)]),
        ("/account/delete", [("password", PASSWORD), ("x", "")]),
        ("/account/sessions", [("end", "all"), ("x", "")]),
        ("/sign-out", [("x", ""), ("y", "")]),
    ] {
        for user in [user.as_str(), "", "nonsense"] {
            let fields = [&[("user", user)], &fields[..]].concat();
            let refused = browser.submit(path, &fields).await;
            refused.assert_shows(403, &["The form was made for another user", "Another user is"]);
        }
    }
    browser.get("/account").await.assert_shows(200, &["<bdi>grace</bdi>", "lang=\"en\""]);
}

#[actix_web::test]
async fn sign_out_asks_first_ends_the_session_and_leaves_no_page_in_the_cache() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    browser.get("/sign-out").await.assert_shows(200, &["You are signed in as", "<form"]);
    assert_eq!(browser.get("/account").await.header("cache-control"), "no-store");
    let signed_out = browser.submit_from("/sign-out", &[]).await;
    assert_eq!(signed_out.location(), "/sign-in?notice=signed_out");
    assert_eq!(signed_out.header("clear-site-data"), "\"cache\", \"storage\"");
    browser.follow(&signed_out).await.assert_shows(200, &["You are signed out."]);
    assert_eq!(browser.get("/account").await.status, 303);
    let again = browser.submit("/sign-out", &[("user", "x")]).await;
    assert!(again.location().starts_with("/sign-in"), "{again:?}");
}

#[actix_web::test]
async fn user_downloads_the_data() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    let page = browser.get("/account/export").await;
    page.assert_shows(200, &["href=\"/account/export/account.json\""]);
    let file = browser.get("/account/export/account.json").await;
    assert_eq!(file.status, 200);
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"account.json\"");
    assert!(file.body.contains("ada@example.com"), "{}", file.body);
}

#[actix_web::test]
async fn user_deletes_the_account_with_the_password_or_a_code() {
    let (app, server) = embedded_with_mail(&["--account-deletion-grace=3600"]).await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    browser.get("/account/delete").await.assert_shows(200, &["you can sign in to get"]);
    let wrong = browser.submit_from("/account/delete", &[("password", "wrong")]).await;
    wrong.assert_wrong("password", "The password is wrong.");
    let asked = [("password", ""), ("action", "code")];
    let asked = browser.submit_from("/account/delete", &asked).await;
    assert_eq!(asked.location(), "/delete-account?notice=deletion_code_sent");
    let mail = server.wait_for("ada@example.com", "Confirm the deletion of your account").await;
    let code = mail.code();
    let wrong = browser.submit_from("/delete-account", &[("code", "7K3M-QX9V-2B4D")]).await;
    wrong.assert_wrong("code", WRONG_CODE);
    let deleted = browser.submit_from("/delete-account", &[("code", &code)]).await;
    assert_eq!(deleted.location(), "/sign-in?notice=deletion_begun");
    assert!(deleted.header("set-cookie").contains("Max-Age=0"), "{deleted:?}");
    browser.follow(&deleted).await.assert_shows(200, &["Your account will be deleted."]);
    browser.sign_in("ada").await;
    let deleted = browser.submit_from("/account/delete", &[("password", PASSWORD)]).await;
    assert_eq!(deleted.location(), "/sign-in?notice=deletion_begun");
    assert_eq!(browser.get("/account").await.status, 303);
}

#[actix_web::test]
async fn names_and_user_agents_are_text_in_their_own_direction() {
    let app = TestApp::embedded().await;
    let browser = PageBrowser::of_new_user(&app, "שלום").await;
    browser.get("/account").await.assert_shows(200, &["<bdi>שלום</bdi>"]);
    browser.get("/sign-out").await.assert_shows(200, &["signed in as \u{2068}שלום\u{2069}."]);
    let fields = [("username", "שלום"), ("password", PASSWORD)];
    let strange = browser.form("/sign-in", &fields).header("origin", &app.issuer);
    let strange = strange.header("user-agent", "<b>\u{202e}x</b>\" onload=x");
    assert_eq!(browser.send(strange).await.status, 303);
    let list = browser.get("/account/sessions").await;
    list.assert_shows(200, &["<bdi>&lt;b&gt;\\u{202e}x&lt;&#x2f;b&gt;"]);
    assert!(!list.body.contains("<b>"), "{}", list.body);
}

#[actix_web::test]
async fn unverified_user_verifies_without_typing_the_address() {
    let (app, server) = embedded_with_mail(&["--email-verification=optional"]).await;
    let browser = PageBrowser::of_new_user(&app, "ada").await;
    browser.get("/account").await.assert_shows(200, &["This address is not confirmed."]);
    let page = browser.get("/verify").await;
    page.assert_shows(200, &["<bdi>ada@example.com</bdi>"]);
    assert!(!page.body.contains("id=\"email\""), "{}", page.body);
    let code = server.wait_for("ada@example.com", "Confirm your email address").await.code();
    let verified = browser.submit("/verify", &[("code", &code)]).await;
    let sent_on = browser.follow(&verified).await;
    assert_eq!(sent_on.location(), "/account?notice=verified");
    let texts = ["Your email address is confirmed.", "This address is confirmed."];
    browser.follow(&sent_on).await.assert_shows(200, &texts);
    assert_eq!(browser.send(browser.request(Method::HEAD, "/account")).await.status, 200);
}
