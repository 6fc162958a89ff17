//! `auth-service generate-secret`: make the secret that all replicas share.

use shared::service::StartError;

use crate::{
    config::Settings,
    tokens::secret::{Made, Secret},
};

pub fn run(settings: &Settings) -> Result<(), StartError> {
    let file = settings.secret_key_file();
    let made = Secret::make_missing(&file)?;
    Secret::read(&file)?;
    let verb = if made == Made::New { "Made" } else { "There already:" };
    println!("{verb} {}", file.display());
    Ok(())
}
