//! `htgate.toml`: what is wrong with it, and what of it can change while we run.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::settings::Settings;
use crate::files::reload::ParseRules;
use crate::files::stable_read::is_blank;
use crate::rules::access::Access;
use crate::rules::user_agent::{DEFAULT_DENY, DEFAULT_EXCEPT, UserAgentRules};
use crate::store::Rules;
use crate::{Fault, token};

impl Settings {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        Self::read(bytes).map_err(|fault| one_line(&fault))
    }

    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        if is_blank(bytes) {
            return Err(Fault::new(
                "the file is empty",
                "write settings or rules into it",
            ));
        }
        let not_text = |_| Fault::new("this is not UTF-8 text", "save it as UTF-8");
        let text = std::str::from_utf8(bytes).map_err(not_text)?;
        let mut file: Self = toml::from_str(text).map_err(|error| explain(text, &error))?;
        check_order(text)?;
        let lines = file.access.iter().map(|rule| line(text, rule.span().start));
        file.access_lines = lines.collect();
        Ok(file)
    }

    /// The rules, ready to be applied.
    pub(super) fn rules(&self) -> Result<Rules, Fault> {
        self.compile().map_err(|fault| one_line(&fault))
    }

    fn compile(&self) -> Result<Rules, Fault> {
        // Groups are written before the rules that use them: this may be half of a file.
        if self.groups.is_some() && self.access.is_empty() {
            let what = "[groups] without [[access]]";
            return Err(Fault::new(what, "add rules, or remove the groups"));
        }
        let user_agents = match &self.user_agent {
            Some(lists) => lists.compile()?,
            None => UserAgentRules::compile(&DEFAULT_DENY, &DEFAULT_EXCEPT)?,
        };
        let rules = self.access.iter().map(|rule| rule.get_ref().clone());
        let rules = self.access_lines.iter().copied().zip(rules);
        let groups = self.groups.clone().unwrap_or_default();
        Ok(Rules {
            user_agents,
            access: Access::compile(groups, rules)?,
        })
    }

    /// The sections that can be lost, each with whether it is there.
    fn sections(&self) -> [(&'static str, bool); 4] {
        [
            ("[[access]]", !self.access.is_empty()),
            ("[groups]", self.groups.is_some()),
            ("[user_agent]", self.user_agent.is_some()),
            ("[token]", self.token.is_some()),
        ]
    }

    /// The first section that this file has and the other one lacks.
    fn lost_in(&self, other: &Self) -> Option<&'static str> {
        let both = self.sections().into_iter().zip(other.sections());
        let mut lost = both.filter(|((_, was), (_, is))| *was && !is);
        lost.next().map(|((name, _), _)| name)
    }

    /// What signs tokens, if anything does.
    pub(super) fn token(&self) -> Result<Option<token::TokenSettings>, Fault> {
        self.token
            .as_ref()
            .map(super::sections::TokenSection::finish)
            .transpose()
    }
}

/// Rules come after what limits them: a file that is cut off has all of that, or no rule. Groups may
/// follow, since a rule without its group is an error, and `[token]`, which limits nothing.
fn check_order(text: &str) -> Result<(), Fault> {
    let table = DeTable::parse(text).map_err(|error| explain(text, &error))?;
    let keys = table.get_ref().keys();
    let places = keys.map(|key| (key.get_ref().as_ref(), key.span().start));
    let places: BTreeMap<_, _> = places.collect();
    let Some(rules) = places.get("access") else {
        return Ok(());
    };
    let mut late = places
        .iter()
        .filter(|(key, place)| *place > rules && !matches!(**key, "groups" | "token"));
    late.next().map_or(Ok(()), |(key, place)| {
        let what = format!("'{key}' stands after the access rules");
        Err(Fault::new(what, "write it before them").at(line(text, *place) as u64))
    })
}

/// One line: where, what, and the nearest known key for an unknown one.
fn explain(text: &str, error: &toml::de::Error) -> Fault {
    let line = line(text, error.span().map_or(0, |span| span.start)) as u64;
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown field") {
        return Fault::new(message, "correct this line").at(line);
    }
    let unknown = quoted.next().unwrap_or_default();
    let nearest = quoted.max_by(|a, b| {
        strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b))
    });
    let nearest = nearest.unwrap_or_default();
    let remedy = format!("the nearest known one is '{nearest}'");
    Fault::new(format!("unknown key '{unknown}'"), remedy).at(line)
}

/// What the file holds may stand in a message, and must neither begin a line of its own nor fill
/// the log.
fn one_line(fault: &Fault) -> Fault {
    let escape = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    let cut = |text: &str| {
        text.chars()
            .take(LONGEST_MESSAGE)
            .map(escape)
            .collect::<String>()
    };
    Fault {
        line: fault.line,
        what: cut(&fault.what),
        remedy: cut(&fault.remedy),
    }
}

/// In characters.
const LONGEST_MESSAGE: usize = 500;

/// The number of the line that a place in the text is in.
fn line(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// Reads the rules again, and says what else changed and must wait for a restart. A section that
/// the last good file had must be in the next one: without it more is allowed, and it is what half
/// of a file looks like that somebody is still writing.
pub(super) fn rules_parser(at_start: Settings) -> ParseRules {
    let mut last_good = at_start.clone();
    Box::new(move |bytes| {
        let now = Settings::parse(bytes)?;
        let rules = now.rules()?;
        if let Some(section) = last_good.lost_in(&now) {
            let what = format!("{section} is gone");
            return Err(Fault::new(
                what,
                "put it back, or restart htgate to do without it",
            ));
        }
        let changed = now.changed_since(&at_start);
        if !changed.is_empty() {
            log::warn!(
                "htgate.toml: these changes take effect with a restart: {}",
                changed.join(", ")
            );
        }
        // A [token] that was added is not in force.
        let token = last_good.token.take();
        last_good = Settings { token, ..now };
        Ok(rules)
    })
}

#[cfg(test)]
mod prefixes;
#[cfg(test)]
mod tests;
