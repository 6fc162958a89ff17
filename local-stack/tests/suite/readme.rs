//! The walk-through of the README works, and the program prints a longer one. `guides.rs` runs the
//! other samples of the README.

use std::process::Command;

use crate::support::{
    PROGRAM, Stack,
    samples::readme_sample,
    shell::{assert_in_order, printed, run},
};

/// Runs shell commands as a user who pastes them, on a local stack. Returns what they print.
fn paste(commands: &str) -> String {
    let stack = Stack::start();
    printed(run(&mut Command::new("bash"), &stack.localize(commands)))
}

fn print_walkthrough(args: &[&str]) -> String {
    let output = Command::new(PROGRAM).env_clear().arg("walkthrough").args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_walk_through_works_when_it_is_pasted() {
    let printed = paste(&readme_sample("Walk-through", "sh"));
    assert_in_order(&printed, &["\"username\":\"ada\"}", "\"tokens\":{\"access\"", "\"sub\":"]);
}

#[test]
fn the_longer_walk_through_works_when_it_is_pasted() {
    let printed = paste(&print_walkthrough(&[]));
    let expected = [
        "\"username\":\"ada\"}",
        "\"tokens\":{\"access\"",
        "HTTP/1.1 401",
        "HTTP/1.1 200",
        "\"sub\":",
        "{\"access\"",
        "HTTP/1.1 204",
        "HTTP/1.1 401",
        "\"code\":\"token_not_valid\"",
    ];
    assert_in_order(&printed, &expected);
}

#[test]
fn the_longer_walk_through_names_the_addresses_in_use() {
    let elsewhere = print_walkthrough(&["--resource-addr", "127.0.0.1:9001"]);
    assert_eq!(elsewhere, print_walkthrough(&[]).replace("127.0.0.1:8081", "127.0.0.1:9001"));
}
