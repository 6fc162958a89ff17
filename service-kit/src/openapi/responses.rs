//! Answers and security schemes that the routes of both services share.

use std::collections::BTreeMap;

use shared::problem;
use utoipa::{
    IntoResponses, Modify, ToSchema,
    openapi::{
        Content, Header, KnownFormat, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response,
        ResponseBuilder, SchemaFormat, Type,
        security::{Http, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

// Describes `shared::problem::Problem`. The doc comment below becomes the schema's description.
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
    /// With a refused access token: the token's kind and the same explanation, as in simplejwt.
    #[schema(required = false)]
    messages: Vec<TokenMessage>,
}

/// Explanation of a refused access token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a type of another crate")]
struct TokenMessage {
    /// Always `AccessToken`.
    token_class: String,
    /// Always `access`.
    token_type: String,
    message: String,
}

/// Body of an error in a request (RFC 9457). Each wrong field is a member of `errors`, and also of
/// the body itself.
#[derive(ToSchema)]
#[schema(as = FieldProblem)]
#[expect(dead_code, reason = "describes a body of another crate")]
pub struct FieldProblemSchema {
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
    /// The wrong fields, each with its messages.
    #[schema(required = false)]
    errors: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    fields: BTreeMap<String, Vec<String>>,
}

/// Documents that each route with a JSON body takes the same fields form-encoded. A body that may
/// be absent is documented as JSON only, because any text is a form without the optional fields.
#[derive(Debug)]
pub struct FormBodies;

impl Modify for FormBodies {
    fn modify(&self, document: &mut OpenApi) {
        let items = document.paths.paths.values_mut();
        let operations = items.flat_map(|item| [&mut item.post, &mut item.patch, &mut item.delete]);
        for operation in operations.flatten() {
            let Some(RefOr::T(body)) = operation.request_body.as_mut() else { continue };
            let is_required = body.required == Some(Required::True);
            if let (true, Some(json)) = (is_required, body.content.get("application/json").cloned())
            {
                body.content.insert("application/x-www-form-urlencoded".into(), json);
            }
        }
    }
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

/// Responses by status.
pub type Responses = BTreeMap<String, RefOr<Response>>;

/// An error response: status, description, and the headers that come with it.
pub type ErrorResponse<'a> = (&'a str, &'a str, &'a [&'a str]);

fn problems(of: &[ErrorResponse]) -> Responses {
    error_responses("Problem", problem::CONTENT_TYPE, of)
}

/// Returns error responses by status. `schema` describes their bodies.
pub fn error_responses(schema: &str, media_type: &str, of: &[ErrorResponse]) -> Responses {
    let response = |(status, description, headers): &ErrorResponse| {
        let content = Content::new(Some(Ref::from_schema_name(schema)));
        let response = ResponseBuilder::new().description(*description);
        let response = response.content(media_type, content);
        let add_header =
            |response: ResponseBuilder, name: &&str| response.header(*name, header(name));
        let response = headers.iter().fold(response, add_header);
        ((*status).to_owned(), response.build().into())
    };
    of.iter().map(response).collect()
}

/// Returns the schema of a response header.
fn header(name: &str) -> Header {
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
        let invalid = "The body cannot be read, or has wrong fields: `errors` lists them.";
        let mut responses = problems(&[
            ("408", "The body did not arrive in time.", &[]),
            ("413", "The body is too large.", &[]),
            ("415", "The body is neither JSON nor a form.", &[]),
        ]);
        let fields = [("400", invalid, &[][..])];
        responses.extend(error_responses("FieldProblem", problem::CONTENT_TYPE, &fields));
        responses
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

/// Response if too many attempts have failed.
#[derive(Debug)]
pub struct TooManyFailures;

impl IntoResponses for TooManyFailures {
    fn responses() -> Responses {
        let retry = "Too many attempts have failed: try again after `Retry-After` seconds.";
        problems(&[("429", retry, &["Retry-After"])])
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
