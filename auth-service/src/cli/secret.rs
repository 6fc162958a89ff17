//! `auth-service generate-secret`: generates the secret that all replicas share.

use service_kit::CommandError;

use crate::{
    config::Settings,
    keys::{Secret, WriteOutcome},
};

pub fn run(settings: &Settings) -> Result<(), CommandError> {
    let file = settings.secret_key_file();
    let outcome = Secret::create_if_missing(&file)?;
    // An existing file must contain a usable secret.
    Secret::read(&file)?;
    match outcome {
        WriteOutcome::Created => println!("Generated {}", file.display()),
        WriteOutcome::AlreadyExists => println!("{} exists already", file.display()),
    }
    Ok(())
}
