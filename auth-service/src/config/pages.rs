//! Settings of the pages on which users sign in.

use std::path::PathBuf;

use clap::Args;

use crate::domain::color::Color;

/// Settings of the pages on which users sign in.
#[derive(Args, Clone, Debug)]
pub struct PageSettings {
    /// Folder of files that replace templates, texts and the stylesheet of the pages, such as
    /// layout.html, texts.en.json or style.css
    #[arg(
        id = "page_templates",
        long = "page-templates",
        env = "PAGE_TEMPLATES",
        value_name = "FOLDER"
    )]
    pub templates: Option<PathBuf>,

    /// Logo of the pages: an SVG or PNG file of at most 64 KB
    #[arg(id = "page_logo", long = "page-logo", env = "PAGE_LOGO", value_name = "FILE")]
    pub logo: Option<PathBuf>,

    /// Colour of buttons and links of the pages, such as `#1d4ed8`. The colour of the text on
    /// buttons follows from it. Links become darker or lighter where they would be hard to read
    #[arg(
        id = "page_color",
        long = "page-color",
        env = "PAGE_COLOR",
        value_name = "COLOR",
        default_value = "#1d4ed8",
        value_parser = Color::parse
    )]
    pub color: Color,
}
