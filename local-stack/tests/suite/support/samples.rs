//! The code samples of a page, each with the comment above it that states how it is tested.

use super::pages::read;

/// A fenced code block of a page.
#[derive(Debug)]
pub struct Sample {
    pub page: String,
    /// Line of the page where the block begins.
    pub line: usize,
    pub language: String,
    pub code: String,
    /// What the comment `<!-- test: … -->` in the line above the block states.
    pub test: Option<String>,
}

impl Sample {
    /// Returns the place of the sample, for the message of a failed test.
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

/// Returns the samples of a page.
pub fn samples(page: &str) -> Vec<Sample> {
    let text = read(page);
    let mut lines = text.lines().enumerate();
    let mut samples = Vec::new();
    let mut above = "";
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let indent = line.len() - line.trim_start().len();
            let content = lines.by_ref().map(|(_, line)| line);
            let content = content.take_while(|line| line.trim() != "```");
            let code = content.map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n");
            samples.push(Sample {
                page: page.to_owned(),
                line: number + 1,
                language: language.to_owned(),
                code: code.collect(),
                test: test_of(above),
            });
        }
        above = line;
    }
    samples
}

/// Returns the first sample of a language in a section of the README.
pub fn readme_sample(section: &str, language: &str) -> String {
    let readme = read("README.md");
    let (start, _) = readme.split_once(&format!("## {section}\n")).expect(section);
    let first_line = start.lines().count();
    let is_sample = |sample: &Sample| sample.line > first_line && sample.language == language;
    samples("README.md").into_iter().find(is_sample).expect(language).code
}

fn test_of(comment: &str) -> Option<String> {
    let text = comment.trim().strip_prefix("<!-- test: ")?;
    Some(text.strip_suffix(" -->")?.to_owned())
}
