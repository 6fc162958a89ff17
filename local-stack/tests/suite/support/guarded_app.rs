//! A WSGI application that trusts the headers of the proxy in front of it.

use std::{fs, net::SocketAddr, process::Command};

use serde_json::{Value, json};
use test_support::{Client, Python, claims_of, temp_dir};

use super::{Stack, pages::root};

/// The application, and a local stack whose auth-service authorizes its requests.
pub struct GuardedApp {
    pub app: SocketAddr,
    stack: Stack,
    _program: Python,
}

/// Returns each spelling of the headers that WSGI cannot tell from the proxy's own, and a forged
/// value.
pub fn forged_headers() -> [(String, &'static str); 12] {
    let separators = [("-", "-"), ("-", "_"), ("_", "-"), ("_", "_")];
    let names = [("Subject", "root"), ("Scopes", "admin"), ("User", "eve")];
    std::array::from_fn(|index| {
        let (first, second) = separators[index % 4];
        let (name, value) = names[index / 4];
        (format!("X{first}Auth{second}{name}"), value)
    })
}

impl GuardedApp {
    pub fn start() -> Self {
        let mut program = Python::start(root().join("local-stack/tests/suite/support/wsgi_app.py"));
        let port = program.ask("port").as_u64().unwrap() as u16;
        let app = SocketAddr::from(([127, 0, 0, 1], port));
        Self { app, stack: Stack::start(), _program: program }
    }

    pub fn auth_addr(&self) -> SocketAddr {
        self.stack.process.addr(0)
    }

    /// Asserts that the proxy at this URL lets a valid token pass, names its user, and lets no
    /// client name a user.
    pub async fn assert_protected_by(&self, url: &str) {
        let tokens = Client::new(self.auth_addr()).new_user("ada").await;
        let bearer = format!("Authorization: Bearer {}", tokens.access);
        let bearer = ["-H", bearer.as_str()];
        let known = |method: &str, body_bytes: usize, auth: Value| {
            (200, json!({"method": method, "body_bytes": body_bytes, "auth": auth}))
        };
        let ada = json!({"HTTP_X_AUTH_SUBJECT": claims_of(&tokens.access)["sub"]});
        assert_eq!(ask(url, &bearer), known("GET", 0, ada.clone()));

        let forged = forged_headers().map(|(name, value)| format!("{name}: {value}"));
        let forged: Vec<&str> = forged.iter().flat_map(|header| ["-H", header]).collect();
        let with = |args: &[&str]| ask(url, &[&forged[..], args].concat());
        assert_eq!(with(&bearer), known("GET", 0, ada.clone()));
        assert_eq!(with(&[]).0, 401);

        let folder = temp_dir();
        let upload = folder.path().join("upload");
        fs::write(&upload, vec![b'x'; 2_000_000]).unwrap();
        let upload = format!("@{}", upload.display());
        let posted = with(&[&bearer[..], &["--data-binary", &upload]].concat());
        assert_eq!(posted, known("POST", 2_000_000, ada));

        let options = ["-X", "OPTIONS", "-H", "Origin: https://app.example.com"];
        let preflight = [&options[..], &["-H", "Access-Control-Request-Method: POST"]].concat();
        assert_eq!(with(&preflight), known("OPTIONS", 0, json!({})));
        assert_eq!(with(&options).0, 401);
    }
}

/// Sends a request with curl. Returns the status and, if the application answered, what it knows.
fn ask(url: &str, args: &[&str]) -> (u16, Value) {
    let mut curl = Command::new("curl");
    let output = curl.args(["-sS", "-w", "\n%{http_code}", "--noproxy", "*"]).args(args).arg(url);
    let output = output.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}
