//! A service's OpenAPI document, generated from its handlers, and a page to browse it that loads nothing from elsewhere.

use std::{collections::BTreeMap, sync::LazyLock};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    web::{Bytes, Data, ServiceConfig},
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use utoipa::{
    IntoResponses, Modify, ToSchema,
    openapi::{
        Content, Header, KnownFormat, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        SchemaFormat, Type,
        security::{Http, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use shared::problem;

use crate::route::resource;

const PAGE: &str = include_str!("docs.html");

/// What is served: the document as JSON, made when somebody asks for it. To make it takes a third of a start, and a megabyte.
pub struct Document(LazyLock<Bytes, Box<dyn FnOnce() -> Bytes + Send>>);

/// Mounts `/openapi.json` and `/docs`. `/metrics` is in the document only if it is shown here.
pub fn mount(app: &mut ServiceConfig, document: fn() -> OpenApi, shows_metrics: bool) {
    let json = move || {
        let mut document = document();
        if !shows_metrics {
            document.paths.paths.shift_remove("/metrics");
        }
        document.to_json().expect("a document is strings, numbers and lists of them").into()
    };
    app.app_data(Data::new(Document(LazyLock::new(Box::new(json)))))
        .service(resource(__path_openapi, openapi))
        .service(resource(__path_docs, docs));
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "about",
    responses((status = 200, description = "The OpenAPI document.", body = Object))
)]
pub async fn openapi(document: Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(document.0.clone())
}

/// A page to browse this document.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "about",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub async fn docs() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((CONTENT_SECURITY_POLICY, content_security_policy()))
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .body(PAGE)
}

/// The page's own script and style run, and nothing else; it talks to this service alone.
fn content_security_policy() -> String {
    let hash = |element: &str| {
        let (start, end) = (format!("<{element}>"), format!("</{element}>"));
        let content = PAGE.split_once(&start).and_then(|(_, rest)| rest.split_once(&end));
        STANDARD.encode(digest(&SHA256, content.map_or("", |(content, _)| content).as_bytes()))
    };
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style"),
    )
}

/// Schema of [`shared::problem::Problem`], the body of every error (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes a type of another crate")]
pub struct ProblemSchema {
    /// Always `about:blank`: the status says what kind of problem it is (RFC 9457 section 4.2.1).
    r#type: String,
    /// Name of the status.
    title: String,
    /// HTTP status.
    status: u16,
    /// What went wrong, for a person.
    detail: String,
    /// What went wrong, for a program.
    code: String,
    /// On a 400: the fields that are wrong, each with the reasons.
    #[schema(required = false)]
    errors: BTreeMap<String, Vec<String>>,
}

/// Adds to a document how callers authenticate themselves: `bearer`, an access token, and `client`, a client's id and
/// secret.
#[derive(Debug)]
pub struct Authentication;

impl Modify for Authentication {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let client = Http::new(HttpAuthScheme::Basic);
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("client", SecurityScheme::Http(client));
    }
}

type Responses = BTreeMap<String, RefOr<Response>>;

fn problems(of: &[(&str, &str, &[&str])]) -> Responses {
    let problem = |(status, description, headers): &(&str, &str, &[&str])| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response =
            ResponseBuilder::new().description(*description).content(problem::CONTENT_TYPE, content);
        let response = headers.iter().fold(response, |response, name| response.header(*name, header(name)));
        ((*status).to_owned(), response.build().into())
    };
    of.iter().map(problem).collect()
}

/// A header of an answer.
pub fn header(name: &str) -> Header {
    let schema = ObjectBuilder::new();
    Header::new(
        match name {
            "Retry-After" => {
                schema.schema_type(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            }
            _ => schema.schema_type(Type::String),
        }
        .build(),
    )
}

/// Answers to a body that cannot be taken.
#[derive(Debug)]
pub struct BadBody;

impl IntoResponses for BadBody {
    fn responses() -> Responses {
        problems(&[
            ("400", "Not a JSON object, or fields that are wrong: `errors` says which, and why.", &[]),
            ("408", "The body did not arrive in time.", &[]),
            ("413", "The body is larger than any request needs.", &[]),
            ("415", "The body is not `application/json`.", &[]),
        ])
    }
}

/// Answers to who may not do this.
#[derive(Debug)]
pub struct Unauthorized;

impl IntoResponses for Unauthorized {
    fn responses() -> Responses {
        problems(&[("401", "Credentials that are missing, or refused.", &["WWW-Authenticate"])])
    }
}

/// Answers to a valid access token that grants too little.
#[derive(Debug)]
pub struct Forbidden;

impl IntoResponses for Forbidden {
    fn responses() -> Responses {
        problems(&[("403", "The token does not grant this.", &["WWW-Authenticate"])])
    }
}

/// Answers when something that is needed is out of reach, or too busy.
#[derive(Debug)]
pub struct Unavailable;

impl IntoResponses for Unavailable {
    fn responses() -> Responses {
        problems(&[("503", "Not at the moment: try again after `Retry-After` seconds.", &["Retry-After"])])
    }
}
