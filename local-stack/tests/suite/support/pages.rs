//! The Markdown pages of the repository: their texts, headings and links.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Returns the folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the text of a file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the paths of all Markdown pages below a folder, relative to the repository.
pub fn pages_below(folder: &str) -> Vec<String> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let is_built = name == "target" || name.starts_with('.') || name == "node_modules";
        if entry.file_type().unwrap().is_dir() && !is_built {
            pages.extend(pages_below(&path));
        } else if name.ends_with(".md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

/// Returns the lines of a page that are not in a code block.
pub fn prose(page: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push(line);
        }
    }
    lines
}

/// Returns the anchors of a page's headings, as GitHub derives them.
pub fn anchors(page: &str) -> Vec<String> {
    let headings = prose(page).into_iter().filter_map(|line| {
        let text = line.trim_start_matches('#');
        (text.len() < line.len()).then(|| text.strip_prefix(' ')).flatten()
    });
    let mut anchors = Vec::new();
    for heading in headings {
        let is_kept = |char: &char| char.is_alphanumeric() || " -_".contains(*char);
        let text: String = heading.to_lowercase().chars().filter(is_kept).collect();
        let anchor = text.trim().replace(' ', "-");
        let same = anchors.iter().filter(|other| **other == anchor).count();
        anchors.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
    }
    anchors
}

/// Returns the targets of a page's links: what stands between `](` and `)`.
pub fn links(page: &str) -> Vec<String> {
    let text = without_code(&prose(page).join("\n"));
    let targets = text.split("](").skip(1);
    targets.map(|rest| rest.split(')').next().unwrap().to_owned()).collect()
}

/// Returns the code spans of a page: what stands between backticks in one line.
pub fn code_spans(page: &str) -> Vec<String> {
    let lines = prose(page);
    let spans = lines.into_iter().flat_map(|line| line.split('`').skip(1).step_by(2));
    spans.map(str::to_owned).collect()
}

/// Returns a text without its code spans, which may look like links.
fn without_code(text: &str) -> String {
    text.lines().map(|line| line.split('`').step_by(2).collect::<String>() + "\n").collect()
}
