//! Why a mail was not handed over.

/// Error returned when a mail was not handed over. The text is for an operator, and contains no
/// content of the mail.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SendError(pub String);
