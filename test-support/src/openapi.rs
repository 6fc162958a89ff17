//! A service's OpenAPI document, and whether an answer is as it says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::Answer;

/// A service's document.
pub struct Document {
    json: Value,
    /// By the schema's name.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Document {
    /// Asks the service for it.
    pub async fn fetch(http: &reqwest::Client, base: &str) -> Self {
        let answer = http.get(format!("{base}/openapi.json")).send().await.expect("a document");
        assert_eq!(answer.status(), 200, "{base}/openapi.json");
        Self { json: answer.json().await.expect("a document in JSON"), validators: Mutex::default() }
    }

    /// Asserts that this answer to a request of this method and path is in the document: its status, its media type, each
    /// of its members, and the headers that must be there.
    #[track_caller]
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let path = if path == "/" { path } else { path.trim_end_matches('/') };
        let Some(item) = self.item(path) else {
            assert_eq!(answer.status, 404, "{path} is not in the document");
            return;
        };
        // What takes GET takes HEAD.
        let name = if method == Method::HEAD { "get".into() } else { method.as_str().to_lowercase() };
        let Some(operation) = item.get(&name) else {
            assert_eq!(answer.status, 405, "{method} {path} is not in the document");
            return;
        };
        let status = answer.status.to_string();
        let documented = operation["responses"]
            .get(&status)
            .unwrap_or_else(|| panic!("{method} {path}: {status} is not in the document: {answer:?}"));
        for (name, _) in documented["headers"].as_object().into_iter().flatten() {
            // A client's token has no user.
            let may_be_missing = name == "X-Auth-User";
            assert!(
                may_be_missing || answer.headers.contains_key(name),
                "{method} {path}: no {name}: {answer:?}"
            );
        }
        if answer.json.is_null() {
            assert!(
                documented.get("content").is_none() || method == Method::HEAD,
                "{path}: no body: {answer:?}"
            );
            return;
        }
        let media_type = answer.header("content-type").split(';').next().unwrap_or_default();
        let schema = &documented["content"][media_type]["schema"];
        assert!(schema.is_object(), "{method} {path} {status}: {media_type} is not in the document");
        if let Some(reference) = schema["$ref"].as_str() {
            let valid = self.validator(reference).validate(&answer.json).map_err(|why| why.to_string());
            assert_eq!(valid, Ok(()), "{method} {path}: {answer:?}");
        }
    }

    /// What the document says of a path, which may be one of many that it describes by a pattern.
    fn item(&self, path: &str) -> Option<&Value> {
        let paths = self.json["paths"].as_object().expect("paths");
        let fits = |pattern: &str| {
            let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
            let each = pattern
                .by_ref()
                .zip(path.by_ref())
                .all(|(pattern, part)| pattern.starts_with('{') || pattern == part);
            each && pattern.next().is_none() && path.next().is_none()
        };
        paths.get(path).or_else(|| paths.iter().find(|(pattern, _)| fits(pattern)).map(|(_, item)| item))
    }

    /// Of a schema by its name, with no members but those it names.
    fn validator(&self, reference: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let validator = validators.entry(reference.to_owned()).or_insert_with(|| {
            let components = self.json["components"].clone();
            let schema = json!({"$ref": reference, "unevaluatedProperties": false, "components": components});
            Arc::new(jsonschema::draft202012::new(&schema).expect("a schema"))
        });
        Arc::clone(validator)
    }
}
