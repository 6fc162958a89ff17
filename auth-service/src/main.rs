//! The program: parses the command line and runs the command.

use std::{env, process::ExitCode};

use auth_service::cli;
use service_kit::{CommandError, disable_core_dumps, exit_code, init_logs, parse_settings};

#[actix_web::main]
async fn main() -> ExitCode {
    exit_code(run().await)
}

async fn run() -> Result<(), CommandError> {
    init_logs()?;
    disable_core_dumps();
    cli::run(parse_settings(env::args_os())?).await
}
