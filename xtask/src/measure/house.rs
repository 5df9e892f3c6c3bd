//! The first issue's promises: the house stands and its main job runs.

use super::phalanx::{Phalanx, Report, Run};
use super::public::Count;
use super::row::Want;
use super::{Row, Setting, Subject};
use crate::error::Error;
use crate::tidy;
use crate::tree::Tree;

/// The whole house.
#[derive(Clone, Copy, Debug)]
pub(crate) struct House;

/// Fleets to replay the trace on.
const FLEETS: [u32; 2] = [8, 64];

/// The baseline, the bystander and the policy that must win.
const POLICIES: [&str; 3] = ["round-robin", "least-request", "phalanx"];

impl Subject for House {
    fn about(&self) -> &'static str {
        "Whether the main job runs and repeats itself byte for byte, what phalanx routing gains over round-robin on \
         the trace, how fast the simulator is, and how the code is kept."
    }

    fn measure(&self, setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
        let phalanx = Phalanx::prepare(setting)?;
        let mut rows = Vec::new();
        for engines in FLEETS {
            rows.extend(simulate(&phalanx, setting, engines));
        }
        rows.push(up(&phalanx, setting));
        rows.extend(trees(setting)?);
        rows.extend(longest(setting));
        rows.push(documented(setting)?);
        Ok(rows)
    }
}

/// The rows of one fleet; all skipped when there is no trace, and all missed when a run fails.
fn simulate(phalanx: &Phalanx, setting: &Setting<'_>, engines: u32) -> Vec<Row> {
    if !setting.trace.is_file() {
        let reason = format!("no trace at {}", setting.trace.display());
        return rows(engines).map(|row| row.skip(&reason)).into();
    }
    match runs(phalanx, setting, engines) {
        Ok(runs) => judged(engines, &runs),
        Err(error) => {
            (setting.note)(&format!("{error}\n"));
            rows(engines).map(|row| row.saw(f64::NAN).note("the run failed")).into()
        }
    }
}

/// What is wanted of one fleet.
fn rows(engines: u32) -> [Row; 8] {
    let name = |what: &str| format!("{engines} engines: {what}");
    [
        Row::new(name("same bytes on a second run")).want(Want::Yes),
        Row::new(name("same bytes with 1 and with 2 threads")).want(Want::Yes),
        Row::new(name("every request completed or rejected")).want(Want::Yes),
        Row::new(name("hit ratio, phalanx less round-robin")).want(Want::Above(0.0)),
        Row::new(name("TTFT p50, phalanx to round-robin")).want(Want::Below(1.0)),
        Row::new(name("TTFT p99, phalanx to round-robin")).want(Want::Below(1.0)),
        Row::new(name("simulated engine-seconds a second")).stretch(Want::AtLeast(100_000.0)),
        Row::new(name("one run of all policies")).unit("s"),
    ]
}

/// The runs of one fleet.
struct Runs {
    first: Run,
    second: Run,
    threads: [Run; 2],
    reports: Vec<Report>,
}

fn runs(phalanx: &Phalanx, setting: &Setting<'_>, engines: u32) -> Result<Runs, Error> {
    let run = |more: &[&str]| {
        (setting.note)(&format!("simulate on {engines} engines {}\n", more.join(" ")));
        phalanx.simulate(setting.trace, engines, &POLICIES, more)
    };
    let first = run(&[])?;
    let reports = first.reports()?;
    Ok(Runs { second: run(&[])?, threads: [run(&["--threads", "1"])?, run(&["--threads", "2"])?], first, reports })
}

fn judged(engines: u32, runs: &Runs) -> Vec<Row> {
    let [again, threads, accounted, hits, median, tail, speed, wall] = rows(engines);
    let of = |policy: &str| runs.reports.iter().find(|report| report.policy == policy);
    let (Some(base), Some(best)) = (of(POLICIES[0]), of(POLICIES[2])) else {
        return rows(engines).map(|row| row.saw(f64::NAN).note("a policy is missing from the answer")).into();
    };
    let simulated: f64 = runs.reports.iter().map(|report| report.simulated_engine_seconds).sum();
    let seconds = runs.first.took.as_secs_f64();
    let complete = |report: &Report| report.completed + report.rejected == report.requests && report.requests > 0;
    vec![
        again.held(runs.second.stdout == runs.first.stdout),
        threads.held(runs.threads.iter().all(|run| run.stdout == runs.first.stdout)),
        accounted.held(runs.reports.iter().all(complete)).note(format!("{} requests", base.requests)),
        hits.saw(best.hit_ratio - base.hit_ratio).note(format!("{:.4} to {:.4}", best.hit_ratio, base.hit_ratio)),
        ratio(median, best.ttft_p50_ms, base.ttft_p50_ms),
        ratio(tail, best.ttft_p99_ms, base.ttft_p99_ms),
        speed.saw(simulated / seconds).note(format!("{simulated:.0} in {seconds:.2} s")),
        wall.saw(seconds),
    ]
}

fn ratio(row: Row, best: f64, base: f64) -> Row {
    row.saw(best / base).note(format!("{best:.1} to {base:.1} ms"))
}

/// The newcomer's first command, from a built binary.
fn up(phalanx: &Phalanx, setting: &Setting<'_>) -> Row {
    let row = Row::new("up examples/quickstart --drive sample").want(Want::Below(60.0)).unit("s");
    (setting.note)("up examples/quickstart --drive sample\n");
    // On any free port: another program's 8080 says nothing about this one.
    match phalanx.run(&["up", "examples/quickstart", "--drive", "sample", "--listen", "127.0.0.1:0"]) {
        Ok(run) => row.saw(run.took.as_secs_f64()).note("exit 0"),
        Err(error) => {
            (setting.note)(&format!("{error}\n"));
            row.saw(f64::NAN).note("the run failed")
        }
    }
}

/// How many packages each pure crate brings, itself included, and that none is a runtime. Linked are those that are not
/// procedural macros, nor needed by one.
fn trees(setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let mut runtimes = Vec::new();
    for package in setting.workspace.packages.iter().filter(|package| package.is_apart_from_the_world()) {
        let root = &setting.workspace.root;
        let all = Tree::of(&package.name, "normal", &[], root)?;
        let linked = Tree::of(&package.name, "normal,no-proc-macro", &[], root)?.packages.len();
        runtimes.extend(all.holds(tidy::RUNTIMES).into_iter().map(|name| format!("{name} in {}", package.name)));
        let row = Row::new(format!("packages in the tree of {}", package.name)).saw(count(all.packages.len()));
        rows.push(row.note(format!("{linked} linked")));
    }
    let row = Row::new("runtimes in the trees above").want(Want::AtMost(0.0)).saw(count(runtimes.len()));
    rows.push(row.note(if runtimes.is_empty() { "none".to_owned() } else { runtimes.join(", ") }));
    Ok(rows)
}

/// The five longest source files.
fn longest(setting: &Setting<'_>) -> Vec<Row> {
    let most = count(tidy::MOST_LINES);
    let files = setting.workspace.longest().into_iter().take(5).enumerate();
    let row = |(place, file): (usize, &crate::source::Source)| {
        let row = Row::new(format!("longest source file, {}", place + 1)).want(Want::AtMost(most));
        row.unit("lines").saw(count(file.lines())).note(file.path.clone())
    };
    files.map(row).collect()
}

/// How much of what is public says what it is.
fn documented(setting: &Setting<'_>) -> Result<Row, Error> {
    let sources = setting.workspace.sources.iter();
    let count = Count::of(sources.filter(|source| source.is_library() && source.path.starts_with("crates/")))?;
    let row = Row::new("documented public items").want(Want::AtLeast(100.0)).unit("%");
    let mut note = format!("{} of {}", count.documented, count.items);
    if !count.bare.is_empty() {
        let shown: Vec<_> = count.bare.iter().take(3).map(String::as_str).collect();
        note = format!("{note}; not {}", shown.join(", "));
    }
    Ok(row.saw(100.0 * count.share()).note(note))
}

/// A count as a figure; exact, since nothing here comes near 2^32.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(stdout: &str) -> Run {
        Run { stdout: stdout.as_bytes().to_vec(), took: Duration::from_secs(2) }
    }

    fn answer(prefix_hits: f64, prefix_ttft: f64) -> String {
        let object = |policy: &str, hits: f64, ttft: f64| {
            format!(
                "{{\"policy\":\"{policy}\",\"requests\":3,\"completed\":2,\"rejected\":1,\"hit_ratio\":{hits},\
                 \"ttft_p50_ms\":{ttft},\"ttft_p99_ms\":{ttft},\"tpot_p50_ms\":30.0,\"goodput\":1.0,\"simulated_engine_seconds\":100.0}}"
            )
        };
        format!("[{},{}]", object("round-robin", 0.1, 10.0), object("phalanx", prefix_hits, prefix_ttft))
    }

    fn verdicts(first: &str, second: &str) -> Vec<bool> {
        let first = run(first);
        let reports = first.reports().expect("the fixture is JSON");
        let runs = Runs { reports, second: run(second), threads: [first.clone(), first.clone()], first };
        judged(8, &runs).iter().map(Row::missed).collect()
    }

    #[test]
    fn a_better_policy_that_repeats_itself_misses_nothing() {
        let good = answer(0.4, 5.0);
        assert_eq!(verdicts(&good, &good), [false; 8]);
    }

    #[test]
    fn other_bytes_fewer_hits_and_later_tokens_are_missed() {
        let bad = answer(0.1, 10.0);
        assert_eq!(verdicts(&bad, "[]"), [true, false, false, true, true, true, false, false]);
    }

    #[test]
    fn an_answer_without_the_policies_misses_everything() {
        assert_eq!(verdicts("[]", "[]"), [true; 8]);
    }
}
