//! Requirements, import names and versions in an index are the same as in importlib.metadata: for
//! real installations, and for generated ones with odd cases. Each interpreter's own library and
//! its newest importlib_metadata are asked, and the index is read by the rules of each.
//!
//! Needs `tests/setup`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use epcache::index::format::{distribution_flag, file_kind};
use epcache::index::{Distribution, ImportName, Index, Record, Requirements, verify};
use serde::Deserialize;
use serde_json::Value;
use support::{
    Interpreter, epcache, from_json, interpreters, path_arguments, public_directory, repository,
    run, run_with_input, say, skip, text, tree, within,
};

/// What a library says.
#[derive(Deserialize)]
struct Said {
    rule: String,
    suffixes: Vec<String>,
    answers: Vec<BTreeMap<String, Details>>,
}

#[derive(Deserialize)]
struct Details {
    requires: Value,
    version: Value,
    imports: Value,
}

fn ask(interpreter: &Interpreter, backport: Option<&Path>, paths: &[PathBuf]) -> Said {
    let mut command = within(300, &interpreter.executable);
    command
        .args(["-I", "-X", "utf8"])
        .arg(repository().join("tests/oracle/details.py"))
        .args(backport);
    let output = run_with_input(&mut command, &serde_json::to_vec(paths).unwrap());
    let said = text(&output.stderr);
    from_json(&output.stdout).unwrap_or_else(|error| panic!("{command:?}: {error}: {said}"))
}

/// An index of these search directories.
fn index(paths: &[PathBuf]) -> Index<Vec<u8>> {
    let folder = public_directory();
    let file = folder.path().join("index");
    let mut refresh = epcache();
    let refresh = refresh.arg("refresh").args(path_arguments(paths));
    let output = run(refresh.arg("--output").arg(&file));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let index = Index::open(fs::read(file).unwrap()).unwrap();
    verify(&index).unwrap();
    index
}

/// The import names that a Python takes, sorted; None where the library has to be asked.
fn names(
    record: &Record<'_, Vec<u8>>,
    distribution: &Distribution,
    said: &Said,
) -> Option<Vec<String>> {
    let source = distribution.import_source();
    let rule = said.rule.as_str();
    let candidates = record.import_names(distribution).unwrap()?;
    if rule == "3.10" && source != Some(file_kind::TOP_LEVEL) {
        return Some(Vec::new());
    }
    if source == Some(file_kind::INSTALLED_FILES) && rule != "3.13" {
        return None;
    }
    let module = |part: &str| {
        // The longest suffix counts.
        let suffixes = said
            .suffixes
            .iter()
            .filter(|it| part.ends_with(it.as_str()));
        let suffix = suffixes.max_by_key(|it| it.len())?;
        Some(part[..part.len() - suffix.len()].to_owned())
    };
    let name = |candidate: &ImportName| match candidate {
        ImportName::Declared(name) => Some(name.clone()),
        ImportName::Inferred {
            part,
            is_lone,
            is_python,
            exists,
        } => {
            if rule == "3.11" {
                let stem = if *is_lone {
                    part.strip_suffix(".py")?
                } else {
                    part
                };
                return is_python.then(|| stem.to_owned());
            }
            let name = match (rule, *is_lone) {
                (_, false) => part.clone(),
                ("3.12", true) => module(part)?,
                (_, true) => module(part).unwrap_or_else(|| part.clone()),
            };
            (*exists && !name.contains('.')).then_some(name)
        }
    };
    let mut names: Vec<String> = candidates.iter().filter_map(name).collect();
    names.sort();
    if source != Some(file_kind::TOP_LEVEL) {
        names.dedup();
    }
    Some(names)
}

/// How many answers there were, and how many of them the index does not have.
#[derive(Debug, Default)]
struct Count {
    distributions: usize,
    requirements_unknown: usize,
    imports_unknown: usize,
}

/// Holds all that an index says of these directories against a library.
fn compare(who: &str, index: &Index<Vec<u8>>, paths: &[PathBuf], said: &Said) -> Count {
    let mut count = Count::default();
    let mut wrong = Vec::new();
    for (path, truth) in paths.iter().zip(&said.answers) {
        let record = index.find(path.as_os_str().as_encoded_bytes());
        let record = record.unwrap().expect("a record");
        let mut seen = 0;
        for distribution in record.distributions() {
            let distribution = distribution.unwrap();
            let file_name = String::from_utf8(distribution.file_name.clone()).unwrap();
            let truth = truth.get(&file_name).expect("the library sees it, too");
            seen += 1;
            count.distributions += 1;
            let mut hold = |what: &str, ours: Option<Value>, theirs: &Value| {
                if ours.as_ref().is_some_and(|ours| ours != theirs) {
                    wrong.push(format!(
                        "{}/{file_name}: {what}: {ours:?}, and not {theirs}",
                        path.display()
                    ));
                }
                ours.is_none()
            };
            let requires = match record.requirements(&distribution).unwrap() {
                Requirements::Unknown => None,
                Requirements::None => Some(Value::Null),
                Requirements::These(them) => Some(them.into()),
            };
            count.requirements_unknown += usize::from(hold("requires", requires, &truth.requires));
            let imports = names(&record, &distribution, said).map(Value::from);
            count.imports_unknown += usize::from(hold("imports", imports, &truth.imports));
            // An older library knows no error for a version that is not there.
            let from_header = !distribution.has(distribution_flag::VERSION_FROM_FILE);
            let version =
                from_header.then(|| String::from_utf8(distribution.version.clone()).unwrap());
            let raises = truth.version.get("error").is_some();
            hold(
                "version",
                version.filter(|_| !raises).map(Value::from),
                &truth.version,
            );
        }
        assert_eq!(seen, truth.len(), "{}", path.display());
    }
    assert!(
        wrong.is_empty(),
        "{who}: {} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    say(&format!("{who}: {count:?}"));
    count
}

/// Each library of each interpreter.
fn each_library(paths: &[PathBuf], index: &Index<Vec<u8>>, check: impl Fn(&str, Count)) {
    for interpreter in interpreters() {
        let version = &interpreter.version;
        let backport = interpreter.backport.as_deref();
        if backport.is_none() {
            skip(
                &format!("the oracle {version}"),
                "tests/setup has no importlib_metadata for it",
            );
        }
        for library in [None].into_iter().chain(backport.map(Some)) {
            let said = ask(&interpreter, library, paths);
            let who = match library {
                None => format!("{version}'s own"),
                Some(_) => format!("importlib_metadata on {version}"),
            };
            check(&said.rule, compare(&who, index, paths, &said));
        }
    }
}

#[test]
fn real_trees_have_the_requirements_and_import_names_of_each_library() {
    let mut paths = Vec::new();
    if let Some(venv) = tree("venv") {
        let lib = fs::read_dir(venv.join("lib")).unwrap().next();
        paths.push(lib.unwrap().unwrap().path().join("site-packages"));
    }
    paths.extend(tree("venv-editable"));
    for release in ["debian-bookworm", "debian-trixie"] {
        paths.extend(tree(release).map(|root| root.join("usr/lib/python3/dist-packages")));
    }
    let index = index(&paths);
    each_library(&paths, &index, |rule, count| {
        assert!(count.distributions > 300);
        assert_eq!(count.requirements_unknown, 0);
        // None of them has an installed-files.txt that counts.
        assert!(rule == "3.10" || count.imports_unknown == 0);
    });
}

/// xorshift64*: the same trees on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// One in so many times.
    fn rarely(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Paths of installed files. Some of them exist.
const FILES: &[&str] = &[
    "p/__init__.py",
    "p/sub/a.py",
    "p/gone.py",
    "q/native.so",
    "q/gone/x.py",
    "lone.py",
    "gone.py",
    "gone/a.py",
    "also-gone/b.txt",
    "ext.cpython-312-x86_64-linux-gnu.so",
    "ext2.abi3.so",
    "ext3.so",
    "old.cpython-311-x86_64-linux-gnu.so",
    "LICENSE",
    "README.txt",
    "compiled.pyc",
    "a.b.py",
    "a.b/c.py",
    "a.b/c.txt",
    "../../../bin/tool",
    "../share.py",
    "p/./a.py",
    "./p/b.py",
    "p//c.py",
    ".hidden/x.py",
    ".py",
    "..py",
    "p",
    "link/x.py",
    "out/y.py",
    "é/x.py",
    "names pace/x.py",
    "x,y/z.py",
];
const RECORD_ENDS: &[&str] = &[
    ",,",
    ",,",
    ",sha256=abc,12",
    ",sha256=abc,0",
    "",
    ",",
    ",sha256=a",
];
const BAD_LINES: &[&str] = &[
    "",
    "p/a.py,,x",
    "p/a.py,a,1,2",
    "\"p/a.py",
    "/etc/passwd,,",
    "p/../q/a.py,,",
    ".,,",
    ",,",
    "\"\",,",
    "p/b\"c.py,,",
    "\"p/x.py\"z,,",
    "p/a.py,, 3 ",
    "p/a.py,,1_0",
    "p/\u{1b}a.py,,",
    "\u{7}/a.py,,",
];
const ENDS: &[&str] = &["\n", "\n", "\n", "\r\n", "\r", "\x0c", "\u{2028}"];
const REQUIREMENTS: &[&str] = &[
    "six",
    "a>=1 ; python_version < '3'",
    "url @ https://e.org/x",
    "# not one",
    "[extra]",
    "[]",
    "[:m == 'n']",
    "[e:m > \"o\"]",
    "[",
    "]",
    "[x",
    "  spaced  ",
    "é",
    "",
];
const TOP_LEVEL: &[&str] = &["p", "q", "_p", "a.b", " ", "\t", "\u{3000}", "é", "p/q"];

/// Writes a search directory of so many distributions.
fn odd(site: &Path, count: usize) {
    let exist = [
        "p/__init__.py",
        "p/sub/a.py",
        "q/native.so",
        "lone.py",
        "LICENSE",
        "a.b/c.py",
        "x,y/z.py",
    ];
    let lone = [
        "ext.cpython-312-x86_64-linux-gnu.so",
        "ext2.abi3.so",
        "ext3.so",
        "compiled.pyc",
        "a.b.py",
    ];
    let odd = [
        "é/x.py",
        ".hidden/x.py",
        "old.cpython-311-x86_64-linux-gnu.so",
        "names pace/x.py",
    ];
    for file in exist.iter().chain(&lone).chain(&odd) {
        let path = site.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let elsewhere = site.with_extension("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::write(elsewhere.join("y.py"), "").unwrap();
    symlink("p", site.join("link")).unwrap();
    symlink(&elsewhere, site.join("out")).unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for number in 0..count {
        let ending = random.pick(&["dist-info", "dist-info", "egg-info"]);
        let path = site.join(format!("d{number:04}-1.{ending}"));
        fs::create_dir_all(&path).unwrap();
        let write = |file: &str, content: &[u8]| fs::write(path.join(file), content).unwrap();
        let file = random.pick(&["METADATA", "PKG-INFO"]);
        write(file, &headers(&mut random, number));
        if random.rarely(3) {
            write("requires.txt", &lines(&mut random, REQUIREMENTS, 8));
        }
        if random.rarely(3) {
            write("top_level.txt", &lines(&mut random, TOP_LEVEL, 4));
        }
        if !random.rarely(3) {
            let mut rows = list(&mut random, |file, random| {
                let end = random.pick(RECORD_ENDS);
                match file.contains(',') || random.rarely(9) {
                    true => format!("\"{file}\"{end}"),
                    false => format!("{file}{end}"),
                }
            });
            if random.rarely(4) {
                rows.extend_from_slice(random.pick(BAD_LINES).as_bytes());
            }
            write("RECORD", &rows);
        }
        if random.rarely(3) {
            let from_inside = |file: &str, _: &mut Random| format!("../{file}");
            write("installed-files.txt", &list(&mut random, from_inside));
        }
        if random.rarely(2) {
            write("SOURCES.txt", &list(&mut random, |file, _| file.to_owned()));
        }
    }
}

fn headers(random: &mut Random, number: usize) -> Vec<u8> {
    let mut text = format!("Metadata-Version: 2.1\nName: d{number:04}\n");
    for _ in 0..random.below(4) {
        let header = random.pick(&[
            "Requires-Dist",
            "Requires-Dist",
            "requires-dist",
            "Requires",
        ]);
        let requirement = random.pick(REQUIREMENTS);
        text.push_str(&format!("{header}: {requirement}\n"));
        if random.rarely(12) {
            text.push_str(" continued\n");
        }
    }
    if random.rarely(10) {
        // Beyond what is read at first.
        text.push_str(&format!(
            "X: {}\nRequires-Dist: late\n",
            "x".repeat(random.below(9000))
        ));
    }
    text.push_str("Version: 1\nRequires-Dist: last\n\nRequires-Dist: body\n");
    if random.rarely(2) {
        text = text.replace("Requires-Dist: last\n", "");
    }
    let mut bytes = text.into_bytes();
    if random.rarely(40) {
        // Not in the body, which nobody reads.
        let headers = bytes.windows(2).position(|two| two == b"\n\n");
        bytes[random.below(headers.unwrap())] = 0xff;
    }
    bytes
}

fn lines(random: &mut Random, from: &[&str], most: usize) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..random.below(most + 1) {
        text.push_str(random.pick(from));
        text.push_str(random.pick(ENDS));
    }
    text.into_bytes()
}

fn list(random: &mut Random, line: impl Fn(&str, &mut Random) -> String) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..random.below(7) {
        let file = random.pick(FILES);
        text.push_str(&line(file, random));
        text.push_str(random.pick(ENDS));
    }
    let mut bytes = text.into_bytes();
    if random.rarely(30) {
        bytes.push(0xff);
    }
    bytes
}

#[test]
fn odd_trees_have_the_requirements_and_import_names_of_each_library_or_none() {
    let folder = public_directory();
    let site = folder.path().join("site");
    odd(&site, 1500);
    let paths = [site];
    let index = index(&paths);
    each_library(&paths, &index, |_, count| {
        assert_eq!(count.distributions, 1500);
        // What cannot be told is the exception.
        assert!(
            count.requirements_unknown < 300 && count.imports_unknown < 600,
            "{count:?}"
        );
    });
}
