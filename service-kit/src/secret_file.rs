//! Files that hold secrets: which users of this machine may read and change them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// Checks that only the owner and the group of a file can read it, and only the owner can change
/// it. A pipe or a device, such as `/dev/stdin`, is not checked. Nor is a file that does not exist:
/// its reader reports that.
///
/// # Errors
/// What is wrong with the file, with the command that repairs it, as the end of a sentence about
/// the file.
pub fn check_mode(file: &Path) -> Result<(), String> {
    let Ok(metadata) = fs::metadata(file) else { return Ok(()) };
    let mode = metadata.permissions().mode() & 0o777;
    let fault = match mode {
        _ if !metadata.is_file() => return Ok(()),
        _ if mode & 0o007 != 0 => "is open to all users of this machine",
        _ if mode & 0o020 != 0 => "can be changed by its group",
        _ => return Ok(()),
    };
    // Only removes rights. The service may read a file of another owner through the group.
    let right = mode & 0o640;
    let file = file.display();
    Err(format!("{fault} (mode {mode:03o}): run `chmod {right:03o} {file}`, or mount it so"))
}
