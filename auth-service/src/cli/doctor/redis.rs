//! Redis: whether it keeps its data.

use shared::clock::Clock;

use super::{clocks, finding::Finding};
use crate::{
    config::Settings,
    redis::info_field,
    session_state::{Answering, RedisSessionState},
};

pub async fn check(settings: &Settings, clock: &Clock) -> Vec<Finding> {
    let server = match settings.redis.server() {
        Ok(Some(server)) => server,
        Ok(None) => {
            let state = "embedded in the SQLite file, for a single process";
            return vec![Finding::fine("blacklist", state)];
        }
        Err(why) => {
            let remedy = "Change the settings: see `auth-service --help`.";
            return vec![Finding::wrong("redis", why.to_string(), remedy)];
        }
    };
    let prefix = &settings.redis.key_prefix;
    let redis = RedisSessionState::new(server, prefix, settings.redis.timeout, clock.clone(), 0);
    let began_ms = clock.now_ms();
    let Ok(servers) = redis.servers().await else {
        let reason = redis.failure_reason();
        let why = reason.map_or_else(|| "no answer".into(), |reason| reason.to_string());
        return vec![Finding::wrong(
            "redis",
            why,
            "Check REDIS_URL, that Redis runs, that its user may run scripts (EVALSHA, INFO, \
             TIME), and that this machine can reach it.",
        )];
    };
    let ended_ms = clock.now_ms();
    let mut findings = Vec::new();
    for server in &servers {
        findings.extend(check_server(&server.info));
        findings.push(clocks::check("Redis'", server.now_ms, began_ms, ended_ms, settings));
    }
    if let Ok(false) = redis.is_complete(Answering::No).await {
        let state = "the blacklist is incomplete: a service that starts rebuilds it";
        findings.push(Finding::fine("redis", state));
    }
    findings
}

fn check_server(info: &str) -> Vec<Finding> {
    let field = |name| info_field(info, name);
    let mut findings = vec![Finding::fine("redis", summary(info))];
    if field("role") != "master" {
        findings.push(Finding::wrong(
            "redis",
            "the server is a replica, which accepts no writes",
            "Name the master in REDIS_URL, or the Sentinels, which know the master: \
             redis-sentinel://host:26379/NAME.",
        ));
    }
    let policy = field("maxmemory_policy");
    if policy != "noeviction" && field("maxmemory") != "0" {
        findings.push(Finding::wrong(
            "redis",
            format!("maxmemory-policy is {policy}: Redis may evict sessions from the blacklist"),
            "Run `CONFIG SET maxmemory-policy noeviction`, and set it in the configuration file.",
        ));
    }
    let evicted = field("evicted_keys");
    if !matches!(evicted, "" | "0") {
        findings.push(Finding::advice(
            "redis",
            format!("Redis has evicted {evicted} keys since its start"),
            "Set maxmemory-policy to noeviction, and give Redis more memory. The database is asked \
             about a session that Redis does not know.",
        ));
    }
    if field("aof_enabled") != "1" {
        findings.push(Finding::advice(
            "redis",
            "Redis keeps no append-only file: after a restart it does not know which refresh \
             tokens were rotated",
            "Run `CONFIG SET appendonly yes`, and set it in the configuration file. Revocations \
             are restored from the database.",
        ));
    }
    findings
}

fn summary(info: &str) -> String {
    let field = |name| info_field(info, name);
    let version = field("redis_version");
    let mode = field("redis_mode");
    let port = field("tcp_port");
    let replicas = field("connected_slaves");
    let memory = field("used_memory_human");
    format!("Redis {version} ({mode}, port {port}), {replicas} replicas, {memory} of memory used")
}
