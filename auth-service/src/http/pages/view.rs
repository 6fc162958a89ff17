//! What each page shows besides its form's values, and samples of it.

use serde::Serialize;

/// A page. Its name is the name of its template.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "page", rename_all = "snake_case")]
pub enum View {
    SignIn {
        can_register: bool,
    },
    SignUp {
        is_closed: bool,
        asks_for_invitation: bool,
        password_min: u16,
    },
    /// `email` is the address of the user who is signed in.
    Verify {
        email: Option<String>,
    },
    Forgot,
    Reset {
        password_min: u16,
    },
    UndoEmailChange,
    Account {
        email: String,
        is_email_verified: bool,
    },
    Profile,
    Email {
        email: String,
        is_email_verified: bool,
    },
    ChangeEmail,
    Password {
        password_min: u16,
    },
    /// `next` is the number of the next page of sessions.
    Sessions {
        sessions: Vec<SessionView>,
        next: Option<usize>,
    },
    Export,
    /// `has_grace`: the user can return within a grace period.
    Delete {
        has_grace: bool,
    },
    DeleteAccount {
        has_grace: bool,
    },
    Confirm,
    SignOut,
    /// `title` is the key of the title. Templates have the text.
    Problem {
        #[serde(skip)]
        title: &'static str,
        link: Option<Link>,
    },
}

/// A session in the list of devices.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView {
    pub id: String,
    pub device: String,
    pub last_used: String,
    pub ip: Option<String>,
    pub is_current: bool,
}

/// A link of a page about a problem.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    pub href: String,
    pub label: String,
}

impl View {
    /// Returns the name of the page.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SignIn { .. } => "sign_in",
            Self::SignUp { .. } => "sign_up",
            Self::Verify { .. } => "verify",
            Self::Forgot => "forgot",
            Self::Reset { .. } => "reset",
            Self::UndoEmailChange => "undo_email_change",
            Self::Account { .. } => "account",
            Self::Profile => "profile",
            Self::Email { .. } => "email",
            Self::ChangeEmail => "change_email",
            Self::Password { .. } => "password",
            Self::Sessions { .. } => "sessions",
            Self::Export => "export",
            Self::Delete { .. } => "delete",
            Self::DeleteAccount { .. } => "delete_account",
            Self::Confirm => "confirm",
            Self::SignOut => "sign_out",
            Self::Problem { .. } => "problem",
        }
    }

    /// Returns the key of the title.
    pub fn title(&self) -> String {
        match self {
            Self::Problem { title, .. } => (*title).to_owned(),
            _ => format!("{}_title", self.name()),
        }
    }

    /// Returns the notices that the page may show. A link names one in its query, so a page shows
    /// only what can have happened before it.
    pub fn notices(&self) -> &'static [&'static str] {
        match self {
            Self::SignIn { .. } => &[
                "registered",
                "verified",
                "password_set",
                "signed_out",
                "deleted",
                "deletion_begun",
            ],
            Self::Verify { .. } => &["registered_unverified", "unverified", "verification_sent"],
            Self::Reset { .. } => &["reset_sent", "taken_back"],
            Self::Account { .. } => &["saved", "email_changed", "password_changed", "verified"],
            Self::ChangeEmail => &["email_code_sent"],
            Self::Sessions { .. } => &["session_ended", "others_ended"],
            Self::DeleteAccount { .. } => &["deletion_code_sent"],
            _ => &[],
        }
    }

    /// Returns whether only a user who is signed in sees the page.
    pub fn has_user(&self) -> bool {
        !matches!(
            self,
            Self::SignIn { .. }
                | Self::SignUp { .. }
                | Self::Verify { .. }
                | Self::Forgot
                | Self::Reset { .. }
                | Self::UndoEmailChange
                | Self::Problem { .. }
        )
    }

    /// Returns samples of each page, with which templates are checked.
    pub fn samples() -> Vec<Self> {
        let email = || "ada@example.com".to_owned();
        let link = Link { href: "https://auth.example.com/".into(), label: "auth".into() };
        let session = |is_current, ip: Option<&str>| SessionView {
            id: "01a20ee7-b215-7041-8694-ef34a8273545".into(),
            device: "Firefox".into(),
            last_used: "2026-11-28 07:00 UTC".into(),
            ip: ip.map(str::to_owned),
            is_current,
        };
        let sessions = vec![session(true, Some("198.51.100.7")), session(false, None)];
        let sign_up = |is_closed, asks_for_invitation| Self::SignUp {
            is_closed,
            asks_for_invitation,
            password_min: 8,
        };
        vec![
            Self::SignIn { can_register: true },
            Self::SignIn { can_register: false },
            sign_up(false, false),
            sign_up(false, true),
            sign_up(true, false),
            Self::Verify { email: None },
            Self::Verify { email: Some(email()) },
            Self::Forgot,
            Self::Reset { password_min: 8 },
            Self::UndoEmailChange,
            Self::Account { email: email(), is_email_verified: true },
            Self::Account { email: email(), is_email_verified: false },
            Self::Profile,
            Self::Email { email: email(), is_email_verified: true },
            Self::Email { email: email(), is_email_verified: false },
            Self::ChangeEmail,
            Self::Password { password_min: 8 },
            Self::Sessions { sessions, next: Some(2) },
            Self::Sessions { sessions: Vec::new(), next: None },
            Self::Export,
            Self::Delete { has_grace: true },
            Self::Delete { has_grace: false },
            Self::DeleteAccount { has_grace: true },
            Self::DeleteAccount { has_grace: false },
            Self::Confirm,
            Self::SignOut,
            Self::Problem { title: "problem_title", link: None },
            Self::Problem { title: "problem_title", link: Some(link) },
        ]
    }
}
