//! The program: parses the command line and runs the command.

use std::{env, process::ExitCode};

use auth_service::cli;
use service_kit::{exit_code, init_logs, parse_settings};

#[actix_web::main]
async fn main() -> ExitCode {
    let outcome = match init_logs().and_then(|()| parse_settings(env::args_os())) {
        Ok(command) => cli::run(command).await,
        Err(why) => Err(why),
    };
    exit_code(outcome)
}
