//! Templates of the pages: those of this program, each replaceable by a file of the operator.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};
use serde::Serialize;
use service_kit::{CommandError, replaced_files::replace_by_files};
use shared::problem::FieldErrors;

use super::{
    catalogue::{Catalogue, Catalogues},
    view::View,
};
use crate::domain::language::Language;

const SETTING: &str = "PAGE_TEMPLATES";
const STYLE: &str = "style.css";

/// Lists the files of this program as pairs of name and text.
macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../templates/pages/", $name)))),+]
    };
}

const BUILT_IN: &[(&str, &str)] = &built_in![
    "account.html",
    "back.html",
    "change_email.html",
    "code.html",
    "confirm.html",
    "current_password.html",
    "delete.html",
    "delete_account.html",
    "email.html",
    "export.html",
    "field.html",
    "forgot.html",
    "hidden.html",
    "layout.html",
    "new_password.html",
    "password.html",
    "problem.html",
    "profile.html",
    "reset.html",
    "sessions.html",
    "sign_in.html",
    "sign_out.html",
    "sign_up.html",
    "signed_in_as.html",
    "style.css",
    "texts.de.json",
    "texts.en.json",
    "undo_email_change.html",
    "verify.html",
];

/// The templates and texts of all pages.
pub struct Templates {
    environment: Environment<'static>,
    catalogues: Arc<Catalogues>,
}

/// What is around a page and in its form.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Frame {
    /// Name of the product.
    pub product: String,
    /// Path of the issuer, empty or as `/auth`.
    pub base: String,
    /// Name of the stylesheet below `/pages`.
    pub style: String,
    /// Whether there is a logo.
    pub logo: bool,
    /// The user who is signed in.
    pub user: Option<PageUser>,
    /// What has happened.
    pub notice: Option<String>,
    /// Why the form was refused as a whole.
    pub alert: Option<String>,
    /// Why fields were refused.
    pub errors: FieldErrors,
    /// What the user typed.
    pub values: BTreeMap<String, String>,
    /// The page to which the user returns after signing in.
    pub return_to: Option<String>,
    /// The query that passes `return_to` to another page: empty, or as `?return_to=…`.
    pub carry: String,
}

/// The variables of a template, in one map: templates look each of them up several times.
#[derive(Serialize)]
struct Variables<'a> {
    language: &'static str,
    title: String,
    #[serde(flatten)]
    frame: &'a Frame,
    #[serde(flatten)]
    view: &'a View,
}

/// The user whose account a page shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PageUser {
    pub id: String,
    pub username: String,
}

impl Templates {
    /// Loads the files of this program, and in their place the files of the same names in `folder`.
    /// With a folder, renders each page in each language, so that a mistake is found now and not
    /// when a user opens a page. A test renders those of this program. Returns the stylesheet too.
    ///
    /// # Errors
    /// If a file cannot be used. The error names the file, and the line if it is known.
    pub fn load(folder: Option<&Path>) -> Result<(Self, String), CommandError> {
        let mut sources: BTreeMap<String, String> =
            BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let original = sources["texts.en.json"].clone();
        if let Some(folder) = folder {
            replace_by_files(&mut sources, folder, SETTING)?;
        }
        let source = |language: Language| {
            let name = format!("texts.{}.json", language.tag());
            let text = sources[&name].as_str();
            (name, text)
        };
        let catalogues = Arc::new(Catalogues::parse(source, &original)?);
        let style = sources[STYLE].clone();
        sources.retain(|name, _| name.ends_with(".html"));
        let environment = environment(sources, Arc::clone(&catalogues))?;
        let templates = Self { environment, catalogues };
        if folder.is_some() {
            templates.check()?;
        }
        Ok((templates, style))
    }

    /// Renders samples of each page in each language.
    fn check(&self) -> Result<(), CommandError> {
        for view in View::samples() {
            let name = format!("{}.html", view.name());
            let frames = sample_frames();
            let frames = frames.iter().filter(|frame| frame.user.is_some() || !view.has_user());
            for frame in frames {
                for language in Language::ALL {
                    let rendered = self.render(language, frame, &view);
                    rendered.map_err(|why| template_error(&name, &why))?;
                }
            }
        }
        Ok(())
    }

    /// Renders a page.
    ///
    /// # Errors
    /// If a template of the operator fails with these values.
    pub fn render(&self, language: Language, frame: &Frame, view: &View) -> Result<String, Error> {
        let template = self.environment.get_template(&format!("{}.html", view.name()))?;
        let title = self.texts(language).text(&view.title(), &[]);
        let title = title.ok_or_else(|| unknown_text(&view.title()))?;
        template.render(Serde(Variables { language: language.tag(), title, frame, view }))
    }

    /// Returns the texts of a language.
    pub fn texts(&self, language: Language) -> &Catalogue {
        self.catalogues.of(language)
    }
}

fn environment(
    sources: BTreeMap<String, String>,
    catalogues: Arc<Catalogues>,
) -> Result<Environment<'static>, CommandError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // A line with a tag only leaves no empty line in the page.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment.add_function("text", move |state: &State, key: &str, values: Kwargs| {
        text(&catalogues, state, key, &values)
    });
    for (name, text) in sources {
        let added = environment.add_template_owned(name.clone(), text);
        added.map_err(|why| template_error(&name, &why))?;
    }
    Ok(environment)
}

/// The function `text` of templates: returns a text in the language of the page. Its values are
/// isolated, so that a name in another direction does not change the order of the text around it.
fn text(
    catalogues: &Catalogues,
    state: &State,
    key: &str,
    values: &Kwargs,
) -> Result<String, Error> {
    let tag = state.lookup("language");
    let language = tag.and_then(|tag| tag.as_str().and_then(Language::with_tag));
    let mut filled = Vec::new();
    for name in values.args() {
        let value: Value = values.get(name)?;
        let text = match value.as_str() {
            Some(text) => format!("\u{2068}{text}\u{2069}"),
            None => value.to_string(),
        };
        filled.push((name, text));
    }
    let texts = catalogues.of(language.unwrap_or_default());
    texts.text(key, &filled).ok_or_else(|| unknown_text(key))
}

fn unknown_text(key: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("no text has the key {key:?}"))
}

fn template_error(name: &str, why: &Error) -> CommandError {
    let name = why.name().unwrap_or(name);
    let line = why.line().map(|line| format!(" line {line}")).unwrap_or_default();
    CommandError::new(format!("page template {name}{line} ({SETTING}): {why}"))
}

/// Returns the states of a page: fresh, signed in with a notice, and refused.
fn sample_frames() -> [Frame; 3] {
    let fresh =
        Frame { product: "Example".into(), style: "style-0.css".into(), ..Frame::default() };
    let user = PageUser { id: "1".into(), username: "ada".into() };
    let values = [("username", "ada"), ("email", "ada@example.com"), ("language", "de")];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let signed_in = Frame {
        base: "/auth".into(),
        logo: true,
        user: Some(user),
        notice: Some("Saved.".into()),
        values: values.into(),
        ..fresh.clone()
    };
    let names = ["username", "email", "password", "code", "new_password", "old_password"];
    let errors = names.map(|name| (name.to_owned(), vec!["This field is required.".to_owned()]));
    let refused = Frame {
        alert: Some("Try again.".into()),
        errors: errors.into(),
        return_to: Some("https://auth.example.com/".into()),
        carry: "?return_to=x".into(),
        ..signed_in.clone()
    };
    [fresh, signed_in, refused]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_this_program_renders_in_every_language() {
        let (templates, _) = Templates::load(None).unwrap();
        templates.check().unwrap();
    }
}
