//! The operator who runs a command.

use std::env;

use crate::domain::audit::Initiator;

/// Maximum length of a recorded login name.
const MAX_CHARS: usize = 64;

/// Returns the operator with the login name that the environment states. The name is not verified:
/// an operator can set these variables.
pub fn initiator() -> Initiator {
    let login = ["SUDO_USER", "LOGNAME", "USER"].iter().find_map(|name| {
        let value = env::var(name).ok()?;
        let value: String = value.trim().chars().take(MAX_CHARS).collect();
        (!value.is_empty()).then_some(value)
    });
    Initiator::operator(login)
}
