//! `auth-service generate-secret`: make the secret that all replicas share.

use service_kit::CommandError;

use crate::{
    config::Settings,
    keys::{Secret, WriteOutcome},
};

pub fn run(settings: &Settings) -> Result<(), CommandError> {
    let file = settings.secret_key_file();
    let made = Secret::create_if_missing(&file)?;
    Secret::read(&file)?;
    let verb = if made == WriteOutcome::Created { "Made" } else { "There already:" };
    println!("{verb} {}", file.display());
    Ok(())
}
