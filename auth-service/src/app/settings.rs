//! The settings of each service, from the settings of the process.

use service_kit::CommandError;

use crate::{
    accounts::AccountTimes,
    config::Settings,
    domain::{
        account_rules::AccountRules, key_schedule::Schedule, name_rules::NameRules,
        password_rules::PasswordRules, refresh_decision::Rotation, throttle::Limits,
        token_lifetime::LongestLifetime,
    },
    jobs::{
        cleanup::Cleanup,
        mail::{Mailbox, MailerSettings, Templates, Transport},
        webhooks::{AddressPolicy, Sender},
    },
    keys::KeySettings,
    revocation_feed::FeedSettings,
    sessions::SessionSettings,
    tokens::TokenSettings,
};

pub fn account_rules(settings: &Settings) -> AccountRules {
    let host = settings.host();
    AccountRules {
        names: NameRules::new(&settings.reserved_names),
        passwords: PasswordRules::new(settings.password_min_length.into(), &host),
        registration: settings.registration,
        email_verification: settings.verification.mode,
        unverified_lifetime: settings.verification.unverified_lifetime,
        mails_new_devices: settings.verification.new_device_mail,
    }
}

pub fn account_times(settings: &Settings) -> AccountTimes {
    AccountTimes {
        email_undo_lifetime: settings.accounts.email_undo_lifetime,
        deletion_grace: settings.accounts.account_deletion_grace,
        recent_login: settings.accounts.recent_login,
    }
}

pub fn token_lifetime(settings: &Settings) -> LongestLifetime {
    LongestLifetime::new(settings.access_token_lifetime)
}

pub fn key_settings(settings: &Settings, token_lifetime: LongestLifetime) -> KeySettings {
    KeySettings {
        algorithm: settings.signing_algorithm,
        schedule: Schedule {
            publish_ahead: settings.key_publish_ahead,
            interval: settings.key_rotation_interval,
        },
        token_lifetime,
    }
}

pub fn token_settings(settings: &Settings) -> TokenSettings {
    TokenSettings {
        issuer: settings.issuer(),
        audience: settings.audience.clone(),
        states_external_id: settings.accounts.token_external_id,
        access_lifetime: settings.access_token_lifetime,
        refresh_lifetime: settings.refresh_token_lifetime,
        session_lifetime: settings.session_lifetime,
    }
}

pub fn session_settings(settings: &Settings) -> SessionSettings {
    SessionSettings {
        max_per_user: settings.sessions_per_user,
        refresh_grace: settings.refresh_grace,
        rotation: if settings.refresh_rotation { Rotation::On } else { Rotation::Off },
        sync_timeout: settings.redis.timeout,
        outage_policy: settings.redis.outage_policy,
    }
}

pub fn feed_settings(settings: &Settings, token_lifetime: LongestLifetime) -> FeedSettings {
    FeedSettings {
        token_lifetime,
        redis_key_prefix: settings.redis.key_prefix.clone(),
        redis_timeout: settings.redis.timeout,
    }
}

pub fn throttle_limits(settings: &Settings) -> Limits {
    Limits {
        per_name: settings.login_failures_per_name.into(),
        per_address: settings.login_failures_per_address,
    }
}

pub fn cleanup(settings: &Settings) -> Cleanup {
    Cleanup::new(settings.audit_retention)
}

/// Returns the sender of webhooks.
pub fn webhook_sender(settings: &Settings) -> Sender {
    Sender::new(match settings.webhooks.private_addresses {
        true => AddressPolicy::PublicAndPrivate,
        false => AddressPolicy::PublicOnly,
    })
}

/// Returns the settings of mail: the templates, the sender and the mail server.
///
/// # Errors
/// If a template of the operator cannot be used.
pub fn mailer_settings(settings: &Settings) -> Result<MailerSettings, CommandError> {
    let mail = &settings.mail;
    let issuer = settings.issuer();
    let account_url = mail.account_url.as_deref().unwrap_or(&issuer);
    let templates = Templates::load(mail.templates.as_deref(), &settings.product(), account_url)?;
    let transport = match mail.url() {
        Some(url) => Transport::Smtp(url),
        None => Transport::Files(settings.data_dir.join("mail")),
    };
    let default_from = || Mailbox::parse("auth-service@localhost").expect("a valid address");
    Ok(MailerSettings {
        transport,
        templates,
        from: mail.from.clone().unwrap_or_else(default_from),
        logs_links: settings.database.url().is_none(),
    })
}
