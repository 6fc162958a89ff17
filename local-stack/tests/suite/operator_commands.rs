//! auth-service's commands for operators, as subcommands of the program.

use std::process::{Command, Output};

use serde_json::json;
use test_support::{Client, Process, TempDir, temp_dir};

const PROGRAM: &str = env!("CARGO_BIN_EXE_local-stack");

/// The program as a server, and its data folder.
struct LocalStack {
    folder: TempDir,
    auth: Client,
    resource: Client,
    _process: Process,
}

impl LocalStack {
    fn start() -> Self {
        let folder = temp_dir();
        let env = [("DATA_DIR", folder.path().to_str().unwrap()), ("BCRYPT_COST", "10")];
        let process = Process::start(PROGRAM, 2, &env);
        let auth = Client::new(process.addr(0));
        let resource = Client::new(process.addr(1));
        Self { folder, auth, resource, _process: process }
    }

    /// Runs the program with these arguments on the server's data folder.
    fn run(&self, args: &[&str]) -> Output {
        let data = self.folder.path();
        Command::new(PROGRAM).env_clear().env("DATA_DIR", data).args(args).output().unwrap()
    }

    fn succeed(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[actix_web::test]
async fn a_granted_scope_opens_the_route_that_needs_it() {
    let stack = LocalStack::start();
    let plain = stack.auth.new_user("ada").await.access;
    stack.resource.wait_for_status("/readyz", 200).await;
    assert_eq!(stack.resource.get("/reports", Some(&plain)).await.status, 403);

    let shown = stack.succeed(&["users", "grant", "ada", "--scope", "reports:read"]);
    assert!(shown.contains("scopes   reports:read"), "{shown}");
    let granted = stack.auth.login("ada").await.tokens().access;
    let answer = stack.resource.get("/reports", Some(&granted)).await;
    assert_eq!((answer.status, &answer.json["reports"]), (200, &json!([])));
}

#[actix_web::test]
async fn operator_commands_read_and_change_the_data_of_the_server() {
    let stack = LocalStack::start();
    let jwks = stack.auth.get("/.well-known/jwks.json", None).await;
    let kid = jwks.json["keys"][0]["kid"].as_str().unwrap();
    assert!(stack.succeed(&["keys", "list"]).contains(kid));

    let created = stack.succeed(&["clients", "create", "billing-job", "--scope", "reports:read"]);
    assert!(created.contains("client_secret"), "{created}");
    assert!(stack.succeed(&["clients", "list"]).contains("billing-job"));
    assert!(stack.succeed(&["audit", "--client", "billing-job"]).contains("client_created"));
    assert!(stack.succeed(&["doctor"]).contains("ok      database"));

    let output = stack.run(&["users", "show", "unknown"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("error: the user unknown does not exist"), "{errors}");
}

#[test]
fn commands_that_read_create_nothing() {
    let folder = temp_dir();
    for args in [&["keys", "list"][..], &["users", "show", "ada"], &["clients", "list"]] {
        let mut command = Command::new(PROGRAM);
        let output = command.env_clear().env("DATA_DIR", folder.path()).args(args).output();
        let output = output.unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("does not exist: run `auth-service migrate`"), "{errors}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
