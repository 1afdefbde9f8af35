//! `epcache query --explain`: the interpreter, its search directories, and the source of each
//! answer.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use super::asking::{Asking, Searched, in_words};
use super::{CommandError, Done, SUCCESS, failed, mending, moved_from, plural};
use crate::freshness::Level;
use crate::json::JsonText;
use crate::lookup::{Answers, OpenIndex, PlaceKind, places};
use crate::rooted::Root;
use crate::terminal::{DIM, HEADING, Output, escape};

/// What `query --explain --json` prints.
#[derive(Serialize)]
struct Explained {
    interpreter: Option<Interpreted>,
    /// The option or variable that names the interpreter or the search directories.
    by: &'static str,
    indexes: Vec<IndexState>,
    sys_path: Vec<Answered>,
}

#[derive(Serialize)]
struct Interpreted {
    version: String,
    executable: Option<JsonText>,
    venv: Option<JsonText>,
}

#[derive(Serialize)]
struct IndexState {
    path: JsonText,
    level: &'static str,
    state: String,
}

#[derive(Serialize)]
struct Answered {
    path: JsonText,
    index: Option<JsonText>,
    answer: String,
}

pub(super) fn run(asking: &Asking<'_>, searched: &Searched, as_json: bool) -> Done {
    let explained = explain(asking, searched)?;
    let mut output = Output::stdout();
    match as_json {
        true => output.json(&explained)?,
        false => explained.print(&mut output)?,
    }
    output.flush()?;
    Ok(SUCCESS)
}

fn explain(asking: &Asking<'_>, searched: &Searched) -> Result<Explained, CommandError> {
    let (root, environment) = (asking.root, asking.environment);
    let system = Root::system();
    let given = asking.place.index.iter();
    let mut asked: Vec<_> = given
        .map(|path| (&system, PlaceKind::Given, path.clone()))
        .collect();
    if asked.is_empty() {
        let places = places(root, environment, asking.venv, asking.config);
        asked.extend(places.into_iter().map(|(kind, path)| (root, kind, path)));
    }
    let (mut indexes, mut states) = (Vec::new(), Vec::new());
    for (root, kind, path) in asked {
        let state = match OpenIndex::open(root, &path, kind) {
            Err(error) => error.to_string(),
            Ok(index) => {
                let state = state_of(&index, asking);
                indexes.push(index);
                state
            }
        };
        states.push(IndexState {
            path: path.as_path().into(),
            level: word(asking.level(kind)),
            state,
        });
    }
    let level = |index: &OpenIndex| asking.level(index.kind());
    let mut answers = Answers::find(root, asking.paths, &indexes, &level);
    let mut sys_path = Vec::new();
    for (number, path) in asking.paths.iter().enumerate() {
        let answer = loop {
            match answer(&answers, number, asking, &indexes) {
                Ok(answer) => break answer,
                Err(damage) => {
                    let text = damage.to_string();
                    if !answers.give_up(root, number, damage) {
                        return Err(failed(text));
                    }
                }
            }
        };
        sys_path.push(Answered {
            path: path.as_path().into(),
            index: answers.index_of(number).map(JsonText::from),
            answer,
        });
    }
    let interpreter = searched.interpreter.as_ref().map(|it| Interpreted {
        version: it.version_text(),
        executable: it.executable.as_deref().map(JsonText::from),
        venv: it.venv.as_ref().map(|venv| venv.prefix.as_path().into()),
    });
    Ok(Explained {
        interpreter,
        by: searched.by,
        indexes: states,
        sys_path,
    })
}

fn state_of(index: &OpenIndex, asking: &Asking<'_>) -> String {
    if let Some(old) = moved_from(index, asking.venv) {
        let mending = mending(index, asking.root, asking.environment);
        let old = old.display();
        return format!("of {old}: the environment has moved; `{mending}` mends that");
    }
    match index.index().is_suspect() {
        true => "suspect: a refresh has failed since".into(),
        false => "there".into(),
    }
}

/// The source of the answer for a search directory.
fn answer(
    answers: &Answers<'_>,
    number: usize,
    asking: &Asking<'_>,
    indexes: &[OpenIndex],
) -> Result<String, crate::index::Damage> {
    let (path, record) = answers.record(number)?;
    let count = record.distribution_count() as usize;
    let count = plural(count, "distribution", "distributions");
    let of_index = |path: &Path| indexes.iter().find(|index| index.path() == path);
    if let Some(stale) = answers.stale.iter().find(|stale| stale.path == path) {
        let mending = of_index(&stale.index)
            .map(|index| mending(index, asking.root, asking.environment))
            .unwrap_or_default();
        let what = in_words(stale);
        return Ok(format!(
            "read live: {what} since the index was written; `{mending}` mends that"
        ));
    }
    if record.is_missing() {
        return Ok("not there".into());
    }
    if answers.index_of(number).is_some() {
        return Ok(format!("{count}, as recorded"));
    }
    let known = |index: &&OpenIndex| {
        let found = index.index().find(path.as_os_str().as_bytes());
        found.is_ok_and(|found| found.is_some())
    };
    Ok(match indexes.iter().find(known) {
        None => format!("read live: in no index; {count}"),
        Some(index) if !index.may_speak_of(asking.root, path) => {
            let owner = "belongs neither to root, nor to you, nor to the directory's owner";
            format!("read live: {} {owner}; {count}", index.path().display())
        }
        // Only times have changed.
        Some(_) => format!("{count}, as recorded"),
    })
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Auto => "auto",
        Level::Fast => "fast",
        Level::Strict => "strict",
        Level::Trust => "trust",
    }
}

impl Explained {
    fn print(&self, output: &mut Output) -> std::io::Result<()> {
        if let Some(interpreter) = &self.interpreter {
            let executable = interpreter.executable.as_ref();
            let executable = executable.map_or_else(|| "unknown".into(), JsonText::shown);
            writeln!(
                output,
                "{HEADING}interpreter{HEADING:#}: {executable} (Python {}, by {})",
                interpreter.version, self.by
            )?;
        }
        writeln!(output, "{HEADING}indexes{HEADING:#}:")?;
        for index in &self.indexes {
            let (path, state) = (index.path.shown(), escape(&index.state));
            writeln!(output, "  {path} ({}): {state}", index.level)?;
        }
        let paths = match self.interpreter {
            Some(_) => "sys.path".to_owned(),
            None => self.by.to_owned(),
        };
        writeln!(output, "{HEADING}{paths}{HEADING:#}:")?;
        for entry in &self.sys_path {
            writeln!(
                output,
                "  {}: {}",
                entry.path.shown(),
                escape(&entry.answer)
            )?;
            if let Some(index) = &entry.index {
                writeln!(output, "    {DIM}index: {}{DIM:#}", index.shown())?;
            }
        }
        Ok(())
    }
}
