//! `auth-service keys`: work on the keys' files.

use clap::Subcommand;
use shared::service::StartError;

use crate::{
    config::Settings,
    tokens::keys::{Keys, Made},
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make signing.pem and refresh.key in the keys' folder, unless they are there
    Generate,
}

pub fn run(settings: &Settings, action: Action) -> Result<(), StartError> {
    let folder = settings.keys_dir();
    match action {
        Action::Generate => {
            let made = Keys::make_missing(&folder, settings.signing_algorithm)?;
            let keys = Keys::read(&folder, settings.signing_algorithm)?;
            let verb = if made == Made::New { "Made" } else { "There already:" };
            println!(
                "{verb} keys in {}: {} {}",
                folder.display(),
                keys.signing.algorithm(),
                keys.signing.kid()
            );
        }
    }
    Ok(())
}
