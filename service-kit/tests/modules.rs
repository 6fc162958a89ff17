//! Modules of this crate depend on each other in one direction.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Names of the modules that each module uses, by its name: `traces::span` is `traces/span.rs`.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Reads the modules in a folder, which belong to the module `parent`.
fn read(folder: &Path, parent: &str, uses: &mut Uses) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = match (parent, stem) {
            (_, "mod") => parent.to_owned(),
            ("", stem) => stem.to_owned(),
            (parent, stem) => format!("{parent}::{stem}"),
        };
        if path.is_dir() {
            read(&path, &name, uses);
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "lib" {
            let source = fs::read_to_string(&path).unwrap();
            uses.insert(name.clone(), used(&source, parent, &name));
        }
    }
}

/// Returns the modules that a source file names: below the crate, beside it, or as its children.
fn used(source: &str, parent: &str, name: &str) -> BTreeSet<String> {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (prefix, module) in [("crate::", ""), ("super::", parent), ("self::", name)] {
        for (at, _) in code.match_indices(prefix) {
            let tree = &code[at + prefix.len()..];
            for path in paths(tree) {
                found.insert(if module.is_empty() { path } else { format!("{module}::{path}") });
            }
        }
    }
    found
}

/// Returns the first one and the first two names of each path in a use tree.
fn paths(tree: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let Some(group) = tree.strip_prefix('{') else {
        let end = tree.find(|c: char| !is_name(c) && c != ':').unwrap_or(tree.len());
        let names: Vec<&str> = tree[..end].split("::").collect();
        return vec![names[0].to_owned(), names[..names.len().min(2)].join("::")];
    };
    let mut depth = 0;
    let mut found = Vec::new();
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.extend(paths(group[start..at].trim()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

/// Returns a circle that begins with the last module of `way`, if there is one.
fn circle(uses: &Uses, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> Option<Vec<String>> {
    let last = way.last().unwrap().clone();
    for next in uses[&last].iter().filter(|next| uses.contains_key(*next) && **next != last) {
        if let Some(start) = way.iter().position(|module| module == next) {
            return Some(way[start..].to_vec());
        }
        if !done.contains(next) {
            way.push(next.clone());
            if let Some(circle) = circle(uses, way, done) {
                return Some(circle);
            }
            way.pop();
        }
    }
    done.insert(last);
    None
}

#[test]
fn no_modules_need_each_other() {
    let mut uses = Uses::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut uses);
    // The reader sees groups, paths and siblings.
    assert!(uses["server"].contains("ops_listener"), "{uses:#?}");
    assert!(uses["traces::request"].contains("traces::tracer"), "{uses:#?}");
    assert!(uses["traces"].contains("traces::collector"), "{uses:#?}");
    let mut done = BTreeSet::new();
    for module in uses.keys() {
        assert_eq!(circle(&uses, &mut vec![module.clone()], &mut done), None);
    }
}
