//! `auth-service users export`.

use clap::{Args, ValueEnum};
use service_kit::{CommandError, output::print};

use crate::accounts::{DumpFormat, UserAdmin};

#[derive(Args, Debug)]
pub struct Export {
    /// Format: jsonl (an object on each line) or csv. `users import` reads both
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: FormatName,
    /// Include the password hashes. Keep the file like the database
    #[arg(long)]
    with_hashes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    Jsonl,
    Csv,
}

pub async fn run(
    admin: &UserAdmin,
    Export { format, with_hashes }: Export,
) -> Result<(), CommandError> {
    let format = match format {
        FormatName::Jsonl => DumpFormat::JsonLines,
        FormatName::Csv => DumpFormat::Csv,
    };
    let mut dump = admin.dump(format, with_hashes).await?;
    while let Some(text) = dump.next().await? {
        print(&text)?;
    }
    Ok(())
}
