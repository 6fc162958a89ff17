//! `auth-service users import`.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use service_kit::{
    CommandError,
    output::{print, print_outcome},
};

use super::progress::ProgressLine;
use crate::{
    accounts::{
        ClaimsMap, FieldMap, FileFormat, ImportEvent, ImportOptions, ImportTotals, OnConflict,
        RefusedRow, UserAdmin, VerifiedEmails,
    },
    app::account_rules,
    cli::{format::Format, text::printable},
    config::Settings,
};

#[derive(Args, Debug)]
pub struct Import {
    /// File of users, or - for standard input
    file: PathBuf,
    /// Format of the file: json (one array, such as Django's dumpdata), jsonl (an object on each
    /// line) or csv. Unset: the first byte of the file tells
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// Model of the users in a file of dumpdata
    #[arg(long, value_name = "APP.MODEL", default_value = "auth.user")]
    model: String,
    /// Name of a field in the file, such as username=login
    #[arg(long = "field", value_name = "FIELD=NAME")]
    fields: Vec<String>,
    /// File (TOML) with the scopes and roles for groups, permissions and flags
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Record every email address as verified
    #[arg(long, conflicts_with = "email_verified_by")]
    email_verified: bool,
    /// Record an email address as verified if this field of its row is true, or a time
    #[arg(long, value_name = "NAME")]
    email_verified_by: Option<String>,
    /// What happens to a row whose name or address is taken or breaks a rule: skip it, import it
    /// with another name (suffix), or end the import (fail)
    #[arg(long, value_name = "CHOICE", default_value = "skip")]
    on_conflict: ConflictChoice,
    /// Allow names that no visitor may register: reserved names, names of several scripts, and names
    /// of former users
    #[arg(long)]
    allow_reserved: bool,
    /// Import all rows or none
    #[arg(long)]
    atomic: bool,
    /// Report what the import would do, and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    Json,
    Jsonl,
    Csv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ConflictChoice {
    Skip,
    Suffix,
    Fail,
}

pub async fn run(
    settings: &Settings,
    admin: &UserAdmin,
    import: Import,
    format: Format,
) -> Result<(), CommandError> {
    let (source, size) = open(&import.file)?;
    let is_dry_run = import.dry_run;
    let options = options(import)?;
    let names = account_rules(settings).names;
    let mut progress = ProgressLine::new(size);
    let report = move |event| match event {
        ImportEvent::Progress(done) => progress.show(done),
        ImportEvent::Refused(refused) => {
            progress.clear();
            // An error of standard output is reported with the totals.
            let _ = print(&format.one(|| refused_text(&refused), || refused_object(&refused)));
        }
        ImportEvent::Renamed { line, from, to } => {
            progress.clear();
            let text = || format!("line {line}: {} becomes {to}\n", printable(&from));
            let json = || json!({"line": line, "renamed": {"from": from, "to": to}});
            let _ = print(&format.one(text, json));
        }
    };
    let (totals, outcome) = admin.import(source, options, names, report).await;
    print_outcome(&format.one(|| text(&totals, is_dry_run), || object(&totals, is_dry_run)))?;
    outcome.map_err(|why| CommandError::new(why.to_string()))?;
    match totals.refused {
        0 => Ok(()),
        1 => Err(CommandError::incomplete("1 row is refused")),
        many => Err(CommandError::incomplete(format!("{many} rows are refused"))),
    }
}

/// Opens the file. Returns its size too, if it is known.
fn open(file: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), CommandError> {
    if file == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let cannot_read =
        |why: io::Error| CommandError::new(format!("cannot read {}: {why}", file.display()));
    let opened = File::open(file).map_err(cannot_read)?;
    let metadata = opened.metadata().map_err(cannot_read)?;
    Ok((Box::new(opened), Some(metadata.len()).filter(|_| metadata.is_file())))
}

fn options(import: Import) -> Result<ImportOptions, CommandError> {
    let mut fields = FieldMap::default();
    for assignment in &import.fields {
        fields.set(assignment).map_err(|why| CommandError::usage(format!("--field {why}")))?;
    }
    let verified = match (import.email_verified, import.email_verified_by) {
        (true, _) => VerifiedEmails::All,
        (false, Some(name)) => VerifiedEmails::ByField(name),
        (false, None) => VerifiedEmails::None,
    };
    let format = import.format.map(|format| match format {
        FormatName::Json => FileFormat::JsonArray,
        FormatName::Jsonl => FileFormat::JsonLines,
        FormatName::Csv => FileFormat::Csv,
    });
    let on_conflict = match import.on_conflict {
        ConflictChoice::Skip => OnConflict::Skip,
        ConflictChoice::Suffix => OnConflict::Suffix,
        ConflictChoice::Fail => OnConflict::Fail,
    };
    Ok(ImportOptions {
        format,
        model: import.model.to_lowercase(),
        fields,
        claims: import.map.as_deref().map(claims_map).transpose()?,
        verified,
        on_conflict,
        allow_reserved: import.allow_reserved,
        is_atomic: import.atomic,
        is_dry_run: import.dry_run,
    })
}

fn claims_map(file: &Path) -> Result<ClaimsMap, CommandError> {
    let name = file.display();
    let text = fs::read_to_string(file);
    let text = text.map_err(|why| CommandError::usage(format!("cannot read {name}: {why}")))?;
    ClaimsMap::parse(&text).map_err(|why| CommandError::usage(format!("{name}: {why}")))
}

fn refused_text(RefusedRow { line, username, reason, .. }: &RefusedRow) -> String {
    let name = username.as_ref().map(|name| format!("{}: ", printable(name))).unwrap_or_default();
    format!("line {line}: {name}{}\n", printable(reason))
}

fn refused_object(refused: &RefusedRow) -> Value {
    let RefusedRow { line, username, external_id, reason, is_conflict } = refused;
    json!({
        "line": line,
        "refused": reason,
        "conflict": is_conflict,
        "username": username,
        "external_id": external_id,
    })
}

fn text(totals: &ImportTotals, is_dry_run: bool) -> String {
    let ImportTotals { rows, added, already_there, refused, renamed, disabled, .. } = totals;
    let verb = if is_dry_run { "would be added" } else { "added" };
    let mut text =
        format!("{rows} rows: {added} {verb}, {already_there} already there, {refused} refused\n");
    if *renamed > 0 {
        text += &format!("{renamed} of the added users have another name than in the file\n");
    }
    if *disabled > 0 {
        text += &format!("{disabled} of the added users are disabled\n");
    }
    for (reason, count) in &totals.must_reset {
        let reason = reason.describe();
        text += &format!("{count} of the added users must set a new password: each {reason}\n");
    }
    for name in &totals.unmapped {
        text += &format!("not in the map: {}\n", printable(name));
    }
    text
}

fn object(totals: &ImportTotals, is_dry_run: bool) -> Value {
    let must_reset = totals.must_reset.iter().map(|(reason, count)| (reason.name(), *count));
    json!({
        "dry_run": is_dry_run,
        "rows": totals.rows,
        "added": totals.added,
        "already_there": totals.already_there,
        "refused": totals.refused,
        "renamed": totals.renamed,
        "disabled": totals.disabled,
        "must_reset": Value::from_iter(must_reset),
        "unmapped": totals.unmapped,
        "other_models": totals.other_models,
    })
}
