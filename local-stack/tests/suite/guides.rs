//! Every code sample of the documentation works as it stands. A comment above each sample states
//! how it is tested: a sample without a comment, or with an unknown one, fails.

use std::process::Command;

use crate::support::{
    Stack,
    guarded_app::{GuardedApp, forged_headers},
    pages::{pages_below, read, root},
    samples::{Sample, samples},
    shell::{
        Commands, assert_exists, assert_is_a_command_of_auth_service, assert_parses,
        auth_service_commands, printed, python, run, run_on, without_cargo,
    },
};
use serde_json::{Value, json};
use test_support::{
    Caddy, Client, Nginx, Process, TestDatabase, program, redis_url, temp_dir, unique,
};

/// Returns the pages with samples that users copy.
fn pages() -> Vec<String> {
    let mut pages = pages_below("docs");
    pages.extend(["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned));
    pages
}

/// Returns the samples whose comment begins with one of these words.
fn samples_for(kinds: &[&str]) -> Vec<Sample> {
    let mut found: Vec<Sample> = pages().iter().flat_map(|page| samples(page)).collect();
    found.retain(|sample| kinds.contains(&kind(sample)));
    assert!(!found.is_empty(), "no sample for {kinds:?}");
    found
}

/// Returns the first word or words of a sample's comment, up to the comma.
fn kind(sample: &Sample) -> &str {
    let test = sample.test.as_deref().unwrap_or_default();
    test.split(',').next().unwrap()
}

/// Returns what the comment states after the kind.
fn conditions(sample: &Sample) -> Vec<&str> {
    sample.test.as_deref().unwrap_or_default().split(", ").skip(1).collect()
}

/// Kinds of tests, the languages of their samples, and the conditions that they may have.
const KINDS: &[(&str, &[&str], &[&str])] = &[
    ("shell", &["sh"], SHELL_CONDITIONS),
    ("starts the local stack", &["sh"], &[]),
    ("starts auth-service", &["sh"], &["PostgreSQL and Redis running"]),
    ("python", &["python"], &["local stack running", "client reports-api exists"]),
    ("rust doctest", &["rust", "rust,no_run"], RUST_FEATURES),
    ("nginx", &["nginx"], &["auth-service and app:3000 running"]),
    ("caddy", &["caddyfile"], &["auth-service and app:3000 running"]),
    ("traefik", &["yaml"], &["parsed only: Traefik is not a program of the tests"]),
    ("sql", &["sql"], &["auth-service on PostgreSQL running"]),
    ("json", &["json"], &["parsed"]),
    ("elsewhere", &["sh", "javascript", "python"], TESTS),
    ("none", &["sh", "toml", "text", "html"], REASONS),
];

const SHELL_CONDITIONS: &[&str] = &[
    "local stack running",
    "ADMIN_API is on",
    "user ada registered",
    "client reports-api exists",
    "KID is the current key",
    "compose proxy running",
    "ACCESS is a token of ada",
    "packages of the tests installed",
];

/// Tests that run samples themselves.
const TESTS: &[&str] = &[
    "auth-service/tests/suite/readyz.rs",
    "auth-service/tests/suite/move_from_django.rs",
    "local-stack/tests/suite/python_services.rs",
    "verifiers/javascript/test/guide.test.js",
];

const RUST_FEATURES: &[&str] = &["feature actix", "feature axum", "features actix and testing"];

/// Reasons why a sample is not run. Its commands of auth-service and its files are checked.
const REASONS: &[&str] = &[
    "needs a Docker engine",
    "needs a Docker engine and a registry",
    "needs a cluster",
    "needs a mail server",
    "needs servers that fail over",
    "installs a program",
    "runs all tests",
    "lines of Cargo.toml",
    "a sample of the stream",
    "part of a page",
    "needs a logo",
];

#[test]
fn every_sample_states_how_it_is_tested() {
    for page in pages() {
        for sample in samples(&page) {
            let place = sample.place();
            let test = sample.test.as_deref();
            let test = test.unwrap_or_else(|| panic!("{place}: no <!-- test: … --> above it"));
            let known = KINDS.iter().find(|known| known.0 == kind(&sample));
            let (_, languages, allowed) = known.unwrap_or_else(|| panic!("{place}: {test}"));
            assert!(languages.contains(&sample.language.as_str()), "{place}: {}", sample.language);
            for condition in conditions(&sample) {
                assert!(allowed.contains(&condition), "{place}: unknown condition {condition}");
            }
            let needs_reason = kind(&sample) == "none" && conditions(&sample).is_empty();
            assert!(!needs_reason, "{place}: no reason");
        }
    }
}

#[actix_web::test]
async fn shell_samples_run_without_an_error() {
    for sample in samples_for(&["shell"]) {
        println!("{}", sample.place());
        run_shell_sample(&sample).await;
    }
}

/// Runs a shell sample on a new local stack that meets the sample's conditions.
async fn run_shell_sample(sample: &Sample) {
    let is_admin_api_on = conditions(sample).contains(&"ADMIN_API is on");
    let more: &[_] = if is_admin_api_on { &[("ADMIN_API", "on")] } else { &[] };
    let stack = Stack::start_with(more);
    let auth = Client::new(stack.process.addr(0));
    let mut access = String::new();
    let mut kid = String::new();
    let mut code = sample.code.clone();
    let mut proxy = None;
    for condition in conditions(sample) {
        match condition {
            "user ada registered" | "ACCESS is a token of ada" => {
                access = auth.new_user("ada").await.access;
            }
            "client reports-api exists" => {
                run_on(&stack, "auth-service clients create reports-api", &[]);
            }
            "KID is the current key" => {
                let keys = auth.get("/.well-known/jwks.json", None).await.json;
                kid = keys["keys"][0]["kid"].as_str().unwrap().to_owned();
            }
            "compose proxy running" => {
                let nginx = Nginx::in_front_of(stack.process.addr(0), stack.process.addr(1));
                code = code
                    .replace("127.0.0.1:8080", &nginx.auth_addr().to_string())
                    .replace("127.0.0.1:8081", &nginx.resource_addr().to_string());
                proxy = Some(nginx);
            }
            _ => {}
        }
    }
    let printed = run_on(&stack, &code, &[("ACCESS", &access), ("KID", &kid)]);
    if proxy.is_some() {
        assert!(printed.contains("HTTP/1.1 401") && printed.contains("(ada)"), "{printed}");
    } else {
        // curl succeeds if a server answers, whatever the answer is.
        let is_refused = printed.contains("\"error\":") || printed.contains("\"code\":");
        assert!(!is_refused, "{printed}");
    }
}

#[test]
fn samples_that_start_a_service_start_it() {
    for sample in samples_for(&["starts the local stack", "starts auth-service"]) {
        println!("{}", sample.place());
        let commands = Commands::new();
        let data = temp_dir();
        let folder = data.path().to_str().unwrap();
        let path = commands.path();
        let is_deployed = kind(&sample) == "starts auth-service";
        let database = is_deployed.then(TestDatabase::create);
        let listeners = if is_deployed { 1 } else { 2 };
        let mut env = vec![("PATH", path.as_str()), ("DATA_DIR", folder), ("BCRYPT_COST", "10")];
        let prefix = unique("test:");
        let redis = redis_url();
        let url = database.as_ref().map(TestDatabase::url).unwrap_or_default();
        if is_deployed {
            env.extend([("REDIS_KEY_PREFIX", prefix.as_str()), ("REDIS_URL", &redis)]);
            env.push(("DATABASE_URL", &url));
        }
        let code = without_cargo(&sample.code)
            .replace("postgres://auth:password@127.0.0.1/auth", &url)
            .replace("redis://127.0.0.1:6379/", &redis)
            .replace("/etc/auth", folder);
        Process::start_with_args("bash", &["-ec", &exec_last_command(&code)], listeners, &env);
    }
}

/// Returns a shell sample whose last command, a service, replaces the shell, so that a test can end
/// it.
fn exec_last_command(code: &str) -> String {
    let code = code.trim_end();
    let service = if code.ends_with("auth-service") { "auth-service" } else { "local-stack" };
    format!("{}exec {service}", code.strip_suffix(service).expect("a service at the end"))
}

#[actix_web::test]
async fn python_samples_accept_a_token_and_refuse_a_changed_one() {
    for sample in samples_for(&["python"]) {
        println!("{}", sample.place());
        let stack = Stack::start();
        // The issuer that tokens name is the address by default.
        let tokens = Client::new(stack.process.addr(0)).new_user("ada").await;
        let mut code = stack.localize(&sample.code);
        code += "import sys\nprint(verify(sys.argv[1])['preferred_username'])\n";
        let mut secret = String::new();
        if conditions(&sample).contains(&"client reports-api exists") {
            let create = "auth-service clients create reports-api --scope revocations:read";
            secret = run_on(&stack, create, &[]).split_whitespace().last().unwrap().to_owned();
        }
        let package = root().join("verifiers/python/src");
        let verify = |token: &str| {
            let mut command = Command::new(python());
            command.args(["-", token]).env("PYTHONPATH", &package);
            command.env("PYTHONDONTWRITEBYTECODE", "1");
            run(command.env("REVOCATIONS_CLIENT_SECRET", &secret), &code)
        };
        assert_eq!(printed(verify(&tokens.access)), "ada\n");
        let changed = tokens.access.replacen("eyJ", "eyK", 1);
        for refused in [&changed, &tokens.refresh] {
            assert!(!verify(refused).status.success());
        }
    }
}

#[actix_web::test]
async fn nginx_sample_protects_a_service_that_trusts_its_headers() {
    let sample = &samples_for(&["nginx"])[0];
    let guarded = GuardedApp::start();
    let nginx = Nginx::with_server(&sample.code, guarded.auth_addr(), guarded.app);
    guarded.assert_protected_by(&nginx.resource_url("/")).await;
}

#[actix_web::test]
async fn caddy_sample_protects_a_service_that_trusts_its_headers() {
    let sample = &samples_for(&["caddy"])[0];
    let guarded = GuardedApp::start();
    let caddy = Caddy::with_directives(&sample.code, guarded.auth_addr(), guarded.app);
    guarded.assert_protected_by(&caddy.url("/")).await;
}

/// Loads a sample in YAML, and prints it as JSON.
const YAML_TO_JSON: &str =
    "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";

#[test]
fn traefik_sample_names_the_route_and_removes_every_spelling_of_the_headers() {
    let sample = &samples_for(&["traefik"])[0];
    let json = printed(run(Command::new(python()).args(["-c", YAML_TO_JSON]), &sample.code));
    let parsed: Value = serde_json::from_str(&json).unwrap();
    let http = &parsed["http"];
    let forward_auth = &http["middlewares"]["signed-in"]["forwardAuth"];
    let address = "http://auth-service:8080/auth/verify?sign_in=redirect";
    assert_eq!(forward_auth["address"], address);
    assert_eq!(forward_auth["addAuthCookiesToResponse"], json!(["__Host-session"]));
    let reference = read("docs/reference/http.md");
    for name in forward_auth["authResponseHeaders"].as_array().unwrap() {
        assert!(reference.contains(&format!("| `{}` |", name.as_str().unwrap())), "{name}");
    }
    let removed = &http["middlewares"]["without-user"]["headers"]["customRequestHeaders"];
    let mut spellings: Vec<&String> = removed.as_object().unwrap().keys().collect();
    spellings.sort();
    let mut expected = forged_headers().map(|(name, _)| name);
    expected.sort();
    assert_eq!(spellings, expected.each_ref());
    assert!(removed.as_object().unwrap().values().all(|value| value == ""), "{removed}");
    for router in http["routers"].as_object().unwrap().values() {
        assert_eq!(router["middlewares"][0], "without-user", "{router}");
    }
}

#[actix_web::test]
async fn sql_sample_ends_every_session() {
    let sample = &samples_for(&["sql"])[0];
    let database = TestDatabase::create();
    let url = database.url();
    let redis = redis_url();
    let prefix = unique("test:");
    let data = temp_dir();
    let secret = data.path().join("secret.key");
    let env = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis),
        ("REDIS_KEY_PREFIX", &prefix),
        ("BCRYPT_COST", "10"),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("SECRET_KEY_FILE", secret.to_str().unwrap()),
    ];
    let mut generate = Command::new(program("auth-service"));
    assert!(
        generate.env_clear().envs(env).arg("generate-secret").output().unwrap().status.success()
    );
    let process = Process::start(&program("auth-service"), 1, &env);
    let auth = Client::new(process.addr(0));
    let tokens = auth.new_user("ada").await;
    assert_eq!(test_support::sql(&url, &sample.code), 1);
    test_support::wait_until("the session has ended", async || {
        let answer = auth.get("/me", Some(&tokens.access)).await;
        if answer.status == 401 { Ok(()) } else { Err(answer.status) }
    })
    .await;
}

#[test]
fn json_samples_can_be_parsed() {
    for sample in samples_for(&["json"]) {
        let parsed: Result<Value, _> = serde_json::from_str(&sample.code);
        assert!(parsed.is_ok(), "{}", sample.place());
    }
}

#[test]
fn samples_that_are_not_run_name_commands_and_files_that_exist() {
    for sample in samples_for(&["none"]).into_iter().filter(|sample| sample.language == "sh") {
        println!("{}", sample.place());
        assert_parses(&sample.code);
        for args in auth_service_commands(&sample.code) {
            assert_is_a_command_of_auth_service(&args);
        }
        let words: Vec<&str> = sample.code.split_whitespace().collect();
        for pair in words.windows(2) {
            match pair[0] {
                "-f" | "-k" => assert_exists(&root(), pair[1]),
                "--target" => assert!(read("Dockerfile").contains(&format!(" AS {}\n", pair[1]))),
                "--scale" => {
                    let service = pair[1].split('=').next().unwrap();
                    assert!(read("docker-compose.yml").contains(&format!("\n  {service}:\n")));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn samples_that_other_tests_run_are_in_these_tests() {
    for sample in samples_for(&["elsewhere"]) {
        let test = conditions(&sample)[0];
        assert!(read(test).contains(&sample.page), "{test} does not read {}", sample.page);
    }
}

#[test]
fn rust_samples_are_doctests_of_the_verifier() {
    for sample in samples_for(&["rust doctest"]) {
        let include = format!("include_str!(\"../../{}\")", sample.page);
        assert!(read("shared/src/lib.rs").contains(&include), "{}", sample.place());
    }
}
