//! `auth-service doctor`: checks settings, secret, keys, clocks and stores, and prints what is
//! wrong and how to repair it. It changes nothing.

mod clocks;
mod database;
mod finding;
mod hashing;
mod issuer;
mod mail;
mod process;
mod redis;

use clap::Args;
use service_kit::{CommandError, output::print};
use shared::clock::Clock;

use self::finding::{Finding, Verdict};
use super::format::Format;
use crate::{config::Settings, jobs::mail::MailAddress};

#[derive(Args, Debug)]
pub struct Options {
    /// Send a mail to this address, to show that the settings of mail work
    #[arg(long, value_name = "ADDRESS", value_parser = MailAddress::parse)]
    mail: Option<MailAddress>,
}

pub async fn run(
    settings: &Settings,
    options: Options,
    format: Format,
) -> Result<(), CommandError> {
    let clock = Clock::system();
    let mut wrong = 0;
    let mut report = |findings: Vec<Finding>| {
        wrong += findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
        let text = || findings.iter().map(Finding::lines).collect();
        print(&format.list(&findings, text, Finding::object))
    };
    report(process::check_settings(settings))?;
    report(process::check_limits(settings))?;
    let (secret, finding) = process::check_secret(settings);
    report(vec![finding])?;
    report(process::check_files(settings))?;
    report(hashing::check(settings).await)?;
    report(issuer::check(settings).await)?;
    report(database::check(settings, secret.as_ref(), &clock).await)?;
    report(redis::check(settings, &clock).await)?;
    report(mail::check(settings, options.mail.as_ref()).await)?;
    match wrong {
        0 => Ok(()),
        1 => Err(CommandError::new("1 finding is wrong")),
        count => Err(CommandError::new(format!("{count} findings are wrong"))),
    }
}
