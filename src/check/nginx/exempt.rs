//! Findings that are meant, as the configuration itself says: `# htgate check: ignore RULE` behind
//! the line that they are on, or on a line of its own above that.

use super::super::{CheckRule, Finding};
use super::include;
use crate::Fault;

/// Takes those findings out, and adds one for each rule that there is not.
pub(super) fn leave_out(name: &str, text: &str, findings: &mut Vec<Finding>) {
    for (file, text) in include::split(name, text) {
        for (line, number) in text.lines().zip(1_u64..) {
            let Some((before, rules)) = line.split_once(MARK) else {
                continue;
            };
            let is_alone = before.trim().is_empty();
            let meant = if is_alone { number + 1 } else { number };
            for rule in rules.split_whitespace() {
                match rule.parse::<CheckRule>() {
                    Ok(rule) => findings.retain(|it| {
                        (it.rule, &*it.file, it.fault.line) != (rule, file, Some(meant))
                    }),
                    Err(remedy) => {
                        let what = format!("there is no rule '{}'", rule.escape_debug());
                        let fault = Fault::new(what, remedy).at(number);
                        findings.push(Finding::new(CheckRule::Syntax, file, fault));
                    }
                }
            }
        }
    }
}

const MARK: &str = "# htgate check: ignore ";
