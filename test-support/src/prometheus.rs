//! A Prometheus that scrapes the services of a test, and promtool.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{setting, start_on_free_port, temp_dir};

/// Runs promtool in a folder. Returns whether promtool succeeded, and its output.
pub fn promtool(folder: &Path, args: &[&str]) -> (bool, String) {
    let program = format!("{}/promtool", setting("TEST_PROMETHEUS_BIN"));
    let output = Command::new(program).args(args).current_dir(folder).output().expect("promtool");
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&printed).into_owned())
}

/// A running Prometheus.
pub struct Prometheus {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts Prometheus with this configuration, and with these rules in the file `alerts.yml`,
    /// which the configuration names.
    pub fn start(configuration: &str, rules: &str) -> Self {
        start_on_free_port("Prometheus", |port| Self::start_on(port, configuration, rules))
    }

    fn start_on(port: u16, configuration: &str, rules: &str) -> Option<Self> {
        let folder = temp_dir();
        fs::write(folder.path().join("prometheus.yml"), configuration).unwrap();
        fs::write(folder.path().join("alerts.yml"), rules).unwrap();
        let mut child = Command::new(format!("{}/prometheus", setting("TEST_PROMETHEUS_BIN")))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let is_ready = lines.any(|line| line.contains("Server is ready to receive web requests"));
        // A full pipe would block Prometheus.
        thread::spawn(move || lines.for_each(drop));
        let prometheus = Self { child, port, _folder: folder };
        is_ready.then_some(prometheus)
    }

    /// Returns the data that Prometheus' HTTP API answers with.
    ///
    /// # Panics
    /// If the API does not answer with success.
    pub async fn api(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let mut url = reqwest::Url::parse(&url).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(url).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(answer["status"], "success", "{path} {query:?}: {answer}");
        answer["data"].clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
