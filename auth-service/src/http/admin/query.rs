//! The query of a list: filters, the size of a page, and where it begins.

use std::collections::BTreeMap;

use actix_web::HttpRequest;

use crate::http::{error::ApiError, form::Form};

/// Number of elements of a page if the query does not name one.
const DEFAULT_LIMIT: usize = 50;
/// Maximum number of elements of a page.
const MAX_LIMIT: usize = 200;

/// The parameters of a query. Each occurs once.
pub struct Query {
    form: Form,
    values: BTreeMap<String, String>,
}

impl Query {
    /// Reads the query of a request. A parameter that is not `known` is an error: a misspelt filter
    /// would list what the caller does not ask for.
    pub fn read(request: &HttpRequest, known: &[&str]) -> Self {
        let mut query = Self { form: Form::default(), values: BTreeMap::new() };
        for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
            if !known.contains(&&*name) {
                query.form.add_error("query", &format!("Only {} are known.", known.join(", ")));
            } else if value.contains(char::is_control) {
                query.form.add_error(&name, "This parameter may not contain control characters.");
            } else if query.values.insert(name.to_string(), value.into_owned()).is_some() {
                query.form.add_error(&name, "This parameter may occur only once.");
            }
        }
        query
    }

    /// Returns a parameter. An empty one counts as missing.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).filter(|text| !text.is_empty())
    }

    /// Parses a parameter. `None` if it is missing, or wrong.
    pub fn parsed<T, E: ToString>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_err(|why| self.form.add_error(name, &message(&why.to_string()))).ok()
    }

    /// Parses `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("Choose true or false."),
        })
    }

    /// Returns the size of a page.
    pub fn limit(&mut self) -> usize {
        let parse = |text: &str| {
            let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
            limit.ok_or_else(|| format!("Give a number from 1 to {MAX_LIMIT}."))
        };
        self.parsed("limit", parse).unwrap_or(DEFAULT_LIMIT)
    }

    /// Parses `after`, the `next` of the page before.
    pub fn after<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.parsed("after", |text| parse(text).ok_or("Give `next` of the page before."))
    }

    /// Checks that no parameter is wrong.
    ///
    /// # Errors
    /// [`ApiError::Fields`] with each wrong parameter.
    pub fn finish(self) -> Result<(), ApiError> {
        self.form.finish()
    }
}

/// Returns the message for a parameter that breaks a rule.
fn message(rule: &str) -> String {
    if rule.starts_with("must ") { format!("This parameter {rule}.") } else { rule.to_owned() }
}

/// Cuts the element that was read beyond the page, and returns the cursor of the next page. `None`:
/// this page is the last one.
pub fn cut<T>(
    elements: &mut Vec<T>,
    limit: usize,
    cursor: impl FnOnce(&T) -> String,
) -> Option<String> {
    let has_more = elements.len() > limit;
    elements.truncate(limit);
    elements.last().filter(|_| has_more).map(cursor)
}
