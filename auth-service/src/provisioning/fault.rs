//! A fault of the file.

/// A fault of the file. The text contains no secret.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Fault {
    /// Line of the file, the first being 1.
    pub line: usize,
    /// What is wrong.
    pub text: String,
}
