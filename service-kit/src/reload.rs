//! What SIGHUP does: files are read again, without a restart.

use tokio::signal::unix::{SignalKind, signal};

use crate::CommandError;

/// A file that is read again.
pub struct ReloadHook {
    setting: &'static str,
    read: Box<dyn Fn() -> Result<(), String> + Send>,
}

impl ReloadHook {
    /// The file that this setting names. `read` puts what is in it to use, or says what is wrong with it, and changes nothing.
    pub fn new(setting: &'static str, read: impl Fn() -> Result<(), String> + Send + 'static) -> Self {
        Self { setting, read: Box::new(read) }
    }
}

/// From now on SIGHUP does not end the process: the log's filter and these files are read again.
///
/// # Errors
/// If the signal cannot be waited for.
pub fn reload_on_sighup(files: Vec<ReloadHook>) -> Result<(), CommandError> {
    let mut told = signal(SignalKind::hangup())
        .map_err(|why| CommandError::new(format!("cannot wait for signals: {why}")))?;
    tokio::spawn(async move {
        while told.recv().await.is_some() {
            read_again(&files);
        }
    });
    Ok(())
}

fn read_again(files: &[ReloadHook]) {
    let mut read = Vec::new();
    for ReloadHook { setting, read: file } in files {
        match file() {
            Ok(()) => read.push(*setting),
            Err(why) => log::error!("cannot read {setting} again: {why}; what it held before stays in use"),
        }
    }
    if files.is_empty() {
        log::info!("told to read files again, but no setting names one");
    } else if !read.is_empty() {
        log::info!("read again: {}", read.join(", "));
    }
}
