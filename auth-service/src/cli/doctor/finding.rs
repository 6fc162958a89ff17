//! What the doctor finds.

use serde_json::{Value, json};

/// State of one subject, and how to repair it.
pub struct Finding {
    subject: &'static str,
    pub verdict: Verdict,
    state: String,
    /// How to repair the state. Empty if the state is fine.
    remedy: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// The subject works, and could work better.
    Advice,
    /// The subject does not work, or is not safe.
    Wrong,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Advice => "advice",
            Self::Wrong => "wrong",
        }
    }
}

impl Finding {
    pub fn fine(subject: &'static str, state: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Fine, state: state.into(), remedy: String::new() }
    }

    pub fn advice(
        subject: &'static str,
        state: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { subject, verdict: Verdict::Advice, state: state.into(), remedy: remedy.into() }
    }

    pub fn wrong(
        subject: &'static str,
        state: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { subject, verdict: Verdict::Wrong, state: state.into(), remedy: remedy.into() }
    }

    /// Returns the finding for programs.
    pub fn object(&self) -> Value {
        let Self { subject, state, remedy, .. } = self;
        let remedy = (!remedy.is_empty()).then_some(remedy);
        let verdict = self.verdict.name();
        json!({"verdict": verdict, "subject": subject, "state": state, "remedy": remedy})
    }

    /// Returns the lines of the report.
    pub fn lines(&self) -> String {
        let verdict = self.verdict.name();
        let mut lines = format!("{verdict:7} {:9} {}\n", self.subject, self.state);
        if !self.remedy.is_empty() {
            lines += &format!("{:17} {}\n", "", self.remedy);
        }
        lines
    }
}
