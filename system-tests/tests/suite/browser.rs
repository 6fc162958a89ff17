//! The pages and the sample app in a real browser, with real cookies, CORS and tabs. The scenarios
//! are in `system-tests/tests/browser`.

use serde_json::json;
use test_support::{Process, chromium, program, run_python, sized, temp_dir};

/// Runs the scenarios of these modules in one browser, on a new local stack.
fn run_scenarios(modules: &[&str]) {
    let data = temp_dir();
    let folder = data.path().to_str().unwrap();
    let env = [("DATA_DIR", folder), ("BCRYPT_COST", "10"), ("RUST_LOG", "info")];
    let stack = Process::start(&program("local-stack"), 3, &env);
    let [auth, resource, app] = [0, 1, 2].map(|number| format!("http://{}", stack.addr(number)));
    let given = json!({
        "chromium": chromium(), "auth": auth, "resource": resource, "app": app,
        "mails": data.path().join("mail"), "all_looks": sized(false, true, true),
    });
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/run.py");
    let passed = run_python(run, modules, &format!("{given}\n"));
    assert!(passed.as_u64() > Some(0), "{modules:?} have no scenarios");
    // No scenario is a reason for an error of a service.
    let log = stack.log();
    assert!(!log.contains(" ERROR ") && !log.contains("panicked"), "{log}");
}

#[test]
fn every_page_is_usable_for_every_visitor() {
    run_scenarios(&["pages"]);
}

#[test]
fn sessions_of_browsers_stay_private() {
    run_scenarios(&["sessions", "cross_site"]);
}

#[test]
fn the_sample_app_works_on_an_origin_of_its_own() {
    run_scenarios(&["sample_app", "access_token"]);
}
