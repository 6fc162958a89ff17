//! `auth-service outbox`: messages that are still to be sent.

use clap::{Args, Subcommand, value_parser};
use serde_json::{Value, json};
use service_kit::{
    CommandError,
    output::{print, print_outcome},
};
use shared::clock::Clock;

use super::{format::Format, open::open_store, text::time};
use crate::{config::Settings, jobs::outbox::OutboxAdmin, store::outbox::Message};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// List messages that are still to be sent or were given up, oldest first
    List(List),
    /// Print the state of a message. Its content stays secret, because it may contain a code
    Show {
        /// Id of the message
        id: String,
    },
    /// Send a message now, even if it was given up
    Retry(Retry),
}

#[derive(Args, Debug)]
pub struct List {
    /// Maximum number of messages
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1000",
        value_parser = value_parser!(u32).range(1..)
    )]
    limit: u32,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Retry {
    /// Id of the message
    id: Option<String>,
    /// All messages that were given up
    #[arg(long)]
    given_up: bool,
}

pub async fn run(settings: &Settings, action: Action, format: Format) -> Result<(), CommandError> {
    let store = open_store(settings).await?;
    let admin = OutboxAdmin { store, clock: Clock::system() };
    match action {
        Action::List(List { limit }) => {
            let messages = admin.list(limit.into()).await?;
            let text = || messages.iter().map(text).collect();
            print(&format.list(&messages, text, object))
        }
        Action::Show { id } => {
            let message = admin.find(&id).await?;
            print(&format.one(|| text(&message), || object(&message)))
        }
        Action::Retry(Retry { id, .. }) => {
            let count = match id {
                Some(id) => admin.retry(&id).await.map(|()| 1)?,
                None => admin.retry_given_up().await?,
            };
            let text = || format!("Due now: {count} messages. A running service sends them\n");
            print_outcome(&format.one(text, || json!({ "due": count })))
        }
    }
}

fn text(message: &Message) -> String {
    let Message { id, kind, topic, due_at, attempts, last_error, .. } = message;
    let state = match message.given_up_at {
        Some(at) => format!("given up at {}", time(at)),
        None => format!("due at {}", time(*due_at)),
    };
    let error = last_error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{id}  {kind} {topic}  {state}  {attempts} attempts{error}\n")
}

fn object(message: &Message) -> Value {
    json!({
        "id": message.id,
        "kind": message.kind,
        "topic": message.topic,
        "user": message.user_id,
        "created_at": time(message.created_at),
        "due_at": time(message.due_at),
        "attempts": message.attempts,
        "last_error": message.last_error,
        "given_up_at": message.given_up_at.map(time),
    })
}
