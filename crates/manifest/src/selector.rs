//! Label selectors.

use std::collections::BTreeMap;

use crate::field::Field;
use crate::name::{is_label_key, is_label_value, labels};

/// What labels have to be: Kubernetes' LabelSelector. An empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector {
    labels: BTreeMap<String, String>,
    expressions: Vec<Expression>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Expression {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        let mut fields = field.fields()?;
        let labels = fields.get("matchLabels").map(|field| labels(&field)).unwrap_or_default();
        let list = fields.get("matchExpressions").and_then(|field| field.list()).unwrap_or_default();
        let expressions = list.iter().filter_map(Expression::read).collect();
        fields.finish();
        Some(Self { labels, expressions })
    }

    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.expressions.iter().all(|expression| expression.matches(labels))
    }

    /// The labels that it asks for by value.
    pub(crate) fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }
}

impl Expression {
    fn read(field: &Field<'_>) -> Option<Self> {
        const OPERATORS: [(&str, Operator); 4] = [
            ("In", Operator::In),
            ("NotIn", Operator::NotIn),
            ("Exists", Operator::Exists),
            ("DoesNotExist", Operator::DoesNotExist),
        ];
        let mut fields = field.fields()?;
        let key = fields.require("key", "a label key").and_then(|field| {
            let text = field.text()?;
            if !is_label_key(text) {
                field.expected("a label key: a name of 63 at most, after an optional `domain/`");
            }
            Some(text)
        });
        let operator = fields.require("operator", "In, NotIn, Exists or DoesNotExist");
        let operator = operator.and_then(|field| field.choice(&OPERATORS.map(|(name, _)| name)));
        let values_field = fields.get("values");
        fields.finish();
        let list = values_field.as_ref().and_then(Field::list).unwrap_or_default();
        let values: Vec<String> = list
            .iter()
            .filter_map(|field| {
                let text = field.text()?;
                if !is_label_value(text) {
                    field.expected("a label value: letters, digits, `-`, `_` and `.`, 63 at most");
                }
                Some(text.to_owned())
            })
            .collect();
        let (key, operator) = (key?.to_owned(), OPERATORS[operator?].1);
        let asks = matches!(operator, Operator::In | Operator::NotIn);
        match values_field {
            Some(field) if !asks && !list.is_empty() => field.expected("no values beside Exists and DoesNotExist"),
            None if asks => field.wrong("no values", "values beside In and NotIn"),
            Some(field) if asks && list.is_empty() => field.wrong("no values", "at least one beside In and NotIn"),
            _ => {}
        }
        Some(Self { key, operator, values })
    }

    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let among = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => among,
            Operator::NotIn => !among,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Sink;
    use crate::tree;

    fn read(text: &str) -> (Option<LabelSelector>, Vec<String>) {
        let sink = Sink::new("f");
        let trees = tree::documents(text, &sink);
        let selector = LabelSelector::read(&Field::root(&sink, &trees[0]));
        (selector, sink.problems.into_inner().iter().map(ToString::to_string).collect())
    }

    #[track_caller]
    fn check(text: &str, matching: &[&[(&str, &str)]], others: &[&[(&str, &str)]]) {
        let (selector, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new());
        let selector = selector.expect("a selector");
        let labels = |labels: &[(&str, &str)]| labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        assert!(matching.iter().all(|of| selector.matches(&labels(of))), "{text}");
        assert!(!others.iter().any(|of| selector.matches(&labels(of))), "{text}");
    }

    #[test]
    fn labels_and_expressions_all_have_to_hold() {
        check("{}", &[&[], &[("a", "b")]], &[]);
        check("matchLabels: {a: b}", &[&[("a", "b"), ("c", "d")]], &[&[], &[("a", "c")]]);
        check("matchExpressions: [{key: a, operator: In, values: [b, c]}]", &[&[("a", "c")]], &[&[], &[("a", "d")]]);
        check("matchExpressions: [{key: a, operator: NotIn, values: [b]}]", &[&[], &[("a", "c")]], &[&[("a", "b")]]);
        check("matchExpressions: [{key: a, operator: Exists}]", &[&[("a", "")]], &[&[]]);
        check("matchExpressions: [{key: a, operator: DoesNotExist, values: []}]", &[&[]], &[&[("a", "")]]);
        check(
            "{matchLabels: {a: b}, matchExpressions: [{key: c, operator: Exists}]}",
            &[&[("a", "b"), ("c", "")]],
            &[&[("a", "b")], &[("c", "")]],
        );
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        let refuse = |text: &str, expected: &str| assert_eq!(read(text).1, [expected]);
        refuse(
            "matchExpressions:\n- {key: a, operator: Is}",
            "f:2: matchExpressions[0].operator: found \"Is\", expected one of In, NotIn, Exists, DoesNotExist",
        );
        refuse(
            "matchExpressions: [{key: a, operator: In}]",
            "f:1: matchExpressions[0]: found no values, expected values beside In and NotIn",
        );
        refuse(
            "matchExpressions: [{key: a, operator: In, values: []}]",
            "f:1: matchExpressions[0].values: found no values, expected at least one beside In and NotIn",
        );
        refuse(
            "matchExpressions: [{key: a, operator: Exists, values: [b]}]",
            "f:1: matchExpressions[0].values: found a list, expected no values beside Exists and DoesNotExist",
        );
        refuse(
            "matchLabel: {a: b}",
            "f:1: matchLabel: found an unknown field, expected one of matchLabels, matchExpressions",
        );
    }
}
