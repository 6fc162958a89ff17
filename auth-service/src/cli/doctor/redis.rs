//! Redis: whether it keeps what it is given.

use shared::clock::Clock;

use super::{Finding, clock as clocks};
use crate::{config::Settings, redis::info_field, session_state::RedisSessionState};

pub async fn examine(settings: &Settings, clock: &Clock) -> Vec<Finding> {
    let server = match settings.redis() {
        Ok(Some(server)) => server,
        Ok(None) => return vec![Finding::fine("blacklist", "embedded, in the SQLite file: for one process")],
        Err(why) => {
            return vec![Finding::wrong(
                "redis",
                why.to_string(),
                "Set it otherwise: see `auth-service --help`.",
            )];
        }
    };
    let redis =
        RedisSessionState::new(server, &settings.redis_key_prefix, settings.redis_timeout, clock.clone(), 0);
    let asked_ms = clock.now_ms();
    let Ok(servers) = redis.servers().await else {
        let why = redis.failure_reason().map_or_else(|| "no answer".into(), |reason| reason.to_string());
        return vec![Finding::wrong(
            "redis",
            why,
            "Check REDIS_URL, that Redis runs, that its user may run scripts (EVALSHA, INFO, TIME), and that this machine \
             may reach it.",
        )];
    };
    let answered_ms = clock.now_ms();
    let mut findings = Vec::new();
    for server in &servers {
        findings.extend(server_findings(&server.info));
        findings.push(clocks("Redis'", server.now_ms, asked_ms, answered_ms, settings));
    }
    if let Ok(false) = redis.is_complete().await {
        findings
            .push(Finding::fine("redis", "the blacklist is not whole: a service that starts rebuilds it"));
    }
    findings
}

fn server_findings(info: &str) -> Vec<Finding> {
    let says = |name| info_field(info, name);
    let (version, mode, port) = (says("redis_version"), says("redis_mode"), says("tcp_port"));
    let mut findings = vec![Finding::fine(
        "redis",
        format!(
            "Redis {version} ({mode}, port {port}) with {} replicas, {} used",
            says("connected_slaves"),
            says("used_memory_human")
        ),
    )];
    if says("role") != "master" {
        findings.push(Finding::wrong(
            "redis",
            "it is a replica, which takes no writes",
            "Name the master in REDIS_URL, or the Sentinels, who know it: redis-sentinel://host:26379/NAME.",
        ));
    }
    if says("maxmemory_policy") != "noeviction" && says("maxmemory") != "0" {
        findings.push(Finding::wrong(
            "redis",
            format!("maxmemory-policy is {}: revocations may be dropped", says("maxmemory_policy")),
            "CONFIG SET maxmemory-policy noeviction, and in its configuration file.",
        ));
    }
    if says("aof_enabled") != "1" {
        findings.push(Finding::advice(
            "redis",
            "it keeps no append-only file: a restart forgets which refresh tokens were rotated",
            "CONFIG SET appendonly yes, and in its configuration file. Revocations come back from the database.",
        ));
    }
    findings
}
