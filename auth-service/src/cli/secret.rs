//! `auth-service generate-secret`: make the secret that all replicas share.

use service_kit::CommandError;

use crate::{
    config::Settings,
    keys::secret::{Secret, WriteOutcome},
};

pub fn run(settings: &Settings) -> Result<(), CommandError> {
    let file = settings.secret_key_file();
    let made = Secret::make_missing(&file)?;
    Secret::read(&file)?;
    let verb = if made == WriteOutcome::Created { "Made" } else { "There already:" };
    println!("{verb} {}", file.display());
    Ok(())
}
