//! Checks of answers against a service's OpenAPI document.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::Answer;

/// The OpenAPI document of a service.
pub struct Document {
    json: Value,
    /// Validators by the reference to their schema.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Document {
    /// Fetches the document from a service.
    pub async fn fetch(http: &reqwest::Client, base: &str) -> Self {
        let answer = http.get(format!("{base}/openapi.json")).send().await.expect("a document");
        assert_eq!(answer.status(), 200, "{base}/openapi.json");
        let json = answer.json().await.expect("a document in JSON");
        Self { json, validators: Mutex::default() }
    }

    /// Asserts that the document describes the answer to a request of this method and path: the
    /// status, the media type, every member of the body, and all required headers.
    #[track_caller]
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) {
        // Every path takes OPTIONS, which a document describes nowhere.
        if *method == Method::OPTIONS {
            return;
        }
        let path = if path == "/" { path } else { path.trim_end_matches('/') };
        let Some(item) = self.path_item(path) else {
            assert_eq!(answer.status, 404, "{path} is not in the document");
            return;
        };
        // A path that takes GET also takes HEAD.
        let operation = match *method {
            Method::HEAD => item.get("get"),
            _ => item.get(method.as_str().to_lowercase()),
        };
        let Some(operation) = operation else {
            assert_eq!(answer.status, 405, "{method} {path} is not in the document");
            return;
        };
        let request = format!("{method} {path} {}", answer.status);
        let documented = operation["responses"].get(answer.status.to_string());
        let documented =
            documented.unwrap_or_else(|| panic!("{request} is not in the document: {answer:?}"));
        for (name, _) in documented["headers"].as_object().into_iter().flatten() {
            // A client token has no user.
            let is_optional = name == "X-Auth-User";
            let is_sent = answer.headers.contains_key(name);
            assert!(is_optional || is_sent, "{request}: no header {name}: {answer:?}");
        }
        if !answer.json.is_null() {
            self.check_body(&request, &documented["content"], answer);
        } else if *method != Method::HEAD {
            assert!(documented.get("content").is_none(), "{request}: no body: {answer:?}");
        }
    }

    #[track_caller]
    fn check_body(&self, request: &str, content: &Value, answer: &Answer) {
        let media_type = answer.header("content-type").split(';').next().unwrap_or_default();
        let schema = &content[media_type]["schema"];
        assert!(schema.is_object(), "{request}: {media_type} is not in the document");
        if let Some(reference) = schema["$ref"].as_str() {
            let validator = self.validator(reference);
            let valid = validator.validate(&answer.json).map_err(|error| error.to_string());
            assert_eq!(valid, Ok(()), "{request}: {answer:?}");
        }
    }

    /// Returns the description of a path, which can be a template with parameters.
    fn path_item(&self, path: &str) -> Option<&Value> {
        let paths = self.json["paths"].as_object().expect("paths");
        let template = || paths.iter().find(|(template, _)| is_path_of(template, path));
        paths.get(path).or_else(|| template().map(|(_, item)| item))
    }

    /// Returns the validator of a schema. The validator accepts no member that the schema does not
    /// name.
    fn validator(&self, reference: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let validator = validators.entry(reference.to_owned()).or_insert_with(|| {
            let schema = json!({
                "$ref": reference,
                "unevaluatedProperties": false,
                "components": self.json["components"],
            });
            Arc::new(jsonschema::draft202012::new(&schema).expect("a schema"))
        });
        Arc::clone(validator)
    }
}

/// Returns whether a path matches a template such as `/sessions/{id}`.
fn is_path_of(template: &str, path: &str) -> bool {
    let template: Vec<&str> = template.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    let mut segments = template.iter().zip(&path);
    template.len() == path.len()
        && segments.all(|(expected, segment)| expected.starts_with('{') || expected == segment)
}
