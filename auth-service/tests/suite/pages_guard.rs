//! What the pages withstand: forms of other sites, open redirects, clickjacking, names that are
//! markup, and size.

use reqwest::Method;
use test_support::TempDir;

use crate::{
    pages::VISITOR_PAGES,
    pages_account::ACCOUNT_PAGES,
    support::{TestApp, mail::PASSWORD, page_browser::PageBrowser, settings},
};

const APP: &str = "https://app.example.com";
const SIGN_IN: [(&str, &str); 2] = [("username", "ada"), ("password", PASSWORD)];

async fn app() -> TestApp {
    let app = TestApp::embedded_with(&["--browser-origins", APP]).await;
    app.register("ada").await;
    app
}

#[actix_web::test]
async fn form_of_another_site_is_refused_and_changes_nothing() {
    let app = app().await;
    let browser = PageBrowser::new(&app);
    let own = app.issuer.clone();
    let shown = own.replace('/', "&#x2f;");
    let port = format!("{own}1");
    for headers in [
        &[][..],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "https://evil.example")],
        // A browser origin may call the API. It may not send forms for users.
        &[("origin", APP)],
        &[("origin", port.as_str())],
        &[("origin", own.as_str()), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
    ] {
        for path in ["/sign-in", "/sign-up", "/forgot", "/reset", "/verify", "/sign-out"] {
            let mut request = browser.form(path, &SIGN_IN);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let refused = browser.send(request).await;
            refused.assert_shows(
                403,
                &["The form was not sent from a page of this service", &shown, "<h1>"],
            );
            assert_eq!(refused.header("set-cookie"), "", "{path} {headers:?}");
        }
    }
    let fetch_site = browser.form("/sign-in", &SIGN_IN).header("sec-fetch-site", "same-origin");
    assert_eq!(browser.send(fetch_site).await.status, 303);
}

#[actix_web::test]
async fn user_returns_to_the_issuer_and_to_browser_origins_only() {
    let app = app().await;
    let browser = PageBrowser::new(&app);
    let absolute = format!("{}/hello?a=b", app.issuer);
    for (return_to, expected) in [
        ("/hello?a=b", absolute.as_str()),
        (absolute.as_str(), absolute.as_str()),
        ("https://app.example.com/x", "https://app.example.com/x"),
        ("https://evil.example/", "/account"),
        ("//evil.example", "/account"),
        ("/\\evil.example", "/account"),
        ("/%2f/evil.example", "/account"),
        ("javascript:alert(1)", "/account"),
        ("https://app.example.com@evil.example", "/account"),
        ("https://app.example.com.evil.example", "/account"),
    ] {
        browser.forget_cookies();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", return_to)
            .finish();
        let page = browser.get(&format!("/sign-in?{query}")).await;
        let is_allowed = expected != "/account";
        assert_eq!(page.body.contains("name=\"return_to\""), is_allowed, "{}", page.body);
        assert!(!page.body.contains("evil.example"), "{}", page.body);
        let fields = [&SIGN_IN[..], &[("return_to", return_to)]].concat();
        let signed_in = browser.submit("/sign-in", &fields).await;
        assert!(!signed_in.location().contains("evil"), "{signed_in:?}");
        let sent_on = browser.follow(&signed_in).await;
        assert_eq!(sent_on.location(), expected, "{return_to}");
        // The query of a user who is signed in counts as little.
        let sent_on = browser.get(&format!("/sign-in?{query}")).await;
        assert_eq!(sent_on.location(), expected, "{return_to}");
    }
}

#[actix_web::test]
async fn return_address_is_carried_from_sign_in_to_sign_up_and_back() {
    let app = app().await;
    let browser = PageBrowser::new(&app);
    for path in ["/sign-in", "/sign-up", "/verify"] {
        let page = browser.get(&format!("{path}?return_to={APP}/x")).await;
        page.assert_shows(200, &["?return_to=https%3A%2F%2Fapp.example.com%2Fx\""]);
        assert_eq!(page.hidden("return_to"), "https:&#x2f;&#x2f;app.example.com&#x2f;x");
    }
    let fields = [
        ("email", "grace@example.com"),
        ("username", "grace"),
        ("password", PASSWORD),
        ("return_to", "https://app.example.com/x"),
    ];
    let signed_up = browser.submit("/sign-up", &fields).await;
    assert_eq!(browser.follow(&signed_up).await.location(), "https://app.example.com/x");
}

#[actix_web::test]
async fn every_page_has_the_headers_that_protect_it_and_is_small() {
    let app = app().await;
    let browser = PageBrowser::new(&app);
    browser.sign_in("ada").await;
    let visitor = PageBrowser::new(&app);
    let style = style_of(&app).await;
    let pages = ACCOUNT_PAGES.iter().map(|page| (&browser, page));
    for (browser, path) in VISITOR_PAGES.iter().map(|page| (&visitor, page)).chain(pages) {
        for language in ["en", "de"] {
            let request = browser.request(Method::GET, path);
            let page = browser.send(request).await;
            page.assert_shows(200, &["<main>", "<h1>", "<title>"]);
            for (name, value) in [
                (
                    "content-security-policy",
                    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' \
                     https://app.example.com; frame-ancestors 'none'; base-uri 'none'",
                ),
                ("x-frame-options", "DENY"),
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cache-control", "no-store"),
                ("content-type", "text/html; charset=utf-8"),
                ("content-language", "en"),
            ] {
                assert_eq!(page.header(name), value, "{path} {language}");
            }
            assert!(page.header("vary").contains("Accept-Language, Cookie"), "{page:?}");
            assert!(!page.body.contains("<script") && !page.body.contains(" style="), "{path}");
            let size = page.body.len() + style.len();
            assert!(size < 15_000, "{path}: {size} bytes");
            let head = browser.send(browser.request(Method::HEAD, path)).await;
            assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
            let put = browser.send(browser.request(Method::PUT, path)).await;
            assert_eq!(put.status, 405, "{path}");
        }
    }
}

/// Returns the stylesheet, as a page names it.
async fn style_of(app: &TestApp) -> String {
    let browser = PageBrowser::new(app);
    let page = browser.get("/sign-in").await;
    let (_, rest) = page.body.split_once("rel=\"stylesheet\" href=\"").unwrap();
    let path = rest.split('"').next().unwrap().replace("&#x2f;", "/");
    let style = browser.get(&path).await;
    assert_eq!(style.status, 200, "{path}");
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(style.header("cache-control"), "public, max-age=31536000, immutable");
    let other = browser.get("/pages/style-other.css").await;
    assert_eq!((other.status, other.header("cache-control")), (200, "no-cache"));
    style.body
}

#[actix_web::test]
async fn pages_below_a_path_link_and_redirect_below_it() {
    let app = TestApp::embedded_with(&["--issuer", "https://example.com/auth"]).await;
    let browser = PageBrowser::new(&app);
    assert_eq!(browser.get("/").await.location(), "/auth/sign-in");
    let change = browser.get("/.well-known/change-password").await;
    assert_eq!(change.location(), "/auth/account/password");
    let expected = "/auth/sign-in?return_to=%2Fauth%2Faccount%2Fpassword%3Fa%3Db";
    assert_eq!(browser.get("/account/password?a=b").await.location(), expected);
    for path in VISITOR_PAGES {
        let page = browser.get(path).await;
        let links = page.body.split("href=\"").skip(1).chain(page.body.split("action=\"").skip(1));
        let mut count = 0;
        for link in links {
            assert!(link.starts_with("&#x2f;auth/"), "{path}: {}", &link[..30]);
            count += 1;
        }
        assert!(count >= 3, "{path}");
    }
    let own =
        browser.form("/forgot", &[("username", "ada")]).header("origin", "https://example.com");
    assert_eq!(browser.send(own).await.location(), "/auth/reset?notice=reset_sent");
}

#[actix_web::test]
async fn operator_brands_the_pages() {
    let folder = TempDir::new().unwrap();
    let logo = folder.path().join("logo.svg");
    std::fs::write(&logo, "<svg xmlns=\"http://www.w3.org/2000/svg\"/>").unwrap();
    let pages = folder.path().join("pages");
    std::fs::create_dir(&pages).unwrap();
    std::fs::write(
        pages.join("problem.html"),
        "{% extends \"layout.html\" %}{% block content %}<p>Call 112</p>{% endblock %}",
    )
    .unwrap();
    let app = TestApp::embedded_with(&[
        "--product-name=Ada & <Sons>",
        "--page-color=#ffd400",
        "--page-logo",
        logo.to_str().unwrap(),
        "--page-templates",
        pages.to_str().unwrap(),
    ])
    .await;
    let browser = PageBrowser::new(&app);
    let page = browser.get("/sign-in").await;
    page.assert_shows(
        200,
        &["<bdi>Ada &amp; &lt;Sons&gt;</bdi>", "pages&#x2f;logo".replace("&#x2f;", "/").as_str()],
    );
    let logo = browser.get("/pages/logo").await;
    assert_eq!((logo.status, logo.header("content-type")), (200, "image/svg+xml"));
    assert_eq!(logo.header("content-security-policy"), "default-src 'none'; sandbox");
    let style = style_of(&app).await;
    assert!(style.starts_with(":root{--accent:#ffd400;--on-accent:#000000;"), "{style}");
    let refused = browser.send(browser.form("/forgot", &[])).await;
    refused.assert_shows(403, &["Call 112"]);
}

#[actix_web::test]
async fn wrong_files_of_the_operator_refuse_the_start() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    for (name, content, complaint) in [
        ("sing_in.html", "x", "sing_in.html"),
        ("sign_in.html", "a\n{{ unknown_name }}", "sign_in.html line 2"),
        ("sign_in.html", "a\n{% if %}", "sign_in.html line 2"),
        ("sign_in.html", "{{ text(\"unknown_key\") }}", "unknown_key"),
        ("texts.de.json", "{\n\"texts\": 1}", "line 2"),
        ("texts.de.json", "{\"texts\":{},\"notices\":{},\"messages\":{}}", "is missing"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let settings = settings(&["--page-templates", path, "--data-dir", path]);
        let why = auth_service::start(settings, shared::clock::Clock::system()).await.err();
        let why = why.unwrap_or_else(|| panic!("{name} was accepted: {content}")).to_string();
        assert!(why.contains(complaint) && why.contains("PAGE_TEMPLATES"), "{why}");
        std::fs::remove_file(&file).unwrap();
    }
    let logo = folder.path().join("logo.gif");
    std::fs::write(&logo, "GIF89a").unwrap();
    let settings = settings(&["--page-logo", logo.to_str().unwrap(), "--data-dir", path]);
    let why = auth_service::start(settings, shared::clock::Clock::system()).await.err().unwrap();
    assert!(why.to_string().contains("PAGE_LOGO"), "{why}");
}
