//! Files of this program that an operator replaces by files of the same names.

use std::{collections::BTreeMap, fs, path::Path};

use crate::command::CommandError;

/// Replaces texts by the files of the same names in a folder. `setting` is the setting that names
/// the folder. Files whose names start with a dot are ignored.
///
/// # Errors
/// If a file cannot be read, or has the name of no text.
pub fn replace_by_files(
    texts: &mut BTreeMap<String, String>,
    folder: &Path,
    setting: &str,
) -> Result<(), CommandError> {
    let unreadable = |path: &Path, why| {
        CommandError::new(format!("cannot read {} ({setting}): {why}", path.display()))
    };
    for entry in fs::read_dir(folder).map_err(|why| unreadable(folder, why))? {
        let path = entry.map_err(|why| unreadable(folder, why))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let Some(text) = texts.get_mut(&name) else {
            let path = path.display();
            return Err(CommandError::new(format!(
                "{path} ({setting}) is not the name of a template"
            )));
        };
        *text = fs::read_to_string(&path).map_err(|why| unreadable(&path, why))?;
    }
    Ok(())
}
