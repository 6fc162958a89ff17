//! Log lines: for people, or as JSON for machines. Which are written may change while a service runs.

use std::{borrow::Cow, env, fs, io::Write, path::Path, sync::OnceLock};

use arc_swap::ArcSwap;
use env_logger::{Logger, fmt::Formatter};
use log::{
    LevelFilter, Log, Metadata, Record,
    kv::{self, Key, Value, VisitSource},
};
use serde_json::Map;

use crate::{CommandError, reload::ReloadHook};

/// What is written when neither `RUST_LOG` nor `LOG_FILTER_FILE` is set.
const DEFAULT_FILTER: &str = "info,actix_server=warn,actix_http=off";

/// The setting with the file that holds the filter.
const FILTER_FILE: &str = "LOG_FILTER_FILE";

#[derive(Clone, Copy)]
enum Format {
    Text,
    Json,
}

/// What writes lines, until it is replaced.
struct Logs {
    format: Format,
    current: ArcSwap<Logger>,
}

static LOGS: OnceLock<Logs> = OnceLock::new();

/// Writes log lines to standard error. `RUST_LOG` says which, or the file that `LOG_FILTER_FILE` names; `LOG_FORMAT` how:
/// `text` or `json`.
///
/// # Errors
/// If `LOG_FORMAT` is neither, or the file holds no filter.
pub fn init_logs() -> Result<(), CommandError> {
    let format = match env::var("LOG_FORMAT").as_deref() {
        Err(_) | Ok("" | "text") => Format::Text,
        Ok("json") => Format::Json,
        Ok(_) => return Err(CommandError::new("LOG_FORMAT must be text or json")),
    };
    let filter = match filter_file() {
        Some(file) => read_filter(&file).map_err(|why| CommandError(format!("{FILTER_FILE}: {why}")))?,
        None => env::var("RUST_LOG").unwrap_or_else(|_| DEFAULT_FILTER.into()),
    };
    let logs = LOGS.get_or_init(|| Logs { format, current: ArcSwap::from_pointee(logger(&filter, format)) });
    log::set_max_level(logs.current.load().filter());
    log::set_logger(logs).map_err(|why| CommandError(why.to_string()))
}

/// Returns the hook that reads the filter again. `None` if no file holds the filter.
pub fn reload_hook() -> Option<ReloadHook> {
    let (file, logs) = (filter_file()?, LOGS.get()?);
    Some(ReloadHook::new(FILTER_FILE, move || {
        let next = logger(&read_filter(&file)?, logs.format);
        log::set_max_level(next.filter());
        logs.current.store(next.into());
        Ok(())
    }))
}

fn filter_file() -> Option<String> {
    env::var(FILTER_FILE).ok().filter(|file| !file.is_empty())
}

/// The filter in a file, in one line or several. It must have a level for what no other part of it names: else a level that
/// is misspelt would be taken for a module's name, and silence everything.
fn read_filter(file: &str) -> Result<String, String> {
    let text = fs::read_to_string(Path::new(file)).map_err(|why| format!("cannot read {file}: {why}"))?;
    let filter = text.lines().collect::<Vec<_>>().join(",");
    env_filter::Builder::new().try_parse(&filter).map_err(|why| format!("{file}: {why}"))?;
    let is_level = |part: &str| part.trim().parse::<LevelFilter>().is_ok();
    if filter.split(',').any(is_level) {
        Ok(filter)
    } else {
        Err(format!("{file} names no level, such as info, for what else there is"))
    }
}

fn logger(filter: &str, format: Format) -> Logger {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filter).parse_write_style(&env::var("RUST_LOG_STYLE").unwrap_or_default());
    match format {
        Format::Text => builder.format_key_values(|line, fields| write_fields(line, fields)),
        Format::Json => builder.format(write_json),
    };
    builder.build()
}

impl Log for Logs {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.current.load().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.current.load().log(record);
    }

    fn flush(&self) {
        self.current.load().flush();
    }
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
