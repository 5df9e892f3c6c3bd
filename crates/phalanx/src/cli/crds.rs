//! `phalanx crds`: the custom resource definitions.

use clap::{Args as ClapArgs, ValueEnum};
use phalanx_manifest::api;
use serde_json::json;

use super::Failure;
use super::output;

/// Arguments of `phalanx crds`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Prints AutoscalingPolicy, ExternalModelProvider, ModelBooster, ModelRoute, ModelServer and ModelServing with the API groups,
fields, defaults and rules that Kthena gives them, and with `spec.phalanx` for what Phalanx adds.

  phalanx crds | kubectl apply -f -

JSON: a List of CustomResourceDefinitions.")]
pub(super) struct Args {
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// YAML, a document a definition
    #[default]
    Yaml,
    /// A JSON object
    Json,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let definitions = api::definitions();
    if args.output == Format::Json {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": definitions});
        output::say(&serde_json::to_string_pretty(&list).expect("plain data"));
        return Ok(());
    }
    for definition in &definitions {
        output::say(&format!("---\n{}", serde_saphyr::to_string(definition).expect("plain data").trim_end()));
    }
    Ok(())
}
