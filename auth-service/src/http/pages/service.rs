//! What all pages share: templates, stylesheet, logo and headers, from the settings.

use std::{path::Path, sync::OnceLock};

use actix_web::{http::header::HeaderValue, web::Bytes};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use minijinja::Error;
use service_kit::CommandError;

use super::{
    templates::{Frame, Templates},
    view::View,
};
use crate::{
    config::Settings,
    domain::{
        color::Color, language::Language, return_to::ReturnTargets, trusted_origins::TrustedOrigins,
    },
};

/// Maximum size of a logo.
const MAX_LOGO_BYTES: usize = 64 * 1024;

/// Backgrounds of texts in style.css, in the light and in the dark scheme.
const LIGHT: [Color; 2] = [Color::new(0xf4, 0xf5, 0xf7), Color::WHITE];
const DARK: [Color; 2] = [Color::new(0x11, 0x14, 0x18), Color::new(0x1b, 0x1f, 0x26)];

/// What all pages share.
pub struct Pages {
    pub templates: Templates,
    pub style: Stylesheet,
    pub logo: Option<Logo>,
    /// Where users may return to after signing in.
    pub targets: ReturnTargets,
    /// `Content-Security-Policy` of every page.
    pub policy: HeaderValue,
    /// URL of the issuer.
    pub issuer: String,
    /// Path of the issuer, empty or as `/auth`.
    pub base: String,
    pub password_min: u16,
    product: String,
    /// The sign-in page of each language before anything has happened, once it was rendered. Most
    /// visitors open it, and rendering takes three quarters of the time of the request.
    sign_in: [OnceLock<Bytes>; Language::ALL.len()],
}

/// The stylesheet of all pages.
pub struct Stylesheet {
    /// Hash of the content, which is a part of the name.
    pub hash: String,
    pub content: Bytes,
}

/// The operator's logo.
pub struct Logo {
    pub content: Bytes,
    pub media_type: &'static str,
}

impl Pages {
    /// Loads the pages that these settings describe.
    ///
    /// # Errors
    /// If a file of the operator cannot be used. The error names the file and the setting.
    pub fn load(settings: &Settings) -> Result<Self, CommandError> {
        let (templates, style) = Templates::load(settings.pages.templates.as_deref())?;
        let issuer = settings.issuer();
        let origins = settings.trusted_origins();
        let policy = policy(&origins)?;
        let targets = ReturnTargets::new(&issuer, origins)
            .ok_or_else(|| CommandError::usage("ISSUER is not a URL"))?;
        Ok(Self {
            templates,
            style: Stylesheet::new(settings.pages.color, &style),
            logo: settings.pages.logo.as_deref().map(Logo::read).transpose()?,
            targets,
            policy,
            issuer,
            base: settings.issuer_path(),
            password_min: settings.password_min_length,
            product: settings.product(),
            sign_in: Default::default(),
        })
    }

    /// Returns the content of a page.
    ///
    /// # Errors
    /// If a template of the operator fails with these values.
    pub fn render(&self, language: Language, frame: &Frame, view: &View) -> Result<Bytes, Error> {
        let is_kept = matches!(view, View::SignIn { .. }) && *frame == self.frame();
        let kept = is_kept.then(|| &self.sign_in[language as usize]);
        if let Some(content) = kept.and_then(OnceLock::get) {
            return Ok(content.clone());
        }
        let content = Bytes::from(self.templates.render(language, frame, view)?);
        Ok(match kept {
            Some(kept) => kept.get_or_init(|| content).clone(),
            None => content,
        })
    }

    /// Returns what is around a page before anything has happened.
    pub fn frame(&self) -> Frame {
        Frame {
            product: self.product.clone(),
            base: self.base.clone(),
            style: format!("style-{}.css", self.style.hash),
            logo: self.logo.is_some(),
            ..Frame::default()
        }
    }
}

/// Returns the policy: no scripts, and styles, images and forms of this service only. A form may
/// also lead to the browser origins, because browsers apply `form-action` to redirects too.
fn policy(origins: &TrustedOrigins) -> Result<HeaderValue, CommandError> {
    let others = origins.others().iter().map(String::as_str);
    let form_targets = ["'self'"].into_iter().chain(others).collect::<Vec<_>>().join(" ");
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action {form_targets}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy)
        .map_err(|_| CommandError::usage("BROWSER_ORIGINS cannot be in a header"))
}

impl Stylesheet {
    fn new(accent: Color, style: &str) -> Self {
        let on_accent = accent.text_color();
        let light = accent.darkened_for(&LIGHT);
        let dark = accent.lightened_for(&DARK);
        let content = format!(
            ":root{{--accent:{accent};--on-accent:{on_accent};--link:{light}}}\n\
             @media (prefers-color-scheme:dark){{:root{{--link:{dark}}}}}\n{style}"
        );
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, content.as_bytes()));
        Self { hash: hash[..12].to_owned(), content: content.into() }
    }
}

impl Logo {
    fn read(file: &Path) -> Result<Self, CommandError> {
        let refused = |why: &str| {
            CommandError::new(format!("cannot use {} (PAGE_LOGO): {why}", file.display()))
        };
        let content = std::fs::read(file).map_err(|why| refused(&why.to_string()))?;
        if content.len() > MAX_LOGO_BYTES {
            return Err(refused("it is larger than 64 KB"));
        }
        let media_type = media_type(&content).ok_or_else(|| refused("it is no SVG or PNG file"))?;
        Ok(Self { content: content.into(), media_type })
    }
}

fn media_type(content: &[u8]) -> Option<&'static str> {
    if content.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some("image/png");
    }
    let text = str::from_utf8(content).ok()?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let is_svg = text.starts_with("<svg")
        || (text.starts_with("<?xml") || text.starts_with("<!")) && text.contains("<svg");
    is_svg.then_some("image/svg+xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logo_is_recognised_by_its_content() {
        for (content, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], Some("image/png")),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Some("image/svg+xml")),
            (b"<?xml version='1.0'?>\n<svg/>", Some("image/svg+xml")),
            (b"<!-- made by hand --><svg/>", Some("image/svg+xml")),
            (b"<html><svg/></html>", None),
            (b"GIF89a", None),
            (b"", None),
            (b"\xff\xfe<svg", None),
        ] {
            assert_eq!(media_type(content), expected, "{}", content.escape_ascii());
        }
    }

    #[test]
    fn stylesheet_has_the_colours_and_its_hash_follows_the_content() {
        let blue = Stylesheet::new(Color::new(0x1d, 0x4e, 0xd8), "a{}");
        let text = String::from_utf8(blue.content.to_vec()).unwrap();
        assert!(text.starts_with(":root{--accent:#1d4ed8;--on-accent:#ffffff;--link:#1d4ed8}"));
        assert_ne!(Stylesheet::new(Color::BLACK, "a{}").hash, blue.hash);
        assert_ne!(Stylesheet::new(Color::new(0x1d, 0x4e, 0xd8), "b{}").hash, blue.hash);
    }
}
