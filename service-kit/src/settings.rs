//! Settings from the command line and the environment, and the value parsers that both services
//! use.

use std::{error::Error as _, ffi::OsString, time::Duration};

use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::command::CommandError;

/// Reads the command line and the environment. Options may stand before or after a subcommand.
///
/// `--help` and `--version` print their text and end the process.
///
/// # Errors
/// If a setting is wrong; the error names the setting.
pub fn parse_settings<T: Parser>(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, CommandError> {
    let mut command = T::command().mut_args(|arg| arg.global(true));
    command.build();
    let matches = command.clone().try_get_matches_from(args);
    matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        _ => CommandError(one_line(&error, &command)),
    })
}

/// Returns clap's message without its usage, and with the name of the environment variable: the
/// value may come from there. The value of a setting that may contain a password is left out.
fn one_line(error: &clap::Error, command: &clap::Command) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let line = first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return line;
    };
    let Some(arg) = command.get_arguments().find(|arg| arg.to_string() == *shown) else {
        return line;
    };
    let env = arg.get_env().map_or_else(String::new, |env| format!(" (or {})", env.display()));
    if arg.is_hide_env_values_set() {
        let reason = error.source().map_or_else(String::new, |reason| format!(": {reason}"));
        return format!("invalid value for '{shown}'{reason}{env}");
    }
    line + &env
}

/// Maximum of a setting in seconds: ten years. Sums of times and settings cannot overflow.
const MAX_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;

/// Parses a number of seconds.
///
/// # Errors
/// If the text is not a whole number, or is more than ten years.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds <= MAX_SECONDS => Ok(Duration::from_secs(seconds)),
        Ok(_) => Err(format!("must be at most {MAX_SECONDS} seconds")),
        Err(_) => Err("must be a whole number of seconds".into()),
    }
}

/// Parses the tolerated difference between two clocks, in seconds.
///
/// # Errors
/// If the text is not a whole number, or is more than five minutes.
pub fn leeway(text: &str) -> Result<Duration, String> {
    seconds(text).and_then(|leeway| match leeway.as_secs() {
        0..=300 => Ok(leeway),
        _ => Err("must be at most 300 seconds".into()),
    })
}

/// Parses a number of seconds that is at least one.
///
/// # Errors
/// If the text is not a whole number, is 0, or is more than ten years.
pub fn positive_seconds(text: &str) -> Result<Duration, String> {
    seconds(text).and_then(|duration| match duration {
        Duration::ZERO => Err("must be at least 1 second".into()),
        _ => Ok(duration),
    })
}

/// Parses a name. Blanks around it are removed.
///
/// # Errors
/// If the name is empty.
pub fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".into()),
        name => Ok(name.into()),
    }
}

/// Parses the URL of a service. Slashes at its end are removed.
///
/// # Errors
/// If the text is not an HTTP URL, or has a user, a query or a fragment.
pub fn http_url(text: &str) -> Result<String, String> {
    let is_plain = |url: &reqwest::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    match reqwest::Url::parse(text) {
        Ok(url) if is_printable && is_plain(&url) => Ok(text.trim_end_matches('/').into()),
        _ => Err("must be an http:// or https:// URL without user, query and fragment".into()),
    }
}
