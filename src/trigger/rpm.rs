//! rpm: the list of files on standard input.
//!
//! `%transfiletriggerin` has one, a path a line, directories too; `%transfiletriggerpostun` has none.
//! Nothing else that rpm says can be relied on, `$1` least of all.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::Duration;

use super::Touched;
use super::relevance::touched_directory;

/// A line that is longer, in bytes, is no path: the kernel takes none.
const LONGEST: u64 = 4096;

/// As much as a pipe holds.
const BUFFER: usize = 64 << 10;

/// What the list on standard input has touched. Where that is a terminal, nothing is waited for.
pub fn rpm_stdin() -> Touched {
    let stdin = io::stdin();
    match stdin.as_fd().try_clone_to_owned() {
        Ok(stdin) if !stdin.as_fd().is_terminal() => rpm(Patient(stdin.into())),
        _ => Touched::Unknown,
    }
}

/// What a list of files has touched. It is read to its end: whoever writes it must not meet a broken
/// pipe. A list without a path in it says nothing about what happened.
pub fn rpm(list: impl Read) -> Touched {
    let mut list = BufReader::with_capacity(BUFFER, list);
    let mut line = Vec::new();
    let (mut touched, mut is_empty) = (Touched::Nothing, true);
    loop {
        line.clear();
        match list.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) if is_empty => return Touched::Unknown,
            Ok(0) => return touched,
            // More than this cannot be had of it.
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
            }
        }
    }
}

/// A file that is waited for even where whoever opened it has asked not to wait.
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
    use std::collections::BTreeSet;

    use super::*;

    const SITE: &str = "/usr/lib/python3.13/site-packages";

    fn site() -> Touched {
        Touched::Directories(BTreeSet::from([SITE.into()]))
    }

    #[test]
    fn a_list_of_modules_has_touched_nothing() {
        let list = format!("{SITE}/a/__init__.py\n{SITE}/a\n");
        assert_eq!(rpm(list.as_bytes()), Touched::Nothing);
        assert_eq!(rpm(list.trim_end().as_bytes()), Touched::Nothing);
    }

    #[test]
    fn one_relevant_line_is_enough_wherever_it_stands() {
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
    fn an_empty_list_says_nothing() {
        assert_eq!(rpm(&b""[..]), Touched::Unknown);
        assert_eq!(rpm(&b"\n\n"[..]), Touched::Unknown);
    }

    #[test]
    fn a_line_that_is_no_path_may_stand_for_anything() {
        let long = [b"/a/".repeat(1 << 20), b"\n/b\n".to_vec()].concat();
        assert_eq!(rpm(&long[..]), Touched::Unknown);
        assert_eq!(
            rpm(&b"/usr/lib/a\nb-1.dist-info\n"[..]),
            Touched::Unknown,
            "one name, cut in two by its newline"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_bytes_like_others() {
        let list = [SITE.as_bytes(), b"/\xff\0\x80-1.dist-info/METADATA\n"].concat();
        assert_eq!(rpm(&list[..]), site());
        assert_eq!(rpm(&b"/a\0b/\xff\n"[..]), Touched::Nothing);
    }

    #[test]
    fn the_list_is_read_to_its_end_whatever_it_says() {
        /// Counts what is left unread.
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
