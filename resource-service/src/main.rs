//! The binary: reads the settings and does what they say.

use std::process::ExitCode;

use shared::service;

#[actix_web::main]
async fn main() -> ExitCode {
    let outcome = match service::start_logs().and_then(|()| service::parse_settings(std::env::args_os())) {
        Ok(command) => resource_service::run(command).await,
        Err(why) => Err(why),
    };
    service::exit_code(outcome)
}
