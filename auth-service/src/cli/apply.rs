//! `auth-service apply`: makes clients, grants, reserved names and receivers of webhooks as a file
//! states.

use std::{fs, path::PathBuf, sync::Arc};

use clap::Args;
use serde_json::{Value, json};
use service_kit::{
    CommandError,
    output::{print, print_outcome},
};
use shared::clock::Clock;

use super::{differences, format::Format, open::open_recorded_store, operator};
use crate::{
    accounts::UserAdmin,
    app::mark_claims_stale,
    config::Settings,
    jobs::webhooks::WebhookAdmin,
    keys::Secret,
    oauth::ClientAdmin,
    provisioning::{Applied, ApplyError, ApplyOptions, Difference, Fault, Provisioning, Prune},
};

#[derive(Args, Debug)]
pub struct Apply {
    /// File in TOML. Names of secret files are relative to its folder
    file: PathBuf,
    /// Print the differences, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Also remove what the file does not name, of each kind that the file has, or only of KINDS:
    /// clients, grants, reserved_names, webhooks, separated by commas
    #[arg(
        long,
        value_name = "KINDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        value_parser = Prune::parse
    )]
    prune: Option<Prune>,
    /// Apply the file even if no enabled user has the role admin afterwards
    #[arg(long)]
    allow_no_admin: bool,
}

pub async fn run(settings: &Settings, apply: Apply, format: Format) -> Result<(), CommandError> {
    let Apply { file, dry_run, prune, allow_no_admin } = apply;
    let name = file.display();
    let text = fs::read_to_string(&file)
        .map_err(|why| CommandError::usage(format!("cannot read {name}: {why}")))?;
    let folder = file.parent().unwrap_or(&file);
    let options = ApplyOptions {
        is_dry_run: dry_run,
        prune: prune.unwrap_or_default(),
        allows_no_admin: allow_no_admin,
    };
    let provisioning = provisioning(settings).await?;
    match provisioning.apply(&text, folder, &options).await {
        Ok(applied) => {
            mark_changed_claims(settings, &provisioning, &applied).await;
            print_applied(&applied, format)
        }
        Err(ApplyError::Faults(faults)) => {
            let text = || faults.iter().map(|fault| fault_line(&name.to_string(), fault)).collect();
            print(&format.list(&faults, text, fault_object))?;
            let count = counted(faults.len(), "fault");
            Err(CommandError::usage(format!("{name} has {count}, and nothing is changed")))
        }
        Err(why) => Err(why.into()),
    }
}

async fn provisioning(settings: &Settings) -> Result<Provisioning, CommandError> {
    let store = open_recorded_store(settings).await?;
    let (clock, initiator) = (Clock::system(), operator::initiator());
    // Only a file with webhooks needs the secret, and checks that it is that of the replicas.
    let webhooks = Secret::read(&settings.secret_key_file()).ok().map(|secret| WebhookAdmin {
        store: store.clone(),
        clock: clock.clone(),
        initiator: initiator.clone(),
        secret: Arc::new(secret),
    });
    let users = UserAdmin {
        store: store.clone(),
        clock: clock.clone(),
        initiator: initiator.clone(),
        replica: None,
    };
    Ok(Provisioning { clients: ClientAdmin { store, clock, initiator }, users, webhooks })
}

async fn mark_changed_claims(
    settings: &Settings,
    provisioning: &Provisioning,
    Applied { differences, is_applied }: &Applied,
) {
    let user_of = |difference: &Difference| match difference {
        Difference::ClaimsChanged { user_id, .. } => Some(user_id.to_string()),
        _ => None,
    };
    let changed = differences.iter().filter(|_| *is_applied).filter_map(user_of);
    let changed: Vec<String> = changed.collect();
    mark_claims_stale(settings, &provisioning.users.store, &changed).await;
}

fn print_applied(applied: &Applied, format: Format) -> Result<(), CommandError> {
    let Applied { differences, is_applied } = applied;
    let count = differences.len();
    let text = || differences.iter().map(differences::line).collect();
    let lines = format.list(differences, text, differences::object);
    let summary = || match (count, is_applied) {
        (0, _) => "no changes\n".to_owned(),
        (_, true) => format!("{} applied\n", counted(count, "change")),
        (_, false) => format!("{}, not applied (--dry-run)\n", counted(count, "change")),
    };
    let is_changed = count > 0 && *is_applied;
    let object = || json!({"changes": count, "applied": is_changed});
    let printed = lines + &format.one(summary, object);
    if is_changed { print_outcome(&printed) } else { print(&printed) }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn fault_line(file: &str, Fault { line, text }: &Fault) -> String {
    format!("{file}:{line}: {text}\n")
}

fn fault_object(Fault { line, text }: &Fault) -> Value {
    json!({"line": line, "fault": text})
}
