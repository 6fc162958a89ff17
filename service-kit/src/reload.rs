//! SIGHUP: a service reads files again, without a restart.

use tokio::signal::unix::{SignalKind, signal};

use crate::command::CommandError;

/// Reads the file of a setting again.
pub struct ReloadHook {
    setting: &'static str,
    read: Box<dyn Fn() -> Result<(), String> + Send>,
}

impl ReloadHook {
    /// Creates the hook of the file that `setting` names.
    ///
    /// `read` puts the file's content into use, or returns what is wrong with the file and
    /// changes nothing.
    pub fn new(
        setting: &'static str,
        read: impl Fn() -> Result<(), String> + Send + 'static,
    ) -> Self {
        Self { setting, read: Box::new(read) }
    }
}

/// Calls the hooks at each SIGHUP from now on. Without this call, SIGHUP ends the process.
///
/// # Errors
/// If the process cannot receive signals.
pub fn reload_on_sighup(hooks: Vec<ReloadHook>) -> Result<(), CommandError> {
    let mut hangups = signal(SignalKind::hangup())
        .map_err(|error| CommandError::new(format!("cannot receive signals: {error}")))?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            reload(&hooks);
        }
    });
    Ok(())
}

fn reload(hooks: &[ReloadHook]) {
    let mut reloaded = Vec::new();
    for hook in hooks {
        let setting = hook.setting;
        match (hook.read)() {
            Ok(()) => reloaded.push(setting),
            Err(reason) => {
                log::error!("cannot reload {setting}: {reason}; its previous content stays in use");
            }
        }
    }
    if hooks.is_empty() {
        log::info!("received SIGHUP, but no setting names a file to reload");
    } else if !reloaded.is_empty() {
        log::info!("reloaded: {}", reloaded.join(", "));
    }
}
