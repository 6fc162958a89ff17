//! Settings from the command line and the environment, and the value parsers that both services
//! use.

use std::{
    env,
    error::Error as _,
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write},
    os::unix::ffi::OsStringExt,
    process,
    time::Duration,
};

use clap::{
    Arg, Command, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{command::CommandError, output::unless_closed};

/// Reads the command line and the environment. Options may stand before or after a subcommand.
///
/// `--help` and `--version` print their text and end the process.
///
/// # Errors
/// If a setting is wrong; the error names the setting. Also if the text of `--help` cannot be
/// written.
pub fn parse_settings<T: Parser>(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, CommandError> {
    let args = args.into_iter().map(Into::into).collect();
    let command = T::command().mut_args(|arg| arg.global(true));
    let (reading, args) = with_variables(command.clone(), args);
    let command = built(command);
    let matches = built(reading).try_get_matches_from(args);
    matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let printed = error.print().and_then(|()| io::stdout().flush());
            match unless_closed(printed) {
                Ok(()) => process::exit(error.exit_code()),
                Err(why) => why,
            }
        }
        _ => CommandError::usage(one_line(&error, &command)),
    })
}

fn built(mut command: Command) -> Command {
    command.build();
    let program = command.get_name().to_owned();
    command.mut_subcommands(|subcommand| hide_settings(subcommand, &program))
}

/// Leaves the settings out of the help of a subcommand, which would be a screenful of them. They are
/// accepted all the same.
fn hide_settings(subcommand: Command, program: &str) -> Command {
    // An option of the subcommand itself has no heading.
    let is_setting = |arg: &Arg| arg.is_global_set() && arg.get_help_heading().is_some();
    subcommand
        .mut_args(|arg| if is_setting(&arg) { arg.hide(true) } else { arg })
        .mut_subcommands(|subcommand| hide_settings(subcommand, program))
        .after_help(format!("Settings are options too: `{program} --help` lists them."))
}

/// Returns clap's message without its usage, with its suggestions, and with the name of the
/// environment variable: the value may come from there. The value of a setting that may contain a
/// password is left out.
fn one_line(error: &clap::Error, command: &Command) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let line = first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let line = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tip: "))
        .fold(line, |line, tip| format!("{line}: {tip}"));
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

/// Reads a file that holds one line, such as a mounted secret. A byte order mark at its start, and
/// blanks and line breaks around the line, are no part of the line.
///
/// # Errors
/// If the file cannot be read, is empty, or has several lines.
pub fn only_line(file: &str) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|why| format!("cannot be read: {why}"))?;
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Err("must not be empty".into()),
        text if text.contains(['\n', '\r']) => Err("has more than one line".into()),
        line => Ok(line.to_owned()),
    }
}

/// Returns the value of an environment variable. Line breaks at its end are no part of the value,
/// and an empty variable is unset.
pub fn variable(name: impl AsRef<OsStr>) -> Option<OsString> {
    let value = env::var_os(name)?.into_encoded_bytes();
    let length = value.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'))? + 1;
    let is_blank = value.iter().all(u8::is_ascii_whitespace);
    // Without ASCII characters at its end, the value is as valid as before.
    let value = OsString::from_vec(value[..length].to_vec());
    (!is_blank).then_some(value)
}

/// Returns the command and the arguments to parse. Where [`variable`] is not the variable itself, the
/// command does not read the variable, and the arguments have its value.
fn with_variables(command: Command, args: Vec<OsString>) -> (Command, Vec<OsString>) {
    let mut all = args.clone();
    let command = command.mut_args(|arg| {
        let Some(name) = arg.get_env().map(OsStr::to_owned) else { return arg };
        let value = variable(&name);
        if value == env::var_os(&name) {
            return arg;
        }
        if let (Some(value), Some(option)) = (value, arg.get_long())
            && !names_option(&args, option)
        {
            let mut assignment = OsString::from(format!("--{option}="));
            assignment.push(value);
            all.insert(1.min(all.len()), assignment);
        }
        arg.env(None::<&'static str>)
    });
    (command, all)
}

fn names_option(args: &[OsString], option: &str) -> bool {
    let names = |arg: &OsString| {
        let rest = arg.to_str().and_then(|arg| arg.strip_prefix("--")?.strip_prefix(option));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    args.iter().any(names)
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

/// Maximum of the tolerated difference between two clocks.
pub const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// Parses the tolerated difference between two clocks, in seconds.
///
/// # Errors
/// If the text is not a whole number, or is more than five minutes.
pub fn leeway(text: &str) -> Result<Duration, String> {
    seconds(text).and_then(|leeway| match leeway <= MAX_LEEWAY {
        true => Ok(leeway),
        false => Err("must be at most 300 seconds".into()),
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
