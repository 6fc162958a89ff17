//! Standard output of a command. A command that cannot print ends with an error that states what
//! the command has done, and what to do next.
//!
//! | the text is | function | closed pipe (`\| head`) | any other failure, such as a full disk |
//! |---|---|---|---|
//! | something that the command read | [`print()`] | ends quietly | error |
//! | what the command did | [`print_outcome`] | ends quietly | error that repeats the text |
//! | lost unless it is printed now | [`print_secret`] | error | error |

use std::io::{self, ErrorKind, Write};

use crate::command::CommandError;

/// Prints what a command read, such as a list. The text ends with a line break.
///
/// # Errors
/// If standard output takes no text. A reader that closes its pipe, as `head` does, is no failure.
pub fn print(text: &str) -> Result<(), CommandError> {
    unless_closed(write(text))
}

/// Prints what a command did. The text ends with a line break.
///
/// # Errors
/// As [`print()`]. The error repeats the text, because the command has changed something.
pub fn print_outcome(text: &str) -> Result<(), CommandError> {
    let done = text.split_whitespace().collect::<Vec<_>>().join(" ");
    print(text).map_err(|why| CommandError::new(format!("{why}. The change is made: {done}")))
}

/// Prints a secret that cannot be printed again. The text ends with a line break.
///
/// # Errors
/// If standard output does not take the whole text, also because its reader has closed the pipe.
/// The error ends with `remedy`, which states what exists now and how to get a secret.
pub fn print_secret(text: &str, remedy: &str) -> Result<(), CommandError> {
    write(text).map_err(|why| {
        CommandError::new(format!("cannot write the secret to standard output: {why}. {remedy}"))
    })
}

/// Prints a warning on standard error. A failure is ignored: no other place can take the warning.
pub fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "warning: {text}");
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Returns the error of a write to standard output, unless the reader has closed the pipe.
pub(crate) fn unless_closed(written: io::Result<()>) -> Result<(), CommandError> {
    match written {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => {
            Err(CommandError::new(format!("cannot write to standard output: {why}")))
        }
        _ => Ok(()),
    }
}
