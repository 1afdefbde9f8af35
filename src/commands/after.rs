//! `epcache after STATUS TOOL ARGUMENTS`, for the shell functions of `epcache hook`: refreshes the
//! index after pip or uv has changed packages.
//!
//! It always ends with 0 and writes nothing to standard output, because the tool's own result
//! counts.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::asking::interpreter;
use super::refresh;
use super::renewal::Work;
use super::{Done, SUCCESS};
use crate::cli::{AfterArgs, RefreshArgs};
use crate::environment::Environment;
use crate::rooted::Root;

pub(crate) fn run(arguments: &AfterArgs, work: Work) -> Done {
    let Some((tool, words)) = arguments.command.split_first() else {
        return Ok(SUCCESS);
    };
    let words = Words(words);
    let environment = Environment::of_process();
    let changed = match tool.as_encoded_bytes() {
        b"uv" => uv(&words, arguments.status == 0, &environment),
        _ if arguments.status != 0 => None,
        b"pip" | b"pip3" => pip(&words, &environment),
        _ if words.pair("-m", "pip") => pip(&words, &environment),
        _ => None,
    };
    let Some(changed) = changed else {
        return Ok(SUCCESS);
    };
    let mut wanted = RefreshArgs::default();
    match changed {
        Changed::Environment(dir) => wanted.venv = Some(dir),
        Changed::Own if nix::unistd::geteuid().is_root() => wanted.system = true,
        Changed::Own => wanted.user = true,
    }
    // Only users who call `refresh` themselves want the summary.
    log::set_max_level(log::max_level().min(log::LevelFilter::Error));
    if let Err(error) = refresh::run(&wanted, work) {
        log::error!("the index was not refreshed: {error}");
    }
    Ok(SUCCESS)
}

/// The packages that have changed.
#[derive(Debug, PartialEq, Eq)]
enum Changed {
    Environment(PathBuf),
    /// The user's own packages, or as root the system's.
    Own,
}

/// The arguments of a tool.
struct Words<'w>(&'w [OsString]);

impl Words<'_> {
    fn has(&self, words: &[&str]) -> bool {
        self.0.iter().any(|word| words.iter().any(|it| word == it))
    }

    fn pair(&self, first: &str, second: &str) -> bool {
        self.0.windows(2).any(|pair| match pair {
            [one, other] => one == first && other == second,
            _ => false,
        })
    }

    /// The value of an option, by one of its names: `--name VALUE`, `--name=VALUE`, `-n VALUE`,
    /// `-nVALUE`.
    fn value(&self, names: &[&str]) -> Option<&OsStr> {
        let mut words = self.0.iter();
        while let Some(word) = words.next() {
            for name in names {
                if word == name {
                    return words.next().map(OsString::as_os_str);
                }
                let rest = word.to_str().and_then(|word| word.strip_prefix(name));
                let value = match rest {
                    Some(rest) if name.starts_with("--") => rest.strip_prefix('='),
                    rest => rest,
                };
                if let Some(value) = value {
                    return Some(value.as_ref());
                }
            }
        }
        None
    }

    /// The first word that is neither an option nor the value of one of these options.
    fn command(&self, with_value: &[&str]) -> Option<&str> {
        let mut words = self.0.iter();
        while let Some(word) = words.next() {
            match word.to_str() {
                Some(option) if with_value.contains(&option) => {
                    words.next();
                }
                Some(option) if option.starts_with('-') => {}
                command => return command,
            }
        }
        None
    }
}

fn pip(words: &Words<'_>, environment: &Environment) -> Option<Changed> {
    if !words.has(&["install", "uninstall"]) {
        return None;
    }
    Some(of_python(words.value(&["--python"]), environment))
}

/// Options of uv that come before its command and have a value.
const OF_UV: [&str; 9] = [
    "--directory",
    "--project",
    "--config-file",
    "--cache-dir",
    "--color",
    "--allow-insecure-host",
    "--python-preference",
    "-p",
    "--python",
];

fn uv(words: &Words<'_>, succeeded: bool, environment: &Environment) -> Option<Changed> {
    let start = words.value(&["--directory", "--project"]);
    let start = start.map_or_else(|| PathBuf::from("."), PathBuf::from);
    match words.command(&OF_UV)? {
        "pip" if succeeded && words.has(&["install", "uninstall", "sync"]) => {
            let python = words.value(&["--python", "-p"]);
            if python.is_some() || words.has(&["--system"]) {
                return Some(of_python(python, environment));
            }
            let active = environment.venv.clone().filter(|dir| is_venv(dir));
            let found = active.or_else(|| upward(&start, Path::new(".venv")));
            found.map(Changed::Environment)
        }
        // The program that `run` has started may end with any status: the environment is complete.
        command @ ("add" | "remove" | "sync" | "run") if succeeded || command == "run" => {
            let named = std::env::var_os("UV_PROJECT_ENVIRONMENT").filter(|it| !it.is_empty());
            let active = environment.venv.clone();
            let active = active.filter(|_| words.has(&["--active"]));
            let named = named.map_or_else(|| PathBuf::from(".venv"), PathBuf::from);
            let found = active.or_else(|| upward(&start, &named));
            found.map(Changed::Environment)
        }
        _ => None,
    }
}

/// The scope of an interpreter, by its path or that of its environment. Without one, that of the
/// active environment, or of the first `python3` on PATH.
fn of_python(python: Option<&OsStr>, environment: &Environment) -> Changed {
    let root = Root::system();
    if let Some(dir) = python.map(Path::new).filter(|dir| is_venv(dir)) {
        return Changed::Environment(dir.to_owned());
    }
    match interpreter(None, python, &root, environment) {
        Ok((found, _)) => match found.venv {
            Some(venv) => Changed::Environment(venv.prefix),
            None => Changed::Own,
        },
        Err(_) => Changed::Own,
    }
}

/// The environment with this name in a directory, or in the nearest one above that has it.
fn upward(start: &Path, name: &Path) -> Option<PathBuf> {
    let start = std::path::absolute(start).ok()?;
    let all = start.ancestors().map(|above| above.join(name));
    all.into_iter().find(|dir| is_venv(dir))
}

fn is_venv(dir: &Path) -> bool {
    dir.join("pyvenv.cfg").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(dir: &Path, line: &str, succeeded: bool) -> Option<Changed> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let words = Words(&words);
        let environment = Environment {
            venv: Some(dir.join("active")),
            ..Environment::default()
        };
        match words.0.first()?.to_str()? {
            "uv" => uv(&Words(words.0.get(1..)?), succeeded, &environment),
            _ => pip(&words, &environment),
        }
    }

    #[test]
    fn the_environment_is_the_one_that_the_tool_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for venv in ["active", "project/.venv", "other"] {
            std::fs::create_dir_all(dir.join(venv)).unwrap();
            std::fs::write(dir.join(venv).join("pyvenv.cfg"), "home = /usr/bin\n").unwrap();
        }
        std::fs::create_dir_all(dir.join("project/src/deep")).unwrap();
        let at = |name: &str| Some(Changed::Environment(dir.join(name)));
        let deep = dir.join("project/src/deep");
        let other = dir.join("other");
        let (deep, other) = (deep.display(), other.display());
        for (line, expected) in [
            (format!("uv --directory {deep} add x"), at("project/.venv")),
            (format!("uv add --project={deep} x"), at("project/.venv")),
            (
                format!("uv -q --directory {deep} sync --frozen"),
                at("project/.venv"),
            ),
            (
                format!("uv --directory {deep} run prog --flag"),
                at("project/.venv"),
            ),
            (format!("uv --directory {deep} sync --active"), at("active")),
            ("uv pip install x".into(), at("active")),
            (format!("uv pip install -p {other} x"), at("other")),
            (format!("uv pip install --python={other} x"), at("other")),
            (format!("pip --python {other} install x"), at("other")),
            (format!("pip -q install --python={other} x"), at("other")),
            ("pip list".into(), None),
            ("uv pip list".into(), None),
            ("uv lock".into(), None),
            ("uv tool install x".into(), None),
            ("uv".into(), None),
            ("uv --version".into(), None),
        ] {
            assert_eq!(changed(dir, &line, true), expected, "{line}");
        }
        let run = format!("uv --directory {deep} run false");
        assert_eq!(changed(dir, &run, false), at("project/.venv"));
        assert_eq!(
            changed(dir, &format!("uv --directory {deep} add x"), false),
            None
        );
    }
}
