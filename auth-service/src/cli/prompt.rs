//! Questions to the operator, and passwords from the terminal or from standard input.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use service_kit::CommandError;

use crate::domain::{password::Password, password_rules::PasswordRules};

/// Maximum size of a password on standard input.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

/// Asks the operator to confirm a change. Without a terminal, the operator must have confirmed it
/// with `--yes`.
///
/// # Errors
/// If the operator does not confirm.
pub fn confirm(question: &str) -> Result<(), CommandError> {
    if !io::stdin().is_terminal() {
        return Err(CommandError::usage(
            "standard input is no terminal to ask for confirmation: add --yes",
        ));
    }
    let cannot_ask = |why: io::Error| CommandError::new(format!("cannot ask: {why}"));
    write!(io::stderr(), "{question} [y/N] ").map_err(cannot_ask)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(cannot_ask)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CommandError::new("not confirmed: nothing has changed")),
    }
}

/// Returns whether the operator can be asked.
pub fn has_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a new password on the terminal, twice. Returns `None` if the operator enters none.
///
/// # Errors
/// If the password breaks a rule, or the second differs from the first.
pub fn ask_new_password(rules: &PasswordRules) -> Result<Option<Password>, CommandError> {
    ask_twice("Password (empty: print a one-time code for the user): ", rules)
}

/// Asks for a new password on the terminal, twice.
///
/// # Errors
/// As [`ask_new_password`], or if the operator enters none.
pub fn require_new_password(rules: &PasswordRules) -> Result<Password, CommandError> {
    let none = || CommandError::new("no password: nothing has changed");
    ask_twice("New password: ", rules)?.ok_or_else(none)
}

fn ask_twice(question: &str, rules: &PasswordRules) -> Result<Option<Password>, CommandError> {
    let cannot_read = |why| CommandError::new(format!("cannot read a password: {why}"));
    let mut terminal = SilentTerminal::open().map_err(cannot_read)?;
    let first = terminal.ask(question).map_err(cannot_read)?;
    if first.is_empty() {
        return Ok(None);
    }
    let password = parse_new(first.clone(), rules)?;
    if terminal.ask("Password again: ").map_err(cannot_read)? != first {
        return Err(CommandError::new("the passwords differ: nothing has changed"));
    }
    Ok(Some(password))
}

/// The terminal of the process, which does not show what the operator types until the value is
/// dropped. Silent before the first question and between two, because operators paste passwords.
struct SilentTerminal {
    lines: BufReader<File>,
    modes: Termios,
}

impl SilentTerminal {
    fn open() -> io::Result<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let modes = tcgetattr(&terminal)?;
        let mut silent = modes.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Now, &silent)?;
        Ok(Self { lines: BufReader::new(terminal), modes })
    }

    /// Asks a question, and returns the line that the operator types, without its end.
    fn ask(&mut self, question: &str) -> io::Result<String> {
        self.lines.get_mut().write_all(question.as_bytes())?;
        let mut line = String::new();
        (&mut self.lines).take(MAX_INPUT_BYTES).read_line(&mut line)?;
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(line)
    }
}

impl Drop for SilentTerminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no modes.
        let _ = tcsetattr(self.lines.get_ref(), OptionalActions::Now, &self.modes);
    }
}

/// Reads a new password: the first line of standard input.
///
/// # Errors
/// If there is none, or if it breaks a rule.
pub fn read_new_password(rules: &PasswordRules) -> Result<Password, CommandError> {
    let mut line = String::new();
    let read = io::stdin().lock().take(MAX_INPUT_BYTES).read_line(&mut line);
    read.map_err(|why| CommandError::new(format!("cannot read a password: {why}")))?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    parse_new(line, rules)
}

fn parse_new(text: String, rules: &PasswordRules) -> Result<Password, CommandError> {
    Password::parse_new(text, rules).map_err(|why| CommandError::new(why.join(" ")))
}
