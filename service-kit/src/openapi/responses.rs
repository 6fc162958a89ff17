//! Answers and security schemes that the routes of both services share.

use std::collections::BTreeMap;

use shared::problem;
use utoipa::{
    IntoResponses, Modify, ToSchema,
    openapi::{
        Content, Header, KnownFormat, ObjectBuilder, OpenApi, Ref, RefOr, Response,
        ResponseBuilder, SchemaFormat, Type,
        security::{Http, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

// Describes `shared::problem::Problem`. Its doc comment becomes the description in the document.
/// Body of an error (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes a type of another crate")]
pub struct ProblemSchema {
    /// Always `about:blank`: the status names the kind of problem (RFC 9457 section 4.2.1).
    r#type: String,
    /// Name of the status.
    title: String,
    /// HTTP status.
    status: u16,
    /// Explanation for a person.
    detail: String,
    /// Reason for a program.
    code: String,
    /// With status 400: the wrong fields, each with its messages.
    #[schema(required = false)]
    errors: BTreeMap<String, Vec<String>>,
}

/// Adds the two ways to authenticate to a document: `bearer`, an access token, and `client`, the
/// id and secret of a client.
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

/// Returns problem responses by status, description and headers.
fn problems(of: &[(&str, &str, &[&str])]) -> Responses {
    let problem = |(status, description, headers): &(&str, &str, &[&str])| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new().description(*description);
        let response = response.content(problem::CONTENT_TYPE, content);
        let add_header =
            |response: ResponseBuilder, name: &&str| response.header(*name, header(name));
        let response = headers.iter().fold(response, add_header);
        ((*status).to_owned(), response.build().into())
    };
    of.iter().map(problem).collect()
}

/// Returns the schema of a response header.
pub fn header(name: &str) -> Header {
    let schema = ObjectBuilder::new();
    let seconds = SchemaFormat::KnownFormat(KnownFormat::Int32);
    let schema = match name {
        "Retry-After" => schema.schema_type(Type::Integer).format(Some(seconds)),
        _ => schema.schema_type(Type::String),
    };
    Header::new(schema.build())
}

/// Responses to a body that is refused.
#[derive(Debug)]
pub struct BadBody;

impl IntoResponses for BadBody {
    fn responses() -> Responses {
        let invalid = "The body is not a JSON object, or has wrong fields: `errors` lists them.";
        problems(&[
            ("400", invalid, &[]),
            ("408", "The body did not arrive in time.", &[]),
            ("413", "The body is too large.", &[]),
            ("415", "The body is not `application/json`.", &[]),
        ])
    }
}

/// Response to missing or wrong credentials.
#[derive(Debug)]
pub struct Unauthorized;

impl IntoResponses for Unauthorized {
    fn responses() -> Responses {
        problems(&[("401", "The credentials are missing or not valid.", &["WWW-Authenticate"])])
    }
}

/// Response to a valid access token that does not grant the request.
#[derive(Debug)]
pub struct Forbidden;

impl IntoResponses for Forbidden {
    fn responses() -> Responses {
        problems(&[("403", "The token does not grant this request.", &["WWW-Authenticate"])])
    }
}

/// Response if the service cannot answer at the moment.
#[derive(Debug)]
pub struct Unavailable;

impl IntoResponses for Unavailable {
    fn responses() -> Responses {
        let retry = "A dependency is unreachable, or the service is busy: try again after \
            `Retry-After` seconds.";
        problems(&[("503", retry, &["Retry-After"])])
    }
}
