//! A browser without JavaScript: it keeps cookies, sends forms with an `Origin`, and follows no
//! redirect by itself.

use reqwest::{
    Method, RequestBuilder,
    header::{HeaderMap, LOCATION},
};
use test_support::Client;

use super::{
    TestApp,
    browser::{Cookies, cookie_header, keep_cookies},
};

/// A browser.
pub struct PageBrowser {
    http: Client,
    /// Address of the service.
    base: String,
    issuer: String,
    language: &'static str,
    cookies: Cookies,
}

/// An answer, which is a page unless it is a redirect.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl PageBrowser {
    pub fn new(app: &TestApp) -> Self {
        Self::in_language(app, "en")
    }

    pub fn in_language(app: &TestApp, language: &'static str) -> Self {
        let base = format!("http://{}", app.addr);
        Self {
            http: app.client.clone(),
            base,
            issuer: app.issuer.clone(),
            language,
            cookies: Cookies::default(),
        }
    }

    /// Returns a browser in which a new user is signed in.
    pub async fn of_new_user(app: &TestApp, username: &str) -> Self {
        app.register(username).await;
        let browser = Self::new(app);
        browser.sign_in(username).await;
        browser
    }

    /// Begins a request with the cookies of the browser.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies = cookie_header(&self.cookies);
        let request = self.http.request(method, path).header("accept-language", self.language);
        if cookies.is_empty() { request } else { request.header("cookie", cookies) }
    }

    /// Sends a request, and keeps the cookies of the answer.
    pub async fn send(&self, request: RequestBuilder) -> Page {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        keep_cookies(&self.cookies, &headers);
        Page { status, headers, body: answer.text().await.unwrap() }
    }

    /// Opens a page.
    pub async fn get(&self, path: &str) -> Page {
        self.send(self.request(Method::GET, path)).await
    }

    /// Begins to send a form, without the headers that state where it is from.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.request(Method::POST, path).form(fields)
    }

    /// Sends the form of a page of the service.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let origin = reqwest::Url::parse(&self.issuer).unwrap().origin().ascii_serialization();
        self.send(self.form(path, fields).header("origin", origin)).await
    }

    /// Sends the form of a page of the account: opens the page, and adds its hidden fields.
    pub async fn submit_from(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        let user = page.hidden("user");
        self.submit(path, &[&[("user", user.as_str())], fields].concat()).await
    }

    /// Opens the page to which a redirect of this service leads.
    pub async fn follow(&self, answer: &Page) -> Page {
        self.get(answer.location().strip_prefix(&self.base).unwrap_or(answer.location())).await
    }

    /// Signs a user in.
    pub async fn sign_in(&self, username: &str) -> Page {
        let fields = [("username", username), ("password", super::mail::PASSWORD)];
        let signed_in = self.submit("/sign-in", &fields).await;
        assert_eq!(signed_in.status, 303, "{signed_in:?}");
        self.follow(&signed_in).await
    }

    pub fn forget_cookies(&self) {
        self.cookies.borrow_mut().clear();
    }
}

impl Page {
    /// Returns the value of a header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns where a redirect leads to.
    #[track_caller]
    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.headers[LOCATION].to_str().unwrap()
    }

    /// Asserts the status, and that the page has these texts.
    #[track_caller]
    pub fn assert_shows(&self, status: u16, texts: &[&str]) {
        assert_eq!(self.status, status, "{}", self.body);
        for text in texts {
            assert!(self.body.contains(text), "{text} is not in {}", self.body);
        }
    }

    /// Asserts that a field is marked as wrong, with this message in the summary and at the field.
    #[track_caller]
    pub fn assert_wrong(&self, field: &str, message: &str) {
        self.assert_shows(
            400,
            &[
                &format!("<a href=\"#{field}\">"),
                &format!(": {message}</a></li>"),
                &format!("id=\"{field}-error\">{message}</p>"),
                "role=\"alert\"",
            ],
        );
        let input = self.body.split("<input").find(|it| it.contains(&format!("id=\"{field}\"")));
        let input = input.unwrap().split('>').next().unwrap();
        assert!(input.contains("aria-invalid=\"true\""), "{input}");
        assert!(input.contains(&format!("aria-describedby=\"{field}-error")), "{input}");
    }

    /// Returns the labels of the wrong fields, in the order of the summary.
    pub fn summary(&self) -> Vec<&str> {
        let links = self.body.split("<li><a href=\"#").skip(1);
        links.map(|link| link.split(&['>', ':'][..]).nth(1).unwrap()).collect()
    }

    /// Returns the value of a hidden field.
    #[track_caller]
    pub fn hidden(&self, name: &str) -> String {
        let start = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
        let Some((_, rest)) = self.body.split_once(&start) else { panic!("{name}: {}", self.body) };
        rest.split('"').next().unwrap().to_owned()
    }
}
