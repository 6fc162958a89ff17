//! What the program prints for a first look: where to go next, and the walk-through.

use std::{net::SocketAddr, path::Path};

/// Default address of auth-service.
const AUTH_ADDR: &str = "127.0.0.1:8080";
/// Default address of resource-service.
pub const RESOURCE_ADDR: &str = "127.0.0.1:8081";
/// Default address of the browser app.
pub const APP_ADDR: &str = "127.0.0.1:8082";

/// The walk-through at the default addresses. The README contains the same lines.
const WALKTHROUGH: &str = include_str!("walkthrough.sh");

/// Returns the walk-through at these addresses.
pub fn walkthrough(auth: SocketAddr, resource: SocketAddr) -> String {
    with_addresses(WALKTHROUGH, auth, resource)
}

/// Returns a text in which these addresses replace the default ones.
pub fn with_addresses(text: &str, auth: SocketAddr, resource: SocketAddr) -> String {
    text.replace(AUTH_ADDR, &auth.to_string()).replace(RESOURCE_ADDR, &resource.to_string())
}

/// Addresses of a stack that listens.
#[derive(Clone, Copy)]
pub struct Addresses {
    pub app: SocketAddr,
    pub auth: SocketAddr,
    pub resource: SocketAddr,
}

/// Returns what to print when all listen. `mails_are_files`: without a mail server.
pub fn welcome(addresses: Addresses, data_dir: &Path, mails_are_files: bool) -> String {
    let Addresses { app, auth, resource } = addresses;
    let mail = if mails_are_files {
        format!(
            "mail              {}, and its links in this log\n",
            data_dir.join("mail").display()
        )
    } else {
        String::new()
    };
    format!(
        "\n\
         Open http://{app} in a browser to register, sign in and call a service.\n\
         \n\
         auth-service      http://{auth}\n\
         resource-service  http://{resource}\n\
         browser app       http://{app}\n\
         data              {}\n\
         {mail}\
         \n\
         Run `{}` in another terminal for the same steps with curl.\n\
         Open http://{auth}/docs to try every route.\n\
         Create an administrator: cargo run users create NAME --email ADDRESS --role admin\n\
         Press Ctrl-C to stop.\n",
        data_dir.display(),
        walkthrough_command(auth, resource),
    )
}

/// Returns the command that prints the walk-through at these addresses.
fn walkthrough_command(auth: SocketAddr, resource: SocketAddr) -> String {
    let mut command = "cargo run walkthrough".to_owned();
    for (option, addr, default) in [
        ("--auth-addr", auth.to_string(), AUTH_ADDR),
        ("--resource-addr", resource.to_string(), RESOURCE_ADDR),
    ] {
        if addr != default {
            command += &format!(" {option} {addr}");
        }
    }
    command
}
