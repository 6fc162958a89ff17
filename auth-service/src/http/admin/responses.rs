//! Responses of several routes, for the OpenAPI document.

use service_kit::openapi::{Responses, error_responses};
use shared::problem::CONTENT_TYPE;
use utoipa::IntoResponses;

/// Response to a query with wrong parameters.
pub struct BadQuery;

impl IntoResponses for BadQuery {
    fn responses() -> Responses {
        let wrong = "Parameters of the query are wrong: `errors` lists them.";
        error_responses("FieldProblem", CONTENT_TYPE, &[("400", wrong, &[])])
    }
}

/// Response if there is no user, session or client of this id.
pub struct NotFound;

impl IntoResponses for NotFound {
    fn responses() -> Responses {
        error_responses("Problem", CONTENT_TYPE, &[("404", "There is none with this id.", &[])])
    }
}

/// Response to a change by which administrators would lock themselves out.
pub struct OwnAccount;

impl IntoResponses for OwnAccount {
    fn responses() -> Responses {
        let own = "Administrators cannot do this to their own account: code `own_account`.";
        error_responses("Problem", CONTENT_TYPE, &[("409", own, &[])])
    }
}

/// Response if the user has changed since the caller read it.
pub struct PreconditionFailed;

impl IntoResponses for PreconditionFailed {
    fn responses() -> Responses {
        let changed = "The user has changed since it was read: code `precondition_failed`.";
        error_responses("Problem", CONTENT_TYPE, &[("412", changed, &[])])
    }
}
