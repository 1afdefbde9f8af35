//! What tests on real input share: the trees, interpreters and libraries that `tests/setup` provides, and ways to
//! ask epcache and CPython the same question.
//!
//! In: the files `trees` and `interpreters` of the test cache (see `tests/setup`). Out: answers of both programs
//! as lists of [`EntryPoint`], and their first difference. Nothing here decides what is right.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

/// One entry point, as `epcache query --json` and `tests/oracle/oracle.py` give it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct EntryPoint {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) distribution: Option<String>,
    pub(crate) version: Option<String>,
    /// The metadata directory.
    #[serde(default)]
    pub(crate) path: String,
}

impl EntryPoint {
    fn field(&self, field: &str) -> Option<&str> {
        match field {
            "group" => Some(&self.group),
            "name" => Some(&self.name),
            "value" => Some(&self.value),
            "distribution" => self.distribution.as_deref(),
            "version" => self.version.as_deref(),
            // The directory's own name: how its parents are spelled is nobody's contract.
            "path" => self.path.rsplit('/').next(),
            _ => panic!("an entry point has no field {field}"),
        }
    }
}

/// What an entry point is compared by.
pub(crate) const FIELDS: &[&str] = &["group", "name", "value", "distribution", "version"];
/// The same, and the name of the metadata directory that it comes from.
pub(crate) const FIELDS_AND_PATH: &[&str] =
    &["group", "name", "value", "distribution", "version", "path"];

/// All entry points along a `sys.path`, in order; or why there is no answer.
pub(crate) type Answer = Result<Vec<EntryPoint>, String>;

/// A CPython of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Interpreter {
    pub(crate) executable: PathBuf,
    pub(crate) version: String,
    /// Where the newest importlib_metadata that it runs is installed.
    pub(crate) backport: Option<PathBuf>,
}

/// Whose `entry_points()` is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Library {
    /// The interpreter's own `importlib.metadata`.
    Own,
    /// The newest importlib_metadata that the interpreter runs.
    Backport,
}

/// Which of several metadata directories of one distribution in one search directory is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Twins {
    /// The one that the library happens to meet first.
    AsListed,
    /// The one that decision 2 chooses.
    Chosen,
}

/// Says that something was not tested, and why. A failure where `EPCACHE_TEST_REQUIRE_ALL` is set.
pub(crate) fn skip(what: &str, reason: &str) {
    assert!(!required(), "{what} could not be tested: {reason}");
    say(&format!("SKIPPED {what}: {reason}"));
}

fn required() -> bool {
    std::env::var_os("EPCACHE_TEST_REQUIRE_ALL")
        .is_some_and(|value| !value.is_empty() && value != "0")
}

/// Prints a line also where the test harness captures what passing tests print.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A directory of `tests/setup` by its name in the file `trees`; says so where it is missing.
pub(crate) fn tree(name: &str) -> Option<PathBuf> {
    let found = lines_of("trees")
        .into_iter()
        .find(|line| line.0 == name)
        .map(|line| PathBuf::from(line.1));
    if found.is_none() {
        skip(&format!("the tree {name}"), "tests/setup has not made it");
    }
    found
}

/// Every CPython from 3.10 up, the preferred one first.
pub(crate) fn interpreters() -> Vec<Interpreter> {
    let trees = lines_of("trees");
    let found: Vec<_> = lines_of("interpreters")
        .into_iter()
        .map(|(executable, version)| {
            let minor = version.rsplitn(2, '.').last().unwrap_or_default();
            let backport = trees
                .iter()
                .find(|tree| tree.0 == format!("oracle-{minor}"));
            Interpreter {
                executable: executable.into(),
                backport: backport.map(|tree| PathBuf::from(&tree.1)),
                version,
            }
        })
        .collect();
    if found.is_empty() {
        skip(
            "any CPython",
            "tests/setup has not run, or found none from 3.10 up",
        );
    }
    found
}

/// The interpreter with the newest importlib_metadata: what it says is CPython's answer (decision 2).
pub(crate) fn newest_oracle() -> Option<Interpreter> {
    // `max_by_key` takes the last of equals, and the first interpreter is the preferred one.
    let found = interpreters()
        .into_iter()
        .rev()
        .filter(|i| i.backport.is_some())
        .max_by_key(Interpreter::backport_version);
    if found.is_none() {
        skip(
            "comparison with CPython",
            "no interpreter has an importlib_metadata from tests/setup",
        );
    }
    found
}

impl Interpreter {
    /// The version of its importlib_metadata, `[10, 2, 0]`.
    pub(crate) fn backport_version(&self) -> Vec<u32> {
        let entries = self
            .backport
            .as_ref()
            .and_then(|directory| fs::read_dir(directory).ok());
        let names = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        let version = names.filter_map(|name| {
            name.strip_prefix("importlib_metadata-")?
                .strip_suffix(".dist-info")
                .map(|version| version.to_owned())
        });
        version
            .flat_map(|v| {
                v.split('.')
                    .filter_map(|part| part.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Its `sys.path` in isolated mode.
    pub(crate) fn sys_path(&self) -> Vec<PathBuf> {
        let output = run(within(60, &self.executable).args([
            "-I",
            "-c",
            "import json, sys; print(json.dumps(sys.path))",
        ]));
        let paths: Vec<String> = serde_json::from_slice(&output.stdout).expect("sys.path as JSON");
        paths.into_iter().map(PathBuf::from).collect()
    }

    /// What a library answers for each `sys.path`. A library that raises is an answer too.
    pub(crate) fn ask(
        &self,
        library: Library,
        twins: Twins,
        paths: &[Vec<PathBuf>],
    ) -> Vec<Answer> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Reply {
            Found(Vec<EntryPoint>),
            Raised { error: String },
        }
        let mut command = within(300, &self.executable);
        command
            .args(["-I", "-X", "utf8"])
            .arg(repository().join("tests/oracle/oracle.py"))
            .arg("--batch");
        command
            .arg("--libraries")
            .arg(self.backport.as_ref().expect("an oracle from tests/setup"));
        if library == Library::Backport {
            command.arg("--backport");
        }
        if twins == Twins::Chosen {
            command.arg("--twins");
        }
        let output = run_with_input(
            &mut command,
            &serde_json::to_vec(paths).expect("paths that are UTF-8"),
        );
        assert!(
            output.status.success(),
            "{command:?}: {}",
            text(&output.stderr)
        );
        let replies: Vec<Reply> = from_json(&output.stdout).expect("the oracle's JSON");
        assert_eq!(
            replies.len(),
            paths.len(),
            "the oracle answers every question"
        );
        let answer = |reply| match reply {
            Reply::Found(entry_points) => Ok(entry_points),
            Reply::Raised { error } => Err(error),
        };
        replies.into_iter().map(answer).collect()
    }
}

/// epcache, with nothing of the caller's environment that would change its answer, and a time limit.
pub(crate) fn epcache() -> Command {
    within(120, env!("CARGO_BIN_EXE_epcache"))
}

/// Runs `epcache query --json` with these arguments added, which begin with a group, or with an option: then of
/// all groups. Returns its answer and what it said on stderr.
pub(crate) fn query<S: AsRef<OsStr>>(
    command: &mut Command,
    arguments: impl IntoIterator<Item = S>,
) -> (Answer, String) {
    let mut arguments = arguments.into_iter().peekable();
    let is_option = |first: &S| first.as_ref().as_encoded_bytes().starts_with(b"-");
    command.args(["query", "--json"]);
    if arguments.peek().is_none_or(is_option) {
        command.arg("*");
    }
    let output = run(command.args(arguments));
    let said = text(&output.stderr);
    let code = output.status.code();
    let found: Vec<EntryPoint> = match (code, output.stdout.trim_ascii()) {
        (Some(124), _) => return (Err("it did not end in time".into()), said),
        (Some(0 | 1), []) => vec![],
        (Some(0 | 1), json) => match from_json(json) {
            Ok(found) => found,
            Err(error) => return (Err(format!("no JSON that fits: {error}")), said),
        },
        _ => return (Err(format!("exit status {code:?}: {said}")), said),
    };
    if found.is_empty() != (code == Some(1)) {
        return (
            Err(format!(
                "exit status {code:?} with {} entry points",
                found.len()
            )),
            said,
        );
    }
    (Ok(found), said)
}

/// `--path A --path B`
pub(crate) fn path_arguments(paths: &[PathBuf]) -> Vec<&OsStr> {
    paths
        .iter()
        .flat_map(|path| [OsStr::new("--path"), path.as_os_str()])
        .collect()
}

/// A program that is ended (exit status 124) after so many seconds, with a small and known environment.
pub(crate) fn within(seconds: u32, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &seconds.to_string()])
        .arg(program)
        .env_clear();
    command
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LC_ALL", "C.UTF-8");
    // No index but those named on the command line, and no user site.
    command
        .env("HOME", "/nonexistent")
        .env("EPCACHE_INDEX", "/nonexistent/index");
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// The same, with something to read on standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    // The programs of these tests read all of their input before they write: no deadlock between two full pipes.
    let mut stdin = child.stdin.take().expect("a pipe");
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("its output")
}

/// A temporary directory that epcache's worker, another user, can reach.
pub(crate) fn public_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    directory
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Bytes as text for people.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first difference of two answers with what is around it; `None` where they agree.
pub(crate) fn difference(
    actual: &Answer,
    expected: &[EntryPoint],
    fields: &[impl AsRef<str>],
) -> Option<String> {
    let actual = match actual {
        Ok(actual) => actual,
        Err(error) => return Some(error.clone()),
    };
    let row = |entry: &EntryPoint| -> Vec<String> {
        fields
            .iter()
            .map(|field| {
                entry
                    .field(field.as_ref())
                    .map_or("null".into(), |value| format!("{value:?}"))
            })
            .collect()
    };
    let actual: Vec<_> = actual.iter().map(row).collect();
    let expected: Vec<_> = expected.iter().map(row).collect();
    let first =
        (0..actual.len().max(expected.len())).find(|&at| actual.get(at) != expected.get(at))?;
    let mut shown = format!(
        "{} entry points instead of {}; they part at number {first}:\n",
        actual.len(),
        expected.len()
    );
    for (title, rows, others) in [
        ("epcache", &actual, &expected),
        ("expected", &expected, &actual),
    ] {
        let _ = writeln!(shown, "  {title}:");
        for (at, row) in rows
            .iter()
            .enumerate()
            .skip(first.saturating_sub(1))
            .take(4)
        {
            let mark = if at < first { ' ' } else { '>' };
            let note = if others.contains(row) {
                ""
            } else {
                "   (only here)"
            };
            let _ = writeln!(shown, "  {mark} {at:5} {}{note}", shortened(row).join(" "));
        }
    }
    Some(shown)
}

/// Values as they fit on a terminal.
fn shortened(row: &[String]) -> Vec<String> {
    let cut = |value: &String| match value.char_indices().nth(120) {
        Some((at, _)) => format!("{}… ({} bytes)", &value[..at], value.len()),
        None => value.clone(),
    };
    row.iter().map(cut).collect()
}

/// The lines `A <TAB> B` of a file of the test cache; none where the file is missing.
fn lines_of(file: &str) -> Vec<(String, String)> {
    let content = fs::read_to_string(cache_directory().join(file)).unwrap_or_default();
    content
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

/// Where `tests/setup` puts things.
fn cache_directory() -> PathBuf {
    let directory = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    directory("EPCACHE_TEST_CACHE")
        .or_else(|| directory("XDG_CACHE_HOME").map(|cache| cache.join("epcache-tests")))
        .or_else(|| directory("HOME").map(|home| home.join(".cache/epcache-tests")))
        .unwrap_or_default()
}

/// JSON as Python writes and reads it: file names that are not UTF-8 have lone surrogates, which serde_json
/// refuses. Here each becomes a character of the private use area.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    let text = String::from_utf8_lossy(json);
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        decoded.push_str(before);
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| escape.starts_with(prefix));
        // A pair stays what it is; the second half alone stands for a byte.
        let (taken, written) = if starts(&["\\ud8", "\\ud9", "\\uda", "\\udb"]) {
            (12, &escape[..12])
        } else if starts(&["\\udc"]) {
            (4, "\\uf7")
        } else {
            (2, &escape[..2])
        };
        decoded.push_str(written);
        rest = &escape[taken..];
    }
    decoded.push_str(rest);
    serde_json::from_str(&decoded)
}
