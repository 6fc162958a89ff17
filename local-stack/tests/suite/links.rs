//! Links, anchors, and names of files and commands in the documentation lead somewhere.

use std::path::Path;

use crate::support::{
    pages::{anchors, code_spans, links, pages_below, read, root},
    shell::assert_is_a_command_of_auth_service,
};

#[test]
fn every_relative_link_and_anchor_resolves() {
    let mut count = 0;
    for page in pages_below("") {
        let folder = Path::new(&page).parent().unwrap();
        for link in links(&read(&page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.clone().into() } else { folder.join(path) };
            assert!(root().join(&target).exists(), "{page} links to {link}");
            let target = target.to_str().unwrap();
            let is_found = || anchors(&read(target)).iter().any(|known| known == anchor);
            assert!(anchor.is_empty() || is_found(), "{page} links to {link}");
            count += 1;
        }
    }
    assert!(count > 50, "{count} links");
}

/// Endings of files that pages name.
const ENDINGS: &[&str] = &[
    "rs", "md", "lua", "sh", "py", "yml", "yaml", "json", "toml", "conf", "sql", "txt", "LICENSE",
];

#[test]
fn every_file_that_a_page_names_exists() {
    let mut count = 0;
    for page in pages_below("") {
        // The history names files of the past.
        if page == "CHANGELOG.md" {
            continue;
        }
        let folder = root().join(&page).parent().unwrap().to_owned();
        for name in code_spans(&read(&page)).into_iter().filter(|span| is_file(span)) {
            let bases = [root(), folder.clone(), root().join("auth-service/src")];
            let exists = bases.iter().any(|base| base.join(&name).exists());
            assert!(exists, "{page} names {name}");
            count += 1;
        }
    }
    assert!(count > 30, "{count} files");
}

/// Returns `true` if a code span names a file by its path in the repository.
fn is_file(span: &str) -> bool {
    let is_path = |char: char| char.is_ascii_alphanumeric() || "._-/".contains(char);
    let ending = span.rsplit('.').next().unwrap_or_default();
    let is_relative = !span.starts_with(['/', '.']);
    span.contains('/') && is_relative && span.chars().all(is_path) && ENDINGS.contains(&ending)
}

/// Page whose rooms are folders of auth-service.
const MAP: &str = "docs/ARCHITECTURE.md";

#[test]
fn every_room_on_the_map_exists() {
    let map = read(MAP);
    let rooms: Vec<String> =
        code_spans(&map).into_iter().filter(|span| span.ends_with('/')).collect();
    assert!(rooms.len() > 10, "{rooms:?}");
    for room in rooms {
        let exists = root().join("auth-service/src").join(&room).is_dir();
        assert!(exists, "{MAP} names {room}");
    }
}

#[test]
fn every_command_that_a_page_names_exists() {
    let mut count = 0;
    for page in pages_below("") {
        for span in code_spans(&read(&page)) {
            let Some(args) = span.strip_prefix("auth-service ") else { continue };
            // `users enable|disable` stands for two commands, and `…` for any arguments.
            if !args.contains(['|', '…']) {
                let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
                assert_is_a_command_of_auth_service(&args);
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count} commands");
}
