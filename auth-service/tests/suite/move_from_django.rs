//! A real Django: its users log in after an import, and its API accepts our tokens. The commands of
//! the guide are run as they stand.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{TempDir, free_port, python_path, run_python, temp_dir, wait_until};

use crate::support::{TestApp, on_both_stores};

const PASSWORD: &str = "correct horse battery";
const HASHERS: [&str; 7] =
    ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt", "md5"];

fn interop(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

#[apply(on_both_stores)]
async fn user_of_each_hasher_of_django_logs_in_and_gets_our_hash(app: TestApp) {
    let args = [&[PASSWORD][..], &HASHERS].concat();
    let dump = run_python(interop("django_users.py"), &args, "");
    let map = app.file("[groups]\neditors = {roles = [\"editor\"]}\n[flags]\nis_superuser = {roles = [\"admin\"]}\n");
    let imported = app.import(dump.to_string(), &["--map", map.to_str().unwrap()]);
    assert_eq!((imported.code, imported.counts()), (Some(0), [9, 0, 0]), "{imported:?}");
    assert_eq!(imported.totals["must_reset"], json!({"no_password": 1, "unknown_hash": 1}));
    assert_eq!(imported.totals["disabled"], 1);

    let known = HASHERS.into_iter().filter(|name| *name != "md5");
    let before = users_by_name(&app);
    for name in known.clone() {
        let hash = before[name]["password"].as_str().unwrap();
        assert!(hash.starts_with(&format!("{name}$")), "{hash}");
        assert_eq!(before[name]["roles"], json!(["editor"]));
        assert_eq!(app.login(name).await.status, 200, "{name}");
        app.login_with(name, "wrong").await.assert_problem(401, "no_active_account");
    }
    for name in ["md5", "unusable", "inactive"] {
        app.login(name).await.assert_problem(401, "no_active_account");
    }
    assert_eq!(before["inactive"]["roles"], json!(["admin"]));
    let after = users_by_name(&app);
    for name in known {
        let hash = after[name]["password"].as_str().unwrap();
        assert!(hash.starts_with("bcrypt_sha256$$2b$04$"), "{name}: {hash}");
        assert_eq!(app.login(name).await.status, 200, "{name}");
    }
}

/// Returns what `users export` prints of each user.
fn users_by_name(app: &TestApp) -> HashMap<String, Value> {
    let name = |user: &Value| user["username"].as_str().unwrap().to_owned();
    app.exported().into_iter().map(|user| (name(&user), user)).collect()
}

/// A Django project in a folder of its own, and the commands of the guide.
struct Project {
    folder: TempDir,
    issuer: String,
    django: String,
}

impl Project {
    fn new(app: &TestApp) -> Self {
        let folder = temp_dir();
        for name in ["manage.py", "settings.py", "urls.py"] {
            fs::copy(interop("django_project").join(name), folder.path().join(name)).unwrap();
        }
        let commands = folder.path().join("bin");
        fs::create_dir(&commands).unwrap();
        let wrapper = |name: &str, program: &str, rest: &str| {
            let file = commands.join(name);
            fs::write(&file, format!("#!/bin/sh\nexec {program} {rest}\n")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(file, mode).unwrap();
        };
        wrapper("python", &python_path(), "\"$@\"");
        let data = format!("\"$@\" --data-dir {}", app.folder.path().display());
        wrapper("auth-service", env!("CARGO_BIN_EXE_auth-service"), &data);
        for program in ["sh", "curl", "chmod", "cat"] {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
            let found = found.into_iter().find(|file| file.exists()).expect(program);
            symlink(found, commands.join(program)).unwrap();
        }
        let django = format!("http://127.0.0.1:{}", free_port());
        Self { folder, issuer: app.issuer.clone(), django }
    }

    /// Replaces the addresses of the guide.
    fn localize(&self, code: &str) -> String {
        code.replace("http://127.0.0.1:8080", &self.issuer)
            .replace("http://127.0.0.1:8000", &self.django)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.path().join("bin").join(program));
        command.current_dir(self.folder.path()).env_clear();
        command.env("PATH", self.folder.path().join("bin"));
        command
    }

    /// Runs a sample of the guide. Returns what it prints.
    fn run(&self, code: &str) -> String {
        let output = self.command("sh").args(["-ec", &self.localize(code)]).output().unwrap();
        assert!(output.status.success(), "{code}\n{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn python(&self, code: &str) {
        self.run(&format!("python manage.py shell -c '{code}'"));
    }
}

/// A running process, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the samples of the guide, in their order.
fn samples() -> Vec<String> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides/move-from-django.md");
    let text = fs::read_to_string(guide).unwrap();
    let parts = text.split("```").skip(1).step_by(2);
    parts.map(|part| part.split_once('\n').unwrap().1.to_owned()).collect()
}

#[actix_web::test]
async fn commands_of_the_guide_move_a_django_project() {
    let app = TestApp::embedded_with(&["--token-external-id", "on"]).await;
    let project = Project::new(&app);
    project.run("python manage.py migrate --verbosity 0");
    project.python(
        "from django.contrib.auth.models import Group, User
editors = Group.objects.create(name=\"editors\")
User.objects.create_user(\"first\", \"first@example.com\")
ada = User.objects.create_user(\"ada\", \"ada@example.com\", \"correct horse battery\")
ada.groups.add(editors)",
    );
    let samples = samples();
    let [dump, map, dry_run, import, login, settings, call] = samples.as_slice() else {
        panic!("{samples:?}")
    };
    project.run(dump);
    project.run(map);
    let dry = project.run(dry_run);
    assert!(dry.starts_with("2 rows: 2 would be added, 0 already there, 0 refused\n"), "{dry}");
    assert!(project.run(import).starts_with("2 rows: 2 added"));
    assert!(project.run(import).starts_with("2 rows: 0 added, 2 already there"));
    let tokens: Value = serde_json::from_str(&project.run(login)).unwrap();
    let tokens = &tokens["tokens"];
    assert!(tokens["access"].is_string());

    let file = project.folder.path().join("settings.py");
    let all = fs::read_to_string(&file).unwrap() + &project.localize(settings);
    fs::write(&file, all).unwrap();
    let addr = project.django.strip_prefix("http://").unwrap();
    let mut server = project.command("python");
    server.args(["manage.py", "runserver", "--noreload", addr]);
    let _server = Running(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let profile = wait_until("the Django project", async || {
        let answer = project.run(&format!("({call}) || true"));
        serde_json::from_str::<Value>(&answer).ok()
    })
    .await;
    assert_eq!(profile, json!({"id": 2, "username": "ada"}));

    let call_with = |token: &str| {
        let code =
            format!("curl -s http://127.0.0.1:8000/profile -H 'Authorization: Bearer {token}'");
        serde_json::from_str::<Value>(&project.run(&code)).unwrap()
    };
    let refused = [
        tokens["refresh"].as_str().unwrap().to_owned(),
        tokens["access"].as_str().unwrap().replacen("eyJ", "eyK", 1),
    ];
    for token in refused {
        assert_eq!(call_with(&token)["code"], "token_not_valid", "{token}");
    }
    let narrowed = json!({"username": "ada", "password": PASSWORD, "audience": app.issuer});
    let other = app.post("/login", narrowed).await;
    assert_eq!(
        call_with(other.json["tokens"]["access"].as_str().unwrap())["code"],
        "token_not_valid"
    );
}
