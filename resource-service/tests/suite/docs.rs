//! The page that documents the routes, and the redirect to it.

use clap::Parser;
use reqwest::{Client, Response, redirect};

#[derive(Parser)]
struct Resource {
    #[command(flatten)]
    settings: resource_service::Settings,
}

/// Starts a resource-service. Returns its URL.
fn start() -> String {
    let args = ["test", "--resource-addr=127.0.0.1:0", "--issuer=http://127.0.0.1:1"];
    let running = resource_service::start(Resource::parse_from(args).settings).unwrap();
    let url = format!("http://{}", running.addr);
    actix_web::rt::spawn(running.into_server());
    url
}

fn client() -> Client {
    Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers()[name].to_str().unwrap()
}

#[actix_web::test]
async fn the_root_redirects_to_the_page() {
    let url = start();
    let answer = client().get(&url).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (302, "docs"));
    let answer = client().head(&url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let answer = client().post(&url).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, "GET, HEAD, OPTIONS"));
}

#[actix_web::test]
async fn browsers_do_not_guess_the_type_of_page_and_document() {
    let url = start();
    for (path, content_type) in
        [("/docs", "text/html; charset=utf-8"), ("/openapi.json", "application/json")]
    {
        let answer = client().get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(header(&answer, "content-type"), content_type);
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    }
}
