//! `auth-service users invite`, `invitations` and `revoke-invitation`.

use clap::{Args, value_parser};
use serde_json::{Value, json};
use service_kit::{
    CommandError,
    output::{print, print_outcome, print_secret},
};

use super::print::with;
use crate::{
    accounts::{Invitation, Invited, NewInvitation, UserAdmin},
    cli::{
        format::Format,
        open::{mail_sealer, one_time_codes},
        text::{names, new_email, scope_name, time},
    },
    config::Settings,
    domain::{account_rules::Registration, email::Email, language::Language},
};

#[derive(Args, Debug)]
pub struct Invite {
    /// Email address
    #[arg(value_parser = new_email)]
    email: Email,
    /// Scope of the new user, such as reports:read
    #[arg(long = "scope", value_name = "NAME", value_parser = scope_name)]
    scopes: Vec<String>,
    /// Role of the new user, such as editor
    #[arg(long = "role", value_name = "NAME", value_parser = scope_name)]
    roles: Vec<String>,
    /// Language of the mail: en or de
    #[arg(long, value_name = "TAG", default_value = "en", value_parser = language)]
    language: Language,
    /// Print the code instead of mailing it: the default without MAIL_URL. A printed code does not
    /// verify the address, so the user verifies it later
    #[arg(long)]
    print: bool,
}

#[derive(Args, Debug)]
pub struct List {
    /// Maximum number of invitations
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "100",
        value_parser = value_parser!(u32).range(1..=10_000)
    )]
    limit: u32,
    /// Continue after the invitation for this address, the last one of the page before
    #[arg(long, value_name = "ADDRESS", value_parser = email)]
    after: Option<Email>,
}

#[derive(Args, Debug)]
pub struct Address {
    /// Email address
    #[arg(value_parser = email)]
    email: Email,
}

pub async fn create(
    settings: &Settings,
    admin: &UserAdmin,
    invite: Invite,
    format: Format,
) -> Result<(), CommandError> {
    if settings.registration == Registration::Closed {
        return Err(CommandError::new(
            "REGISTRATION is closed, which refuses invitations too: set it to invite",
        ));
    }
    let Invite { email, scopes, roles, language, print } = invite;
    let is_mailed = !print && settings.mail.url().is_some();
    let new = NewInvitation {
        email,
        scopes,
        roles,
        language,
        lifetime: settings.verification.invitation_lifetime,
        mail: if is_mailed { Some(mail_sealer(settings)?) } else { None },
    };
    let Invited { invitation, code } = admin.invite(new, &one_time_codes(settings)?).await?;
    let Some(code) = code else {
        let text = || text(&invitation) + "The invitation will be mailed\n";
        return print_outcome(&format.one(text, || object(&invitation)));
    };
    let text = || {
        let code = code.reveal();
        let use_it =
            "The person registers this address at POST /register, with the code as `invitation`";
        format!("{}code     {code}\n{use_it}\n", text(&invitation))
    };
    let json = || with(object(&invitation), "code", json!(code.reveal()));
    let remedy = "The invitation is made: run `users invite` again for a new code";
    print_secret(&format.one(text, json), remedy)
}

pub async fn list(admin: &UserAdmin, list: List, format: Format) -> Result<(), CommandError> {
    let List { limit, after } = list;
    // One more, to learn whether there is another page.
    let mut found = admin.invitations(after.as_ref(), i64::from(limit) + 1).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    print(&format.list(&found, || table(&found, has_more), object))
}

pub async fn revoke(
    admin: &UserAdmin,
    Address { email }: Address,
    format: Format,
) -> Result<(), CommandError> {
    admin.revoke_invitation(&email).await?;
    let email = email.as_str();
    let text = || format!("The invitation for {email} is revoked\n");
    print_outcome(&format.one(text, || json!({"email": email, "revoked": true})))
}

fn table(invitations: &[Invitation], has_more: bool) -> String {
    let mut table =
        format!("{:32}  {:20}  {:20}  {:7}  ROLES\n", "EMAIL", "INVITED", "EXPIRES", "WAY");
    for invitation in invitations {
        let Invitation { email, roles, .. } = invitation;
        let (invited, expires) = (time(invitation.created_at), time(invitation.expires_at));
        let way = way(invitation);
        table += &format!("{email:32}  {invited:20}  {expires:20}  {way:7}  {roles}\n");
    }
    if let Some(last) = invitations.last().filter(|_| has_more) {
        table += &format!("more: --after {}\n", last.email);
    }
    table
}

fn text(invitation: &Invitation) -> String {
    let Invitation { email, scope, roles, .. } = invitation;
    let expires = time(invitation.expires_at);
    format!("email    {email}\nscopes   {scope}\nroles    {roles}\nexpires  {expires}\n")
}

fn object(invitation: &Invitation) -> Value {
    json!({
        "email": invitation.email,
        "scopes": names(&invitation.scope),
        "roles": names(&invitation.roles),
        "way": way(invitation),
        "created_at": time(invitation.created_at),
        "expires_at": time(invitation.expires_at),
    })
}

fn way(invitation: &Invitation) -> &'static str {
    if invitation.mailed_at.is_some() { "mailed" } else { "printed" }
}

fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|why| why.join(" "))
}

fn language(text: &str) -> Result<Language, &'static str> {
    Language::with_tag(text).ok_or("must be en or de")
}
