//! Findings, and the list of them. The list keeps a limited number, each only once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::catalogue::{Kind, Level};
use crate::metadata::normalize::normalize_bytes;

/// The maximum number of findings.
pub const MOST: usize = 10_000;
/// The maximum number of findings of one kind for one distribution.
const MOST_OF_ONE: usize = 50;
/// In characters. Longer texts are cut.
const TEXT_LIMIT: usize = 500;

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub kind: &'static Kind,
    /// How much it matters: the level of its kind, or less.
    pub level: Level,
    /// The file or directory.
    pub path: PathBuf,
    /// The line in it, counted from 1.
    pub line: Option<usize>,
    /// The distribution's name. Empty if it concerns none.
    pub distribution: Vec<u8>,
    /// What is wrong here.
    pub text: String,
    /// The interpreters for which it was found. Empty if none is known.
    pub interpreters: Vec<String>,
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Finding>,
    /// The number of each finding, by its content, so that several interpreters find it once.
    known: HashMap<(&'static str, PathBuf, Option<usize>, String), usize>,
    counts: HashMap<(&'static str, Vec<u8>), usize>,
    /// How many were not kept.
    pub(super) unsaid: usize,
    /// The interpreter whose packages are being checked.
    pub(super) interpreter: Option<String>,
    /// The normalized names of the wanted distributions. Empty for all.
    wanted: Vec<Vec<u8>>,
}

impl Findings {
    /// An empty list, for these normalized names.
    pub(super) fn about(wanted: Vec<Vec<u8>>) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// Adds a finding with the level of its kind.
    pub(super) fn add(
        &mut self,
        kind: &'static Kind,
        path: impl AsRef<Path>,
        line: Option<usize>,
        distribution: &[u8],
        text: impl AsRef<str>,
    ) {
        self.add_as(kind.level, kind, path, line, distribution, text);
    }

    /// Adds a finding about two distributions, to the wanted one.
    pub(super) fn add_of_either(
        &mut self,
        kind: &'static Kind,
        path: impl AsRef<Path>,
        line: Option<usize>,
        pair: [&[u8]; 2],
        text: &str,
    ) {
        let own = pair.into_iter().find(|name| self.is_wanted(name));
        if let Some(own) = own {
            self.add(kind, path, line, own, text);
        }
    }

    /// Whether findings about a distribution are wanted.
    pub(super) fn is_wanted(&self, distribution: &[u8]) -> bool {
        self.wanted.is_empty() || self.wanted.contains(&normalize_bytes(distribution))
    }

    /// Adds a finding.
    pub(super) fn add_as(
        &mut self,
        level: Level,
        kind: &'static Kind,
        path: impl AsRef<Path>,
        line: Option<usize>,
        distribution: &[u8],
        text: impl AsRef<str>,
    ) {
        if !self.is_wanted(distribution) {
            return;
        }
        let path = path.as_ref().to_owned();
        let text = cut(text.as_ref());
        let key = (kind.id, path.clone(), line, text.clone());
        if let Some(known) = self.known.get(&key).and_then(|&at| self.all.get_mut(at)) {
            let new = self.interpreter.iter();
            let new = new.filter(|it| !known.interpreters.contains(it)).cloned();
            known.interpreters.extend(new.collect::<Vec<_>>());
            known.level = known.level.min(level);
            return;
        }
        let count = self.counts.entry((kind.id, distribution.to_vec()));
        let count = count.or_default();
        if *count >= MOST_OF_ONE || self.all.len() >= MOST {
            self.unsaid += 1;
            return;
        }
        *count += 1;
        self.known.insert(key, self.all.len());
        self.all.push(Finding {
            kind,
            level,
            path,
            line,
            distribution: distribution.to_vec(),
            text,
            interpreters: self.interpreter.clone().into_iter().collect(),
        });
    }

    /// All of them, sorted by file and line.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        let key = |it: &Finding| (it.path.clone(), it.line, it.kind.id, it.text.clone());
        self.all.sort_by_cached_key(key);
        self.all
    }
}

/// A text of limited length.
fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
