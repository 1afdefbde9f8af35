//! Compares `epcache::metadata` with Python: the same inputs, thousands of them, to both.
//!
//! The inputs come from a fixed seed and from alphabets of difficult pieces. One Python process
//! answers all of them. It is the newest that is found, or `$EPCACHE_TEST_PYTHON`. The answers come
//! from its standard library and from importlib_metadata in `$EPCACHE_TEST_IMPORTLIB_METADATA` or
//! from `tests/setup`. If packaging is beside that, it answers for versions. Missing ones are
//! skipped, unless `$EPCACHE_TEST_REQUIRE_ALL` is `1`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected fails"
)]

use std::collections::BTreeSet;
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use epcache::metadata::core_metadata::{self, Parsed};
use epcache::metadata::directory_name::{self, Kind};
use epcache::metadata::entry_points::{self, EntryPointsError};
use epcache::metadata::precedence::{self, Candidate};
use epcache::metadata::{normalize, object_reference, text};
use serde_json::{Value, json};

const CASES_OF_A_KIND: usize = 4000;

/// Pieces of `entry_points.txt`, and everything that a parser has ever taken for a line end or
/// space.
#[rustfmt::skip]
const ENTRY_POINTS: &[&str] = &[
    "[", "]", "[g]", "[ g ]", "=", "=", " = ", "#", ";", "%", ":", "a", "b.c", "a:b", "[x]", "é",
    "ſ", "\n", "\n", "\n", "\r", "\r\n", "\t", " ", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e",
    "\x1f", "\u{85}", "\u{a0}", "\u{2028}", "\u{2029}", "\u{2027}", "\u{200b}", "\u{3000}",
    "\u{feff}", "\0", "\u{1f600}", "-", "\"",
];
#[rustfmt::skip]
const REFERENCES: &[&str] = &[
    "a", "b", ".", "_", "1", "²", "é", "中", "Ⅷ", "½", ":", ":", "[", "]", "[x]", "[x, y]", " ",
    " ", "\t", "\n", "\r", "\x1c", "\u{85}", "\u{a0}", "\u{2028}", "-", "(", "\0", "\u{1f600}",
    "\u{301}", "\u{93f}", "ⓐ",
];
#[rustfmt::skip]
const HEADERS: &[&str] = &[
    "Name", "name", "NAME", "Version", "version", "Summary", "From ", "From", ":", ": ", ":\t",
    "Name: a", "Version: 1", "\nX\x7f:", "\n!9;~:", "\nName:", "a", "b c", "é", "\n", "\n", "\n", "\n", "\r\n", "\r", " ",
    "  ", "\t", "        ", "\n        ", "\n        ", "\n         b", "\n ", "\n\t", "\n\n",
    "\x0b", "\x0c", "\x1c", "\x7f", "\0", "\u{85}", "\u{a0}", "\u{2028}", "\u{feff}", "!", "~",
];
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "a", "A", "b", "-", "-", "_", ".", ".", "--", "1.0", "py3.11", "é", "É", "Σ", "Α", "σ", "İ",
    "ß", "ẞ", "K", "Å", "ſ", "Ǆ", "\u{307}", "\u{ad}", "ʰ", "'", " ", "\n", "\0", "中", "Ⅷ", "Ⓐ",
];
#[rustfmt::skip]
const VERSIONS: &[&str] = &[
    "1", "0", "2", "10", "01", ".", ".", "!", "+", "-", "_", "v", "V", "a", "b", "rc", "c", "A",
    "alpha", "beta", "pre", "preview", "post", "rev", "r", "dev", ".dev", ".post", "rc1", "+local",
    "x", "*", " ", "\n", "\x1c", "\u{a0}", "\u{661}", "ß", "K", "ſ", "2026",
];
#[rustfmt::skip]
const ENDINGS: &[&str] = &[
    ".dist-info", ".dist-info", ".egg-info", ".egg-info", ".Dist-Info", ".EGG-INFO", "EGG-INFO",
    "egg-info", "Egg-Info", ".dist-info~", ".dıst-info", ".dİst-info", "", ".egg", "-info",
];
const SEARCH_DIRECTORIES: &[&str] = &["/x/", "/x/a", "/x/a.egg", "/x/.EGG", "/a.egg/", "a-1.Egg"];
const BAD_BYTES: &[&[u8]] = &[
    b"\xff",
    b"\x80",
    b"\xc3",
    b"\xe2\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\xaf",
];

/// xorshift64*: the same inputs on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % limit
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn text(&mut self, alphabet: &[&str], longest: usize) -> String {
        (0..self.below(longest + 1))
            .map(|_| self.pick(alphabet))
            .collect()
    }

    /// `text`, in one of eight cases with bytes that are not UTF-8.
    fn spoil(&mut self, text: String) -> Vec<u8> {
        let mut bytes = text.into_bytes();
        if self.below(8) == 0 {
            let at = self.below(bytes.len() + 1);
            bytes.splice(at..at, self.pick(BAD_BYTES).iter().copied());
        }
        bytes
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn from_hex(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// One input: the question to Python, and the input for messages.
struct Case {
    question: Value,
    shown: String,
    ours: Box<dyn Fn() -> Answer>,
}

/// The answer of `epcache`: the JSON that Python must return too, or that there is nothing to ask.
enum Answer {
    Same(Value),
    /// CPython refuses the whole file; epcache answers for the rest of it.
    OnlyIfNotRefused(Value),
}

fn lines_case(random: &mut Random) -> Case {
    let input = random.text(ENTRY_POINTS, 12);
    let question = json!(["lines", hex(&input)]);
    let shown = format!("{input:?}");
    let ours = Box::new(move || {
        let pair = |line| json!([hex(line), hex(text::strip(line))]);
        Answer::Same(text::lines(&input).map(pair).collect())
    });
    Case {
        question,
        shown,
        ours,
    }
}

fn entry_points_case(random: &mut Random) -> Case {
    // Most random lines lack an equals sign, and one of these is an error for the whole file. So
    // half of the files get lines that have one.
    let mut input = random.text(&["[g]\n", "[h] \r\n", "x\n", "\u{feff}", "[]\n"], 2);
    if random.below(2) == 0 {
        input.push_str(&random.text(ENTRY_POINTS, 20));
    } else {
        for _ in 0..random.below(6) {
            let name = random.text(ENTRY_POINTS, 3);
            let value = random.text(REFERENCES, 5);
            let end = random.pick(&["\n", "\r\n", "\x0c", "\u{2028}", "\n\n# c\n", "\n[i]\n"]);
            input.push_str(&format!("{name}={value}{end}"));
        }
    }
    let bytes = random.spoil(input);
    let question = json!(["entry_points", hex(&bytes)]);
    let shown = bytes.escape_ascii().to_string();
    let ours = Box::new(move || {
        Answer::Same(match entry_points::parse(&bytes) {
            Ok(found) => found
                .iter()
                .map(|e| json!([hex(e.group), hex(e.name), hex(e.value), e.malformed]))
                .collect(),
            Err(EntryPointsError::NotUtf8 { .. }) => json!("not UTF-8"),
            Err(EntryPointsError::NoEqualsSign { .. }) => json!("no equals sign"),
            Err(EntryPointsError::TooLarge | EntryPointsError::TooMany) => panic!("too large"),
        })
    });
    Case {
        question,
        shown,
        ours,
    }
}

fn reference_case(random: &mut Random) -> Case {
    let input = random.text(REFERENCES, 8);
    let question = json!(["reference", hex(&input)]);
    let shown = format!("{input:?}");
    let ours = Box::new(move || {
        Answer::Same(
            object_reference::parse(&input).map_or(Value::Null, |parts| {
                json!([
                    hex(parts.module),
                    parts.attr.map(hex),
                    parts.extras.map(hex)
                ])
            }),
        )
    });
    Case {
        question,
        shown,
        ours,
    }
}

fn headers_case(random: &mut Random) -> Case {
    let mut input = random.text(
        &["Metadata-Version: 2.1\n", "Name: ", "From x\n", "Name: a\n"],
        2,
    );
    input.push_str(&random.text(HEADERS, 20));
    let bytes = random.spoil(input);
    let question = json!(["headers", hex(&bytes)]);
    let shown = bytes.escape_ascii().to_string();
    let ours = Box::new(move || {
        let Parsed::Complete(headers) = core_metadata::parse(&bytes, true) else {
            panic!("wants more than the whole file");
        };
        let answer = json!([headers.name.map(hex), headers.version.map(hex)]);
        if std::str::from_utf8(&bytes).is_ok() {
            assert!(!headers.not_utf8);
            Answer::Same(answer)
        } else {
            Answer::OnlyIfNotRefused(answer)
        }
    });
    Case {
        question,
        shown,
        ours,
    }
}

fn normalize_case(random: &mut Random) -> Case {
    let name = random.text(NAMES, 8);
    let bytes = random.spoil(name);
    let question = json!(["normalize", hex(&bytes)]);
    let shown = bytes.escape_ascii().to_string();
    let ours = Box::new(move || {
        let keys = [
            normalize::normalize_bytes(&bytes),
            normalize::legacy_normalize_bytes(&bytes),
        ];
        if let Ok(name) = std::str::from_utf8(&bytes) {
            assert_eq!(normalize::normalize(name).as_bytes(), keys[0]);
            assert_eq!(normalize::legacy_normalize(name).as_bytes(), keys[1]);
        }
        Answer::Same(keys.map(hex).into_iter().collect())
    });
    Case {
        question,
        shown,
        ours,
    }
}

fn directory_case(random: &mut Random) -> Case {
    let base = random.text(NAMES, 3);
    let search_directory = random.pick(SEARCH_DIRECTORIES).replace('a', &base);
    let search_directory = random.spoil(search_directory);
    let file_name = if random.below(3) == 0 {
        String::new()
    } else {
        random.text(NAMES, 6)
    };
    let file_name = file_name + random.pick(ENDINGS);
    let file_name = random.spoil(file_name);
    let header = (random.below(3) > 0).then(|| random.text(NAMES, 4));
    let question = json!([
        "directory",
        hex(&search_directory),
        hex(&file_name),
        header.as_ref().map(hex)
    ]);
    let shown = format!(
        "{} in {}, {header:?}",
        file_name.escape_ascii(),
        search_directory.escape_ascii()
    );
    let ours = Box::new(move || {
        let egg_base = directory_name::egg_base(&search_directory);
        let Some(found) = directory_name::recognise(&file_name, egg_base) else {
            return Answer::Same(Value::Null);
        };
        let kind = if found.kind == Kind::EggInfoInEgg {
            "eggs"
        } else {
            "infos"
        };
        let lookup_key = found.lookup_key();
        // Python has no key, and raises, if it needs the header and there is none.
        let [one, other] = ["One", "Other"].map(|header| found.shadow_key(Some(header)));
        let shadow_key = if header.is_none() && one != other {
            assert_eq!(found.shadow_key(None), lookup_key);
            None
        } else {
            Some(hex(found.shadow_key(header.as_deref())))
        };
        Answer::Same(json!([kind, hex(lookup_key), shadow_key]))
    });
    Case {
        question,
        shown,
        ours,
    }
}

fn versions_case(random: &mut Random) -> Case {
    let mut one = || {
        let version = if random.below(3) == 0 {
            String::new()
        } else {
            "1.0".to_owned()
        };
        let version = version + &random.text(VERSIONS, 4);
        random.spoil(version)
    };
    let pair = [one(), one()];
    let question = json!(["versions", hex(&pair[0]), hex(&pair[1])]);
    let shown = format!("{} and {}", pair[0].escape_ascii(), pair[1].escape_ascii());
    let ours = Box::new(move || {
        let [one, other] = pair.each_ref().map(|version| Candidate {
            has_metadata: true,
            version,
            kind: Kind::DistInfo,
            file_name: b"same",
        });
        Answer::Same(json!(precedence::compare(&one, &other) as i8))
    });
    Case {
        question,
        shown,
        ours,
    }
}

#[test]
fn python_gives_the_same_answers() {
    let Some(python) = newest_python() else {
        return left_out("python_gives_the_same_answers", "no python3 found");
    };
    for library in libraries(&python) {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut cases = Vec::new();
        let kinds = [
            lines_case,
            entry_points_case,
            reference_case,
            headers_case,
            normalize_case,
            directory_case,
            versions_case,
        ];
        for kind in kinds {
            cases.extend((0..CASES_OF_A_KIND).map(|_| kind(&mut random)));
        }
        let questions: Vec<&Value> = cases.iter().map(|case| &case.question).collect();
        let (oracle, answers) = ask(&python, library.as_deref(), &json!({ "cases": questions }));
        assert_eq!(answers.len(), cases.len());
        let (mut compared, mut unsure) = (0, 0);
        let mut wrong = Vec::new();
        for (case, theirs) in cases.iter().zip(answers) {
            let refused = match theirs.as_str() {
                Some("no packaging") => continue,
                Some("unsure") => {
                    unsure += 1;
                    continue;
                }
                text => text == Some("not UTF-8"),
            };
            let ours = match (case.ours)() {
                Answer::OnlyIfNotRefused(_) if refused => continue,
                Answer::Same(ours) | Answer::OnlyIfNotRefused(ours) => ours,
            };
            compared += 1;
            if ours != theirs {
                let kind = &case.question[0];
                wrong.push(format!(
                    "{kind} {}\n  {ours} ours\n  {theirs} theirs",
                    case.shown
                ));
            }
        }
        println!("{oracle}: {compared} answers compared, {unsure} unsure");
        let first = wrong
            .iter()
            .take(10)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            wrong.is_empty(),
            "{oracle}: {} differ\n{first}",
            wrong.len()
        );
        assert!(unsure < CASES_OF_A_KIND / 4, "{oracle}: too old to tell");
    }
}

#[test]
fn python_sees_the_same_spaces_line_ends_and_words() {
    let Some(python) = newest_python() else {
        return left_out(
            "python_sees_the_same_spaces_line_ends_and_words",
            "no python3 found",
        );
    };
    let (oracle, answers) = ask(&python, None, &json!({ "cases": [["words", ""]] }));
    let set = |index: usize| -> BTreeSet<char> {
        let digits = answers[0][index][0].as_str().unwrap();
        String::from_utf8(from_hex(digits))
            .unwrap()
            .chars()
            .collect()
    };
    let (spaces, line_ends, words, unassigned) = (set(0), set(1), set(2), set(3));
    // Characters that Python's Unicode version does not know yet cannot be compared.
    for c in ('\0'..=char::MAX).filter(|c| !unassigned.contains(c)) {
        let code = u32::from(c);
        assert_eq!(
            text::is_space(c),
            spaces.contains(&c),
            "{oracle}: U+{code:04X}"
        );
        let two_lines = text::lines(&format!("a{c}b")).count() == 2;
        assert_eq!(two_lines, line_ends.contains(&c), "{oracle}: U+{code:04X}");
        let is_word = object_reference::is_well_formed(&c.to_string());
        let is_their_word = words.contains(&c) || matches!(c, '.' | '_');
        assert_eq!(is_word, is_their_word, "{oracle}: U+{code:04X}");
    }
}

/// The libraries to ask: the standard library, and importlib_metadata if it is there.
fn libraries(python: &Python) -> Vec<Option<PathBuf>> {
    let named = env::var_os("EPCACHE_TEST_IMPORTLIB_METADATA").map(PathBuf::from);
    let found = named.or_else(|| library_of_setup(python));
    if found.is_none() {
        left_out(
            "importlib_metadata",
            "neither the environment nor tests/setup has one",
        );
    }
    std::iter::once(None).chain(found.map(Some)).collect()
}

/// The importlib_metadata that `tests/setup` has installed for `python`, from its table of trees.
fn library_of_setup(python: &Python) -> Option<PathBuf> {
    let directory = |name: &str| {
        env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let cache = directory("EPCACHE_TEST_CACHE")
        .or_else(|| directory("XDG_CACHE_HOME").map(|cache| cache.join("epcache-tests")))
        .or_else(|| directory("HOME").map(|home| home.join(".cache/epcache-tests")))?;
    let wanted = format!("oracle-{}.{}", python.version[0], python.version[1]);
    let trees = std::fs::read_to_string(cache.join("trees")).ok()?;
    let found = trees.lines().filter_map(|line| line.split_once('\t'));
    found
        .filter(|(name, _)| *name == wanted)
        .map(|(_, path)| PathBuf::from(path))
        .next()
}

fn left_out(name: &str, reason: &str) {
    println!("left out: {name}: {reason}");
    let all = env::var_os("EPCACHE_TEST_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!all, "left out although all is required: {name}: {reason}");
}

fn ask(python: &Python, library: Option<&Path>, questions: &Value) -> (String, Vec<Value>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metadata_oracle.py");
    let mut child = Command::new(&python.executable)
        .args(["-I", "-S", "-X", "utf8"])
        .arg(script)
        .args(library)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Python reads all of its input before it writes anything, so no pipe can fill up.
    child
        .stdin
        .take()
        .unwrap()
        .write_all(questions.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        python.executable.display(),
        output.status
    );
    let mut answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let answers = answer["answers"].take().as_array().unwrap().clone();
    (answer["oracle"].as_str().unwrap().to_owned(), answers)
}

/// An interpreter. The order of the fields makes the newest the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Python {
    version: [u32; 3],
    executable: PathBuf,
}

impl Python {
    fn at(executable: PathBuf) -> Option<Self> {
        let program = "import sys; print(*sys.version_info[:3])";
        let output = Command::new(&executable)
            .args(["-I", "-S", "-c", program])
            .output()
            .ok()?;
        let version = String::from_utf8(output.stdout).ok()?;
        let version: Vec<u32> = version.split_whitespace().flat_map(str::parse).collect();
        Some(Self {
            version: version.try_into().ok()?,
            executable,
        })
    }
}

/// The interpreter with the highest version, of all in pyenv and on `PATH`.
fn newest_python() -> Option<Python> {
    if let Some(named) = env::var_os("EPCACHE_TEST_PYTHON") {
        return Python::at(PathBuf::from(named));
    }
    let mut candidates = vec![PathBuf::from("/usr/bin/python3")];
    if let Some(home) = env::var_os("HOME") {
        let versions = Path::new(&home).join(".pyenv/versions").read_dir();
        let versions = versions.into_iter().flatten().flatten();
        candidates.extend(versions.map(|version| version.path().join("bin/python3")));
    }
    for directory in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
        candidates.extend((10..30).map(|minor| directory.join(format!("python3.{minor}"))));
        candidates.push(directory.join("python3"));
    }
    let found = candidates
        .into_iter()
        .filter(|path| path.exists())
        .filter_map(Python::at);
    // Prepared and Lookup have been the same since 3.10.
    found.filter(|python| python.version >= [3, 10, 0]).max()
}
