//! Settings of webhooks.

use std::time::Duration;

use clap::{ArgAction, Args};
use service_kit::settings::positive_seconds;

use super::switch::on_or_off;

/// Settings of webhooks.
#[derive(Args, Clone, Debug)]
pub struct WebhookSettings {
    /// Whether webhooks may be sent to addresses of this machine and of private networks, and over
    /// http: on or off. Addresses of cloud metadata are never allowed
    #[arg(
        id = "webhook_private_addresses",
        long = "webhook-private-addresses",
        env = "WEBHOOK_PRIVATE_ADDRESSES",
        value_name = "on|off",
        default_value = "off",
        action = ArgAction::Set,
        value_parser = on_or_off
    )]
    pub private_addresses: bool,

    /// Time after which a webhook that cannot be sent is given up, in seconds
    #[arg(
        id = "webhook_give_up",
        long = "webhook-give-up",
        env = "WEBHOOK_GIVE_UP",
        value_name = "SECONDS",
        default_value = "259200",
        value_parser = positive_seconds
    )]
    pub give_up: Duration,
}
