//! `epcache status`: which indexes there are, and what they are worth.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::{Done, STALE, SUCCESS, configuration, failed, open_root, plural};
use crate::cli::StatusArgs;
use crate::environment::Environment;
use crate::freshness::{FreshnessError, Level};
use crate::index::Damage;
use crate::index::format::distribution_flag;
use crate::layout::Found;
use crate::lookup::{OpenIndex, State, Unusable, examine, places};
use crate::rooted::Root;
use crate::scan::Difference;
use crate::terminal::{BAD, DIM, GOOD, HEADING, Output, escape};
use crate::worker::{Scope, search_directories};

pub(crate) fn run(arguments: &StatusArgs) -> Done {
    let root = open_root(arguments.root.as_deref())?;
    let environment = Environment::of_process();
    let venv = environment.venv.clone().filter(|_| root.is_system());
    let config = configuration(&root);
    let mut wanted = search_directories(
        &root,
        &Scope::System {
            extra: config.directories,
        },
    )
    .map_err(failed)?;
    if let Some(venv) = &venv {
        match search_directories(&root, &Scope::Venv(venv.clone())) {
            Ok(mut found) => {
                found.directories.append(&mut wanted.directories);
                found.notes.append(&mut wanted.notes);
                found.left_out.append(&mut wanted.left_out);
                wanted = found;
            }
            Err(error) => log::warn!("{error}"),
        }
    }
    let mut report = Report::default();
    for (kind, path) in places(&root, &environment, venv.as_deref()) {
        report.add_index(
            &root,
            OpenIndex::open(&root, &path, kind),
            kind.word(),
            &path,
        );
    }
    report.add_wanted(&wanted);
    let mut output = Output::stdout();
    if arguments.json {
        serde_json::to_writer_pretty(&mut output, &report).map_err(std::io::Error::from)?;
        writeln!(output)?;
    } else {
        report.print(&mut output)?;
    }
    output.flush()?;
    Ok(if report.fresh { SUCCESS } else { STALE })
}

/// What `status --json` prints.
#[derive(Serialize, Default)]
struct Report {
    /// Whether every wanted search directory has a fresh record.
    fresh: bool,
    indexes: Vec<IndexStatus>,
    directories: Vec<DirectoryStatus>,
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct IndexStatus {
    path: String,
    kind: &'static str,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    suspect: bool,
    records: Vec<RecordStatus>,
}

#[derive(Serialize)]
struct RecordStatus {
    path: String,
    state: &'static str,
    why: Vec<String>,
    distributions: u32,
    entry_points: u32,
    /// Metadata directories that were not usable, or not readable, when the index was written.
    problems: Vec<String>,
    #[serde(skip)]
    spellings: Vec<Vec<u8>>,
}

/// A search directory that the system, or the active environment, has.
#[derive(Serialize)]
struct DirectoryStatus {
    path: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<String>,
}

#[derive(Serialize)]
struct Skipped {
    path: String,
    why: String,
}

const FRESH: &str = "fresh";
const STALE_WORD: &str = "stale";
const MISSING: &str = "missing";
const UNREADABLE: &str = "unreadable";

impl Report {
    fn add_index(
        &mut self,
        root: &Root,
        opened: Result<OpenIndex, Unusable>,
        kind: &'static str,
        path: &Path,
    ) {
        let mut status = IndexStatus {
            path: shown(path),
            kind,
            state: String::new(),
            age_seconds: None,
            size: None,
            suspect: false,
            records: Vec::new(),
        };
        match opened {
            Err(unusable) => status.state = unusable.to_string(),
            Ok(index) => {
                status.age_seconds = Some(now().saturating_sub(index.modified()));
                status.size = Some(index.index().size());
                status.suspect = index.index().is_suspect();
                match record_statuses(root, &index) {
                    Ok(records) => {
                        let all_fresh = records.iter().all(|record| record.state == FRESH);
                        let state = if all_fresh { FRESH } else { STALE_WORD };
                        status.state = state.into();
                        status.records = records;
                    }
                    Err(damage) => status.state = damage.to_string(),
                }
            }
        }
        self.indexes.push(status);
    }

    fn add_wanted(&mut self, wanted: &Found) {
        self.fresh = true;
        for directory in &wanted.directories {
            let path = directory.path.as_os_str().as_bytes();
            let records = || {
                self.indexes.iter().flat_map(|index| {
                    let of = |record: &&RecordStatus| {
                        record.spellings.iter().any(|spelling| spelling == path)
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
            self.fresh &= state == FRESH;
            self.directories.push(DirectoryStatus {
                path: shown(&directory.path),
                state,
                index,
            });
        }
        for (path, reason) in &wanted.left_out {
            self.skipped.push(Skipped {
                path: shown(path),
                why: reason.to_string(),
            });
        }
        for note in &wanted.notes {
            let path = match note.line {
                Some(line) => format!("{}:{line}", shown(&note.path)),
                None => shown(&note.path),
            };
            self.skipped.push(Skipped {
                path,
                why: note.text.clone(),
            });
        }
    }

    fn print(&self, output: &mut Output) -> std::io::Result<()> {
        for index in &self.indexes {
            let style = if index.state == FRESH { GOOD } else { BAD };
            let style = if index.state == MISSING { DIM } else { style };
            write!(output, "{HEADING}{}{HEADING:#} ", escape(&index.path))?;
            write!(
                output,
                "({} index): {style}{}{style:#}",
                index.kind,
                escape(&index.state)
            )?;
            if let (Some(age), Some(size)) = (index.age_seconds, index.size) {
                write!(
                    output,
                    ", {} old, {} KiB",
                    duration(age),
                    size.div_ceil(1024)
                )?;
            }
            if index.suspect {
                write!(output, ", suspect: a later refresh has failed")?;
            }
            writeln!(output)?;
            for record in &index.records {
                record.print(output)?;
            }
        }
        let missing: Vec<_> = self
            .directories
            .iter()
            .filter(|directory| directory.state == MISSING)
            .collect();
        if !missing.is_empty() {
            writeln!(output, "{HEADING}Not in any index{HEADING:#}")?;
            for directory in missing {
                writeln!(output, "  {}", escape(&directory.path))?;
            }
        }
        if !self.skipped.is_empty() {
            writeln!(output, "{HEADING}Skipped{HEADING:#}")?;
            for skipped in &self.skipped {
                writeln!(
                    output,
                    "  {}: {}",
                    escape(&skipped.path),
                    escape(&skipped.why)
                )?;
            }
        }
        if !self.fresh {
            writeln!(
                output,
                "Not everything is fresh; `epcache refresh` mends that."
            )?;
        }
        Ok(())
    }
}

impl RecordStatus {
    fn print(&self, output: &mut Output) -> std::io::Result<()> {
        let style = if self.state == FRESH { GOOD } else { BAD };
        writeln!(
            output,
            "  {style}{:<10}{style:#} {}  {DIM}{}, {}{DIM:#}",
            self.state,
            escape(&self.path),
            plural(self.distributions as usize, "distribution", "distributions"),
            plural(self.entry_points as usize, "entry point", "entry points"),
        )?;
        for why in &self.why {
            writeln!(output, "             {}", escape(why))?;
        }
        for problem in &self.problems {
            writeln!(output, "             {}", escape(problem))?;
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
    for number in 0..index.index().record_count() {
        let record = index.index().record(number)?;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(record.path()));
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
        let (state, why) = match examine(&record, Level::Strict, index.circumstances(), root, &path)
        {
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
        };
        statuses.push(RecordStatus {
            path: shown(&path),
            state,
            why,
            distributions: record.distribution_count(),
            entry_points: record.entry_count(),
            problems,
            spellings: spellings.remove(&number).unwrap_or_default(),
        });
    }
    Ok(statuses)
}

fn in_words(difference: &Difference) -> String {
    let (name, what) = match difference {
        Difference::Added(name) => (name, "not in the index"),
        Difference::Removed(name) => (name, "gone, but in the index"),
        Difference::Changed(name) => (name, "changed since"),
    };
    format!("{}: {what}", String::from_utf8_lossy(name))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn now() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

fn duration(seconds: i64) -> String {
    match seconds {
        ..60 => plural(seconds.max(0) as usize, "second", "seconds"),
        60..3600 => plural((seconds / 60) as usize, "minute", "minutes"),
        3600..86400 => plural((seconds / 3600) as usize, "hour", "hours"),
        _ => plural((seconds / 86400) as usize, "day", "days"),
    }
}
