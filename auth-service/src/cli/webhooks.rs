//! `auth-service webhooks`: receivers of webhooks, and their messages.

use clap::{Args, Subcommand, value_parser};
use serde_json::{Value, json};
use service_kit::{
    CommandError,
    output::{print, print_outcome},
};

use super::{
    format::Format,
    open::webhook_admin,
    text::{names, time},
};
use crate::{
    app::webhook_sender,
    config::Settings,
    jobs::webhooks::{Filter, Message, TestOutcome, WebhookAdmin, WebhookState},
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the receivers, their events, and the number of messages that were not sent
    List,
    /// List messages, the newest first. Messages that were sent are kept for a week
    Messages(Messages),
    /// Send a message of the type webhook.test to a receiver now
    Test {
        /// URL or id of the receiver
        receiver: String,
    },
    /// Send a message again, also if it was sent or given up. It has the same id
    Replay(Replay),
}

#[derive(Args, Debug)]
pub struct Messages {
    /// Only messages to this receiver: its URL or id
    #[arg(long, value_name = "RECEIVER")]
    to: Option<String>,
    /// Only messages that were not sent
    #[arg(long)]
    unsent: bool,
    /// Maximum number of messages
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "100",
        value_parser = value_parser!(u32).range(1..=10_000)
    )]
    limit: u32,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Replay {
    /// Id of the message
    id: Option<String>,
    /// All messages to this receiver that were given up: its URL or id
    #[arg(long, value_name = "RECEIVER")]
    given_up: Option<String>,
}

pub async fn run(settings: &Settings, action: Action, format: Format) -> Result<(), CommandError> {
    let admin = webhook_admin(settings).await?;
    match action {
        Action::List => {
            let states = admin.states().await?;
            let text = || states.iter().map(state_text).collect();
            print(&format.list(&states, text, state_object))
        }
        Action::Messages(messages) => list_messages(&admin, messages, format).await,
        Action::Test { receiver } => {
            let sender = webhook_sender(settings);
            let TestOutcome { url, status, id } = admin.test(&receiver, &sender).await?;
            let text = || format!("{url} accepted the message {id}: status {status}\n");
            print_outcome(&format.one(text, || json!({"url": url, "id": id, "status": status})))
        }
        Action::Replay(replay) => {
            let count = match replay {
                Replay { id: Some(id), .. } => admin.replay(&id).await.map(|()| 1)?,
                Replay { given_up, .. } => {
                    admin.replay_given_up(&given_up.unwrap_or_default()).await?
                }
            };
            let text = || format!("Due now: {count} messages. A running service sends them\n");
            print_outcome(&format.one(text, || json!({ "due": count })))
        }
    }
}

async fn list_messages(
    admin: &WebhookAdmin,
    Messages { to, unsent, limit }: Messages,
    format: Format,
) -> Result<(), CommandError> {
    let webhook_id = match to {
        Some(name) => Some(admin.find(&name).await?.id),
        None => None,
    };
    let filter = Filter { webhook_id, unsent_only: unsent };
    let messages = admin.messages(filter, limit.into()).await?;
    let text = || messages.iter().map(message_text).collect();
    print(&format.list(&messages, text, message_object))
}

fn state_text(WebhookState { webhook, counts }: &WebhookState) -> String {
    let (url, events) = (&webhook.url, &webhook.events);
    format!("{url}  {events}  {} waiting  {} given up\n", counts.pending, counts.given_up)
}

fn state_object(WebhookState { webhook, counts }: &WebhookState) -> Value {
    json!({
        "id": webhook.id,
        "url": webhook.url,
        "events": names(&webhook.events),
        "created_at": time(webhook.created_at),
        "waiting": counts.pending,
        "given_up": counts.given_up,
    })
}

fn message_text(message: &Message) -> String {
    let Message { id, event, due_at, attempts, last_error, sent_at, given_up_at, .. } = message;
    let state = match (sent_at, given_up_at) {
        (Some(at), _) => format!("sent at {}", time(*at)),
        (None, Some(at)) => format!("given up at {}", time(*at)),
        (None, None) => format!("due at {}", time(*due_at)),
    };
    let error = last_error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{id}  {event}  {state}  {attempts} attempts{error}\n")
}

fn message_object(message: &Message) -> Value {
    json!({
        "id": message.id,
        "receiver": message.webhook_id,
        "event": message.event,
        "created_at": time(message.created_at),
        "due_at": time(message.due_at),
        "attempts": message.attempts,
        "last_error": message.last_error,
        "sent_at": message.sent_at.map(time),
        "given_up_at": message.given_up_at.map(time),
    })
}
