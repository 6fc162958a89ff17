//! Templates of mails: those of this program, each replaceable by a file of the operator.
//!
//! A mail has one template for each language, `verify_email.en.txt`: a line `Subject: …`, an empty
//! line, and the text. The HTML part has the same paragraphs in `layout.html`, so that both parts
//! always say the same.

use std::{collections::BTreeMap, path::Path, time::Duration};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context, value::Serde};
use service_kit::{CommandError, replaced_files::replace_by_files};

use crate::domain::{
    language::Language,
    mail::{Mail, MailMessage},
};

const LAYOUT: &str = "layout.html";

/// Lists the templates of this program as pairs of name and text.
macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(
            (
                concat!($name, ".en.txt"),
                include_str!(concat!("../../../templates/mail/", $name, ".en.txt")),
            ),
            (
                concat!($name, ".de.txt"),
                include_str!(concat!("../../../templates/mail/", $name, ".de.txt")),
            ),
        )+]
    };
}

const BUILT_IN: &[(&str, &str)] = &built_in![
    "verify_email",
    "reset_password",
    "password_voided",
    "password_changed",
    "username_changed",
    "deletion_cancelled",
    "failed_logins",
    "already_registered",
    "invitation",
    "new_device",
    "change_email",
    "email_changed",
    "email_left",
    "undo_email_change",
    "delete_account",
    "account_deleted",
    "test",
];

/// The templates of all mails.
pub struct Templates {
    environment: Environment<'static>,
    product: String,
    /// URL of the pages to which mails link.
    account_url: String,
}

/// A rendered mail.
#[derive(Debug, Eq, PartialEq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Templates {
    /// Loads the templates of this program, and in their place the files of the same names in
    /// `folder`. Renders each once, so that a mistake is found now and not when a mail is sent.
    ///
    /// # Errors
    /// If a file is not a template of a mail. The error names the file.
    pub fn load(
        folder: Option<&Path>,
        product: &str,
        account_url: &str,
    ) -> Result<Self, CommandError> {
        let mut sources: BTreeMap<String, String> =
            BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let layout = include_str!("../../../templates/mail/layout.html");
        sources.insert(LAYOUT.to_owned(), layout.to_owned());
        if let Some(folder) = folder {
            replace_by_files(&mut sources, folder, "MAIL_TEMPLATES")?;
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        });
        for (name, text) in sources {
            environment
                .add_template_owned(name.clone(), text)
                .map_err(|why| template_error(&name, &why))?;
        }
        let templates = Self {
            environment,
            product: product.to_owned(),
            account_url: account_url.trim_end_matches('/').to_owned(),
        };
        templates.check()?;
        Ok(templates)
    }

    /// Renders one mail of each topic in each language.
    fn check(&self) -> Result<(), CommandError> {
        for message in examples() {
            for language in Language::ALL {
                let topic = message.topic();
                let mail = Mail {
                    to: "ada@example.com".into(),
                    language,
                    username: "ada".into(),
                    message: message.clone(),
                };
                let name = format!("{topic}.{}.txt", language.tag());
                self.render(&mail).map_err(|why| template_error(&name, &why))?;
            }
        }
        Ok(())
    }

    /// Renders a mail.
    ///
    /// # Errors
    /// If a template of the operator fails with these values.
    pub fn render(&self, mail: &Mail) -> Result<Rendered, minijinja::Error> {
        let language = mail.language.tag();
        let link = self.link(mail);
        let name = format!("{}.{language}.txt", mail.message.topic());
        let values = context! {
            username => mail.username.as_str(),
            product => self.product.as_str(),
            link => link.as_str(),
            lifetime => mail.message.lifetime_seconds().map(|seconds| {
                duration(Duration::from_secs(seconds), mail.language)
            }),
            ..Serde(&mail.message)
        };
        let whole = self.environment.get_template(&name)?.render(&values)?;
        let (subject, text) = split_subject(&whole)?;
        let paragraphs: Vec<&str> =
            text.split("\n\n").map(str::trim).filter(|text| !text.is_empty()).collect();
        let code = mail.message.code();
        let html = self.environment.get_template(LAYOUT)?.render(context! {
            language,
            subject => subject.to_owned(),
            paragraphs => Serde(&paragraphs),
            link,
            code,
        })?;
        Ok(Rendered { subject: subject.to_owned(), text: text.to_owned(), html })
    }

    /// Returns the link of a mail. It starts with the configured URL, never with the Host header of
    /// a request. A GET spends no code, because mail scanners follow links.
    pub fn link(&self, mail: &Mail) -> String {
        let account_url = &self.account_url;
        let path = mail.message.page();
        match mail.message.code() {
            Some(code) => {
                let query: String = form_urlencoded::Serializer::new(String::new())
                    .append_pair("email", &mail.to)
                    .append_pair("code", code)
                    .finish();
                format!("{account_url}{path}?{query}")
            }
            None => format!("{account_url}{path}"),
        }
    }
}

fn template_error(name: &str, why: &minijinja::Error) -> CommandError {
    let line = why.line().map(|line| format!(" line {line}")).unwrap_or_default();
    CommandError::new(format!("mail template {name}{line}: {why}"))
}

/// Splits a rendered template into its subject and its text. The subject becomes a header, so a
/// control character in it is refused.
fn split_subject(whole: &str) -> Result<(&str, &str), minijinja::Error> {
    let malformed = || {
        minijinja::Error::new(
            minijinja::ErrorKind::InvalidOperation,
            "must start with a line `Subject: …` and an empty line",
        )
    };
    let rest = whole.strip_prefix("Subject: ").ok_or_else(malformed)?;
    let (subject, text) = rest.split_once("\n\n").ok_or_else(malformed)?;
    if subject.is_empty() || subject.chars().any(char::is_control) {
        return Err(malformed());
    }
    Ok((subject, text.trim_end()))
}

/// Returns a duration in words, in the largest unit that divides it.
fn duration(time: Duration, language: Language) -> String {
    let seconds = time.as_secs();
    let units = match language {
        Language::En => [("day", "days"), ("hour", "hours"), ("minute", "minutes")],
        Language::De => [("Tag", "Tage"), ("Stunde", "Stunden"), ("Minute", "Minuten")],
    };
    let lengths = [86400, 3600, 60];
    let unit =
        lengths.iter().position(|length| seconds >= *length && seconds.is_multiple_of(*length));
    let unit = unit.unwrap_or(2);
    let count = seconds.div_ceil(lengths[unit]);
    let (one, many) = units[unit];
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Returns one message of each topic.
fn examples() -> Vec<MailMessage> {
    let code = || "ABCD-EFGH-JKMN".to_owned();
    vec![
        MailMessage::VerifyEmail { code: code(), lifetime_seconds: 86400 },
        MailMessage::ResetPassword { code: code(), lifetime_seconds: 3600 },
        MailMessage::PasswordVoided { code: code(), lifetime_seconds: 3600 },
        MailMessage::PasswordChanged,
        MailMessage::UsernameChanged { former: "lovelace".into() },
        MailMessage::DeletionCancelled,
        MailMessage::FailedLogins,
        MailMessage::AlreadyRegistered,
        MailMessage::Invitation { code: code(), lifetime_seconds: 604_800 },
        MailMessage::NewDevice {
            at: "2026-11-28 07:00 UTC".into(),
            address: "198.51.100.7".into(),
        },
        MailMessage::ChangeEmail { code: code(), lifetime_seconds: 3600 },
        MailMessage::EmailChanged,
        MailMessage::EmailLeft,
        MailMessage::UndoEmailChange { code: code(), lifetime_seconds: 604_800 },
        MailMessage::DeleteAccount { code: code(), lifetime_seconds: 3600 },
        MailMessage::AccountDeleted { grace_seconds: 604_800 },
        MailMessage::AccountDeleted { grace_seconds: 0 },
        MailMessage::Test,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates() -> Templates {
        Templates::load(None, "Example <Shop>", "https://auth.example.com/").unwrap()
    }

    fn mail(message: MailMessage, language: Language) -> Mail {
        Mail { to: "ada@example.com".into(), language, username: "ada & <b>".into(), message }
    }

    #[test]
    fn both_parts_have_code_and_link() {
        let message =
            MailMessage::ResetPassword { code: "ABCD-EFGH-JKMN".into(), lifetime_seconds: 3600 };
        let english = templates().render(&mail(message.clone(), Language::En)).unwrap();
        let link = "https://auth.example.com/reset?email=ada%40example.com&code=ABCD-EFGH-JKMN";
        assert_eq!(english.subject, "Set a new password");
        assert!(english.text.contains(&format!("\n\n{link}\n\n")), "{}", english.text);
        assert!(english.text.contains("\n\nABCD-EFGH-JKMN\n\n"), "{}", english.text);
        assert!(english.text.contains("valid for 1 hour"), "{}", english.text);
        let escaped = link.replace('&', "&amp;").replace('/', "&#x2f;");
        assert!(english.html.contains(&format!("<a href=\"{escaped}\">")), "{}", english.html);
        let german = templates().render(&mail(message, Language::De)).unwrap();
        assert_eq!(german.subject, "Neues Passwort festlegen");
        assert!(german.text.contains("gilt 1 Stunde"), "{}", german.text);
    }

    #[test]
    fn values_are_text_and_not_markup() {
        let rendered = templates().render(&mail(MailMessage::Test, Language::En)).unwrap();
        assert!(rendered.text.contains("ada & <b>"), "{}", rendered.text);
        assert!(rendered.text.contains("Example <Shop>"), "{}", rendered.text);
        assert!(!rendered.html.contains("<b>"), "{}", rendered.html);
        assert!(!rendered.html.contains("<Shop>"), "{}", rendered.html);
    }

    #[test]
    fn durations_are_in_the_largest_unit_that_divides_them() {
        for (seconds, english, german) in [
            (86400, "1 day", "1 Tag"),
            (172_800, "2 days", "2 Tage"),
            (5400, "90 minutes", "90 Minuten"),
            (59, "1 minute", "1 Minute"),
        ] {
            let time = Duration::from_secs(seconds);
            assert_eq!(duration(time, Language::En), english);
            assert_eq!(duration(time, Language::De), german);
        }
    }

    #[test]
    fn file_of_the_operator_replaces_a_template() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.en.txt");
        std::fs::write(&file, "Subject: Ours\n\nHi {{ username }} at {{ link }}").unwrap();
        let load = || Templates::load(Some(folder.path()), "Shop", "https://auth.example.com");
        let rendered = load().unwrap().render(&mail(MailMessage::Test, Language::En)).unwrap();
        assert_eq!(rendered.subject, "Ours");
        for (text, complaint) in [
            ("Hello", "must start with a line"),
            ("Subject: a\nBcc: x@example.com\n\ntext", "must start with a line"),
            ("Subject: a\n\n{{ unknown }}", "undefined"),
            ("Subject: a\n\n{{ username", "line 3"),
        ] {
            std::fs::write(&file, text).unwrap();
            let Err(why) = load() else { panic!("accepted {text:?}") };
            let why = why.to_string();
            assert!(why.contains("test.en.txt") && why.contains(complaint), "{why}");
        }
        std::fs::rename(&file, folder.path().join("tets.en.txt")).unwrap();
        let Err(why) = load() else { panic!("accepted a file of an unknown name") };
        assert!(why.to_string().contains("tets.en.txt"), "{why}");
    }
}
