//! Cells of CSV files. A spreadsheet program takes a cell for a formula if it begins with one of
//! certain characters (OWASP, CSV Injection). An apostrophe before the cell prevents that.

/// Characters with which a formula begins, and the apostrophe itself, so that each cell can be
/// restored. Some programs take the full-width forms for the ASCII ones.
const GUARDED: [char; 11] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\''];

/// Returns the text of a cell as a CSV file contains it (RFC 4180).
pub fn escape(text: &str) -> String {
    let guard = if text.starts_with(GUARDED) { "'" } else { "" };
    let cell = format!("{guard}{text}");
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

/// Returns the text that [`escape`] guarded, once the quotation marks of CSV are removed.
pub fn restore(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| text.starts_with(GUARDED)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formula_is_guarded_and_restored() {
        for (text, cell) in [
            ("ada", "ada"),
            ("=1+1", "'=1+1"),
            ("+ada@example.com", "'+ada@example.com"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1+1", "'＝1+1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠SUM(A1)", "'＠SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("'=1", "''=1"),
            ("'", "''"),
        ] {
            assert_eq!(escape(text), cell);
            assert_eq!(restore(cell), text);
        }
        assert_eq!(restore("'ada"), "'ada");
        assert_eq!(escape("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(escape("=a,b"), "\"'=a,b\"");
    }
}
