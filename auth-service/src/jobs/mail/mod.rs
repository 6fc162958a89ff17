//! Sends mail: renders a [`Mail`](crate::domain::mail::Mail) and hands it to a mail server, or
//! writes it to a file.

mod message;
mod send_error;
mod smtp;
mod templates;
mod transport;

pub use self::{
    message::{MailAddress, Mailbox, Mailer, MailerSettings},
    send_error::SendError,
    smtp::{MailUrl, SEND_TIMEOUT},
    templates::Templates,
    transport::Transport,
};
