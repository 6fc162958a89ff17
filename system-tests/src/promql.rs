//! The metrics and labels that a PromQL expression names.

use std::convert::Infallible;

use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{
        AggregateExpr, BinModifier, Expr, LabelModifier, VectorSelector, parse, token::T_EQL_REGEX,
    },
    util::{ExprVisitor, walk_expr},
};

/// The selectors and labels that an expression names.
#[derive(Debug, Default)]
pub struct Names {
    /// Selectors of metrics, with what they demand of labels.
    pub selectors: Vec<VectorSelector>,
    /// Labels by which the expression groups or joins.
    pub labels: Vec<String>,
}

/// Returns the selectors and labels that an expression names.
///
/// # Panics
/// If the expression is not valid PromQL.
pub fn names(expression: &str) -> Names {
    let parsed = parse(expression).unwrap_or_else(|error| panic!("{error}: {expression}"));
    let mut names = Names::default();
    let Ok(_) = walk_expr(&mut names, &parsed);
    names
}

/// Returns a matcher for each alternative that a matcher names: for `code=~"4..|503"`, one for
/// `4..` and one for `503`. An alternative of a negative matcher gets a positive one.
pub fn alternatives(matcher: &Matcher) -> Vec<Matcher> {
    let Matcher { op, name, value } = matcher;
    let alternative = |value: &str| {
        let matcher = Matcher::new_matcher(T_EQL_REGEX, name.clone(), value.to_owned());
        matcher.expect("a regular expression")
    };
    match op {
        MatchOp::Equal | MatchOp::NotEqual => vec![Matcher::new(MatchOp::Equal, name, value)],
        MatchOp::Re(_) | MatchOp::NotRe(_) => value.split('|').map(alternative).collect(),
    }
}

impl Names {
    fn add_labels(&mut self, modifier: Option<&LabelModifier>) {
        self.labels.extend(modifier.iter().flat_map(|modifier| modifier.labels().labels.clone()));
    }
}

impl ExprVisitor for Names {
    type Error = Infallible;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Infallible> {
        match expression {
            Expr::VectorSelector(selector) => self.selectors.push(selector.clone()),
            Expr::MatrixSelector(range) => self.selectors.push(range.vs.clone()),
            Expr::Aggregate(AggregateExpr { param, modifier, .. }) => {
                self.add_labels(modifier.as_ref());
                // The library does not visit this part.
                if let Some(param) = param {
                    walk_expr(self, param)?;
                }
            }
            Expr::Binary(binary) => {
                if let Some(BinModifier { card, matching, .. }) = &binary.modifier {
                    self.add_labels(matching.as_ref());
                    self.labels.extend(card.labels().iter().flat_map(|list| list.labels.clone()));
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_and_label_of_an_expression_is_found() {
        let found = names(
            r#"histogram_quantile(0.99, sum by (job, le) (rate(a_bucket{x="1",y!~"2|3.."}[5m])))
            > 1e9
            and on (instance) b offset 5m or absent(up{job="(c)"})
            unless sum(d) without (e) == time() - 2.5
            or f * on (g) group_left (h) topk(scalar(i), j)"#,
        );
        let metrics: Vec<_> = found.selectors.iter().map(ToString::to_string).collect();
        let expected = [
            r#"a_bucket{x="1",y!~"2|3.."}"#,
            "b offset 5m",
            r#"up{job="(c)"}"#,
            "d",
            "f",
            "i",
            "j",
        ];
        assert_eq!(metrics, expected);
        let mut labels = found.labels;
        labels.sort();
        assert_eq!(labels, ["e", "g", "h", "instance", "job", "le"]);
    }

    #[test]
    fn each_alternative_of_a_matcher_must_match_as_a_whole() {
        let selector = names(r#"a{status!~"4..|503"}"#).selectors.remove(0);
        let [four, five] = &alternatives(&selector.matchers.matchers[0])[..] else { panic!() };
        assert!(four.is_match("404") && !four.is_match("4040") && !four.is_match("503"));
        assert!(five.is_match("503") && !five.is_match("404"));
    }
}
