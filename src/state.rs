//! The state file: who last refreshed the system index, when, and what came of it.
//!
//! In comes the outcome of a run, out goes a small file beside the system index, `state`, with one
//! section for each of those who refresh it; `status` reads it. It is there for people: nothing depends
//! on it, and that it cannot be written or understood is nobody's failure.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::publish::{Destination, Folder};
use crate::rooted::Root;
use crate::terminal::escape;

/// Its name, beside the index.
const FILE_NAME: &str = "state";
/// A file that is larger is none of ours, in bytes.
const SIZE_LIMIT: usize = 64 << 10;
/// As much of a message as is kept, in characters.
const MESSAGE_LIMIT: usize = 500;

/// Who refreshes the system index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Caller {
    /// dpkg's trigger.
    Dpkg,
    /// rpm's triggers.
    Rpm,
    /// `epcache refresh --system`: a person, or a timer.
    Refresh,
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The index says what is there.
    Ok,
    /// It could not be refreshed, or not all of it.
    Failed,
    /// It was not to be refreshed.
    Skipped,
}

/// The last run of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// When it ended, in seconds since 1970.
    pub time: i64,
    /// What came of it.
    pub result: Outcome,
    /// Why, in one line; may be empty. What is read from a file is to be escaped where it is shown.
    pub message: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How packages were read, in words; empty where they were not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
}

impl Run {
    /// A run that has just ended. `epoch` is `SOURCE_DATE_EPOCH`: where that is set, the file must not
    /// depend on when it is written, nor on how fast.
    #[must_use]
    pub fn ended(result: Outcome, message: &str, took: Duration, epoch: Option<i64>) -> Self {
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self {
            time: epoch.unwrap_or_else(now),
            result,
            message: escape(message).chars().take(MESSAGE_LIMIT).collect(),
            duration_ms: epoch.map_or(milliseconds, |_| 0),
            sandbox: String::new(),
        }
    }

    /// The same run, with what was in force while packages were read; not for one of `SOURCE_DATE_EPOCH`.
    #[must_use]
    pub fn within(self, sandbox: Option<String>) -> Self {
        let sandbox = sandbox.unwrap_or_default();
        Self { sandbox, ..self }
    }
}

/// The last run of each caller.
pub type State = BTreeMap<Caller, Run>;

/// Adds a run to the state beside the first of these indexes below `root` where that is possible.
pub fn record(root: &Root, indexes: &[Destination], caller: Caller, run: &Run) {
    for index in indexes {
        let written = Folder::of(root, index).and_then(|folder| {
            // A link is not followed: it may lead anywhere.
            let old = folder
                .read_beside(FILE_NAME, SIZE_LIMIT)
                .unwrap_or_default();
            let mut state = parse(&String::from_utf8_lossy(&old));
            state.insert(caller, run.clone());
            folder.write_beside(FILE_NAME, to_text(&state).as_bytes())
        });
        match written {
            Ok(()) => return,
            Err(error) => log::debug!("{error}"),
        }
    }
}

/// The state beside these indexes, of each caller the latest run.
#[must_use]
pub fn read(root: &Root, indexes: &[&Path]) -> State {
    let mut state = State::new();
    for index in indexes {
        let Ok(bytes) = root.read(&index.with_file_name(FILE_NAME), SIZE_LIMIT) else {
            continue;
        };
        for (caller, run) in parse(&String::from_utf8_lossy(&bytes)) {
            if state.get(&caller).is_none_or(|known| known.time < run.time) {
                state.insert(caller, run);
            }
        }
    }
    state
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

fn to_text(state: &State) -> String {
    let mut text = String::new();
    for (caller, run) in state {
        let sandbox = match run.sandbox.as_str() {
            "" => String::new(),
            sandbox => format!("sandbox = {sandbox}\n"),
        };
        text.push_str(&format!(
            "[{}]\ntime = {}\nresult = {}\nduration-ms = {}\n{sandbox}message = {}\n",
            caller.word(),
            run.time,
            run.result.word(),
            run.duration_ms,
            run.message
        ));
    }
    text
}

/// What is not understood is passed over; a section without time and result is none.
fn parse(text: &str) -> State {
    let mut state = State::new();
    for section in text
        .split("\n[")
        .map(|section| section.trim_start_matches('['))
    {
        let mut lines = section.lines();
        let caller = lines
            .next()
            .and_then(|line| Caller::of(line.trim_end_matches(']')));
        let values: BTreeMap<&str, &str> = lines
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.trim(), value.trim()))
            .collect();
        let value = |key| values.get(key).copied().unwrap_or_default();
        let (Some(caller), Ok(time), Some(result)) =
            (caller, value("time").parse(), Outcome::of(value("result")))
        else {
            continue;
        };
        let run = Run {
            time,
            result,
            message: value("message").to_owned(),
            duration_ms: value("duration-ms").parse().unwrap_or_default(),
            sandbox: value("sandbox").to_owned(),
        };
        state.insert(caller, run);
    }
    state
}

impl Caller {
    const ALL: [Self; 3] = [Self::Dpkg, Self::Rpm, Self::Refresh];

    /// The word for it, in the file and in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Rpm => "rpm",
            Self::Refresh => "refresh",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|caller| caller.word() == word)
    }
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Ok, Self::Failed, Self::Skipped];

    /// The word for it, in the file and in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn run(result: Outcome, message: &str, time: i64) -> Run {
        Run::ended(result, message, Duration::from_millis(41), Some(time))
            .within(Some("as user 7".into()))
    }

    #[test]
    fn what_is_written_is_read_again_and_others_sections_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join("index");
        let places = [dir.path().join("gone/index"), index.clone()];
        let places = places.map(|path| Destination::of_file(&path));
        let failed = run(Outcome::Failed, "a = b; [rpm]\n[refresh]\x1b[2J # x", 5);
        let root = Root::system();
        record(&root, &places, Caller::Dpkg, &failed);
        let ok = Run::ended(Outcome::Ok, "", Duration::from_millis(41), None);
        record(
            &root,
            &places,
            Caller::Refresh,
            &run(Outcome::Skipped, "off", 6),
        );
        record(&root, &places, Caller::Refresh, &ok);
        let state = read(&root, &[&index]);
        let expected = State::from([(Caller::Dpkg, failed), (Caller::Refresh, ok.clone())]);
        assert_eq!(state, expected);
        assert!((0..5).contains(&(now() - ok.time)));
        assert_eq!(ok.duration_ms, 41);
    }

    #[test]
    fn a_message_is_one_short_line() {
        let kept = run(
            Outcome::Failed,
            &format!("a\nb\u{9b}{}", "c".repeat(9999)),
            0,
        )
        .message;
        assert!(kept.starts_with("a\\x0ab\\x9bccc"), "{kept}");
        assert_eq!(kept.chars().count(), MESSAGE_LIMIT);
    }

    #[test]
    fn of_two_files_the_later_run_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1/index"), dir.path().join("2/index"));
        for (index, time) in [(&one, 8), (&two, 7)] {
            fs::create_dir(index.parent().unwrap()).unwrap();
            record(
                &Root::system(),
                &[Destination::of_file(index)],
                Caller::Rpm,
                &run(Outcome::Ok, "", time),
            );
        }
        for order in [[one.as_path(), &two], [&two, &one]] {
            assert_eq!(read(&Root::system(), &order)[&Caller::Rpm].time, 8);
        }
    }

    #[test]
    fn a_link_in_place_of_the_state_is_neither_read_nor_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in/index"), dir.path().join("state"));
        fs::create_dir(inside.parent().unwrap()).unwrap();
        let theirs = "[dpkg]\ntime = 1\nresult = ok\n";
        fs::write(&outside, theirs).unwrap();
        std::os::unix::fs::symlink("../state", inside.with_file_name("state")).unwrap();
        let ours = run(Outcome::Skipped, "", 2);
        record(
            &Root::system(),
            &[Destination::of_file(&inside)],
            Caller::Rpm,
            &ours,
        );
        assert_eq!(fs::read_to_string(&outside).unwrap(), theirs);
        let state = read(&Root::system(), &[&inside]);
        assert_eq!(state, State::from([(Caller::Rpm, ours)]));
    }

    #[test]
    fn what_is_no_state_is_no_trouble() {
        for text in [
            "",
            "[",
            "\n[\n[dpkg]\ntime = x\nresult = ok\n",
            "[apt]\ntime = 1\nresult = ok",
        ] {
            assert_eq!(parse(text), State::new(), "{text}");
        }
        let partly = "time = 1\n[rpm]\nresult = ok\nodd\ntime = 2\nlater = x\n[x\n";
        assert_eq!(parse(partly)[&Caller::Rpm].time, 2);
    }
}
