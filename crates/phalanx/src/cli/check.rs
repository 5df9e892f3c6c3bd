//! `phalanx check`: are these manifests valid?

use clap::Args as ClapArgs;
use serde::Serialize;

use super::Failure;
use super::manifests::{self, FileArgs};
use super::output::{self, Format};

/// Arguments of `phalanx check`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Reads Node, ModelServing, ModelServer and ModelRoute; each problem is told with file, line, field, what was found and
what was expected. What is valid but not acted on in this release is told as a warning.")]
pub(super) struct Args {
    #[command(flatten)]
    input: FileArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What was found, as JSON has it.
#[derive(Debug, Serialize)]
struct Answer {
    nodes: usize,
    model_servings: usize,
    model_servers: usize,
    model_routes: usize,
    warnings: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let manifests = manifests::read(&args.input.files, &args.input.levels)?;
    let answer = Answer {
        nodes: manifests.nodes().len(),
        model_servings: manifests.servings().len(),
        model_servers: manifests.servers().len(),
        model_routes: manifests.routes().len(),
        warnings: manifests.warnings().iter().map(ToString::to_string).collect(),
    };
    match args.output {
        Format::Json => output::say(&serde_json::to_string_pretty(&answer).expect("plain data")),
        Format::Table => {
            for warning in &answer.warnings {
                output::say(&format!("warning: {warning}"));
            }
            output::say(&format!(
                "valid: {} Nodes, {} ModelServings, {} ModelServers, {} ModelRoutes",
                answer.nodes, answer.model_servings, answer.model_servers, answer.model_routes
            ));
        }
    }
    Ok(())
}
