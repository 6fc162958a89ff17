//! Output of commands: text for people, or with `--json` one JSON object a line for programs.

use clap::Args;
use serde_json::Value;

/// The option that every command has.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Format {
    /// Print each result as a JSON object on a line
    #[arg(long)]
    json: bool,
}

impl Format {
    /// Returns the output for one result.
    pub(super) fn one(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> String {
        if self.json { format!("{}\n", json()) } else { text() }
    }

    /// Returns the output for a list.
    pub(super) fn list<T>(
        self,
        items: &[T],
        text: impl FnOnce() -> String,
        json: impl Fn(&T) -> Value,
    ) -> String {
        if self.json {
            items.iter().map(|item| format!("{}\n", json(item))).collect()
        } else {
            text()
        }
    }
}
