//! What the program prints for a first look: where to go next, and the walk-through.

use std::{net::SocketAddr, path::Path};

/// Default address of auth-service.
const AUTH_ADDR: &str = "127.0.0.1:8080";
/// Default address of resource-service.
pub const RESOURCE_ADDR: &str = "127.0.0.1:8081";

/// The walk-through at the default addresses. The README contains the same lines.
const WALKTHROUGH: &str = include_str!("walkthrough.sh");

/// Returns the walk-through at these addresses.
pub fn walkthrough(auth: SocketAddr, resource: SocketAddr) -> String {
    WALKTHROUGH.replace(AUTH_ADDR, &auth.to_string()).replace(RESOURCE_ADDR, &resource.to_string())
}

/// Returns what to print when both services listen.
pub fn welcome(auth: SocketAddr, resource: SocketAddr, data_dir: &Path) -> String {
    format!(
        "\n\
         auth-service      http://{auth}\n\
         resource-service  http://{resource}\n\
         data              {}\n\
         \n\
         Open http://{auth}/docs in a browser to register, log in and try every route.\n\
         Run `{}` in another terminal for the same steps with curl.\n\
         Press Ctrl-C to stop both services.\n",
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
