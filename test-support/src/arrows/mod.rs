//! Which modules of a crate depend on which, read from its sources.
//!
//! A room is a top-level module: a file or a folder of `src`. An arrow leads from a room to a room
//! that it names. Test modules do not count.

mod circles;
mod imports;
mod sources;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, path::Path};

use self::sources::{SourceFile, Sources};

/// Asserts that the arrows between the rooms of a crate are exactly `rooms`, and that no files of a
/// room depend on each other in a circle.
///
/// Each row names a room and the targets of its arrows: a room, or an item of a room, as in
/// `credentials::PasswordHash`. A target must stand in an earlier row than its arrow, so that the
/// rooms have no circle.
///
/// # Panics
/// With one line for each arrow that is not allowed, each allowed arrow that does not exist, and
/// each circle.
pub fn assert_arrows(src: &Path, rooms: &[(&str, &[&str])]) {
    let sources = Sources::read(src);
    let mut problems = misplaced(rooms);
    problems.extend(missing(&sources, rooms));
    problems.extend(forbidden(&sources, rooms));
    problems.extend(unused(&sources, rooms));
    problems.extend(circles::find(&sources));
    assert!(problems.is_empty(), "{}:\n{}", src.display(), problems.join("\n"));
}

fn misplaced(rooms: &[(&str, &[&str])]) -> Vec<String> {
    let mut earlier = BTreeSet::new();
    let mut problems = Vec::new();
    for (room, targets) in rooms {
        for target in *targets {
            let target_room = target.split("::").next().unwrap_or_default();
            if !earlier.contains(target_room) {
                problems.push(format!("{room} -> {target}: {target_room} must be a row above"));
            }
        }
        earlier.insert(*room);
    }
    problems
}

fn missing(sources: &Sources, rooms: &[(&str, &[&str])]) -> Vec<String> {
    let has_row = |name: &&str| rooms.iter().any(|(room, _)| room == name);
    let names: BTreeSet<&str> = sources.files.iter().map(SourceFile::room).collect();
    let without_row = names.into_iter().filter(|name| !has_row(name));
    without_row.map(|name| format!("the room {name} has no row")).collect()
}

fn forbidden(sources: &Sources, rooms: &[(&str, &[&str])]) -> Vec<String> {
    let row = |from: &str| rooms.iter().find(|(room, _)| *room == from);
    let mut problems = Vec::new();
    for file in &sources.files {
        let targets = row(file.room()).map_or(&[] as &[&str], |(_, targets)| targets);
        for reference in file.references.iter().filter(|it| sources.leaves_room(file, it)) {
            if !targets.iter().any(|target| reference.is_below(target)) {
                let arrow = format!("{} -> {}", file.room(), reference.path.join("::"));
                problems.push(format!("{}:{}: {arrow} is not allowed", file.name, reference.line));
            }
        }
    }
    problems
}

fn unused(sources: &Sources, rooms: &[(&str, &[&str])]) -> Vec<String> {
    let exists = |room: &str, target: &str| {
        let files = sources.files.iter().filter(|file| file.room() == room);
        files.flat_map(|file| &file.references).any(|reference| reference.is_below(target))
    };
    let mut problems = Vec::new();
    for (room, targets) in rooms {
        for target in targets.iter().filter(|target| !exists(room, target)) {
            problems.push(format!("{room} -> {target}: no file has this arrow"));
        }
    }
    problems
}
