//! Which kinds are also removed.

use super::document::Document;

/// A kind of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Clients,
    Grants,
    ReservedNames,
    Webhooks,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Clients, Self::Grants, Self::ReservedNames, Self::Webhooks];

    /// Returns the name in the file and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Grants => "grants",
            Self::ReservedNames => "reserved_names",
            Self::Webhooks => "webhooks",
        }
    }

    fn is_in(self, document: &Document) -> bool {
        match self {
            Self::Clients => document.clients.is_some(),
            Self::Grants => document.grants.is_some(),
            Self::ReservedNames => document.reserved_names.is_some(),
            Self::Webhooks => document.webhooks.is_some(),
        }
    }
}

/// Which kinds the application of a file also removes from the database, where the file does not
/// have them.
#[derive(Clone, Debug, Default)]
pub enum Prune {
    /// Nothing is removed.
    #[default]
    Nothing,
    /// Each kind that the file has.
    AllOfFile,
    /// These kinds. The file must have them.
    Kinds(Vec<Kind>),
}

impl Prune {
    /// Parses `all`, or names of kinds that commas separate.
    ///
    /// # Errors
    /// If a name is unknown.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::AllOfFile);
        }
        let kind = |name: &str| Kind::ALL.into_iter().find(|kind| kind.name() == name);
        let kinds: Option<Vec<Kind>> = text.split(',').map(kind).collect();
        kinds.map(Self::Kinds).ok_or_else(|| {
            let known = Kind::ALL.map(Kind::name).join(", ");
            format!("must be all, or some of {known}, separated by commas")
        })
    }

    /// Returns a kind that was named and that the file does not have. A file that was cut off would
    /// remove everything of this kind.
    pub(super) fn kind_not_in(&self, document: &Document) -> Option<Kind> {
        let Self::Kinds(kinds) = self else { return None };
        kinds.iter().copied().find(|kind| !kind.is_in(document))
    }

    pub(super) fn includes(&self, kind: Kind) -> bool {
        match self {
            Self::Nothing => false,
            Self::AllOfFile => true,
            Self::Kinds(kinds) => kinds.contains(&kind),
        }
    }
}
