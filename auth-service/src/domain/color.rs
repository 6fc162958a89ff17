//! Colours of the pages, and their contrast (WCAG 2.2 section 1.4.3).

use std::fmt;

/// Minimum contrast between a text and its background.
const MIN_CONTRAST: f64 = 4.5;

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

impl Color {
    pub const BLACK: Self = Self::gray(0);
    pub const WHITE: Self = Self::gray(255);

    /// Returns a colour from its three parts.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    const fn gray(level: u8) -> Self {
        Self::new(level, level, level)
    }

    /// Parses `#rrggbb`.
    ///
    /// # Errors
    /// If the text has another form.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let digits = text.strip_prefix('#').filter(|digits| {
            digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, red, green, blue] = number.ok_or("must be a colour such as #1d4ed8")?.to_be_bytes();
        Ok(Self { red, green, blue })
    }

    /// Returns the colour of a readable text on this background: black or white. One of them has a
    /// contrast of at least 4.58 to every colour.
    pub fn text_color(self) -> Self {
        if self.contrast(Self::WHITE) >= MIN_CONTRAST { Self::WHITE } else { Self::BLACK }
    }

    /// Returns this colour, made darker until a text in it is readable on all `backgrounds`, which
    /// are light.
    pub fn darkened_for(self, backgrounds: &[Self]) -> Self {
        self.moved_to(Self::BLACK, backgrounds)
    }

    /// Returns this colour, made lighter until a text in it is readable on all `backgrounds`, which
    /// are dark.
    pub fn lightened_for(self, backgrounds: &[Self]) -> Self {
        self.moved_to(Self::WHITE, backgrounds)
    }

    fn moved_to(self, end: Self, backgrounds: &[Self]) -> Self {
        let is_readable = |color: &Self| {
            backgrounds.iter().all(|background| color.contrast(*background) >= MIN_CONTRAST)
        };
        let steps = (0..=100).map(|percent| self.mixed(end, percent));
        steps.into_iter().find(is_readable).unwrap_or(end)
    }

    /// Returns this colour with `percent` of another one.
    fn mixed(self, other: Self, percent: u16) -> Self {
        let mix = |own: u8, other: u8| {
            let sum = u16::from(own) * (100 - percent) + u16::from(other) * percent;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        Self {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
        }
    }

    /// Returns the contrast ratio of two colours, 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let one = self.luminance() + 0.05;
        let other = other.luminance() + 0.05;
        one.max(other) / one.min(other)
    }

    /// Returns the relative luminance, 0 for black and 1 for white.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns every 17th level of each part: 4096 colours.
    fn all_colors() -> impl Iterator<Item = Color> {
        let levels = || (0..=255).step_by(17);
        levels().flat_map(move |red| {
            levels().flat_map(move |green| levels().map(move |blue| Color::new(red, green, blue)))
        })
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert_eq!(Color::BLACK.contrast(Color::WHITE), 21.0);
        // The examples of WebAIM: the lightest gray that passes on white, and the next one.
        let on_white = |text: &str| Color::parse(text).unwrap().contrast(Color::WHITE);
        assert!(on_white("#767676") >= 4.5);
        assert!(on_white("#777777") < 4.5);
    }

    #[test]
    fn every_colour_gets_readable_text() {
        let light = [Color::WHITE, Color::new(0xf4, 0xf5, 0xf7)];
        let dark = [Color::new(0x11, 0x14, 0x18), Color::new(0x1b, 0x1f, 0x26)];
        for color in all_colors() {
            assert!(color.contrast(color.text_color()) >= 4.5, "{color}");
            let darkened = color.darkened_for(&light);
            assert!(light.iter().all(|it| darkened.contrast(*it) >= 4.5), "{color}");
            let lightened = color.lightened_for(&dark);
            assert!(dark.iter().all(|it| lightened.contrast(*it) >= 4.5), "{color}");
        }
        let readable = Color::new(0x1d, 0x4e, 0xd8);
        assert_eq!(readable.darkened_for(&light), readable);
    }

    #[test]
    fn text_that_is_no_colour_is_refused() {
        assert_eq!(Color::parse("#1D4ed8").unwrap().to_string(), "#1d4ed8");
        for bad in ["", "#", "1d4ed8", "#1d4", "#1d4ed88", "#1d4edg", "#+d4ed8", "blue", "#é4ed8"]
        {
            assert!(Color::parse(bad).is_err(), "{bad}");
        }
    }
}
