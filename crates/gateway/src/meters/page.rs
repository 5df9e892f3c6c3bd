//! The page that Prometheus reads.

use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::histogram::{Histogram, seconds};
use super::{Cells, Count, LEAST_STATUS, Line, Path};
use crate::cause::Cause;
use crate::desk::{Desk, Standing};

/// Bounds of the times of decisions, in nanoseconds.
const DECISION: [u64; 12] =
    [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 10_000_000, 100_000_000];

/// A page of what has been counted so far.
#[derive(Debug)]
pub(crate) struct Page(pub(crate) Arc<Desk>);

/// A label and its value.
type Label<'a> = (&'static str, &'a str);

/// What is read of an endpoint.
type Reading = fn(&Standing) -> u64;

impl Page {
    pub(crate) fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut page = String::new();
        text::encode(&mut page, &registry).expect("writing to a string cannot fail");
        page
    }

    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let (name, help) = ("kthena_router_requests", "Requests that ended, by what their clients got");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (line, path, cells) in cells(&self.0) {
            let answers = cells.answers.get().into_iter().flat_map(|answers| answers.iter().zip(LEAST_STATUS..));
            let answers = answers.map(|(count, status)| (count, status, ""));
            let failures = cells.failures.iter().zip(Cause::ALL);
            let failures = failures.map(|(count, cause)| (count, cause.status().as_u16(), cause.name()));
            // Several causes may share a name and a status.
            let mut rows: Vec<(u16, &str, u64)> = Vec::new();
            for (count, status, error) in answers.chain(failures).filter(|(count, ..)| count.get() > 0) {
                match rows.iter_mut().find(|row| (row.0, row.1) == (status, error)) {
                    Some(row) => row.2 += count.get(),
                    None => rows.push((status, error, count.get())),
                }
            }
            for (status, error, count) in rows {
                let status = status.to_string();
                let labels = [
                    ("model", line.model.as_str()),
                    ("path", path.text()),
                    ("status_code", &status),
                    ("error_type", error),
                    ("model_route", &line.route),
                    ("backend_type", line.backend_type()),
                    ("backend_name", &line.server),
                    ("upstream_model", &line.upstream_model),
                ];
                counter(&mut family, &labels, count)?;
            }
        }
        Ok(())
    }

    /// One counter for each line and path.
    fn count(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        more: &[Label<'_>],
        of: impl Fn(&Cells) -> &Count,
    ) -> Result<(), Error> {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (line, path, cells) in cells(&self.0).filter(|(_, _, cells)| of(cells).get() > 0) {
            let mut labels = line.labels(path).to_vec();
            labels.extend(more);
            counter(&mut family, &labels, of(cells).get())?;
        }
        Ok(())
    }

    /// One histogram for each line and path.
    fn times(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        of: impl Fn(&Cells) -> &Histogram,
    ) -> Result<(), Error> {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (line, path, cells) in cells(&self.0).filter(|(_, _, cells)| !of(cells).is_empty()) {
            let (sum, count, buckets) = of(cells).read();
            let labels = line.labels(path);
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn decisions(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let (name, help) = ("phalanx_gateway_decision_seconds", "From a prompt's blocks to an endpoint");
        let (sum, count, buckets) = self.0.fleet.decision_times().buckets(&DECISION);
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let buckets: Vec<_> = DECISION.iter().map(|&bound| seconds(bound)).chain([f64::MAX]).zip(buckets).collect();
        metric.encode_histogram::<NoLabelSet>(seconds(sum), count, &buckets, None)
    }

    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let meters = &self.0.meters;
        gauge(encoder, "kthena_router_active_requests", "Requests to engines under way", meters.totals.active.get())?;
        gauge(encoder, "phalanx_gateway_connections", "Connections of clients", meters.totals.connections.get())?;
        let name = "phalanx_gateway_is_ready";
        gauge(encoder, name, "Whether /readyz says so", u64::from(!self.0.fleet.is_leaving()))?;

        let name = "phalanx_gateway_config_last_reload_successful";
        let is_well = meters.totals.is_reload_broken.get() == 0;
        gauge(encoder, name, "Whether the last configuration was applied", u64::from(is_well))?;
        let name = "phalanx_gateway_config_last_reload_success_timestamp_seconds";
        gauge(encoder, name, "When the last one was that was applied", meters.totals.last_reload.get())?;

        let (name, help) = ("kthena_router_active_downstream_requests", "Requests under way by model");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        // Lines of one model stand in a row.
        for lines in meters.lines[1..].chunk_by(|one, next| one.model == next.model) {
            let active: u64 = lines.iter().map(|line| line.active.get()).sum();
            set(&mut family, &[("model", lines[0].model.as_str())], active)?;
        }
        let (name, help) = ("kthena_router_active_upstream_requests", "Requests under way by server");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for line in &meters.lines[1..] {
            let labels = [
                ("model", line.model.as_str()),
                ("model_server", &line.server),
                ("model_route", &line.route),
                ("backend_type", line.backend_type()),
                ("backend_name", &line.server),
                ("upstream_model", &line.upstream_model),
            ];
            set(&mut family, &labels, line.active.get())?;
        }
        Ok(())
    }

    fn totals(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let totals = &self.0.meters.totals;
        let rows = [
            ("phalanx_gateway_refused_connections", "Connections over the limit", &totals.refused_connections),
            ("phalanx_gateway_lost_log_lines", "Lines left out, as the log was slow", &totals.lost_lines),
            ("phalanx_gateway_config_reloads", "Configurations applied after the first", &totals.reloads),
            ("phalanx_gateway_config_reload_failures", "Configurations not applied", &totals.reload_failures),
        ];
        let rows = rows.map(|(name, help, count)| (name, help, count.get()));
        let lost = self.0.fleet.lost_decisions();
        let lost = ("phalanx_gateway_lost_decisions", "Decisions that are not in the log, which has ended", lost);
        for (name, help, count) in rows.into_iter().chain([lost]) {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn endpoints(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let standings = self.0.standings();
        let rows: [(&str, &str, Reading); 3] = [
            ("phalanx_gateway_endpoint_up", "Whether health checks find it well", |standing| u64::from(standing.is_up)),
            ("phalanx_gateway_endpoint_out", "Whether the breaker leaves it alone", |standing| {
                u64::from(standing.is_out)
            }),
            ("phalanx_gateway_endpoint_requests_in_flight", "Requests under way", |standing| standing.in_flight.into()),
        ];
        for (name, help, value) in rows {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (endpoint, standing) in &standings {
                set(&mut family, &[("endpoint", endpoint.name())], value(standing))?;
            }
        }
        let (name, help) = ("phalanx_gateway_endpoint_requests", "Tries that ended, by how");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (endpoint, standing) in &standings {
            let totals = standing.totals;
            let outcomes = [
                ("success", totals.success),
                ("error", totals.error),
                ("client_gone", totals.client_gone),
                ("cut", totals.cut),
            ];
            for (outcome, count) in outcomes {
                counter(&mut family, &[("endpoint", endpoint.name()), ("outcome", outcome)], count)?;
            }
        }
        Ok(())
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let encoder = &mut encoder;
        self.requests(encoder)?;
        let (name, help) = ("kthena_router_request_duration_seconds", "From a request's head to its answer's end");
        self.times(encoder, (name, help), |cells| &cells.request)?;
        let (name, help) =
            ("phalanx_gateway_time_to_first_token_seconds", "From a request's head to its answer's body");
        self.times(encoder, (name, help), |cells| &cells.first_token)?;
        let (name, help) = ("phalanx_gateway_time_per_output_token_seconds", "From one event of a stream to the next");
        self.times(encoder, (name, help), |cells| &cells.next_token)?;
        self.decisions(encoder)?;
        let (name, help) = ("kthena_router_tokens", "Tokens of prompts, counted or estimated from their text");
        self.count(encoder, (name, help), &[("token_type", "input")], |cells| &cells.prompt_tokens)?;
        let (name, help) = ("phalanx_gateway_retries", "Tries beyond the first");
        self.count(encoder, (name, help), &[], |cells| &cells.retries)?;
        self.gauges(encoder)?;
        self.totals(encoder)?;
        self.tokenizers(encoder)?;
        self.endpoints(encoder)
    }
}

impl Line {
    fn backend_type(&self) -> &'static str {
        if self.server.is_empty() { "unresolved" } else { "model_server" }
    }

    fn labels(&self, path: Path) -> [Label<'_>; 6] {
        [
            ("model", &self.model),
            ("path", path.text()),
            ("model_route", &self.route),
            ("backend_type", self.backend_type()),
            ("backend_name", &self.server),
            ("upstream_model", &self.upstream_model),
        ]
    }
}

fn cells(desk: &Desk) -> impl Iterator<Item = (&Line, Path, &Cells)> {
    let paths = |line| Path::ALL.into_iter().map(move |path| (line, path));
    let lines = desk.meters.lines.iter().map(Arc::as_ref);
    lines.flat_map(paths).map(|(line, path): (&Line, Path)| (line, path, &line.paths[path as usize]))
}

pub(super) fn counter(family: &mut MetricEncoder<'_>, labels: &[Label<'_>], count: u64) -> Result<(), Error> {
    family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}

pub(super) fn set(family: &mut MetricEncoder<'_>, labels: &[Label<'_>], value: u64) -> Result<(), Error> {
    family.encode_family(&labels)?.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> Result<(), Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    metric.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
}
