//! `auth-service doctor`: look at settings, secret, keys, clocks and stores, and say what is wrong and how to mend it. It
//! changes nothing.

mod database;
mod process;
mod redis;

use service_kit::CommandError;
use shared::clock::Clock;

use crate::config::Settings;

/// How far clocks may be apart without a word, in milliseconds.
const CLOCK_TOLERANCE_MS: i64 = 1000;

/// What was found out about one thing.
struct Finding {
    what: &'static str,
    verdict: Verdict,
    /// What it is like.
    is: String,
    /// How to mend it. Empty if nothing is wrong.
    remedy: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// It works, and could be better.
    Advice,
    /// It does not work, or is not safe.
    Wrong,
}

impl Finding {
    fn fine(what: &'static str, is: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Fine, is: is.into(), remedy: String::new() }
    }

    fn advice(what: &'static str, is: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Advice, is: is.into(), remedy: remedy.into() }
    }

    fn wrong(what: &'static str, is: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Wrong, is: is.into(), remedy: remedy.into() }
    }

    fn print(&self) {
        let verdict = match self.verdict {
            Verdict::Fine => "ok",
            Verdict::Advice => "advice",
            Verdict::Wrong => "wrong",
        };
        println!("{verdict:7} {:9} {}", self.what, self.is);
        if !self.remedy.is_empty() {
            println!("{:17} {}", "", self.remedy);
        }
    }
}

pub async fn run(settings: &Settings) -> Result<(), CommandError> {
    let clock = Clock::system();
    let mut wrong = 0;
    let mut print = |findings: Vec<Finding>| {
        findings.iter().for_each(Finding::print);
        wrong += findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
    };
    print(process::settings(settings));
    print(process::limits());
    let (secret, finding) = process::secret(settings);
    print(vec![finding]);
    print(process::hashing(settings).await);
    print(process::issuer(settings).await);
    print(database::examine(settings, secret.as_ref(), &clock).await);
    print(redis::examine(settings, &clock).await);
    if wrong == 0 { Ok(()) } else { Err(CommandError::new(format!("{wrong} of these are wrong"))) }
}

/// How far a store's clock is from this machine's, between when it was asked and when it answered.
fn clock(whose: &str, theirs_ms: i64, asked_ms: i64, answered_ms: i64, settings: &Settings) -> Finding {
    let ahead_ms = match theirs_ms {
        later if later > answered_ms => later - answered_ms,
        earlier if earlier < asked_ms => earlier - asked_ms,
        _ => 0,
    };
    let direction = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let is = format!("{whose} clock is {:.1} s {direction} this machine's", ahead_ms.abs() as f64 / 1000.0);
    let remedy = "Let both keep time by NTP (chrony, systemd-timesyncd): lives of tokens are told by clocks.";
    match ahead_ms.abs() {
        apart if apart > settings.leeway.as_millis() as i64 => {
            Finding::wrong("clocks", format!("{is}, more than LEEWAY"), remedy)
        }
        apart if apart > CLOCK_TOLERANCE_MS => Finding::advice("clocks", is, remedy),
        _ => Finding::fine("clocks", format!("{whose} clock agrees with this machine's")),
    }
}
