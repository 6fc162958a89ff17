//! Files and folders that only their owner can read.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use uuid::Uuid;

/// The outcome of [`write_once`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The file was missing and has been created.
    Created,
    /// The file existed and is unchanged.
    AlreadyExists,
}

/// Creates a folder, with the folders above it, unless it exists.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Creates a file with `content`, unless the file exists. Other processes see the complete file or
/// no file.
pub fn write_once(file: &Path, content: &[u8]) -> io::Result<WriteOutcome> {
    let draft = file.with_file_name(format!(".secret.{}", Uuid::new_v4().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut opened| opened.write_all(content).and_then(|()| opened.sync_all()))
        .and_then(|()| match fs::hard_link(&draft, file) {
            Ok(()) => Ok(WriteOutcome::Created),
            Err(why) if why.kind() == ErrorKind::AlreadyExists => Ok(WriteOutcome::AlreadyExists),
            Err(why) => Err(why),
        });
    let removed = fs::remove_file(&draft);
    written.and_then(|outcome| removed.map(|()| outcome))
}
