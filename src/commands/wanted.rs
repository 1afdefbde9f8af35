//! The entry points that `epcache query` looks for, by words or patterns. If there are none,
//! similar names.
//!
//! The input is GROUP and NAME of the command line, the output is entry points or a hint.

use std::collections::BTreeMap;

use glob::Pattern;

use super::near::nearest;
use super::plural;
use crate::cli::QueryArgs;
use crate::index::Damage;
use crate::lookup::{Answers, EntryPoint, entry_points};

/// A word of the command line.
pub(super) struct Word<'a> {
    text: Option<&'a str>,
    pattern: Option<Pattern>,
}

impl<'a> Word<'a> {
    fn of(text: Option<&'a str>) -> Self {
        let is_pattern = |text: &&str| text.contains(['*', '?', '[']);
        let pattern = text.filter(is_pattern);
        Self {
            text,
            pattern: pattern.and_then(|text| Pattern::new(text).ok()),
        }
    }

    pub(super) fn is_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// Without a word, everything matches. A name may contain a pattern's characters.
    fn fits(&self, name: &str) -> bool {
        let fits = |pattern: &Pattern| pattern.matches(name);
        self.text.is_none_or(|text| text == name) || self.pattern.as_ref().is_some_and(fits)
    }

    /// The word, if it can be looked up directly.
    fn exactly(&self) -> Option<&'a str> {
        self.text.filter(|_| self.pattern.is_none())
    }
}

/// GROUP and NAME.
pub(super) struct Wanted<'a> {
    pub(super) group: Word<'a>,
    name: Word<'a>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(arguments: &'a QueryArgs) -> Self {
        Self {
            group: Word::of(arguments.group.as_deref()),
            name: Word::of(arguments.name.as_deref()),
        }
    }

    pub(super) fn find(&self, answers: &Answers<'_>) -> Result<Vec<EntryPoint>, (usize, Damage)> {
        let mut found = entry_points(answers, self.group.exactly(), self.name.exactly())?;
        found.retain(|entry| self.group.fits(&entry.group) && self.name.fits(&entry.name));
        Ok(found)
    }

    /// The message if none was found: the similar ones among `all`.
    pub(super) fn hint(&self, all: &[EntryPoint]) -> String {
        let Some(group) = self.group.text.filter(|_| !all.is_empty()) else {
            return "no entry points found; `epcache query --explain` says where was looked".into();
        };
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in all {
            *groups.entry(&entry.group).or_default() += 1;
        }
        let of_group = all.iter().filter(|entry| self.group.fits(&entry.group));
        let mut names: Vec<&str> = of_group.map(|entry| &*entry.name).collect();
        names.sort_unstable();
        names.dedup();
        match (self.name.text, names.as_slice()) {
            (Some(name), [_, ..]) => {
                let what = match self.name.is_pattern() {
                    true => format!("no name in {group} fits '{name}'"),
                    false => format!("no '{name}' in {group}"),
                };
                let near = nearest(name, &names);
                let near = near.into_iter().map(str::to_owned).collect();
                let count = plural(names.len(), "name", "names");
                said(what, near, || {
                    format!("{count}: `epcache query {group}` lists them")
                })
            }
            _ => {
                let what = match self.group.is_pattern() {
                    true => format!("no group fits '{group}'"),
                    false => format!("no group '{group}'"),
                };
                let known: Vec<&str> = groups.keys().copied().collect();
                let count = |group: &str| groups.get(group).copied().unwrap_or_default();
                let near = nearest(group, &known).into_iter();
                let near = near
                    .map(|group| format!("{group} ({})", count(group)))
                    .collect();
                let count = plural(known.len(), "group", "groups");
                said(what, near, || {
                    format!("{count}: `epcache query` lists them")
                })
            }
        }
    }
}

fn said(what: String, near: Vec<String>, all: impl Fn() -> String) -> String {
    match near.as_slice() {
        [] => format!("{what}; there are {}", all()).replace("there are 1 ", "there is 1 "),
        [one] => format!("{what}; there is {one}"),
        _ => format!("{what}; there are {}", near.join(", ")),
    }
}
