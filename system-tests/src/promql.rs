//! Which metrics and labels an expression of Prometheus names: enough of its language to find every one of them, and no
//! more. Whether the expression makes sense, Prometheus itself says.

/// What an expression asks of one metric's label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// The values it names. A dot stands for any character.
    pub values: Vec<String>,
}

/// A metric that an expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The metric.
    pub name: String,
    /// What is asked of its labels.
    pub matchers: Vec<Matcher>,
}

/// What an expression names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The metrics.
    pub selectors: Vec<Selector>,
    /// The labels it groups or joins by.
    pub labels: Vec<String>,
}

const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// What this expression names.
///
/// # Panics
/// If it is not one.
pub fn names(expression: &str) -> Names {
    let (mut rest, mut names) = (expression, Names::default());
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else if first == '"' {
            (_, rest) = quoted(rest);
        } else if first == '[' {
            rest = rest.split_once(']').expect("the end of a range").1;
        } else if is_of_name(first) {
            let (name, after) = word(rest);
            rest = after.trim_start();
            if BEFORE_LABELS.contains(&name) {
                let (labels, after) = rest[1..].split_once(')').expect("the end of the labels");
                names.labels.extend(labels.split(',').map(|label| label.trim().to_owned()));
                rest = after;
            } else if !OPERATORS.contains(&name) && !is_function(rest) {
                let matchers;
                (matchers, rest) = if rest.starts_with('{') { read_matchers(rest) } else { (vec![], rest) };
                names.selectors.push(Selector { name: name.to_owned(), matchers });
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    names
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_of_name(c)).unwrap_or(text.len()))
}

/// Whether what goes before this is a function or an aggregation.
fn is_function(rest: &str) -> bool {
    rest.starts_with('(') || ["by", "without"].contains(&word(rest).0)
}

fn quoted(text: &str) -> (&str, &str) {
    text[1..].split_once('"').expect("the end of a text")
}

fn read_matchers(text: &str) -> (Vec<Matcher>, &str) {
    let (mut matchers, mut rest) = (Vec::new(), &text[1..]);
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(rest) = rest.strip_prefix('}') {
            return (matchers, rest);
        }
        let (label, after) = word(rest);
        assert!(!label.is_empty(), "no label: {rest}");
        let (values, after) = quoted(after.trim_start_matches(['=', '~', '!', ' ']));
        rest = after;
        let values = values.split('|').map(str::to_owned).collect();
        matchers.push(Matcher { label: label.to_owned(), values });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_nothing_else() {
        let found = names(
            r#"histogram_quantile(0.99, sum by (job, le) (rate(a_bucket{x="1",y!~"2|3.."}[5m]))) > 1e9
            and on (instance) b offset 5m or absent(up{job="(c)"}) unless sum(d) without (e) == time() - 2.5"#,
        );
        let matcher = |label: &str, values: &[&str]| Matcher {
            label: label.into(),
            values: values.iter().map(|value| (*value).into()).collect(),
        };
        let selector = |name: &str, matchers| Selector { name: name.into(), matchers };
        assert_eq!(
            found.selectors,
            [
                selector("a_bucket", vec![matcher("x", &["1"]), matcher("y", &["2", "3.."])]),
                selector("b", vec![]),
                selector("up", vec![matcher("job", &["(c)"])]),
                selector("d", vec![]),
            ]
        );
        assert_eq!(found.labels, ["job", "le", "instance", "e"]);
    }
}
