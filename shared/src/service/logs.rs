//! Log lines: for people, or as JSON for machines.

use std::{env, io::Write};

use env_logger::fmt::Formatter;
use log::{
    Record,
    kv::{self, Key, Value, VisitSource},
};
use serde_json::Map;

use super::StartError;

/// What is written when `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info,actix_server=warn,actix_http=off";

/// Writes log lines to standard error. `RUST_LOG` says which, `LOG_FORMAT` how: `text` or `json`.
///
/// # Errors
/// If `LOG_FORMAT` is neither.
pub fn start_logs() -> Result<(), StartError> {
    let mut builder =
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(DEFAULT_FILTER));
    match env::var("LOG_FORMAT").as_deref() {
        Err(_) | Ok("" | "text") => builder.format_key_values(|line, fields| write_fields(line, fields)),
        Ok("json") => builder.format(write_json),
        Ok(_) => return Err(StartError::new("LOG_FORMAT must be text or json")),
    };
    builder.init();
    Ok(())
}

/// A value that could be taken for something else is quoted: some are what a client calls itself.
fn write_fields(line: &mut Formatter, fields: &dyn kv::Source) -> std::io::Result<()> {
    struct Fields<'a>(&'a mut Formatter, std::io::Result<()>);
    impl<'kvs> VisitSource<'kvs> for Fields<'_> {
        fn visit_pair(&mut self, name: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            let text = value.to_string();
            let is_plain =
                !text.is_empty() && !text.contains([' ', '"', '=']) && !text.contains(char::is_control);
            self.1 =
                if is_plain { write!(self.0, " {name}={text}") } else { write!(self.0, " {name}={text:?}") };
            Ok(())
        }
    }
    let mut written = Fields(line, Ok(()));
    let _ = fields.visit(&mut written);
    written.1
}

fn write_json(line: &mut Formatter, record: &Record<'_>) -> std::io::Result<()> {
    struct Fields(Map<String, serde_json::Value>);
    impl<'kvs> VisitSource<'kvs> for Fields {
        fn visit_pair(&mut self, name: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            let value = match (value.to_i64(), value.to_f64()) {
                (Some(number), _) => number.into(),
                (_, Some(number)) => number.into(),
                _ => value.to_string().into(),
            };
            self.0.insert(name.to_string(), value);
            Ok(())
        }
    }
    let mut fields = Fields(Map::new());
    let _ = record.key_values().visit(&mut fields);
    let mut all = Map::new();
    all.insert("time".into(), line.timestamp_millis().to_string().into());
    all.insert("level".into(), record.level().as_str().into());
    all.insert("target".into(), record.target().into());
    all.insert("message".into(), record.args().to_string().into());
    // A field of one of those names would be our own mistake, and must not hide them.
    for (name, value) in fields.0 {
        all.entry(name).or_insert(value);
    }
    writeln!(line, "{}", serde_json::Value::Object(all))
}
