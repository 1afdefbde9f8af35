//! rpm: the list of files on standard input.
//!
//! The input is a list with one path on each line, also for directories. The output is what was
//! touched. `%transfiletriggerin` has a list, `%transfiletriggerpostun` has none. No other
//! information from rpm is reliable, least of all `$1`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::relevance::{metadata_directories, touched_directory};
use super::{MOST_DIRECTORIES, MOST_NAMES, Touched};

/// In bytes. A longer line is not a path: the kernel accepts none.
const LONGEST: u64 = 4096;

/// The longest name of a file in bytes.
const LONGEST_NAME: usize = 255;

/// The capacity of a pipe in bytes.
const BUFFER: usize = 64 << 10;

/// What the list on standard input has touched. Does not wait for input from a terminal.
pub fn rpm_stdin() -> Touched {
    let stdin = io::stdin();
    match stdin.as_fd().try_clone_to_owned() {
        Ok(stdin) if !stdin.as_fd().is_terminal() => rpm(Patient(stdin.into())),
        _ => Touched::Unknown,
    }
}

/// What a list of files has touched. It is read to its end, so that its writer does not get a
/// broken pipe. A list without a path tells nothing about what happened.
pub fn rpm(list: impl Read) -> Touched {
    let mut list = BufReader::with_capacity(BUFFER, list);
    let mut line = Vec::new();
    let (mut touched, mut is_empty) = (Touched::Nothing, true);
    let mut names = Names::default();
    loop {
        line.clear();
        match list.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) if is_empty => return Touched::Unknown,
            Ok(0) => return names.narrow(touched),
            // The list cannot be read further.
            Err(_) => return Touched::Unknown,
            Ok(_) => {}
        }
        let path = line.strip_suffix(b"\n").unwrap_or(&line);
        if path.is_empty() {
            continue;
        }
        is_empty = false;
        if path.len() as u64 == LONGEST {
            touched = Touched::Unknown;
            if list.skip_until(b'\n').is_err() {
                return touched;
            }
        } else if touched != Touched::Unknown {
            if let Some(directory) = touched_directory(path) {
                touched.add(directory);
                names.add(path);
            }
        }
    }
}

/// The metadata directories in a list, unless there are too many.
#[derive(Default)]
struct Names {
    named: BTreeMap<PathBuf, BTreeSet<Vec<u8>>>,
    count: usize,
    too_many: bool,
    /// The last one: many successive lines belong to the same.
    last: Vec<u8>,
}

impl Names {
    fn add(&mut self, path: &[u8]) {
        for [whole, directory, name] in metadata_directories(path) {
            // No file has such a long name.
            if self.too_many || whole == self.last || name.len() > LONGEST_NAME {
                continue;
            }
            self.last.clear();
            self.last.extend_from_slice(whole);
            let directory = Path::new(OsStr::from_bytes(directory));
            let new = self
                .named
                .get(directory)
                .is_none_or(|names| !names.contains(name));
            if new {
                self.named
                    .entry(directory.into())
                    .or_default()
                    .insert(name.into());
                self.count += 1;
            }
            self.too_many = self.count > MOST_NAMES || self.named.len() > MOST_DIRECTORIES;
        }
    }

    /// What was touched, by name if possible.
    fn narrow(self, touched: Touched) -> Touched {
        match touched {
            Touched::Directories(_) if !self.too_many => Touched::Named(self.named),
            touched => touched,
        }
    }
}

/// A file that is waited for, even if the program that opened it has made it non-blocking.
struct Patient(File);

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sleep(Duration::from_millis(5));
                }
                done => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "/usr/lib/python3.13/site-packages";

    fn named(directories: &[(&str, &[&str])]) -> Touched {
        let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
        let directories = directories.iter();
        Touched::Named(
            directories
                .map(|(path, list)| (path.into(), names(list)))
                .collect(),
        )
    }

    fn site() -> Touched {
        named(&[(SITE, &["a-1.dist-info"])])
    }

    #[test]
    fn a_list_of_modules_has_touched_nothing() {
        let list = format!("{SITE}/a/__init__.py\n{SITE}/a\n");
        assert_eq!(rpm(list.as_bytes()), Touched::Nothing);
        assert_eq!(rpm(list.trim_end().as_bytes()), Touched::Nothing);
    }

    #[test]
    fn one_relevant_line_is_enough_at_any_place() {
        let modules = format!("{SITE}/a/__init__.py\n").repeat(5000);
        let metadata = format!("{SITE}/a-1.dist-info\n");
        assert_eq!(rpm(format!("{metadata}{modules}").as_bytes()), site());
        assert_eq!(
            rpm(format!("{modules}{metadata}{modules}").as_bytes()),
            site()
        );
        assert_eq!(
            rpm(format!("{modules}{metadata}").trim_end().as_bytes()),
            site()
        );
    }

    #[test]
    fn each_metadata_directory_on_the_way_is_named() {
        let list = "/s/a-1.dist-info\n/s/a-1.dist-info/licenses/x.egg-info\n/s/x.pth\n\
                    /s/b-1.egg/EGG-INFO/PKG-INFO\n/t/python3\n";
        let expected = named(&[
            ("/s", &["a-1.dist-info", "b-1.egg"]),
            ("/s/a-1.dist-info/licenses", &["x.egg-info"]),
            ("/s/b-1.egg", &["EGG-INFO"]),
        ]);
        assert_eq!(rpm(list.as_bytes()), expected);
        assert_eq!(rpm(&b"/s/x.pth\n"[..]), named(&[]));
        let at_the_root = named(&[("/", &["a.egg-info"])]);
        assert_eq!(rpm(&b"/a.egg-info\n"[..]), at_the_root);
    }

    #[test]
    fn names_are_kept_up_to_a_limit() {
        let list = |count: usize, directories: usize| {
            let line = |number| format!("/s{}/a{number}.egg-info/PKG-INFO\n", number % directories);
            let once: String = (0..count).map(line).collect();
            format!("{once}{once}")
        };
        let told = |count, directories| rpm(list(count, directories).as_bytes());
        assert!(matches!(
            told(MOST_NAMES, MOST_DIRECTORIES),
            Touched::Named(_)
        ));
        assert!(matches!(told(MOST_NAMES + 1, 1), Touched::Directories(_)));
        assert_eq!(
            told(MOST_DIRECTORIES + 1, MOST_DIRECTORIES + 1),
            Touched::Unknown
        );
        let no_file = format!("/s/{}.dist-info\n", "x".repeat(LONGEST_NAME));
        assert_eq!(rpm(no_file.as_bytes()), named(&[]));
    }

    #[test]
    fn an_empty_list_tells_nothing() {
        assert_eq!(rpm(&b""[..]), Touched::Unknown);
        assert_eq!(rpm(&b"\n\n"[..]), Touched::Unknown);
    }

    #[test]
    fn after_an_invalid_line_anything_may_have_been_touched() {
        let long = [b"/a/".repeat(1 << 20), b"\n/b\n".to_vec()].concat();
        assert_eq!(rpm(&long[..]), Touched::Unknown);
        assert_eq!(
            rpm(&b"/usr/lib/a\nb-1.dist-info\n"[..]),
            Touched::Unknown,
            "one name, cut in two by its newline"
        );
    }

    #[test]
    fn bytes_that_are_not_text_are_accepted() {
        let list = [SITE.as_bytes(), b"/\xff\0\x80-1.dist-info/METADATA\n"].concat();
        let name = b"\xff\0\x80-1.dist-info".to_vec();
        let expected = BTreeMap::from([(SITE.into(), BTreeSet::from([name]))]);
        assert_eq!(rpm(&list[..]), Touched::Named(expected));
        assert_eq!(rpm(&b"/a\0b/\xff\n"[..]), Touched::Nothing);
    }

    #[test]
    fn the_list_is_always_read_to_its_end() {
        /// Counts the bytes that are not read.
        struct Counted<'a>(&'a [u8], &'a mut usize);
        impl Read for Counted<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.read(buffer)?;
                *self.1 -= count;
                Ok(count)
            }
        }
        let long = "x".repeat(3 * BUFFER);
        for first in ["/a-1.dist-info", "relative.pth", long.as_str(), "/a"] {
            let list = format!("{first}\n{}", "/usr/lib/a.py\n".repeat(20_000));
            let mut left = list.len();
            rpm(Counted(list.as_bytes(), &mut left));
            assert_eq!(left, 0, "{}", first.len());
        }
    }
}
