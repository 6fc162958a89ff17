//! The program `resource-service`: reads the settings and runs the command.

use std::{env, process::ExitCode};

use service_kit::{exit_code, init_logs, parse_settings};

#[actix_web::main]
async fn main() -> ExitCode {
    let outcome = match init_logs().and_then(|()| parse_settings(env::args_os())) {
        Ok(command) => resource_service::run(command).await,
        Err(error) => Err(error),
    };
    exit_code(outcome)
}
