//! Circles of files within a room.

use std::collections::BTreeSet;

use super::sources::Sources;

/// Returns one line for each circle of files.
pub fn find(sources: &Sources) -> Vec<String> {
    let mut in_circle = BTreeSet::new();
    let mut problems = Vec::new();
    for start in 0..sources.files.len() {
        if in_circle.contains(&start) {
            continue;
        }
        if let Some(circle) = path_back(sources, start) {
            let names = circle.iter().map(|index| sources.files[*index].name.as_str());
            let names: Vec<&str> = names.collect();
            problems.push(format!("circle of files: {}", names.join(" -> ")));
            in_circle.extend(circle);
        }
    }
    problems
}

/// Returns the shortest path of files from `start` back to `start`, with `start` at both ends.
fn path_back(sources: &Sources, start: usize) -> Option<Vec<usize>> {
    let mut paths = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in paths {
            for next in targets(sources, path[path.len() - 1]) {
                let path = [path.as_slice(), &[next]].concat();
                if next == start {
                    return Some(path);
                }
                if seen.insert(next) {
                    longer.push(path);
                }
            }
        }
        paths = longer;
    }
    None
}

/// Returns the other files of the room that a file uses.
fn targets(sources: &Sources, index: usize) -> BTreeSet<usize> {
    let file = &sources.files[index];
    let used = file.references.iter().filter(|reference| reference.is_used);
    let targets = used.filter_map(|reference| sources.file_of(&reference.path));
    let is_other = |target: &usize| {
        *target != index && sources.files[*target].room() == file.room() && file.room() != "lib"
    };
    targets.filter(is_other).collect()
}
