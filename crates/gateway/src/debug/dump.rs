//! What goes on inside, as JSON with names that stay.

use std::collections::BTreeMap;

use phalanx_kvcache::feed::Standing;
use phalanx_routing::{EndpointId, Health};
use phalanx_signals::{EventReport, ScrapeReport};
use serde_json::{Value, json};

use super::millis;
use crate::config::{Phase, Timeouts};
use crate::desk::Desk;
use crate::retry::Retry;
use crate::server::Running;

/// The name of an endpoint by its id, where it is one of now.
pub(super) fn names(desk: &Desk) -> BTreeMap<EndpointId, &str> {
    desk.members().iter().map(|member| (member.id, member.endpoint.name())).collect()
}

pub(super) fn gateway(desk: &Desk) -> Value {
    let (fleet, totals) = (&desk.fleet, &desk.meters.totals);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_ms": millis(fleet.now()),
        "is_ready": !fleet.is_leaving(),
        "connections": totals.connections.get(),
        "requests": totals.active.get(),
        "decisions": fleet.decision_times().count(),
        "lost_decisions": fleet.lost_decisions(),
        "reloads": totals.reloads.get(),
        "reload_failures": totals.reload_failures.get(),
        "is_last_reload_applied": totals.is_reload_broken.get() == 0,
        "last_reload_unix_seconds": totals.last_reload.get(),
    })
}

pub(super) fn endpoints(desk: &Desk, running: &Running) -> Value {
    let (fleet, adapters) = (&desk.fleet, desk.fleet.adapter_names());
    let rows = desk.members().iter().filter_map(|member| {
        let (id, endpoint, look) = (member.id, &member.endpoint, fleet.look(member.id)?);
        let now = fleet.now();
        let (health, out_for) = match look.health {
            Health::In => ("in", None),
            Health::Out { until } => ("out", Some(millis(until.saturating_sub(now)))),
            Health::OnTrial => ("on-trial", None),
            _ => ("unknown", None),
        };
        let named = |ids: &[_]| ids.iter().filter_map(|id| adapters.get(id)).cloned().collect::<Vec<_>>();
        let signals = look.signals.map(|signals| {
            json!({
                "age_ms": millis(now.saturating_sub(signals.read)),
                "waiting": signals.waiting,
                "running": signals.running,
                "kv_used_ppm": signals.kv_used_ppm,
                "ttft_ms": signals.ttft.map(millis),
                "tpot_ms": signals.tpot.map(millis),
            })
        });
        let (metrics, events) = match running.follow().as_ref() {
            Some(follow) => (
                follow.metrics(id).map(|watch| scraped(&watch.report())),
                follow.kv_events(id).map(|watch| followed(&watch.report())),
            ),
            None => (None, None),
        };
        let reports = look
            .accuracy
            .map(|of| json!({ "count": of.reports, "guessed": of.believed, "cached": of.cached, "agreed": of.agreed }));
        let (load, totals) = (look.load, look.totals);
        Some(json!({
            "name": endpoint.name,
            "id": format!("{}.{}", id.index(), id.generation()),
            "address": endpoint.address.to_string(),
            "models": member.models(),
            "phase": phase(endpoint.phase),
            "group": endpoint.group,
            "is_up": look.is_up,
            "health": health,
            "out_for_ms": out_for,
            "in_flight": load.in_flight,
            "prefilling": load.prefilling,
            "pending_tokens": load.pending_tokens,
            "prompt_tokens": load.prompt_tokens,
            "ended": {
                "success": totals.success, "error": totals.error, "client_gone": totals.client_gone,
                "cut": totals.cut, "unused": totals.unused,
            },
            "prompt_token_us": look.pace.as_nanos() as f64 / 1e3,
            "blocks": look.blocks,
            "guessed_capacity": look.guessed_capacity,
            "cache_reports": reports,
            "adapters": named(&look.loaded),
            "waiting_adapters": named(&look.queued),
            "signals": signals,
            "metrics": metrics,
            "kv_events": events,
        }))
    });
    Value::Array(rows.collect())
}

fn scraped(report: &ScrapeReport) -> Value {
    let failure = report.failure.as_ref().map(ToString::to_string);
    json!({ "pages": report.pages, "failures": report.failures, "failure": failure })
}

fn followed(report: &EventReport) -> Value {
    json!({
        "standing": match report.standing {
            Standing::Whole => "whole",
            Standing::CatchingUp => "catching-up",
            _ => "broken",
        },
        "is_connected": report.connected,
        "batches": report.batches,
        "stored": report.applied.stored,
        "repeated": report.applied.repeated,
        "removed": report.applied.removed,
        "dropped": report.dropped,
        "replays": report.replays,
        "unreadable": report.unreadable,
        "failures": report.failures,
        "failure": report.failure.as_ref().map(ToString::to_string),
    })
}

pub(super) fn pools(desk: &Desk) -> Value {
    let looks: Vec<_> = desk
        .members()
        .iter()
        .filter_map(|member| Some((member.endpoint.name(), desk.fleet.look(member.id)?.pools)))
        .collect();
    let rows = desk.servers().flat_map(|server| {
        let looks = &looks;
        server.pools().map(move |(part, group, pool)| {
            let within = looks.iter().filter(|(_, pools)| pools.contains(&pool));
            json!({
                "pool": pool.index(),
                "server": server.name(),
                "part": part,
                "group": group,
                "endpoints": within.map(|(name, _)| name).collect::<Vec<_>>(),
            })
        })
    });
    Value::Array(rows.collect())
}

pub(super) fn index(desk: &Desk) -> Value {
    let look = desk.fleet.look_at_index();
    json!({
        "block_size": desk.fleet.hasher.block_size().tokens(),
        "blocks": look.blocks,
        "held": look.pairs,
        "bytes": look.bytes,
        "max_bytes": look.max_bytes,
    })
}

pub(super) fn requests(desk: &Desk) -> Value {
    let (names, now) = (names(desk), desk.fleet.now());
    let mut flights = desk.fleet.in_flight();
    flights.sort_by_key(|flight| flight.decided);
    let rows = flights.iter().map(|flight| {
        json!({
            "endpoint": names.get(&flight.endpoint),
            "prompt_tokens": flight.prompt_tokens,
            "uncached_tokens": flight.uncached_tokens,
            "age_ms": millis(now.saturating_sub(flight.decided)),
            "first_token_after_ms": flight.first_token.map(|time| millis(time.saturating_sub(flight.decided))),
        })
    });
    Value::Array(rows.collect())
}

pub(super) fn config(desk: &Desk) -> Value {
    let config = &desk.config;
    let (care, limits) = (&config.care, &desk.limits);
    let pools = config.pools.iter().map(|(name, pool)| {
        let endpoints = pool.endpoints.iter().map(|endpoint| endpoint.name()).collect::<Vec<_>>();
        let Timeouts { per_try, head, idle, total } = pool.timeouts;
        let timeouts = json!({
            "per_try_ms": per_try.map(millis), "head_ms": head.map(millis), "idle_ms": idle.map(millis),
            "total_ms": total.map(millis),
        });
        let of = json!({ "served_as": pool.served_model, "endpoints": endpoints, "timeouts": timeouts, "retry": pool.retry.as_ref().map(Retry::told) });
        (name.clone(), of)
    });
    json!({
        "policy": config.policy,
        "seed": u64::from(config.seed),
        "models": desk.models().collect::<Vec<_>>(),
        "servers": pools.collect::<serde_json::Map<_, _>>(),
        "connect_timeout_ms": millis(care.connect_timeout),
        "retry": care.retry.told(),
        "breaker": care.breaker,
        "health_check": care.health_check.as_ref().map(|check| check.told()),
        "limits": {
            "head_timeout_ms": millis(limits.head_timeout),
            "body_timeout_ms": millis(limits.body_timeout),
            "stall_timeout_ms": millis(limits.stall_timeout),
            "max_body": limits.max_body,
            "max_head": limits.max_head,
            "max_connections": limits.max_connections,
        },
        "drain": { "delay_ms": millis(care.drain.delay), "grace_ms": millis(care.drain.grace) },
        "has_access_log": care.access_log.is_some(),
        "has_decision_log": care.decision_log.is_some(),
    })
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Both => "both",
        Phase::Prefill => "prefill",
        Phase::Decode => "decode",
    }
}
