//! `epcache check`: what is wrong with packages.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::{CommandError, Done, SUCCESS, configuration, failed, open_root, plural};
use crate::check::catalogue::{KINDS, Kind, Level};
use crate::check::{self, Checked, Finding, MOST_BYTES, Reception, Request, Scope};
use crate::cli::CheckArgs;
use crate::environment::Environment;
use crate::json::JsonText;
use crate::layout::{self, Wanted};
use crate::privsep::{self, Bounds, Job, Terms};
use crate::rooted::Root;
use crate::terminal::{BAD, DIM, HEADING, NAME, Output, escape, say};

/// Exit status: there are findings.
const FOUND: u8 = 1;

/// How long to wait for a worker.
const SILENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(arguments: &CheckArgs) -> Done {
    if arguments.list {
        return list(arguments.json);
    }
    let root = open_root(arguments.root.as_deref())?;
    let environment = Environment::of_process();
    let request = request(arguments, &root, &environment)?;
    let mut checked = checked(&root, &request)?;
    refuse_nothing(arguments, &root, &request, &checked)?;
    let is_shown = |it: &Finding| it.level == Level::Problem || log::log_enabled!(log::Level::Info);
    let notes = checked.findings.iter().filter(|it| it.level == Level::Note);
    let notes = notes.count();
    let problems = checked.findings.len() - notes;
    let mut output = Output::stdout();
    if arguments.json {
        let findings = checked.findings.iter().map(Row::from).collect();
        output.json(&Summary {
            findings,
            interpreters: &checked.interpreters,
            distributions: checked.distributions,
            unsaid: checked.unsaid,
        })?;
    } else {
        checked.findings.retain(is_shown);
        print(&mut output, &checked)?;
    }
    output.flush()?;
    if !arguments.json && log::log_enabled!(log::Level::Warn) {
        let distributions = plural(checked.distributions, "distribution", "distributions");
        let problems = plural(problems, "problem", "problems");
        let more = match (notes, log::log_enabled!(log::Level::Info)) {
            (0, _) | (_, true) => String::new(),
            (notes, false) => format!(", {} (-v shows them)", plural(notes, "note", "notes")),
        };
        let more = match checked.unsaid {
            0 => more,
            unsaid => format!("{more}; {unsaid} more are not shown"),
        };
        say(&format!("{distributions} checked: {problems}{more}"));
    }
    Ok(if problems > 0 || checked.unsaid > 0 {
        FOUND
    } else {
        SUCCESS
    })
}

fn request(
    arguments: &CheckArgs,
    root: &Root,
    environment: &Environment,
) -> Result<Request, CommandError> {
    // The process that reads has another working directory.
    let absolute = |path: &PathBuf| layout::absolute(root, path);
    let active = environment.venv.as_ref().filter(|_| root.is_system());
    let active = active.map(absolute);
    let wanted = match (&arguments.venv, &arguments.python) {
        (Some(dir), _) => Wanted::Venv(absolute(dir)),
        (None, Some(python)) if python.as_bytes().contains(&b'/') => {
            Wanted::Executable(absolute(&python.into()))
        }
        (None, Some(python)) => Wanted::Version(python.to_string_lossy().into_owned()),
        (None, None) => Wanted::Default,
    };
    let is_default = wanted == Wanted::Default;
    let paths: Vec<_> = arguments.path.iter().map(absolute).collect();
    for (path, given) in paths.iter().zip(&arguments.path) {
        if !root.is_dir(path) {
            let text = format!("--path {}: there is no such directory", given.display());
            return Err(failed(text));
        }
    }
    let scope = match active {
        _ if !paths.is_empty() => Scope::Paths(paths, wanted),
        _ if arguments.system => Scope::System,
        Some(venv) if is_default => Scope::Interpreter(Wanted::Venv(venv)),
        _ => Scope::Interpreter(wanted),
    };
    let home = environment.home.as_deref().map(|home| home.join(".local"));
    let user_base = environment.user_base.clone().or(home);
    let machine = nix::sys::utsname::uname().ok();
    let machine = machine.and_then(|it| it.machine().to_str().map(str::to_owned));
    Ok(Request {
        scope,
        names: arguments.distribution.clone(),
        path_env: environment.path.clone(),
        user_base: user_base.filter(|_| root.is_system()),
        machine,
    })
}

/// A path without packages in it is a mistake in a script, and must not pass for packages without
/// mistakes.
fn refuse_nothing(
    arguments: &CheckArgs,
    root: &Root,
    request: &Request,
    checked: &Checked,
) -> Result<(), CommandError> {
    if checked.distributions > 0 || (arguments.path.is_empty() && arguments.root.is_none()) {
        return Ok(());
    }
    if let (Scope::Paths(paths, _), [given, ..]) = (&request.scope, arguments.path.as_slice()) {
        let why = paths.iter().find_map(|path| layout::doubt(root, path));
        let why = why.unwrap_or_else(|| "there are no packages in it".to_owned());
        return Err(failed(format!("--path {}: {why}", given.display())));
    }
    let given = arguments.root.as_deref().unwrap_or(root.path());
    let text = format!("--root {}: there are no packages in it", given.display());
    Err(failed(text))
}

/// Has the check done in a process that can do nothing but read. Root in appearance only (fakeroot,
/// as many builds have it) is an ordinary user, whose packages it may read itself.
fn checked(root: &Root, request: &Request) -> Result<Checked, CommandError> {
    if privsep::refuse_pretended_root().is_err() {
        return check::run(root, request).map_err(failed);
    }
    let policy = configuration(&Root::system()).policy;
    let kept: Vec<_> = root.descriptor().into_iter().collect();
    let terms = Terms {
        policy: &policy,
        bounds: Bounds {
            silence: SILENCE,
            time: SILENCE,
            size: MOST_BYTES,
        },
        kept: &kept,
        writable: &[],
    };
    let job = Job {
        enter: Box::new(|| {
            check::enter(root, request);
            false
        }),
        prepare: Box::new(|| ()),
        work: Box::new(|sender| check::job(root, request, sender)),
    };
    let mut reception = Reception::default();
    let received = privsep::run(terms, job, &mut |frame| reception.take(&frame));
    let (sandbox, _ending) = received.map_err(failed)?;
    log::debug!("{}", sandbox.describe());
    reception.outcome().map_err(failed)
}

#[derive(Serialize)]
struct Summary<'a> {
    findings: Vec<Row<'a>>,
    /// For which packages were looked at.
    interpreters: &'a [String],
    distributions: usize,
    unsaid: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'static str,
    level: &'static str,
    path: JsonText,
    line: Option<usize>,
    distribution: JsonText<&'a [u8]>,
    interpreters: &'a [String],
    text: &'a str,
    follows: &'static str,
    remedy: &'static str,
}

impl<'a> From<&'a Finding> for Row<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            id: finding.kind.id,
            level: finding.level.word(),
            path: finding.path.as_path().into(),
            line: finding.line,
            distribution: JsonText(&finding.distribution),
            interpreters: &finding.interpreters,
            text: &finding.text,
            follows: finding.kind.follows,
            remedy: finding.kind.remedy,
        }
    }
}

/// The findings, one a line, as compilers print them; then what follows from each kind of them, and
/// what to do.
fn print(output: &mut Output, checked: &Checked) -> std::io::Result<()> {
    let (path_style, bad, dim) = (NAME, BAD, DIM);
    for finding in &checked.findings {
        let path = JsonText::from(finding.path.as_path()).shown();
        let line = finding.line.map(|line| format!(":{line}"));
        let line = line.unwrap_or_default();
        let note = match finding.level {
            Level::Problem => "",
            Level::Note => "note: ",
        };
        let text = escape(&finding.text);
        let id = finding.kind.id;
        let all = checked.interpreters.len();
        let only = match finding.interpreters.as_slice() {
            some if !some.is_empty() && some.len() < all => {
                format!(" (Python {})", some.join(", "))
            }
            _ => String::new(),
        };
        writeln!(
            output,
            "{path_style}{path}{line}{path_style:#}: {note}{text}{only} {bad}[{id}]{bad:#}"
        )?;
    }
    let is_found = |kind: &&&Kind| checked.findings.iter().any(|it| it.kind == **kind);
    for (number, kind) in KINDS.iter().filter(is_found).enumerate() {
        let gap = if number == 0 { "\n" } else { "" };
        let Kind {
            id,
            follows,
            remedy,
            ..
        } = kind;
        writeln!(output, "{gap}{bad}{id}{bad:#}: {follows}")?;
        writeln!(output, "{dim}    {remedy}{dim:#}")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Explanation {
    id: &'static str,
    area: &'static str,
    level: &'static str,
    what: &'static str,
    follows: &'static str,
    remedy: &'static str,
}

/// Explains every kind of finding.
fn list(as_json: bool) -> Done {
    let mut output = Output::stdout();
    if as_json {
        let all = KINDS.iter().map(|kind| Explanation {
            id: kind.id,
            area: kind.area,
            level: kind.level.word(),
            what: kind.what,
            follows: kind.follows,
            remedy: kind.remedy,
        });
        output.json(&all.collect::<Vec<_>>())?;
    } else {
        let (heading, name) = (HEADING, NAME);
        let mut area = "";
        for kind in KINDS {
            if kind.area != area {
                let gap = if area.is_empty() { "" } else { "\n" };
                area = kind.area;
                writeln!(output, "{gap}{heading}{area}{heading:#}")?;
            }
            let level = kind.level.word();
            writeln!(output, "\n{name}{}{name:#} ({level})", kind.id)?;
            for text in [kind.what, kind.follows, kind.remedy] {
                writeln!(output, "    {text}")?;
            }
        }
    }
    output.flush()?;
    Ok(SUCCESS)
}
