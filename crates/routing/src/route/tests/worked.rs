//! Worked cases: what is known to be right, by hand.

use super::*;

const PREMIUM: &[(&str, &str)] = &[("user-type", "premium")];
const OTHER: &[(&str, &str)] = &[("user-type", "standard")];
const EMPTY: &[(&str, &str)] = &[("user-type", "")];

/// Premium users have the large model, all others the small one.
fn two_models() -> ModelRoute {
    let premium = Condition::new().with_header("user-type", StringMatch::exact("premium"));
    let rules = [Rule::to("7b").when(premium).with_name("premium"), Rule::to("1.5b").with_name("default")];
    ModelRoute::with_rules("default/multi-models", "deepseek", rules)
}

/// How many of 100,000 keys go to the server `next`, of a rule that gives it `next` and `stable` the other weight.
fn share(stable: u32, next: u32) -> usize {
    let targets = [Target::new("stable", stable), Target::new("next", next)];
    let table = table([ModelRoute::new("subset", "m", targets)]);
    let is_next = |key: &u64| table.resolve("m", *key).is_ok_and(|target| target.server() == Some("next"));
    (0..100_000).filter(is_next).count()
}

#[test]
fn the_model_is_chosen_by_a_header() {
    let table = table([two_models()]);
    let cases: [(&dyn Headers, &str); 4] = [(&PREMIUM, "7b"), (&OTHER, "1.5b"), (&EMPTY, "1.5b"), (&[], "1.5b")];
    for (headers, expected) in cases {
        let head = RequestHead { path: "/v1/chat/completions", headers, ..RequestHead::default() };
        check(&table, &RouteRequest { head, ..RouteRequest::new("deepseek", 1) }, Some(expected));
    }
}

#[test]
fn shares_are_those_of_the_weights_whatever_they_add_up_to() {
    // Three standard deviations: 435 of 100,000 at 30 %, 460 at 3/8.
    assert!((29_565..30_435).contains(&share(70, 30)));
    assert!((37_040..37_960).contains(&share(50, 30)));
    assert_eq!((share(100, 0), share(0, 1)), (0, 100_000));
}

#[test]
fn of_two_routes_for_one_model_the_older_serves_until_it_is_gone() {
    let age = core::time::Duration::from_secs;
    let older = ModelRoute::new("default/z-older", "m", [Target::to("older")]).with_age(age(100), 7);
    let newer = ModelRoute::new("default/a-newer", "m", [Target::to("newer")]).with_age(age(200), 5);
    check(&table([newer.clone(), older]), &RouteRequest::new("m", 1), Some("older"));
    check(&table([newer]), &RouteRequest::new("m", 1), Some("newer"));
}

#[test]
fn adapters_lead_to_their_route_and_unknown_ones_nowhere() {
    let table = table([ModelRoute::with_rules("lora", "", [Rule::to("base")]).with_adapters(["lora-A", "lora-B"])]);
    for adapter in ["lora-A", "lora-B"] {
        check(&table, &RouteRequest::new(adapter, 1), Some("base"));
    }
    let unknown = RouteError::UnknownModel { model: "lora-C".to_owned() };
    assert_eq!(table.resolve("lora-C", 1).map(|_| ()), Err(unknown));
    assert_eq!(table.resolve("", 1).map(|_| ()), Err(RouteError::UnknownModel { model: String::new() }));
    assert_eq!((table.models().count(), table.adapters().count()), (0, 2));
}

#[test]
fn a_route_whose_rules_take_no_request_leaves_it_to_the_next() {
    let chat = Condition::new().with_path(StringMatch::exact("/v1/chat/completions"));
    let first = ModelRoute::with_rules("a", "m", [Rule::to("chat").when(chat)]);
    let table = table([first, ModelRoute::with_rules("b", "m", [Rule::to("rest")])]);
    for (path, expected) in [("/v1/chat/completions", "chat"), ("/v1/completions", "rest")] {
        let head = RequestHead { path, ..RequestHead::default() };
        check(&table, &RouteRequest { head, ..RouteRequest::new("m", 1) }, Some(expected));
    }
}

#[test]
fn the_first_rule_that_takes_a_request_has_it() {
    let by = |text: &str| Condition::new().with_path(StringMatch::regex(text).expect("valid"));
    let rules = [Rule::to("first").when(by("^/v[12]/")), Rule::to("second").when(by("^/v1/")), Rule::to("last")];
    let table = table([ModelRoute::with_rules("r", "m", rules)]);
    for (path, expected) in [("/v1/a", "first"), ("/v2/a", "first"), ("/a/v1/", "last")] {
        let head = RequestHead { path, ..RequestHead::default() };
        check(&table, &RouteRequest { head, ..RouteRequest::new("m", 1) }, Some(expected));
    }
}

#[test]
fn rules_of_adapters_may_ask_which_one_it_is() {
    let sql = Condition::new().with_model("sql");
    let rules = [Rule::to("sql-server").when(sql), Rule::to("rest")];
    let table = table([ModelRoute::with_rules("r", "llama", rules).with_adapters(["sql", "poetry"])]);
    for (model, expected) in [("sql", "sql-server"), ("poetry", "rest"), ("llama", "rest")] {
        check(&table, &RouteRequest::new(model, 1), Some(expected));
    }
}
