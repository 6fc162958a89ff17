//! Log lines on standard error, as text or JSON, with a filter that can be reloaded.

use std::{borrow::Cow, fs, io::Write, path::Path, sync::OnceLock};

use arc_swap::ArcSwap;
use env_logger::{Logger, fmt::Formatter};
use log::{
    LevelFilter, Log, Metadata, Record,
    kv::{self, Key, Value, VisitSource},
};
use serde_json::Map;

use crate::{command::CommandError, reload::ReloadHook, settings::variable};

/// Filter that is used if neither `RUST_LOG` nor `LOG_FILTER_FILE` is set.
const DEFAULT_FILTER: &str = "info,actix_server=warn,actix_http=off";

/// The setting that names the file with the filter.
const FILTER_FILE: &str = "LOG_FILTER_FILE";

#[derive(Clone, Copy)]
enum Format {
    Text,
    Json,
}

/// The process's logger. A reload replaces the inner logger, whose filter cannot change.
struct ReloadableLogger {
    format: Format,
    current: ArcSwap<Logger>,
}

static LOGGER: OnceLock<ReloadableLogger> = OnceLock::new();

/// Starts to write log lines to standard error.
///
/// The file that `LOG_FILTER_FILE` names selects the lines, or without it `RUST_LOG`.
/// `LOG_FORMAT` selects the format, `text` or `json`.
///
/// # Errors
/// If `LOG_FORMAT` has another value, or if the file has no valid filter.
pub fn init_logs() -> Result<(), CommandError> {
    let format = match text_of("LOG_FORMAT").as_deref() {
        None | Some("text") => Format::Text,
        Some("json") => Format::Json,
        Some(_) => return Err(CommandError::usage("LOG_FORMAT must be text or json")),
    };
    let filter = match filter_file() {
        Some(file) => read_filter(&file)
            .map_err(|reason| CommandError::usage(format!("{FILTER_FILE}: {reason}")))?,
        None => text_of("RUST_LOG").unwrap_or_else(|| DEFAULT_FILTER.into()),
    };
    let current = ArcSwap::from_pointee(build_logger(&filter, format));
    let logger = LOGGER.get_or_init(|| ReloadableLogger { format, current });
    log::set_max_level(logger.current.load().filter());
    log::set_logger(logger).map_err(|error| CommandError::new(error.to_string()))
}

/// Returns the hook that reads the filter again. `None` if the filter is not in a file.
pub fn reload_hook() -> Option<ReloadHook> {
    let file = filter_file()?;
    let logger = LOGGER.get()?;
    Some(ReloadHook::new(FILTER_FILE, move || {
        let next = build_logger(&read_filter(&file)?, logger.format);
        log::set_max_level(next.filter());
        logger.current.store(next.into());
        Ok(())
    }))
}

fn filter_file() -> Option<String> {
    text_of(FILTER_FILE)
}

/// Returns an environment variable. One that is not UTF-8 cannot be a level or a known format.
fn text_of(name: &str) -> Option<String> {
    variable(name).map(|value| value.to_string_lossy().into_owned())
}

/// Reads the filter in a file. Each line is a part of the filter.
///
/// One part must be a level alone, for the modules that no other part names. Without this rule, a
/// misspelt level would be the name of a module, and silence every other module.
fn read_filter(file: &str) -> Result<String, String> {
    let text = fs::read_to_string(Path::new(file))
        .map_err(|error| format!("cannot read {file}: {error}"))?;
    let filter = text.lines().collect::<Vec<_>>().join(",");
    env_filter::Builder::new().try_parse(&filter).map_err(|error| format!("{file}: {error}"))?;
    let is_level = |part: &str| part.trim().parse::<LevelFilter>().is_ok();
    if filter.split(',').any(is_level) {
        Ok(filter)
    } else {
        Err(format!("{file} names no level, such as info, for the modules that it does not name"))
    }
}

fn build_logger(filter: &str, format: Format) -> Logger {
    let mut builder = env_logger::Builder::new();
    let style = text_of("RUST_LOG_STYLE").unwrap_or_default();
    builder.parse_filters(filter).parse_write_style(&style);
    match format {
        Format::Text => builder.format_key_values(|line, fields| write_fields(line, fields)),
        Format::Json => builder.format(write_json),
    };
    builder.build()
}

impl Log for ReloadableLogger {
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

/// Returns the value of a field as a line of text contains it.
///
/// A value that could be read as another field is quoted: some values come from clients, such as
/// the user agent.
pub fn field(text: &str) -> Cow<'_, str> {
    let is_plain = !text.is_empty()
        && !text.contains(|c: char| c.is_control() || [' ', '"', '='].contains(&c));
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
    let mut members = Map::new();
    members.insert("time".into(), line.timestamp_millis().to_string().into());
    members.insert("level".into(), record.level().as_str().into());
    members.insert("target".into(), record.target().into());
    members.insert("message".into(), record.args().to_string().into());
    // A field must not replace one of the members above.
    for (name, value) in fields.0 {
        members.entry(name).or_insert(value);
    }
    writeln!(line, "{}", serde_json::Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_could_be_read_as_another_field_is_quoted() {
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
