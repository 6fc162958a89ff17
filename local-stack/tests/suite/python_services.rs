//! Services in Python behind auth-service, made of the guides' samples.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use test_support::{Client, Process, TempDir, claims_of, temp_dir, wait_until};

use crate::support::{
    Stack,
    pages::root,
    samples::samples,
    shell::{python, run_on},
};

/// A guide, and the server and the name of its app.
struct Guide {
    page: &'static str,
    server: &'static str,
    app: &'static str,
}

const GUIDES: [Guide; 3] = [
    Guide {
        page: "docs/guides/verify-in-django.md",
        server: "gunicorn",
        app: "django.core.wsgi:get_wsgi_application()",
    },
    Guide { page: "docs/guides/verify-in-fastapi.md", server: "uvicorn", app: "main:app" },
    Guide { page: "docs/guides/verify-in-flask.md", server: "gunicorn", app: "main:app" },
];

/// Maximum time until a service refuses a token after a logout. Usually it takes milliseconds. The
/// bound is generous, because other tests use the processors meanwhile.
const BOUND: Duration = Duration::from_secs(5);

impl Guide {
    /// Writes the samples in Python to files, whose names their first lines state.
    fn files(&self) -> TempDir {
        let folder = temp_dir();
        for sample in samples(self.page).iter().filter(|sample| sample.language == "python") {
            let name = sample.code.lines().next().and_then(|line| line.strip_prefix("# "));
            fs::write(folder.path().join(name.expect("a file name")), &sample.code).unwrap();
        }
        folder
    }

    /// Returns the environment of the app in a folder.
    fn env(&self, folder: &TempDir, issuer: &str, secret: &str) -> Vec<(&'static str, String)> {
        let package = root().join("verifiers/python/src");
        let path = format!("{}:{}", package.display(), folder.path().display());
        vec![
            ("PYTHONPATH", path),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
            ("ISSUER", issuer.into()),
            ("REVOCATIONS_CLIENT_SECRET", secret.into()),
            ("DJANGO_SETTINGS_MODULE", "settings".into()),
            ("DJANGO_SECRET_KEY", "of a test".into()),
            // The apps talk to this machine only.
            ("NO_PROXY", "*".into()),
        ]
    }

    fn start(&self, folder: &TempDir, issuer: &str, secret: &str) -> Process {
        let serve = root().join("local-stack/tests/suite/support/serve.py");
        let env = self.env(folder, issuer, secret);
        let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let args = [serve.to_str().unwrap(), self.server, self.app];
        Process::start_with_args(&python(), &args, 1, &env)
    }
}

/// Answer of a service in Python. Its OpenAPI document, if it has one, is not that of auth-service,
/// so no answer is compared with it.
#[derive(Debug)]
struct Reply {
    status: u16,
    challenge: String,
    json: Value,
}

/// Requests a route of a service.
async fn ask(service: &Client, route: &str, token: Option<&str>) -> Reply {
    let mut request = service.request("GET".parse().expect("a method"), route);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("an answer");
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().unwrap()).to_owned();
    let status = response.status().as_u16();
    let json = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    Reply { status, challenge, json }
}

#[actix_web::test]
async fn a_logout_takes_effect_in_every_service_in_python() {
    let stack = Stack::start();
    let issuer = format!("http://{}", stack.process.addr(0));
    let auth = Client::new(stack.process.addr(0));
    let create = "auth-service clients create reports-api --scope revocations:read";
    let printed = run_on(&stack, create, &[]);
    let secret = printed.split_whitespace().last().expect("a secret");
    let folders = GUIDES.each_ref().map(Guide::files);
    let started = GUIDES.iter().zip(&folders);
    let services: Vec<Process> =
        started.map(|(guide, folder)| guide.start(folder, &issuer, secret)).collect();
    // The servers close a connection that is kept, each after another time.
    let clients: Vec<Client> =
        services.iter().map(|service| Client::without_keep_alive(service.addr(0))).collect();

    let kept = auth.new_user("ada").await;
    for client in &clients {
        let answer = wait_until("the service accepts the token", async || {
            let answer = ask(client, "/me", Some(&kept.access)).await;
            if answer.status == 200 { Ok(answer) } else { Err(format!("{answer:?}")) }
        })
        .await;
        assert_eq!(answer.json["name"], "ada", "{answer:?}");
        assert_eq!(answer.json["sub"], claims_of(&kept.access)["sub"], "{answer:?}");
        assert_refusals(client, &kept.refresh, &kept.access).await;
    }
    let mut delays = Vec::new();
    for _ in 0..10 {
        let tokens = auth.login("ada").await.tokens();
        for client in &clients {
            assert_eq!(ask(client, "/me", Some(&tokens.access)).await.status, 200);
        }
        assert_eq!(auth.logout(&tokens).await.status, 204);
        let answered = Instant::now();
        for client in &clients {
            // Without a pause, because the delay is measured.
            while ask(client, "/me", Some(&tokens.access)).await.status == 200 {
                assert!(answered.elapsed() < BOUND, "still accepted");
            }
            delays.push(answered.elapsed());
            let answer = ask(client, "/me", Some(&tokens.access)).await;
            assert_eq!(answer.status, 401, "{answer:?}");
            assert_eq!(answer.json["detail"], "The token's session has ended.", "{answer:?}");
        }
    }
    delays.sort();
    let median = delays[delays.len() / 2];
    println!("refused after: median {median:?}, maximum {:?}", delays[delays.len() - 1]);
    for client in &clients {
        let answer = ask(client, "/me", Some(&kept.access)).await;
        assert_eq!(answer.status, 200, "another session of the user");
    }
}

/// Asserts what a service answers to requests that it refuses.
async fn assert_refusals(client: &Client, refresh: &str, access: &str) {
    let answer = ask(client, "/me", None).await;
    assert_eq!((answer.status, &*answer.challenge), (401, "Bearer"), "{answer:?}");
    let changed = access.replacen("eyJ", "eyK", 1);
    for token in [refresh, &changed] {
        let answer = ask(client, "/me", Some(token)).await;
        let challenge = r#"Bearer error="invalid_token""#;
        assert_eq!((answer.status, &*answer.challenge), (401, challenge), "{answer:?}");
        assert_eq!(answer.json["code"], "token_not_valid", "{answer:?}");
    }
    for route in ["/reports", "/articles"] {
        let answer = ask(client, route, Some(access)).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.json["code"], "permission_denied", "{answer:?}");
    }
}

#[test]
fn the_tests_in_the_guides_pass() {
    for guide in &GUIDES {
        let folder = guide.files();
        let setup = "import django\ndjango.setup()\n";
        if guide.page.contains("django") {
            fs::write(folder.path().join("conftest.py"), setup).unwrap();
        }
        // Nothing listens there. The tests have an issuer of their own.
        let env = guide.env(&folder, "http://127.0.0.1:9", "secret");
        let mut pytest = Command::new(python());
        pytest.args(["-m", "pytest", "-q", "-p", "auth_verifier.pytest_plugin"]);
        pytest.args(["-p", "no:cacheprovider", "."]).current_dir(folder.path()).env_clear();
        let output = pytest.envs(env).output().unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && report.contains("1 passed"), "{report}");
    }
}

/// Runs Python in the folder of the package, without any setting of the environment.
fn in_package(args: &[&str]) -> String {
    let mut command = Command::new(python());
    command.args(args).current_dir(root().join("verifiers/python"));
    let output = command.env_clear().env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {report}\n{errors}");
    report.into_owned()
}

#[test]
fn the_package_passes_its_tests_and_the_vectors() {
    let report = in_package(&["-m", "pytest", "-q"]);
    println!("{report}");
    in_package(&["../vectors/generate.py", "--check"]);
}

#[test]
fn the_package_has_correct_types() {
    let cache = temp_dir();
    in_package(&["-m", "mypy", "--strict", "--cache-dir", cache.path().to_str().unwrap()]);
}

#[test]
fn a_verified_token_costs_a_twentieth_of_pyjwt() {
    let measured: Value =
        serde_json::from_str(&in_package(&["tests/measure.py", "--times"])).unwrap();
    println!("{measured}");
    let factor = measured["again_faster_than_pyjwt"].as_f64().unwrap();
    assert!(factor >= 20.0, "{measured}");
}

/// Verifies a token with the package in the folder of the first argument, and no other copy.
const USE_INSTALLED: &str = "
import sys
folder = sys.argv[1]
sys.path.insert(0, folder)
import auth_verifier, importlib.metadata, pathlib
from auth_verifier.testing import TestIssuer
issuer = TestIssuer()
assert issuer.verifier.verify(issuer.token(sub='ada')).sub == 'ada'
assert pathlib.Path(auth_verifier.__file__).is_relative_to(folder), auth_verifier.__file__
assert (pathlib.Path(auth_verifier.__file__).parent / 'py.typed').exists()
[found] = importlib.metadata.distributions(name='auth-service-verifier')
assert found.requires == ['cryptography>=42'], found.requires
assert any(entry.group == 'pytest11' for entry in found.entry_points)
";

#[test]
fn pip_installs_the_package_from_a_clean_folder() {
    let (source, target) = (temp_dir(), temp_dir());
    let copied = Command::new("cp")
        .args(["-r", "pyproject.toml", "README.md", "src"])
        .arg(source.path())
        .current_dir(root().join("verifiers/python"))
        .status()
        .unwrap();
    assert!(copied.success());
    let target = target.path().to_str().unwrap();
    let from = source.path().to_str().unwrap();
    // The build needs flit_core, which is among the packages of the tests.
    let offline = ["--no-index", "--no-build-isolation", "--no-deps", "--quiet"];
    let install = ["-m", "pip", "install", "--target", target, from];
    in_package(&[&install[..], &offline[..]].concat());
    in_package(&["-I", "-c", USE_INSTALLED, target]);
}
