//! Both services and a sample browser app in one process, for a first look and for development.
//! `cargo run` starts it.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod browser_app;
mod first_steps;

use std::{env, io, net::SocketAddr, process::ExitCode};

use auth_service::{
    cli::{Format, OperatorCommand, run_operator_command},
    config,
};
use clap::{Parser, Subcommand};
use futures_util::future::try_join3;
use service_kit::{
    CommandError, disable_core_dumps, exit_code, init_logs, output::print, parse_settings,
    traces::Traces,
};
use shared::clock::Clock;

use crate::{
    browser_app::{BrowserApp, RunningBrowserApp},
    first_steps::Addresses,
};

/// Id of the client that follows the revocation feed for resource-service. Each start renews its
/// secret.
const FEED_CLIENT: &str = "local-stack";

/// Runs auth-service, resource-service and a sample browser app in one process, for a first look and
/// for development.
///
/// The settings are those of auth-service, and the addresses of resource-service and of the app. The
/// other settings of resource-service follow from them. BROWSER_ORIGINS contains the app's origin
/// always. The commands for operators are those of auth-service.
#[derive(Debug, Parser)]
#[command(name = "local-stack", version)]
struct Command {
    // First, because the heading of the settings applies to all options after them.
    #[command(flatten)]
    format: Format,

    #[command(flatten)]
    auth: config::Settings,

    /// Address of resource-service
    #[arg(
        long,
        env = "RESOURCE_ADDR",
        value_name = "IP:PORT",
        default_value = first_steps::RESOURCE_ADDR,
        help_heading = "Settings"
    )]
    resource_addr: SocketAddr,

    /// Address of the sample browser app
    #[arg(
        long,
        env = "APP_ADDR",
        value_name = "IP:PORT",
        default_value = first_steps::APP_ADDR,
        help_heading = "Settings"
    )]
    app_addr: SocketAddr,

    #[command(subcommand)]
    subcommand: Option<Subcommands>,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Run both services and the browser app (the default)
    Serve,
    /// Print shell commands that register, log in, call resource-service, refresh and log out
    Walkthrough,
    #[command(flatten)]
    Operator(OperatorCommand),
}

#[actix_web::main]
async fn main() -> ExitCode {
    exit_code(run().await)
}

async fn run() -> Result<(), CommandError> {
    init_logs()?;
    disable_core_dumps();
    let Command { format, auth, resource_addr, app_addr, subcommand } =
        parse_settings(env::args_os())?;
    match subcommand.unwrap_or(Subcommands::Serve) {
        Subcommands::Serve => serve(auth, resource_addr, app_addr).await,
        Subcommands::Walkthrough => print(&first_steps::walkthrough(auth.auth_addr, resource_addr)),
        Subcommands::Operator(command) => run_operator_command(&auth, command, format).await,
    }
}

async fn serve(
    mut settings: config::Settings,
    resource_addr: SocketAddr,
    app_addr: SocketAddr,
) -> Result<(), CommandError> {
    let traces = Traces::start(&settings.traces, "local-stack")?;
    let app = BrowserApp::bind(app_addr, settings.limits, settings.shutdown)?;
    settings.cors.browser_origins.push(app.origin());
    let auth = auth_service::start(settings.clone(), Clock::system()).await?;
    let feed_secret = auth.app.renew_client(FEED_CLIENT, "revocations:read").await?;
    let resource =
        resource_service::start(resource_settings(&settings, resource_addr, &auth, feed_secret))?;
    let addresses = Addresses { app: app.addr(), auth: auth.addr, resource: resource.addr };
    let app = app.serve(auth.addr, resource.addr)?;
    let mails_are_files = settings.mail.url().is_none() && settings.database.url().is_none();
    let welcome = first_steps::welcome(addresses, &settings.data_dir, mails_are_files);
    // All serve, even if standard output takes no text.
    let _ = print(&format!("{welcome}\n"));
    let shutdown = auth.shutdown();
    let ended = run_until_stopped(auth, resource, app).await;
    traces.end(shutdown.closing_time()).await;
    ended.map_err(|error| CommandError::new(error.to_string()))
}

/// Returns the settings of resource-service, which follow from those of auth-service.
fn resource_settings(
    settings: &config::Settings,
    resource_addr: SocketAddr,
    auth: &auth_service::Running,
    feed_secret: String,
) -> resource_service::Settings {
    resource_service::Settings {
        resource_addr,
        // METRICS_ADDR is the ops listener of auth-service, so the default stays: none.
        issuer: auth.issuer.clone(),
        jwks_url: Some(format!("http://{}/.well-known/jwks.json", auth.addr)),
        revocations_client_id: Some(FEED_CLIENT.into()),
        revocations_client_secret: Some(resource_service::Secret(feed_secret)),
        revocations_url: Some(format!("http://{}/revocations", auth.addr)),
        audience: settings.audience.clone(),
        leeway: settings.leeway,
        cors: settings.cors.clone(),
        limits: settings.limits,
        shutdown: settings.shutdown,
        traces: settings.traces.clone(),
        ..resource_service::Settings::default()
    }
}

async fn run_until_stopped(
    auth: auth_service::Running,
    resource: resource_service::server::Running,
    app: RunningBrowserApp,
) -> io::Result<()> {
    let all =
        try_join3(auth.run_until_stopped(), resource.run_until_stopped(), app.run_until_stopped());
    all.await.map(drop)
}
