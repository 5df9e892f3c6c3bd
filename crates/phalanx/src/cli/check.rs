//! `phalanx check`: are these manifests and gateway files valid?

use std::fmt::Display;

use clap::Args as ClapArgs;
use phalanx_manifest::{Manifests, Problem, Warning};
use serde::Serialize;

use super::Failure;
use super::gateway::file::{self, GatewayFile};
use super::input::Wrong;
use super::kthena::{self, Notice, RouterConfig};
use super::manifests::{self, FileArgs};
use super::output::{self, Format};

/// Arguments of `phalanx check`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Reads Node, HyperNode, Pod, PodGroup, ModelServing, ModelServer, ModelRoute, Gateway and HTTPRoute; each problem is told with
file, line, field, what was found and what was expected. What is valid but not acted on in this release is told as a warning.
Reads the file of `phalanx gateway` too: one that lists models and has no kind; and Kthena's router configuration: one with a
scheduler.

JSON: valid, nodes, hypernodes, pods, pod_groups, model_servings, model_servers, model_routes, gateways, http_routes,
gateway_files, router_configurations (counts; 0 when invalid), problems (file, line, object, field, found, expected), warnings (file, line, object, field, message). Exits 2
when something is invalid.")]
pub(super) struct Args {
    #[command(flatten)]
    input: FileArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What was found, as JSON has it.
#[derive(Debug, Default, Serialize)]
struct Answer {
    valid: bool,
    nodes: usize,
    hypernodes: usize,
    pods: usize,
    pod_groups: usize,
    model_servings: usize,
    model_servers: usize,
    model_routes: usize,
    gateways: usize,
    http_routes: usize,
    gateway_files: usize,
    router_configurations: usize,
    problems: Vec<Fault>,
    warnings: Vec<Fault>,
}

/// A problem or a warning.
#[derive(Debug, Serialize)]
struct Fault {
    file: String,
    line: u32,
    object: String,
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (gateways, others): (Vec<_>, Vec<_>) =
        manifests::texts(&args.input)?.into_iter().partition(|(_, text)| file::is_meant(text));
    let (routers, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, text)| kthena::is_meant(text));
    let refuse = |faults: Vec<Fault>, told: String| {
        if args.output == Format::Json {
            output::say(&json(&Answer { problems: faults, ..Answer::default() }));
        }
        Err(Failure::Input(told))
    };
    let wrong = gateways.iter().filter_map(|(name, text)| {
        let checked = GatewayFile::parse(text).and_then(|file| file.config().map(drop));
        checked.err().map(|wrong| (name.as_str(), "gateway file", wrong))
    });
    let mut wrong: Vec<_> = wrong.collect();
    let mut notices: Vec<(&str, Notice)> = Vec::new();
    for (name, text) in &routers {
        match RouterConfig::parse(text) {
            Ok(config) => notices.extend(config.warnings.into_iter().map(|notice| (name.as_str(), notice))),
            Err(error) => wrong.push((name, "router configuration", error)),
        }
    }
    let mut told: Vec<_> = wrong.iter().map(|(name, _, wrong)| format!("{name}{wrong}")).collect();
    let mut faults: Vec<_> = wrong.iter().map(|(name, object, wrong)| Fault::of(name, object, wrong)).collect();
    let manifests = match manifests::validate(&args.input, &others) {
        Ok(manifests) => manifests,
        Err(problems) => {
            faults.extend(problems.list().iter().map(Fault::from));
            told.push(problems.to_string());
            return refuse(faults, told.join("\n"));
        }
    };
    if !told.is_empty() {
        return refuse(faults, told.join("\n"));
    }
    convert(&manifests)?;
    if args.output == Format::Json {
        let mut answer = Answer::valid(&manifests);
        (answer.gateway_files, answer.router_configurations) = (gateways.len(), routers.len());
        answer.warnings.extend(notices.iter().map(|(name, notice)| Fault::noticed(name, notice)));
        output::say(&json(&answer));
        return Ok(());
    }
    for (name, notice) in &notices {
        output::say(&format!("warning: {name}{notice}"));
    }
    for warning in manifests.warnings() {
        output::say(&format!("warning: {warning}"));
    }
    let counts = [
        ("Node", manifests.nodes().len()),
        ("ModelServing", manifests.servings().len()),
        ("ModelServer", manifests.servers().len()),
        ("ModelRoute", manifests.routes().len()),
    ];
    // What a cluster may do without is told where it is there.
    let others = [
        ("HyperNode", manifests.hypernodes().len()),
        ("Pod", manifests.pods().len()),
        ("PodGroup", manifests.pod_groups().len()),
        ("Gateway", manifests.gateways().len()),
        ("HTTPRoute", manifests.http_routes().len()),
        ("gateway file", gateways.len()),
        ("router configuration", routers.len()),
    ];
    let others = others.into_iter().filter(|(_, count)| *count > 0);
    let counts: Vec<_> = counts.into_iter().chain(others).map(|(kind, count)| format!("{kind} {count}")).collect();
    output::say(&format!("valid: {}", counts.join(", ")));
    Ok(())
}

/// What is valid can also be made into a cluster, gangs and routes; the groups of a ModelServing are all alike.
fn convert(manifests: &Manifests) -> Result<(), Failure> {
    let wrong = |error: &dyn Display| Failure::Input(error.to_string());
    let mut inventory = manifests.inventory().map_err(|error| wrong(&error))?;
    for group in manifests.servings().iter().filter_map(|serving| serving.groups().next()) {
        group.gang(&mut inventory).map_err(|error| wrong(&format!("gang {}: {error}", group.name())))?;
    }
    manifests.http_route_table().map_err(|error| wrong(&error))?;
    manifests.route_table().map_err(|error| wrong(&error)).map(drop)
}

fn json(answer: &Answer) -> String {
    serde_json::to_string_pretty(answer).expect("plain data")
}

impl Answer {
    fn valid(manifests: &Manifests) -> Self {
        Self {
            valid: true,
            nodes: manifests.nodes().len(),
            hypernodes: manifests.hypernodes().len(),
            pods: manifests.pods().len(),
            pod_groups: manifests.pod_groups().len(),
            model_servings: manifests.servings().len(),
            model_servers: manifests.servers().len(),
            model_routes: manifests.routes().len(),
            gateways: manifests.gateways().len(),
            http_routes: manifests.http_routes().len(),
            warnings: manifests.warnings().iter().map(Fault::from).collect(),
            ..Self::default()
        }
    }
}

impl Fault {
    /// What has no effect in a router configuration.
    fn noticed(file: &str, notice: &Notice) -> Self {
        Self {
            file: file.to_owned(),
            line: u32::try_from(notice.line).unwrap_or(u32::MAX),
            object: "router configuration".to_owned(),
            field: notice.field.clone(),
            found: None,
            expected: None,
            message: Some(notice.message.clone()),
        }
    }

    /// What is wrong with a file that is no manifest.
    fn of(file: &str, object: &str, wrong: &Wrong) -> Self {
        let (field, message) = wrong.message.split_once(": ").unwrap_or(("", &wrong.message));
        Self {
            file: file.to_owned(),
            line: wrong.place.map_or(0, |(line, _)| u32::try_from(line).unwrap_or(u32::MAX)),
            object: object.to_owned(),
            field: field.to_owned(),
            found: None,
            expected: None,
            message: Some(message.to_owned()),
        }
    }
}

impl From<&Problem> for Fault {
    fn from(problem: &Problem) -> Self {
        Self {
            file: problem.file.to_string(),
            line: problem.line,
            object: problem.object.clone(),
            field: problem.field.clone(),
            found: Some(problem.found.clone()),
            expected: Some(problem.expected.clone()),
            message: None,
        }
    }
}

impl From<&Warning> for Fault {
    fn from(warning: &Warning) -> Self {
        Self {
            file: warning.file.to_string(),
            line: warning.line,
            object: warning.object.clone(),
            field: warning.field.clone(),
            found: None,
            expected: None,
            message: Some(warning.message.clone()),
        }
    }
}
