//! Headers that an extractor adds to the answer, such as a cookie that it renews.

use actix_web::{
    HttpMessage, HttpRequest,
    dev::ServiceResponse,
    http::header::{HeaderName, HeaderValue},
};

/// Headers to add, in the extensions of the request.
struct AnswerHeaders(Vec<(HeaderName, HeaderValue)>);

/// Adds a header to the answer of a request, whatever the handler answers.
pub fn add(request: &HttpRequest, name: HeaderName, value: HeaderValue) {
    let mut extensions = request.extensions_mut();
    match extensions.get_mut::<AnswerHeaders>() {
        Some(AnswerHeaders(headers)) => headers.push((name, value)),
        None => drop(extensions.insert(AnswerHeaders(vec![(name, value)]))),
    }
}

/// Removes the headers of this name that were added.
pub fn remove(request: &HttpRequest, name: &HeaderName) {
    if let Some(AnswerHeaders(headers)) = request.extensions_mut().get_mut::<AnswerHeaders>() {
        headers.retain(|(added, _)| added != name);
    }
}

/// Appends the headers to the answer.
pub(crate) fn append<B>(answer: &mut ServiceResponse<B>) {
    let added = answer.request().extensions_mut().remove::<AnswerHeaders>();
    for (name, value) in added.into_iter().flat_map(|AnswerHeaders(headers)| headers) {
        answer.headers_mut().append(name, value);
    }
}
