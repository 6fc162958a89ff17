//! The operator applies the file.

use std::path::Path;

use super::{
    clients,
    difference::Difference,
    error::ApplyError,
    grants, names,
    parse::{Parsed, parse},
    plan::Plan,
    prune::{Kind, Prune},
    receivers,
};
use crate::{accounts::UserAdmin, jobs::webhooks::WebhookAdmin, oauth::ClientAdmin};

/// Number of attempts if other commands change the same rows at the same time.
const MAX_ATTEMPTS: usize = 10;

/// How a file is applied.
#[derive(Clone, Debug, Default)]
pub struct ApplyOptions {
    /// Whether the differences are only found.
    pub is_dry_run: bool,
    pub prune: Prune,
    /// Whether no enabled user may have the role `admin` afterwards.
    pub allows_no_admin: bool,
}

/// What the application of a file changed, or would change.
#[derive(Clone, Debug)]
pub struct Applied {
    pub differences: Vec<Difference>,
    /// `false` in a dry run.
    pub is_applied: bool,
}

/// Use case of an operator who keeps clients, grants and reserved names in a file.
pub struct Provisioning {
    pub clients: ClientAdmin,
    pub users: UserAdmin,
    /// `None` without the secret of the replicas.
    pub webhooks: Option<WebhookAdmin>,
}

impl Provisioning {
    /// Makes the database as the file states, in one transaction. Secret files with relative names
    /// are in `folder`.
    ///
    /// # Errors
    /// [`ApplyError`].
    pub async fn apply(
        &self,
        text: &str,
        folder: &Path,
        options: &ApplyOptions,
    ) -> Result<Applied, ApplyError> {
        let parsed = parse(text, folder).map_err(ApplyError::Faults)?;
        if let Some(kind) = options.prune.kind_not_in(&parsed.document) {
            return Err(ApplyError::KindNotInFile(kind.name()));
        }
        for _ in 0..MAX_ATTEMPTS {
            let Plan { differences, changes, .. } = self.plan(&parsed, options).await?;
            if options.is_dry_run {
                return Ok(Applied { differences, is_applied: false });
            }
            if changes.is_empty() || self.users.store.audited_all(changes).await? {
                return Ok(Applied { differences, is_applied: true });
            }
        }
        Err(ApplyError::Contended)
    }

    async fn plan(&self, parsed: &Parsed, options: &ApplyOptions) -> Result<Plan, ApplyError> {
        let Parsed { document, faults } = parsed;
        let mut plan = Plan { faults: faults.clone(), ..Plan::default() };
        // What a faulty file does not name may be what its author wrote wrongly.
        let prunes = |kind| faults.is_empty() && options.prune.includes(kind);
        if let Some(entries) = &document.clients {
            clients::compare(&self.clients, entries, prunes(Kind::Clients), &mut plan).await?;
        }
        if let Some(entries) = &document.grants {
            grants::compare(&self.users, entries, prunes(Kind::Grants), &mut plan).await?;
        }
        if let Some(reserved) = &document.reserved_names {
            names::compare(&self.users, reserved, prunes(Kind::ReservedNames), &mut plan).await?;
        }
        if let Some(entries) = &document.webhooks {
            let admin = self.webhooks.as_ref().ok_or(ApplyError::NoSecret)?;
            admin.check_secret().await?;
            receivers::compare(admin, entries, prunes(Kind::Webhooks), &mut plan).await?;
        }
        if !plan.faults.is_empty() {
            plan.faults.sort();
            return Err(ApplyError::Faults(plan.faults));
        }
        if !options.allows_no_admin {
            let last = grants::last_admins(&self.users, &plan).await?;
            if !last.is_empty() {
                return Err(ApplyError::LastAdmin(last));
            }
        }
        Ok(plan)
    }
}
