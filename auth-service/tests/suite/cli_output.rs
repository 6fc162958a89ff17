//! The command line when its output cannot be written: a full disk, a closed pipe.

use std::{
    fs::File,
    io::pipe,
    process::{Command, Output, Stdio},
};

use test_support::TempDir;

use crate::support::{auth_service, data_folder, keys::stdout_of};

/// Runs a command with this standard output.
fn run(folder: &TempDir, args: &[&str], stdout: impl Into<Stdio>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .env("BCRYPT_COST", "10")
        .args(args)
        .args(["--data-dir", folder.path().to_str().unwrap()])
        .stdout(stdout)
        .output()
        .unwrap()
}

fn full_disk() -> File {
    File::options().write(true).open("/dev/full").expect("/dev/full")
}

/// Returns the writing end of a pipe whose reader has closed it, as `head` does.
fn closed_pipe() -> Stdio {
    pipe().expect("a pipe").1.into()
}

/// Asserts that a command ended with code 1 and an error, without a panic. Returns the error.
#[track_caller]
fn error_of(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let line = errors.lines().find(|line| line.starts_with("error: "));
    line.unwrap_or_else(|| panic!("no error line in: {errors}")).to_owned()
}

#[test]
fn command_that_cannot_print_ends_with_an_error() {
    let folder = data_folder();
    stdout_of(auth_service(&folder, &["clients", "create", "reader"]));
    for (args, done) in [
        (&["--help"][..], ""),
        (&["--version"], ""),
        (&["doctor"], ""),
        (&["keys", "list"], ""),
        (&["clients", "list"], ""),
        (&["audit"], ""),
        (&["audit", "--json"], ""),
        (&["migrate"], "The change is made: The schema is up to date"),
        (&["generate-secret"], "exists already"),
        (&["cleanup"], "The change is made: Deleted 0 expired sessions"),
        (&["keys", "rotate"], "The change is made: "),
        (&["clients", "delete", "reader"], "The change is made: Deleted reader"),
    ] {
        let error = error_of(&run(&folder, args, full_disk()));
        assert!(error.contains("cannot write to standard output"), "{args:?}: {error}");
        assert!(error.contains(done), "{args:?}: {error}");
    }
}

#[test]
fn closed_pipe_ends_a_command_quietly() {
    let folder = data_folder();
    for args in [&["--help"][..], &["keys", "list"], &["audit"], &["migrate"], &["doctor"]] {
        let output = run(&folder, args, closed_pipe());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !errors.contains("error"), "{args:?}: {errors}");
    }
}

#[test]
fn secret_that_cannot_be_printed_is_replaced() {
    let folder = data_folder();
    let create = |id: &str, stdout: Stdio| {
        let error = error_of(&run(&folder, &["clients", "create", id], stdout));
        let remedy = format!("The client exists: run `clients rotate-secret {id}`");
        assert!(error.contains(&remedy), "{error}");
    };
    create("full", full_disk().into());
    create("closed", closed_pipe());
    let rotate = ["clients", "rotate-secret", "full"];
    let error = error_of(&run(&folder, &rotate, full_disk()));
    assert!(error.contains("The old secret ends: run `clients rotate-secret full`"), "{error}");
    let rotated = stdout_of(auth_service(&folder, &rotate));
    assert!(rotated.contains("client_secret  "), "{rotated}");
}

#[test]
fn secret_that_cannot_be_written_to_a_file_is_replaced() {
    let folder = data_folder();
    let create = |id: &str, file: &str| {
        auth_service(&folder, &["clients", "create", id, "--secret-file", file])
    };
    let error = error_of(&create("job", "/nowhere/secret"));
    assert!(error.contains("cannot write the secret to /nowhere/secret"), "{error}");
    assert!(error.contains("The client exists: run `clients rotate-secret job`"), "{error}");
    // A file of another client stays as it is, and no client is created.
    let file = folder.path().join("another.secret");
    std::fs::write(&file, "the secret of another client").unwrap();
    let error = error_of(&create("another", file.to_str().unwrap()));
    assert!(error.contains("exists already, and the client another does not"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the secret of another client");
    assert!(!stdout_of(auth_service(&folder, &["clients", "list"])).contains("another"));
}

#[test]
fn error_that_cannot_be_printed_keeps_its_exit_code() {
    let output = Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .env("BCRYPT_COST", "9")
        .stderr(full_disk())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
