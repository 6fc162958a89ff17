//! The settings of each service, from the settings of the process.

use crate::{
    config::Settings, domain::key_schedule::Schedule, jobs::cleanup::Cleanup, keys::KeySettings,
    revocation_feed::FeedSettings, sessions::SessionSettings, tokens::TokenSettings,
};

pub fn key_settings(settings: &Settings) -> KeySettings {
    KeySettings {
        algorithm: settings.signing_algorithm,
        schedule: Schedule {
            publish_ahead: settings.key_publish_ahead,
            interval: settings.key_rotation_interval,
        },
        token_lifetime: settings.access_token_lifetime,
    }
}

pub fn token_settings(settings: &Settings) -> TokenSettings {
    TokenSettings {
        issuer: settings.issuer(),
        audience: settings.audience.clone(),
        access_lifetime: settings.access_token_lifetime,
        refresh_lifetime: settings.refresh_token_lifetime,
        session_lifetime: settings.session_lifetime,
    }
}

pub fn session_settings(settings: &Settings) -> SessionSettings {
    SessionSettings {
        refresh_grace: settings.refresh_grace,
        sync_timeout: settings.redis.timeout,
        leeway: settings.leeway,
        access_token_lifetime: settings.access_token_lifetime,
        outage_policy: settings.redis.outage_policy,
    }
}

pub fn feed_settings(settings: &Settings) -> FeedSettings {
    FeedSettings {
        access_token_lifetime: settings.access_token_lifetime,
        redis_key_prefix: settings.redis.key_prefix.clone(),
        redis_timeout: settings.redis.timeout,
    }
}

pub fn cleanup(settings: &Settings) -> Cleanup {
    Cleanup::new(settings.leeway, settings.audit_retention)
}
