//! `epcache status`: which indexes there are, and what they are worth.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use super::consumers::Consumers;
use super::triggers::Triggers;
use super::{
    Done, STALE, SUCCESS, configuration, duration, failed, mending, moved_from, open_root, path_of,
    plural, say_what_hangs, system_mending,
};
use crate::cli::StatusArgs;
use crate::environment::Environment;
use crate::freshness::{FreshnessError, Level};
use crate::index::format::distribution_flag;
use crate::index::{Damage, Record};
use crate::json::JsonText;
use crate::layout::Found;
use crate::lookup::{AnySource, OpenIndex, State, Unusable, examine, places};
use crate::rooted::Root;
use crate::scan::Difference;
use crate::state::now;
use crate::terminal::{BAD, DIM, GOOD, HEADING, Output, escape, shell_word};
use crate::worker::{Scope, search_directories};

pub(crate) fn run(arguments: &StatusArgs) -> Done {
    let watched = say_what_hangs();
    let root = open_root(arguments.root.as_deref())?;
    let environment = Environment::of_process();
    let venv = environment.venv.clone().filter(|_| root.is_system());
    let config = configuration(&root);
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        fresh: true,
        triggers: Triggers::look(&root, &config, &environment),
        consumers: Consumers::look(&root),
        ..Report::default()
    };
    for (kind, path) in places(&root, &environment, venv.as_deref(), &config) {
        let opened = OpenIndex::open(&root, &path, kind);
        report.add_index(&root, &environment, opened, kind.word(), &path);
    }
    report.judge_indexes();
    if let Some(venv) = venv {
        match search_directories(&root, &Scope::Venv(venv.clone())) {
            Ok(found) => {
                report.add_wanted(
                    found,
                    &format!("epcache refresh --venv {}", shell_word(&venv)),
                );
            }
            Err(error) => log::warn!("VIRTUAL_ENV: {error}"),
        }
    }
    let extra = config.directories;
    let system = search_directories(&root, &Scope::System { extra }).map_err(failed)?;
    report.add_wanted(system, &system_mending(&root));
    drop(watched);
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&report)?;
    } else {
        report.print(&mut output)?;
    }
    output.flush()?;
    Ok(if report.fresh { SUCCESS } else { STALE })
}

/// What `status --json` prints.
#[derive(Serialize, Default)]
pub(super) struct Report {
    /// The program's version.
    pub(super) version: &'static str,
    /// Whether every wanted search directory has a fresh record, and no index is damaged, or wrong
    /// about a directory that no other one is right about.
    pub(super) fresh: bool,
    pub(super) indexes: Vec<IndexStatus>,
    pub(super) directories: Vec<DirectoryStatus>,
    skipped: Vec<Skipped>,
    pub(super) triggers: Triggers,
    consumers: Consumers,
    /// The commands that make everything fresh.
    mending: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct IndexStatus {
    pub(super) path: JsonText,
    pub(super) kind: &'static str,
    /// `fresh`, `stale`, `missing`, or `unusable`.
    pub(super) state: &'static str,
    /// Why it is unusable.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<i64>,
    #[serde(skip)]
    pub(super) modified: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    pub(super) suspect: bool,
    pub(super) records: Vec<RecordStatus>,
    /// The command that brings it up to date.
    #[serde(skip)]
    mending: Option<String>,
}

#[derive(Serialize)]
pub(super) struct RecordStatus {
    pub(super) path: JsonText,
    /// `fresh`, `stale`, `unreadable`, or `untrusted`.
    pub(super) state: &'static str,
    /// Whether the directory is not there, which may be as it should be.
    missing: bool,
    why: Vec<String>,
    pub(super) distributions: u32,
    pub(super) entry_points: u32,
    /// Metadata directories that were not usable, or not readable, when the index was written.
    problems: Vec<String>,
    #[serde(skip)]
    spellings: Vec<Vec<u8>>,
}

/// A search directory that the system, or the active environment, has.
#[derive(Serialize)]
pub(super) struct DirectoryStatus {
    pub(super) path: JsonText,
    /// `fresh`, `stale`, `unreadable`, or `missing` in every index.
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<JsonText>,
}

#[derive(Serialize)]
pub(super) struct Skipped {
    pub(super) path: JsonText,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    why: String,
}

pub(super) mod words {
    //! Of states.

    pub(in super::super) const FRESH: &str = "fresh";
    pub(in super::super) const STALE: &str = "stale";
    pub(in super::super) const MISSING: &str = "missing";
    pub(in super::super) const UNREADABLE: &str = "unreadable";
    pub(in super::super) const UNUSABLE: &str = "unusable";
    pub(in super::super) const UNTRUSTED: &str = "untrusted";
}
use words::{FRESH, MISSING, STALE as STALE_WORD, UNREADABLE, UNTRUSTED, UNUSABLE};

/// As much of a reason as a person is shown on a terminal.
const REASON: usize = 66;

impl Report {
    fn add_index(
        &mut self,
        root: &Root,
        environment: &Environment,
        opened: Result<OpenIndex, Unusable>,
        kind: &'static str,
        path: &Path,
    ) {
        let mut status = IndexStatus {
            path: path.into(),
            kind,
            state: UNUSABLE,
            why: None,
            age_seconds: None,
            modified: None,
            size: None,
            suspect: false,
            records: Vec::new(),
            mending: None,
        };
        match opened {
            Err(Unusable::Missing) => status.state = MISSING,
            Err(unusable) => {
                // One that is not trusted is as absent, and somebody else's to mend.
                self.fresh &= !matches!(unusable, Unusable::Damage(_));
                status.why = Some(unusable.to_string());
            }
            Ok(index) => {
                status.age_seconds = Some(now().saturating_sub(index.modified()));
                status.modified = Some(index.modified());
                status.size = Some(index.index().size());
                status.suspect = index.index().is_suspect();
                match record_statuses(root, &index) {
                    Ok(records) => {
                        // What is not believed is as absent, and no reason to mend anything.
                        let all_fresh = records
                            .iter()
                            .all(|record| [FRESH, UNTRUSTED].contains(&record.state));
                        status.state = if all_fresh { FRESH } else { STALE_WORD };
                        status.records = records;
                    }
                    Err(damage) => status.why = Some(damage.to_string()),
                }
                if let Some(old) = moved_from(&index, environment.venv.as_deref()) {
                    status.state = STALE_WORD;
                    let old = old.display();
                    status.why = Some(format!("it is of {old}, the environment has moved"));
                }
                status.mending = Some(mending(&index, root, environment));
                self.fresh &= status.state != UNUSABLE;
            }
        }
        self.indexes.push(status);
    }

    /// Judges the indexes. One that is wrong about a directory does no harm where another one is right
    /// about it: lookups take that.
    fn judge_indexes(&mut self) {
        let right: HashSet<&[u8]> = self
            .indexes
            .iter()
            .flat_map(|index| &index.records)
            .filter(|record| record.state == FRESH)
            .flat_map(|record| record.spellings.iter().map(Vec::as_slice))
            .collect();
        let wrong = |record: &RecordStatus| {
            ![FRESH, UNTRUSTED].contains(&record.state)
                && !record
                    .spellings
                    .iter()
                    .all(|path| right.contains(path.as_slice()))
        };
        let harmful: Vec<String> = self
            .indexes
            .iter()
            .filter(|index| index.state == UNUSABLE || index.records.iter().any(wrong))
            .filter_map(|index| index.mending.clone())
            .collect();
        self.fresh &= harmful.is_empty();
        for mending in harmful {
            self.add_mending(&mending);
        }
    }

    /// Adds what some scope should have in an index; `mending` puts it there.
    fn add_wanted(&mut self, wanted: Found, mending: &str) {
        for directory in wanted.directories {
            let path = directory.path.as_os_str().as_bytes();
            let records = || {
                self.indexes.iter().flat_map(|index| {
                    let of = |record: &&RecordStatus| {
                        record.state != UNTRUSTED
                            && record.spellings.iter().any(|spelling| spelling == path)
                    };
                    index
                        .records
                        .iter()
                        .filter(of)
                        .map(move |record| (index, record))
                })
            };
            let best = records()
                .find(|(_, record)| record.state == FRESH)
                .or(records().next());
            let state = best.map_or(MISSING, |(_, record)| record.state);
            let index = best.map(|(index, _)| index.path.clone());
            self.directories.push(DirectoryStatus {
                path: directory.path.as_path().into(),
                state,
                index,
            });
            self.fresh &= state == FRESH;
            if state == MISSING {
                self.add_mending(mending);
            }
        }
        for (path, reason) in &wanted.left_out {
            self.skipped.push(Skipped {
                path: path.as_path().into(),
                line: None,
                why: reason.to_string(),
            });
        }
        for note in wanted.notes {
            self.skipped.push(Skipped {
                path: note.path.as_path().into(),
                line: note.line,
                why: note.text,
            });
        }
    }

    fn add_mending(&mut self, command: &str) {
        if !self.mending.iter().any(|known| known == command) {
            self.mending.push(command.to_owned());
        }
    }

    fn print(&self, output: &mut Output) -> std::io::Result<()> {
        for index in &self.indexes {
            index.print(output)?;
        }
        let mut missing = self
            .directories
            .iter()
            .filter(|directory| directory.state == MISSING)
            .peekable();
        if missing.peek().is_some() {
            writeln!(output, "{HEADING}Not in any index{HEADING:#}")?;
        }
        for directory in missing {
            writeln!(output, "  {}", directory.path.shown())?;
        }
        if !self.skipped.is_empty() {
            writeln!(output, "{HEADING}Skipped{HEADING:#}")?;
        }
        for skipped in &self.skipped {
            let line = skipped.line.map(|line| format!(":{line}"));
            writeln!(
                output,
                "  {}{}",
                skipped.path.shown(),
                line.unwrap_or_default()
            )?;
            let mut why = escape(&skipped.why).into_owned();
            if output.is_terminal() {
                if let Some((end, _)) = why.char_indices().nth(REASON) {
                    why.truncate(end);
                    why.push('…');
                }
            }
            writeln!(output, "             {DIM}{why}{DIM:#}")?;
        }
        self.triggers.print(output)?;
        self.consumers.print(output)?;
        for command in &self.mending {
            writeln!(
                output,
                "To mend it: {HEADING}{}{HEADING:#}",
                escape(command)
            )?;
        }
        Ok(())
    }
}

impl IndexStatus {
    fn print(&self, output: &mut Output) -> std::io::Result<()> {
        let style = match self.state {
            FRESH => GOOD,
            MISSING => DIM,
            _ => BAD,
        };
        write!(
            output,
            "{HEADING}{}{HEADING:#} ({} index): {style}{}{style:#}",
            self.path.shown(),
            self.kind,
            self.state
        )?;
        if let Some(why) = &self.why {
            write!(output, ", {}", escape(why))?;
        }
        if let (Some(age), Some(size)) = (self.age_seconds, self.size) {
            write!(
                output,
                ", {} old, {} KiB",
                duration(age),
                size.div_ceil(1024)
            )?;
        }
        if self.suspect {
            write!(
                output,
                ", suspect: a later refresh has failed, or is still at work"
            )?;
        }
        writeln!(output)?;
        self.records
            .iter()
            .try_for_each(|record| record.print(output))
    }
}

impl RecordStatus {
    fn print(&self, output: &mut Output) -> std::io::Result<()> {
        let style = if self.state == FRESH { GOOD } else { BAD };
        let what = if self.missing {
            "not there".to_owned()
        } else {
            let distributions =
                plural(self.distributions as usize, "distribution", "distributions");
            let entry_points = plural(self.entry_points as usize, "entry point", "entry points");
            format!("{distributions}, {entry_points}")
        };
        writeln!(
            output,
            "  {style}{:<10}{style:#} {}  {DIM}{what}{DIM:#}",
            self.state,
            self.path.shown(),
        )?;
        for why in self.why.iter().chain(&self.problems) {
            writeln!(output, "             {}", escape(why))?;
        }
        Ok(())
    }
}

fn record_statuses(root: &Root, index: &OpenIndex) -> Result<Vec<RecordStatus>, Damage> {
    let mut spellings: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for row in 0..index.index().directory_count() {
        let (path, record, _) = index.index().directory(row)?;
        spellings.entry(record).or_default().push(path);
    }
    let mut statuses = Vec::new();
    for (number, path) in (0..).zip(index.index().paths()?) {
        let path = path_of(path);
        let record = index.index().record(number)?;
        let mut problems = Vec::new();
        for distribution in record.distributions() {
            let distribution = distribution?;
            let why = if distribution.has(distribution_flag::UNREAD) {
                "unread: the writer of the index may not read it"
            } else if distribution.has(distribution_flag::PROBLEM) {
                "a part of it is not usable (`epcache refresh --dry-run` says which)"
            } else {
                continue;
            };
            let name = String::from_utf8_lossy(&distribution.file_name).into_owned();
            problems.push(format!("{name}: {why}"));
        }
        let (state, why) = worth(root, index, &record, &path)?;
        statuses.push(RecordStatus {
            path: path.as_path().into(),
            state,
            missing: record.is_missing(),
            why,
            distributions: record.distribution_count(),
            entry_points: record.entry_count(),
            problems,
            spellings: spellings.remove(&number).unwrap_or_default(),
        });
    }
    Ok(statuses)
}

/// What an index's record of a search directory is worth, in a word, and why.
fn worth(
    root: &Root,
    index: &OpenIndex,
    record: &Record<'_, AnySource>,
    path: &Path,
) -> Result<(&'static str, Vec<String>), Damage> {
    if !index.may_speak_of(root, path) {
        let why = "the index belongs neither to root, nor to you, nor to the directory's owner";
        return Ok((UNTRUSTED, vec![why.into()]));
    }
    Ok(
        match examine(record, Level::Strict, index.circumstances(), root, path) {
            Ok(State::Fresh | State::Moved(_)) => (FRESH, Vec::new()),
            Ok(State::Stale(scanned)) => {
                let mut why: Vec<_> = scanned.differences.iter().map(in_words).collect();
                if why.is_empty() {
                    why.push("the directory was missing and is there now".into());
                }
                (STALE_WORD, why)
            }
            Err(FreshnessError::Io(error)) => (UNREADABLE, vec![error.to_string()]),
            Err(FreshnessError::Damage(damage)) => return Err(damage),
        },
    )
}

fn in_words(difference: &Difference) -> String {
    let (name, what) = match difference {
        Difference::Added(name) => (name, "not in the index"),
        Difference::Removed(name) => (name, "gone, but in the index"),
        Difference::Changed(name) => (name, "changed since"),
    };
    format!("{}: {what}", String::from_utf8_lossy(name))
}
