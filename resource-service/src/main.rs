//! The program `resource-service`: reads the settings and runs the command.

use std::{env, process::ExitCode};

use service_kit::{CommandError, disable_core_dumps, exit_code, init_logs, parse_settings};

#[actix_web::main]
async fn main() -> ExitCode {
    exit_code(run().await)
}

async fn run() -> Result<(), CommandError> {
    init_logs()?;
    disable_core_dumps();
    resource_service::run(parse_settings(env::args_os())?).await
}
