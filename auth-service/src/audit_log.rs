//! The audit trail in the log: one structured line for each audit event.

use crate::domain::audit::AuditRecord;

/// Writes `record` to the log, as fields of a line with the target `audit`.
pub fn write(record: &AuditRecord) {
    let session = record.session_id.map(|sid| sid.to_string());
    let optional = [
        ("user", record.user_id.as_deref()),
        ("session", session.as_deref()),
        ("client", record.client_id.as_deref()),
        ("operator", record.operator.as_deref()),
        ("ip", record.origin.ip.as_deref()),
        ("user_agent", record.origin.user_agent.as_deref()),
        ("detail", record.detail.as_deref()),
    ];
    let event = record.event.name();
    let mut fields = vec![("event", event), ("actor", record.actor.name())];
    fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let mut line = log::Record::builder();
    line.target("audit").level(log::Level::Info).key_values(&fields);
    log::logger().log(&line.args(format_args!("{event}")).build());
}
