//! Routes at the path and of the method that their OpenAPI documentation names.

use std::fmt;

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder,
    dev::HttpServiceFactory,
    guard,
    http::{
        Method,
        header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL},
    },
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
/// - `OPTIONS` is answered with the methods of the resource (RFC 9110 section 9.3.7). The module
///   [`cors`](crate::cors) adds what browsers read there.
/// - Other methods get a 405.
/// - An answer without a `Cache-Control` header gets `no-store`: most answers contain tokens or
///   personal data (RFC 6749 section 5.1).
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
/// If the method is not GET, POST, PATCH or DELETE.
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
    resource_with(P::path(), only_method::<P>(), DefaultHeaders::new(), handler)
}

/// Returns a resource like [`resource`], whose answers are the same for every caller: web pages of
/// all origins may read them, without credentials.
///
/// # Panics
/// If the method is not GET, POST, PATCH or DELETE.
pub fn public_resource<P, F, Args>(
    _documentation: P,
    handler: F,
) -> impl HttpServiceFactory + use<P, F, Args>
where
    P: utoipa::Path,
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    public_resource_at(P::path(), only_method::<P>(), handler)
}

/// Returns a resource like [`public_resource`], at this path and of this method.
///
/// # Panics
/// If the method is not GET, POST, PATCH or DELETE.
pub fn public_resource_at<F, Args>(
    path: String,
    method: HttpMethod,
    handler: F,
) -> impl HttpServiceFactory + use<F, Args>
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let any_origin = DefaultHeaders::new().add((ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    resource_with(path, method, any_origin, handler)
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
    resource_with(path, method, DefaultHeaders::new(), handler)
}

fn only_method<P: utoipa::Path>() -> HttpMethod {
    let Ok([method]) = <[HttpMethod; 1]>::try_from(P::methods()) else {
        panic!("{} has several methods", P::path());
    };
    method
}

fn resource_with<F, Args>(
    path: String,
    method: HttpMethod,
    headers: DefaultHeaders,
    handler: F,
) -> impl HttpServiceFactory + use<F, Args>
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let methods = Methods { path, headers, handlers: Vec::new() };
    methods.with(method, handler).resource()
}

/// A path that takes several methods, each with a handler of its own. [`Methods::resource`] returns
/// the resource, which behaves as [`resource`] does.
pub struct Methods {
    path: String,
    headers: DefaultHeaders,
    /// Each route, and its methods for the header `Allow`.
    handlers: Vec<(actix_web::Route, &'static str)>,
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Methods").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Methods {
    /// Begins with a handler, at the path that its documentation names.
    ///
    /// # Panics
    /// If the method is not GET, POST, PATCH or DELETE.
    pub fn of<P, F, Args>(_documentation: P, handler: F) -> Self
    where
        P: utoipa::Path,
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let headers = DefaultHeaders::new();
        let methods = Self { path: P::path(), headers, handlers: Vec::new() };
        methods.with(only_method::<P>(), handler)
    }

    /// Adds a handler, whose documentation names the same path and another method.
    ///
    /// # Panics
    /// If the path is another one, or the method is not GET, POST, PATCH or DELETE.
    #[must_use]
    pub fn and<P, F, Args>(self, _documentation: P, handler: F) -> Self
    where
        P: utoipa::Path,
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        assert_eq!(self.path, P::path(), "a resource has one path");
        self.with(only_method::<P>(), handler)
    }

    /// Begins at a path without documentation, for a page that people read.
    pub fn at(path: &str) -> Self {
        Self { path: path.to_owned(), headers: DefaultHeaders::new(), handlers: Vec::new() }
    }

    /// Adds the handler of GET and HEAD.
    #[must_use]
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with(HttpMethod::Get, handler)
    }

    /// Adds the handler of POST.
    #[must_use]
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with(HttpMethod::Post, handler)
    }

    fn with<F, Args>(mut self, method: HttpMethod, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let (route, allow) = match method {
            HttpMethod::Get => {
                (web::route().guard(guard::Any(guard::Get()).or(guard::Head())), "GET, HEAD")
            }
            HttpMethod::Post => (web::post(), "POST"),
            HttpMethod::Patch => (web::patch(), "PATCH"),
            HttpMethod::Delete => (web::delete(), "DELETE"),
            _ => panic!("{} takes neither GET nor POST nor PATCH nor DELETE", self.path),
        };
        self.handlers.push((route.to(handler), allow));
        self
    }

    /// Returns the resource.
    pub fn resource(self) -> impl HttpServiceFactory {
        let Self { path, headers, handlers } = self;
        let methods = handlers.iter().map(|(_, methods)| *methods).chain(["OPTIONS"]);
        // Routes live as long as the service.
        let allow: &'static str = methods.collect::<Vec<_>>().join(", ").leak();
        let method_not_allowed = move || async move {
            let detail = format!("The methods {allow} are allowed here.");
            let problem = Problem::new(405, "method_not_allowed", detail);
            let mut response = problem.response();
            response.insert_header((ALLOW, allow));
            problem.finish(response)
        };
        let options =
            move || async move { HttpResponse::NoContent().insert_header((ALLOW, allow)).finish() };
        let resource = web::resource(&path).app_data(Route::new(path));
        let resource = handlers.into_iter().fold(resource, |it, (route, _)| it.route(route));
        resource
            .route(web::method(Method::OPTIONS).to(options))
            .default_service(web::to(method_not_allowed))
            .wrap(headers.add((CACHE_CONTROL, "no-store")))
    }
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
    Problem::new(404, "not_found", format!("No route matches {}.", request.path())).into()
}
