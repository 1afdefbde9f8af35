//! Compares `epcache::layout` with the interpreters of this machine: `sys_path()` must be, string
//! for string, what `python -I -c 'import sys; print(sys.path)'` prints.
//!
//! It asks every CPython from 3.6 on in /usr/bin, /usr/local/bin and pyenv's directory, by each of
//! its names and through links, and virtual environments of all kinds made from each. These have
//! all kinds of odd `.pth` files, some with a few thousand lines from a fixed seed. Without any
//! interpreter the test is skipped, unless `$EPCACHE_TEST_REQUIRE_ALL` is `1`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test's helpers are tests too

#[path = "layout_oracle/pth.rs"]
mod pth;
#[path = "layout_oracle/systems.rs"]
mod systems;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use epcache::layout::{
    Found, Interpreter, Mode, SysPath, Wanted, find_interpreter, sys_path, sys_path_as, system,
};
use epcache::rooted::Root;
use pth::{make_targets, write_zoo};

const PRINT: &str = "import os, sys; \
     sys.stdout.buffer.write(b'\\n'.join(os.fsencode(p).hex().encode() for p in sys.path))";
const FILES_OF_A_SEED: usize = 60;

/// The number of compared lists, for the last line of each test.
static COMPARED: AtomicUsize = AtomicUsize::new(0);

/// Every interpreter of the machine by one path each. Empty if the test is skipped.
fn machine() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")];
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".pyenv"),
        PathBuf::from,
    );
    let versions = fs::read_dir(pyenv.join("versions")).into_iter().flatten();
    places.extend(versions.map(|entry| entry.unwrap().path().join("bin")));
    places.sort();
    let mut found = Vec::new();
    for place in places {
        let mut names: Vec<_> = fs::read_dir(place)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| is_versioned(path))
            .collect();
        names.sort();
        found.extend(names);
    }
    let only = std::env::var("EPCACHE_TEST_PYTHON_ONLY").unwrap_or_default();
    found.retain(|path| path.to_str().unwrap().contains(&only));
    if found.is_empty() {
        println!("left out: layout_oracle: no Python interpreter on this machine");
        let all = std::env::var_os("EPCACHE_TEST_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(!all, "EPCACHE_TEST_REQUIRE_ALL=1 and no interpreter");
    }
    found
}

/// `python3.X` with build flags after it, X ≥ 6.
fn is_versioned(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let Some(minor) = name.strip_prefix("python3.") else {
        return false;
    };
    let minor = minor
        .trim_end_matches("-dbg")
        .trim_end_matches(['t', 'd', 'm']);
    minor.parse::<u8>().is_ok_and(|minor| minor >= 6)
}

fn run(executable: &Path, flags: &[&str], home: &Path) -> Output {
    Command::new(executable)
        .args(flags)
        .args(["-c", PRINT])
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", home)
        .current_dir("/")
        .output()
        .unwrap()
}

fn list(output: &Output) -> Vec<PathBuf> {
    let unhex = |line: &str| {
        let bytes = (0..line.len()).step_by(2);
        let bytes = bytes.map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap());
        PathBuf::from(OsString::from_vec(bytes.collect()))
    };
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.split('\n').map(unhex).collect()
}

fn strings(path: SysPath) -> Vec<PathBuf> {
    path.entries.into_iter().map(|entry| entry.path).collect()
}

/// Compares strings, because `Path` treats `/a/` as `/a`.
#[track_caller]
fn assert_same(ours: &[PathBuf], theirs: &[PathBuf], what: &str) {
    let text = |paths: &[PathBuf]| -> Vec<OsString> {
        paths
            .iter()
            .map(|path| path.as_os_str().to_owned())
            .collect()
    };
    assert_eq!(text(ours), text(theirs), "ours, theirs: {what}");
    COMPARED.fetch_add(1, Ordering::Relaxed);
}

/// Compares the isolated list of one executable with its own.
#[track_caller]
fn compare(executable: &Path) -> Interpreter {
    let root = Root::system();
    let output = run(executable, &["-I"], Path::new("/nonexistent"));
    let what = executable.display().to_string();
    assert!(output.status.success(), "{what}: {output:?}");
    let wanted = Wanted::Executable(executable.to_owned());
    let interpreter = find_interpreter(&root, &wanted, None).unwrap();
    let ours = strings(sys_path(&root, &interpreter));
    assert_same(&ours, &list(&output), &what);
    interpreter
}

/// Runs `test` for every interpreter, each with its own directory.
fn for_each(test: impl Fn(&Path, &Path) + Sync) {
    let machine = machine();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(executable) = machine.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let dir = tempfile::tempdir().unwrap();
                    let real = fs::canonicalize(dir.path()).unwrap();
                    test(executable, &real);
                }
            });
        }
    });
    let compared = COMPARED.load(Ordering::Relaxed);
    println!(
        "{} interpreters, {compared} lists compared so far",
        machine.len()
    );
}

/// Makes an environment, and returns it with the version directory's name.
fn make_venv(base: &Path, at: &Path, flags: &[&str]) -> PathBuf {
    let output = Command::new(base)
        .args(["-I", "-m", "venv", "--without-pip"])
        .args(flags)
        .arg(at)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lib = at.join("lib");
    let mut versions = fs::read_dir(&lib).unwrap();
    versions
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("site-packages")
}

#[test]
fn an_interpreter_by_all_its_names() {
    for_each(|executable, dir| {
        compare(executable);
        for name in ["python3", "python"] {
            let twin = executable.with_file_name(name);
            let target = fs::canonicalize(&twin);
            if target.is_ok_and(|target| target == fs::canonicalize(executable).unwrap()) {
                compare(&twin);
                if let Ok(below) = twin.strip_prefix("/usr/bin") {
                    compare(&Path::new("/bin").join(below));
                }
            }
        }
        // A link elsewhere, a chain of links, a relative link, a directory with another name.
        fs::create_dir(dir.join("bin")).unwrap();
        symlink(executable, dir.join("bin/absolute")).unwrap();
        symlink("absolute", dir.join("bin/chain")).unwrap();
        let up = "../".repeat(dir.components().count());
        let relative = format!("{up}{}", executable.strip_prefix("/").unwrap().display());
        symlink(relative, dir.join("bin/relative")).unwrap();
        for name in ["absolute", "chain", "relative"] {
            compare(&dir.join("bin").join(name));
        }
        symlink(
            executable.parent().unwrap().parent().unwrap(),
            dir.join("prefix"),
        )
        .unwrap();
        compare(&dir.join("prefix/bin").join(executable.file_name().unwrap()));
        compare(&dir.join("bin/../bin/./absolute"));
    });
}

/// As with uv, and people with a `~/bin`: the environment's `home` is a folder of links, without a
/// library above it.
#[test]
fn an_environment_made_by_a_link_elsewhere() {
    for_each(|executable, dir| {
        let bin = dir.join("home/bin");
        fs::create_dir_all(&bin).unwrap();
        let link = bin.join(executable.file_name().unwrap());
        symlink(executable, &link).unwrap();
        let kinds = [("linked", "--symlinks"), ("copied", "--copies")];
        // A copy does not tell that the program in its home is called python3.7m, and nothing else
        // tells.
        let has_plain_name = !link.as_os_str().as_bytes().ends_with(b"m");
        for (name, flag) in kinds.into_iter().take(1 + usize::from(has_plain_name)) {
            make_venv(&link, &dir.join(name), &[flag]);
            compare(&dir.join(name).join("bin/python"));
        }
    });
}

#[test]
fn pyvenv_cfg_written_by_other_tools() {
    for_each(|executable, dir| {
        let home = executable.parent().unwrap().display();
        let cases = [
            format!("home = {home}\n"),
            format!("home={home}\n"),
            format!("HOME = {home}\ninclude-system-site-packages = TRUE\n"),
            format!("home = {home}"),
            format!("home = {home}  \nInclude-System-Site-Packages=False\n"),
            format!("# home = /nowhere\nhome = {home}\r\ninclude-system-site-packages = no\r\n"),
            format!("home = {home}\nhome = /nowhere\ninclude-system-site-packages = false\n"),
            "include-system-site-packages = false\n".to_owned(),
            "include-system-site-packages = true\n".to_owned(),
            String::new(),
        ];
        for (kind, flag) in [("links", "--symlinks"), ("copies", "--copies")] {
            let venv = dir.join(kind);
            make_venv(executable, &venv, &[flag]);
            let program = venv.join("bin").join(executable.file_name().unwrap());
            if !program.exists() {
                fs::rename(venv.join("bin/python3"), &program).unwrap();
            }
            for content in &cases {
                fs::write(venv.join("pyvenv.cfg"), content).unwrap();
                // A copy without any `home` finds the compiled-in prefix. One whose `home` is not
                // written as versions up to 3.10 require may not start.
                let lost = || {
                    !content.to_lowercase().contains("home")
                        || !run(&program, &["-I"], Path::new("/")).status.success()
                };
                if kind == "links" || !lost() {
                    compare(&program);
                }
            }
        }
        // The file is beside the program, not above it.
        let venv = dir.join("beside");
        make_venv(executable, &venv, &["--symlinks"]);
        fs::rename(venv.join("pyvenv.cfg"), venv.join("bin/pyvenv.cfg")).unwrap();
        compare(&venv.join("bin/python3"));
    });
}

#[test]
fn an_installation_moved_elsewhere() {
    for_each(|executable, dir| {
        let name = executable.file_name().unwrap();
        let base = compare(executable);
        let python = format!("python{}", base.version_text());
        fs::create_dir_all(dir.join("opt/bin")).unwrap();
        fs::create_dir_all(dir.join("opt/lib")).unwrap();
        fs::create_dir_all(dir.join("opt").join(base.platlibdir)).unwrap();
        let program = dir.join("opt/bin").join(name);
        // In a child process: a child that another thread forks meanwhile would hold it open for
        // writing, and it could not be started.
        let copied = Command::new("cp").args([executable, &program]).status();
        assert!(copied.unwrap().success());
        let stdlib = base.prefix.join(base.platlibdir).join(&python);
        symlink(&stdlib, dir.join("opt").join(base.platlibdir).join(&python)).unwrap();
        for library in fs::read_dir(base.prefix.join("lib")).unwrap() {
            let library = library.unwrap();
            if library.file_name().as_bytes().starts_with(b"libpython") {
                symlink(
                    library.path(),
                    dir.join("opt/lib").join(library.file_name()),
                )
                .unwrap();
            }
        }
        if base.prefix == Path::new("/usr") && base.flavour == epcache::layout::Flavour::Debian {
            fs::create_dir_all(dir.join("opt/lib/python3/dist-packages")).unwrap();
        }
        assert_eq!(compare(&program).prefix, dir.join("opt"));
        // A library further up with its archive, which has priority from 3.11 on.
        let above = dir.join(base.platlibdir);
        fs::create_dir(&above).unwrap();
        symlink(&stdlib, above.join(&python)).unwrap();
        assert_eq!(compare(&program).prefix, dir.join("opt"));
        let zip = format!("{}.zip", python.replace('.', ""));
        fs::write(above.join(zip), "not one\n").unwrap();
        let further_up = if base.version >= (3, 11) {
            dir
        } else {
            &dir.join("opt")
        };
        assert_eq!(compare(&program).prefix, further_up);
    });
}

#[test]
fn the_ordinary_list_has_the_user_site() {
    for_each(|executable, dir| {
        let home = dir.join("home");
        let root = Root::system();
        let check = |program: &Path, what: &str| {
            let output = run(program, &[], &home);
            let interpreter = Interpreter::of_executable(&root, program).unwrap();
            let base = home.join(".local");
            let ours = strings(sys_path_as(
                &root,
                &interpreter,
                Mode::Ordinary(Some(&base)),
            ));
            let theirs = list(&output);
            assert_eq!(theirs[0], Path::new(""));
            assert_same(&ours, &theirs[1..], what);
        };
        check(executable, "no user site");
        let base = compare(executable);
        let site = home.join(format!(
            ".local/lib/python{}/site-packages",
            base.version_text()
        ));
        fs::create_dir_all(&site).unwrap();
        make_targets(&site, &dir.join("outside"));
        write_zoo(&site, &dir.join("outside"));
        check(executable, "a user site");
        for (name, flags) in [("venv", &[][..]), ("system", &["--system-site-packages"])] {
            make_venv(executable, &dir.join(name), flags);
            check(&dir.join(name).join("bin/python"), name);
        }
    });
}

#[test]
fn a_line_with_nul_and_a_file_that_is_not_utf_8() {
    for_each(|executable, dir| {
        let (venv, outside) = (dir.join("venv"), dir.join("outside"));
        let site = make_venv(executable, &venv, &[]);
        make_targets(&site, &outside);
        fs::write(site.join("nul.pth"), "one\nnope\0\ntwo\n").unwrap();
        fs::write(site.join("nuls.pth"), "three\n\0\n#\0\nfour\n").unwrap();
        compare(&venv.join("bin/python"));
        // No version starts with this one in a UTF-8 locale.
        fs::write(site.join("latin.pth"), b"three\n# \xe9\n").unwrap();
        let program = venv.join("bin/python");
        let output = run(&program, &["-I"], Path::new("/"));
        assert!(!output.status.success(), "{output:?}");
        let root = Root::system();
        let interpreter = Interpreter::of_executable(&root, &program).unwrap();
        let notes = sys_path(&root, &interpreter).notes;
        let latin = site.join("latin.pth");
        assert!(
            notes
                .iter()
                .any(|note| note.path == latin && note.line.is_none()),
            "{notes:?}"
        );
    });
}

#[test]
fn scripts_on_path_are_ignored() {
    for_each(|executable, dir| {
        for name in ["shims", "bin", "empty"] {
            fs::create_dir(dir.join(name)).unwrap();
        }
        let versioned = executable.file_name().unwrap().to_str().unwrap();
        for name in ["python3", versioned] {
            let shim = dir.join("shims").join(name);
            fs::write(&shim, "#!/bin/sh\nexec false\n").unwrap();
            fs::set_permissions(&shim, Permissions::from_mode(0o755)).unwrap();
            symlink(executable, dir.join("bin").join(name)).unwrap();
        }
        let path = ["empty", "shims", "bin"].map(|name| dir.join(name));
        let path = std::env::join_paths(path).unwrap();
        let find = |wanted: Wanted| {
            find_interpreter(&Root::system(), &wanted, Some(&path))
                .unwrap()
                .executable
                .unwrap()
        };
        assert_eq!(find(Wanted::Default), dir.join("bin/python3"));
        assert_eq!(find(Wanted::Version("3".into())), dir.join("bin/python3"));
        let version = versioned.trim_start_matches("python");
        // `python3.13` may be a free-threaded build, which 3.13 does not mean.
        let name_says_all = {
            let found = Interpreter::of_executable(&Root::system(), executable).unwrap();
            found.abi_suffix.is_empty() || version.contains('t')
        };
        if name_says_all {
            let found = find(Wanted::Version(version.to_owned()));
            assert_eq!(found, dir.join("bin").join(versioned));
        }
    });
}
