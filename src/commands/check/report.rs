//! What a check has seen, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::check::token::{Signs, day};
use crate::check::users::{FormatRow, cold_logins};
use crate::check::{Finding, Severity};

#[derive(Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
    pub(super) users: Option<UsersTable>,
    pub(super) tokens: Option<TokenSigning>,
}

/// The users of a file.
pub(super) struct UsersTable {
    pub(super) file: String,
    pub(super) rows: Vec<FormatRow>,
    pub(super) threads: usize,
}

/// What signs tokens, and with which files.
pub(super) struct TokenSigning {
    pub(super) key: String,
    pub(super) certificate: String,
    pub(super) signs: Signs,
}

impl Report {
    pub(super) fn count(&self, severity: Severity) -> usize {
        let of_it = |finding: &&Finding| finding.rule.severity() == severity;
        self.findings.iter().filter(of_it).count()
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        if let Some(table) = &self.users {
            let total: u64 = table.rows.iter().map(|row| row.users).sum();
            writeln!(text, "{}: users: {total}", table.file)?;
            for row in &table.rows {
                let took = row.took.map_or_else(
                    || "too long".to_owned(),
                    |took| format!("{:.1} ms", took.as_secs_f64() * 1000.0),
                );
                let kind = row.kind.to_string();
                writeln!(text, "{:>8}  {kind:24}{took:>12} a hash here", row.users)?;
            }
            if let Some(rate) = cold_logins(&table.rows, table.threads) {
                let threads = table.threads;
                writeln!(
                    text,
                    "About {rate:.0} logins a second while nothing is remembered (hash threads: \
                     {threads})"
                )?;
            }
            writeln!(text)?;
        }
        if let Some(TokenSigning { key, signs, .. }) = &self.tokens {
            let (algorithm, ends) = (signs.algorithm.as_str(), day(signs.ends));
            writeln!(
                text,
                "{key}: tokens: {algorithm}, certificate good until {ends}\n"
            )?;
        }
        for finding in &self.findings {
            writeln!(text, "{finding}")?;
        }
        let (errors, notes) = (self.count(Severity::Error), self.count(Severity::Note));
        writeln!(text, "Errors: {errors}. Notes: {notes}.")
    }

    pub(super) fn json(&self) -> Value {
        let findings: Vec<_> = self.findings.iter().map(json_finding).collect();
        let users = self.users.as_ref().map(|table| {
            let rows: Vec<_> = table.rows.iter().map(json_row).collect();
            json!({
                "file": table.file,
                "formats": rows,
                "hash_threads": table.threads,
                "cold_logins_per_second": cold_logins(&table.rows, table.threads),
            })
        });
        let tokens = self.tokens.as_ref().map(|tokens| {
            json!({
                "key": tokens.key,
                "certificate": tokens.certificate,
                "algorithm": tokens.signs.algorithm.as_str(),
                "certificate_ends": day(tokens.signs.ends),
            })
        });
        json!({ "users": users, "tokens": tokens, "findings": findings })
    }
}

fn json_finding(finding: &Finding) -> Value {
    json!({
        "severity": match finding.rule.severity() {
            Severity::Error => "error",
            Severity::Note => "note",
        },
        "rule": finding.rule.name(),
        "file": finding.file,
        "line": finding.fault.line,
        "what": finding.fault.what,
        "remedy": finding.fault.remedy,
    })
}

fn json_row(row: &FormatRow) -> Value {
    json!({
        "format": row.kind.to_string(),
        "users": row.users,
        "weak": row.kind.is_weak(),
        "milliseconds": row.took.map(|took| took.as_secs_f64() * 1000.0),
    })
}
