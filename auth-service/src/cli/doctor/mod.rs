//! `auth-service doctor`: checks settings, secret, keys, clocks and stores, and prints what is
//! wrong and how to repair it. It changes nothing.

mod clocks;
mod database;
mod finding;
mod hashing;
mod issuer;
mod process;
mod redis;

use service_kit::CommandError;
use shared::clock::Clock;

use self::finding::{Finding, Verdict};
use crate::config::Settings;

pub async fn run(settings: &Settings) -> Result<(), CommandError> {
    let clock = Clock::system();
    let mut wrong = 0;
    let mut report = |findings: Vec<Finding>| {
        findings.iter().for_each(Finding::print);
        wrong += findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
    };
    report(process::check_settings(settings));
    report(process::check_limits());
    let (secret, finding) = process::check_secret(settings);
    report(vec![finding]);
    report(hashing::check(settings).await);
    report(issuer::check(settings).await);
    report(database::check(settings, secret.as_ref(), &clock).await);
    report(redis::check(settings, &clock).await);
    match wrong {
        0 => Ok(()),
        1 => Err(CommandError::new("1 finding is wrong")),
        count => Err(CommandError::new(format!("{count} findings are wrong"))),
    }
}
