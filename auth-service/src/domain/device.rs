//! The device of a session, as its user recognises it.

/// Browser and operating system of a `User-Agent` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    pub browser: &'static str,
    pub system: &'static str,
}

/// Words of the header, and the browsers that send them. Most browsers also send the words of those
/// further down.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Safari/", "Safari"),
];

/// As [`BROWSERS`], for operating systems.
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

impl Device {
    /// Returns the device that a header names. `None` if it names no browser that is known, or no
    /// operating system: then it is a program, whose header says more.
    pub fn of(user_agent: &str) -> Option<Self> {
        let find = |words: &[(&str, &'static str)]| {
            words.iter().find(|(word, _)| user_agent.contains(word)).map(|(_, name)| *name)
        };
        Some(Self { browser: find(&BROWSERS)?, system: find(&SYSTEMS)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_systems_are_recognised() {
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0";
        for (header, browser, system) in [
            (format!("{windows} {webkit} Safari/537.36 Edg/140.0"), "Edge", "Windows"),
            (format!("{windows} {webkit} Safari/537.36"), "Chrome", "Windows"),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into(),
                "Firefox",
                "Linux",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
                    .into(),
                "Safari",
                "iOS",
            ),
            (format!("Mozilla/5.0 (Linux; Android 15) {webkit} Mobile"), "Chrome", "Android"),
        ] {
            assert_eq!(Device::of(&header), Some(Device { browser, system }), "{header}");
        }
        for header in ["", "curl/8.0", "python-requests/2.32 Linux", "Firefox/140.0"] {
            assert_eq!(Device::of(header), None, "{header}");
        }
    }
}
