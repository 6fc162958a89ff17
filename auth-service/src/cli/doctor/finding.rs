//! What the doctor finds.

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

    pub fn print(&self) {
        let verdict = match self.verdict {
            Verdict::Fine => "ok",
            Verdict::Advice => "advice",
            Verdict::Wrong => "wrong",
        };
        println!("{verdict:7} {:9} {}", self.subject, self.state);
        if !self.remedy.is_empty() {
            println!("{:17} {}", "", self.remedy);
        }
    }
}
