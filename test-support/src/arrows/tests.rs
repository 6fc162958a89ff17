//! Tests of the check itself, on small crates.

use std::{fs, panic};

use super::assert_arrows;
use crate::temp_dir;

/// Returns the problems that the check finds in a crate of these files.
fn problems(files: &[(&str, &str)], rooms: &[(&str, &[&str])]) -> String {
    let folder = temp_dir();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let check = panic::catch_unwind(|| assert_arrows(folder.path(), rooms));
    let Err(panicked) = check else { return String::new() };
    let message = panicked.downcast_ref::<String>().unwrap();
    message.split_once(":\n").unwrap().1.to_owned()
}

const LIB: (&str, &str) = ("lib.rs", "mod inner;\nmod outer;\n");

#[test]
fn allowed_arrow_is_no_problem() {
    let outer = "use crate::inner::{Thing, other};\nuse std::fmt;\n";
    let files = [LIB, ("inner.rs", ""), ("outer.rs", outer)];
    let rooms: &[(&str, &[&str])] = &[("inner", &[]), ("outer", &["inner"]), ("lib", &[])];
    assert_eq!(problems(&files, rooms), "");
}

#[test]
fn other_arrow_is_named_with_file_and_line() {
    let inner = "fn f() {\n    log!(crate::outer::g());\n}\n";
    let tests = "#[cfg(test)]\nmod tests {\n    use crate::outer::h;\n}\n";
    let inner = [inner, tests].concat();
    let files = [LIB, ("inner.rs", &inner), ("outer/mod.rs", "")];
    let rooms: &[(&str, &[&str])] = &[("inner", &[]), ("outer", &[]), ("lib", &[])];
    assert_eq!(problems(&files, rooms), "inner.rs:2: inner -> outer::g is not allowed");
}

#[test]
fn allowed_item_does_not_allow_its_room() {
    let outer = "use crate::inner::{Allowed, Forbidden};\n";
    let files = [LIB, ("inner.rs", ""), ("outer.rs", outer)];
    let rooms: &[(&str, &[&str])] = &[("inner", &[]), ("outer", &["inner::Allowed"]), ("lib", &[])];
    let found = problems(&files, rooms);
    assert_eq!(found, "outer.rs:1: outer -> inner::Forbidden is not allowed");
}

#[test]
fn arrow_that_no_longer_exists_is_named() {
    let files = [LIB, ("inner.rs", ""), ("outer.rs", "")];
    let rooms: &[(&str, &[&str])] = &[("inner", &[]), ("outer", &["inner"])];
    let found = problems(&files, rooms);
    assert_eq!(found, "the room lib has no row\nouter -> inner: no file has this arrow");
}

#[test]
fn circle_of_rooms_or_files_is_named() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\n"),
        ("a/mod.rs", "mod one;\nmod two;\npub use self::{one::One, two::Two};\n"),
        ("a/one.rs", "use super::Two;\npub struct One(Two);\n"),
        ("a/two.rs", "use crate::{a::one::One, b::B};\npub struct Two(Option<Box<One>>, B);\n"),
        ("b.rs", "use crate::a::One;\npub struct B(One);\n"),
    ];
    let rooms: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["a"]), ("lib", &[])];
    let found = problems(&files, rooms);
    let expected =
        ["a -> b: b must be a row above", "circle of files: a/one.rs -> a/two.rs -> a/one.rs"];
    assert_eq!(found, expected.join("\n"));
}
