//! Log lines: for people, or as JSON for machines.

use std::{borrow::Cow, env, io::Write};

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

/// A value as it is written behind its name. One that could be taken for something else is quoted: some are what a client
/// calls itself.
pub fn field(text: &str) -> Cow<'_, str> {
    let is_plain =
        !text.is_empty() && !text.contains(|c: char| c.is_control() || [' ', '"', '='].contains(&c));
    if is_plain { text.into() } else { format!("{text:?}").into() }
}

fn write_fields(line: &mut Formatter, fields: &dyn kv::Source) -> std::io::Result<()> {
    struct Fields<'a>(&'a mut Formatter, std::io::Result<()>);
    impl<'kvs> VisitSource<'kvs> for Fields<'_> {
        fn visit_pair(&mut self, name: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            self.1 = write!(self.0, " {name}={}", field(&value.to_string()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_pass_for_another_field_is_quoted() {
        for (text, written) in [
            ("curl/8.0", "curl/8.0"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("x=y", r#""x=y""#),
            ("say \"x\"", r#""say \"x\"""#),
            ("tab\there", r#""tab\there""#),
            ("two\nlines", r#""two\nlines""#),
        ] {
            assert_eq!(field(text), written);
        }
    }
}
