//! Routes at the path and of the method that their OpenAPI documentation names.

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder,
    dev::HttpServiceFactory,
    guard,
    http::header::{ALLOW, CACHE_CONTROL},
    middleware::DefaultHeaders,
    web,
};
use shared::problem::Problem;
use utoipa::openapi::HttpMethod;

use crate::metrics::RouteMetrics;

/// Returns a resource at the path and of the method that the documentation of its handler names.
///
/// - Behind the middleware of the module `request_log`, the path works with a trailing slash too.
/// - A resource that takes GET takes HEAD (RFC 9110 section 9.3.2).
/// - Other methods get a 405.
/// - Answers are not stored unless they say otherwise: most contain tokens or personal data
///   (RFC 6749 section 5.1).
///
/// ```
/// use actix_web::{App, HttpResponse};
/// use service_kit::route::resource;
///
/// /// Returns a greeting.
/// #[utoipa::path(get, path = "/hello", responses((status = 200, description = "A greeting.")))]
/// async fn hello() -> HttpResponse {
///     HttpResponse::Ok().finish()
/// }
///
/// // utoipa keeps the documentation of a handler in a type of this name.
/// let app = App::new().service(resource(__path_hello, hello));
/// ```
///
/// # Panics
/// If the method is not GET, POST or DELETE.
pub fn resource<P, F, Args>(
    _documentation: P,
    handler: F,
) -> impl HttpServiceFactory + use<P, F, Args>
where
    P: utoipa::Path,
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let Ok([method]) = <[HttpMethod; 1]>::try_from(P::methods()) else {
        panic!("{} has several methods", P::path());
    };
    resource_at(P::path(), method, handler)
}

/// Returns a resource at this path and of this method.
pub(crate) fn resource_at<F, Args>(
    path: String,
    method: HttpMethod,
    handler: F,
) -> impl HttpServiceFactory + use<F, Args>
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let get_or_head = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    let (route, allow) = match method {
        HttpMethod::Get => (get_or_head(), "GET, HEAD"),
        HttpMethod::Post => (web::post(), "POST"),
        HttpMethod::Delete => (web::delete(), "DELETE"),
        _ => panic!("{path} takes neither GET nor POST nor DELETE"),
    };
    let method_not_allowed = move || async move {
        let detail = format!("Only {allow} is allowed here.");
        let problem = Problem::new(405, "method_not_allowed", detail);
        let mut response = problem.response();
        response.insert_header((ALLOW, allow));
        problem.finish(response)
    };
    web::resource(&path)
        .app_data(Route::new(path))
        .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")))
        .route(route.to(handler))
        .default_service(web::to(method_not_allowed))
}

/// The route that took a request, for metrics, log and traces.
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) metrics: RouteMetrics,
}

impl Route {
    fn new(path: String) -> Self {
        // Routes live as long as the service.
        let name = path.leak();
        Self { name, metrics: RouteMetrics::new(name) }
    }

    /// Returns the route that took the request. `None` if no route took it.
    ///
    /// The router has stored the route in the request. To find it by the path again would take
    /// as long as routing.
    pub(crate) fn of(request: &HttpRequest) -> Option<&Self> {
        request.app_data()
    }
}

/// Answers a path that no route takes.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(404, "not_found", format!("There is nothing at {}.", request.path())).into()
}
