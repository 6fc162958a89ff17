//! An operator creates a user.

use uuid::Uuid;

use super::{
    OneTimeCodes,
    admin::{AdminError, User, UserAdmin},
    claims::require_short,
};
use crate::{
    credentials::{HashPoolBusy, PasswordHash, Passwords},
    domain::{
        account_rules::AccountRules,
        address::AddressPrefix,
        audit::{AuditEvent, AuditRecord},
        email::Email,
        name_rules::NameError,
        one_time_code::{CodePurpose, OneTimeCode},
        password::Password,
        scope::sorted_names,
        username::Username,
    },
    store::{
        one_time_codes, reserved_names,
        users::{self, InsertOutcome, NewUser, Taken},
    },
};

/// How the new user gets a password.
pub enum NewPassword {
    /// The operator chooses it. The pool hashes it.
    Chosen(Password, Box<Passwords>),
    /// The user sets it with a code.
    Code(OneTimeCodes),
}

/// A user to create.
pub struct NewAccount {
    pub username: Username,
    pub email: Email,
    pub password: NewPassword,
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
    /// Whether the name may be one that no visitor may register.
    pub allow_reserved: bool,
    /// Whether the operator knows that the user reads the mail of the address.
    pub is_verified: bool,
}

/// A user whom an operator has just created.
pub struct Created {
    pub user: User,
    /// The code with which the user sets a password, unless the operator chose one.
    pub code: Option<OneTimeCode>,
}

impl UserAdmin {
    /// Creates a user.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn create(
        &self,
        account: NewAccount,
        rules: &AccountRules,
    ) -> Result<Created, AdminError> {
        let NewAccount { username, email, password, scopes, roles, allow_reserved, is_verified } =
            account;
        if !allow_reserved {
            rules.names.check(&username).map_err(AdminError::Name)?;
            self.refuse_reserved_name(&username).await?;
        }
        let (scope, roles) = (sorted_names(scopes), sorted_names(roles));
        require_short(username.as_str(), &scope, &roles)?;
        let (password_hash, codes) = match password {
            NewPassword::Code(codes) => (PasswordHash::unusable(), Some(codes)),
            NewPassword::Chosen(password, pool) => {
                if password.is_made_of_names(&rules.passwords, username.as_str(), email.as_str()) {
                    return Err(AdminError::PasswordOfNames);
                }
                (hash(&pool, &password).await?, None)
            }
        };
        let created_at_ms = self.clock.now_ms();
        let id = Uuid::now_v7();
        let new = NewUser { id, username, email, password_hash, scope, roles, created_at_ms };
        self.insert(new, is_verified, codes).await
    }

    async fn insert(
        &self,
        new: NewUser,
        is_verified: bool,
        codes: Option<OneTimeCodes>,
    ) -> Result<Created, AdminError> {
        let user = new.user();
        let now = new.created_at_ms;
        let issued = codes.map(|codes| codes.issue(CodePurpose::PrintedReset, &user, now));
        let (code, row) = issued.unzip();
        let record = AuditRecord::new(AuditEvent::UserCreated, self.initiator.clone(), now);
        let record = record.user(user.id).detail(describe(&user));
        let insert = move |connection: &mut _| {
            let outcome = users::insert(connection, &new)?;
            if outcome != InsertOutcome::Inserted {
                return Ok((outcome, None));
            }
            if is_verified {
                users::prove_email(connection, &new.id.to_string(), now)?;
            }
            row.iter().try_for_each(|row| one_time_codes::replace(connection, row))?;
            Ok((outcome, Some(record)))
        };
        match self.store.audited(insert).await? {
            InsertOutcome::Inserted => Ok(Created { user, code }),
            InsertOutcome::Taken(Taken { username: false, email: true }) => {
                Err(AdminError::Taken("email address"))
            }
            InsertOutcome::Taken(_) => Err(AdminError::Taken("username")),
        }
    }

    async fn refuse_reserved_name(&self, username: &Username) -> Result<(), AdminError> {
        let username = username.clone();
        let reasons = move |connection: &mut _| {
            let is_reserved = reserved_names::is_reserved(connection, &username)?;
            let is_kept = users::is_kept_name(connection, &username, users::NO_USER)?;
            Ok((is_reserved, is_kept))
        };
        match self.store.run(reasons).await? {
            (true, _) => Err(AdminError::Name(NameError::Reserved)),
            (false, true) => Err(AdminError::NameOfDeleted),
            (false, false) => Ok(()),
        }
    }
}

pub(super) async fn hash(
    pool: &Passwords,
    password: &Password,
) -> Result<PasswordHash, HashPoolBusy> {
    let permit = pool.queue(AddressPrefix::of(None)).await?;
    pool.hash(permit, password).await
}

fn describe(user: &User) -> String {
    format!("scopes: {}; roles: {}", user.scope, user.roles)
}
