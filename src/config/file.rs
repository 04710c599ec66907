//! `htgate.toml`: what is wrong with it, and what of it can change while we run.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::settings::Settings;
use super::slips::{example, explain, line};
use crate::files::reload::ParseRules;
use crate::files::stable_read::is_blank;
use crate::rules::access::{Access, Group};
use crate::rules::user_agent::{DEFAULT_DENY, DEFAULT_EXCEPT, UserAgentRules};
use crate::store::Rules;
use crate::{Fault, token};

impl Settings {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        Self::read(bytes).map_err(|fault| shorten(&fault))
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
        let table = DeTable::parse(text).map_err(|error| explain(text, &error))?;
        check_order(text, table.get_ref())?;
        file.lines = Lines::of(text, table.get_ref());
        let rules = file.access.iter().map(|rule| rule.span().start);
        file.lines.rules = rules.map(|start| line(text, start)).collect();
        let is_deaf = file.listen.as_ref().is_some_and(Vec::is_empty);
        let unfit = file.out_of_bounds().or_else(|| is_deaf.then_some("listen"));
        if let Some(key) = unfit {
            let must_be = Self::bounds(key).unwrap_or_else(|| "must not be empty".to_owned());
            let what = format!("'{key}' {must_be}");
            let remedy = example(key).unwrap_or_default();
            let fault = Fault::new(what, format!("write it as in {remedy}"));
            return Err(file.lines.place(key, fault));
        }
        Ok(file)
    }

    /// The rules, ready to be applied.
    pub(crate) fn rules(&self) -> Result<Rules, Fault> {
        self.compile().map_err(|fault| shorten(&fault))
    }

    fn compile(&self) -> Result<Rules, Fault> {
        let place = |section| move |fault| self.lines.place(section, fault);
        // Groups are written before the rules that use them: this may be half of a file.
        if self.groups.is_some() && self.access.is_empty() {
            let what = "[groups] without [[access]]";
            let fault = Fault::new(what, "add rules, or remove the groups");
            return Err(place("groups")(fault));
        }
        let user_agents = match &self.user_agent {
            Some(lists) => lists.compile().map_err(place("user_agent"))?,
            None => UserAgentRules::compile(&DEFAULT_DENY, &DEFAULT_EXCEPT)?,
        };
        let groups = self.groups.iter().flatten().map(|(name, members)| {
            let line = self.lines.find(&format!("groups.{name}"));
            let members = members.clone();
            (name.clone(), Group { line, members })
        });
        let rules = self.access.iter().map(|rule| rule.get_ref().clone());
        let rules = self.lines.rules.iter().copied().zip(rules);
        Ok(Rules {
            user_agents,
            access: Access::compile(groups.collect(), rules)?,
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
    pub(crate) fn token(&self) -> Result<Option<token::TokenSettings>, Fault> {
        let Some(section) = &self.token else {
            return Ok(None);
        };
        let place = |(key, fault)| self.lines.place(&format!("token.{key}"), fault);
        let settings = section.finish().map_err(place);
        settings.map(Some).map_err(|fault| shorten(&fault))
    }
}

/// The lines of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Lines {
    /// The line in which each key stands, as in `token.key`.
    keys: BTreeMap<String, u64>,
    /// The line in which each rule begins.
    rules: Vec<u64>,
}

impl Lines {
    fn of(text: &str, table: &DeTable<'_>) -> Self {
        let mut lines = Self::default();
        for (key, value) in table {
            let section = key.get_ref();
            lines
                .keys
                .insert(section.to_string(), line(text, key.span().start));
            for (key, _) in value.get_ref().as_table().into_iter().flatten() {
                let name = format!("{section}.{}", key.get_ref());
                lines.keys.insert(name, line(text, key.span().start));
            }
        }
        lines
    }

    fn find(&self, key: &str) -> u64 {
        self.keys.get(key).copied().unwrap_or(1)
    }

    /// This fault, where that key stands, if it has no better place.
    fn place(&self, key: &str, fault: Fault) -> Fault {
        let line = fault.line.unwrap_or_else(|| self.find(key));
        fault.at(line)
    }
}

/// Rules come after what limits them: a file that is cut off has all of that, or no rule. Groups may
/// follow, since a rule without its group is an error, and `[token]`, which limits nothing.
fn check_order(text: &str, table: &DeTable<'_>) -> Result<(), Fault> {
    let keys = table.keys();
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
        Err(Fault::new(what, "write it before them").at(line(text, *place)))
    })
}

/// What the file holds may stand in a message, and must not fill the log.
fn shorten(fault: &Fault) -> Fault {
    let cut = |text: &str| text.chars().take(LONGEST_MESSAGE).collect();
    Fault {
        line: fault.line,
        what: cut(&fault.what),
        remedy: cut(&fault.remedy),
    }
}

/// In characters.
const LONGEST_MESSAGE: usize = 500;

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
