//! What the worker has to say, as frames; and the frames as what was said.
//!
//! Whoever receives takes nothing for granted: lengths, counts and numbers are checked, and what does not
//! fit ends the reception. What an index is, is not looked at here: it is verified as a whole before anybody
//! believes it. Texts are for people, and cut short; whoever shows them escapes them.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Product, Progress, WorkerError};
use crate::consumers::{self, Form};
use crate::index::format::SIZE_LIMIT;
use crate::layout::{Note, Reason};
use crate::memory;
use crate::privsep::{Frame, Sender, kind};
use crate::scan::Warning;

const PROGRESS: u8 = kind::FIRST_OF_JOB;
const COUNTS: u8 = PROGRESS + 1;
const INDEX: u8 = PROGRESS + 2;
const WARNING: u8 = PROGRESS + 3;
const FAILURE: u8 = PROGRESS + 4;
const NOTE: u8 = PROGRESS + 5;
const LEFT_OUT: u8 = PROGRESS + 6;
const FAILED: u8 = PROGRESS + 7;
const DONE: u8 = PROGRESS + 8;
const FILE: u8 = PROGRESS + 9;

/// As many warnings, failures and so on are passed on, together.
const MOST_REMARKS: usize = 50_000;
/// As much of a path or text is, in bytes.
const TEXT_LIMIT: usize = 8 << 10;

/// The most that the files for consumers may take together, in bytes.
pub(super) const FILES_LIMIT: usize = 128 << 20;
const MOST_FILES: usize = consumers::MOST * Form::ALL.len();
/// As much of one is sent at a time, in bytes.
const PIECE: usize = 1 << 16;

/// The most that a worker has to send, in bytes: an index, files, all remarks, and its progress.
pub const MOST_BYTES: u64 =
    SIZE_LIMIT + 2 * FILES_LIMIT as u64 + (MOST_REMARKS * (2 * TEXT_LIMIT + 32)) as u64;

/// Sends how far the work has got.
pub(super) fn send_progress<W: Write>(to: &mut Sender<W>, progress: Progress) -> io::Result<()> {
    to.send(
        PROGRESS,
        &numbers(&[progress.directories, progress.distributions]),
    )
}

/// Sends what came of the work.
pub(super) fn send_outcome<W: Write>(
    to: &mut Sender<W>,
    outcome: Result<Product, WorkerError>,
) -> io::Result<()> {
    let product = match outcome {
        Ok(product) => product,
        Err(error) => return to.send(FAILED, cut(error.to_string().as_bytes())),
    };
    let counts = [
        product.directories,
        product.distributions,
        product.entry_points,
        product.scanned,
        product.reused,
        product.index.len(),
        usize::from(product.unchanged),
    ];
    to.send(COUNTS, &numbers(&counts))?;
    // In pieces that stay in the processor's cache on their way.
    for piece in product.index.chunks(PIECE) {
        to.send(INDEX, piece)?;
    }
    for (consumer, form, content) in &product.files {
        send_file(to, *consumer, *form, content)?;
    }
    let remark = |path: &Path, number: usize, text: &str| {
        let path = cut(path.as_os_str().as_bytes());
        let mut payload = numbers(&[path.len(), number]);
        payload.extend(path);
        payload.extend(cut(text.as_bytes()));
        payload
    };
    let mut left = MOST_REMARKS;
    let mut may_send = || {
        left = left.saturating_sub(1);
        left > 0
    };
    // The gravest first: what is too much is not sent.
    for (kind, warnings) in [(FAILURE, &product.failures), (WARNING, &product.warnings)] {
        for Warning { path, text } in warnings.iter().take_while(|_| may_send()) {
            to.send(kind, &remark(path, 0, text))?;
        }
    }
    for (path, reason) in product.left_out.iter().take_while(|_| may_send()) {
        let number = match reason {
            Reason::SourceTree => 0,
            Reason::Archive => 1,
        };
        to.send(LEFT_OUT, &remark(path, number, ""))?;
    }
    for Note { path, line, text } in product.notes.iter().take_while(|_| may_send()) {
        to.send(NOTE, &remark(path, line.unwrap_or_default(), text))?;
    }
    to.send(DONE, b"")
}

/// A file in pieces, at least one.
fn send_file<W: Write>(
    to: &mut Sender<W>,
    consumer: usize,
    form: Form,
    content: &[u8],
) -> io::Result<()> {
    let form = Form::ALL
        .iter()
        .position(|it| *it == form)
        .unwrap_or_default();
    let head = numbers(&[consumer, form]);
    let first = content.is_empty().then_some([].as_slice());
    for piece in first.into_iter().chain(content.chunks(PIECE)) {
        to.send(FILE, &[&head, piece].concat())?;
    }
    Ok(())
}

/// Numbers as 64 bits each, little-endian.
fn numbers(numbers: &[usize]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|&number| (number as u64).to_le_bytes())
        .collect()
}

fn cut(bytes: &[u8]) -> &[u8] {
    bytes.get(..TEXT_LIMIT).unwrap_or(bytes)
}

/// What has been received of an outcome.
#[derive(Debug, Default)]
pub struct Reception {
    product: Product,
    /// How long the index is to be, once that has been said.
    index_size: Option<usize>,
    remarks: usize,
    file_bytes: usize,
    failure: Option<String>,
}

impl Reception {
    /// Takes a frame; `progress` hears how far the worker is. Says whether it was the last.
    ///
    /// # Errors
    /// What is wrong with it: nothing of the outcome is to be believed then.
    pub fn take(
        &mut self,
        frame: Frame,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<bool, String> {
        let Frame { kind, payload } = frame;
        match kind {
            PROGRESS => {
                let [directories, distributions] = array(&payload)?;
                progress(Progress {
                    directories,
                    distributions,
                });
            }
            COUNTS if self.index_size.is_none() => {
                let product = &mut self.product;
                let (size, unchanged);
                [
                    product.directories,
                    product.distributions,
                    product.entry_points,
                    product.scanned,
                    product.reused,
                    size,
                    unchanged,
                ] = array(&payload)?;
                product.unchanged = unchanged != 0;
                if size as u64 > SIZE_LIMIT {
                    return Err(format!("an index of {size} bytes"));
                }
                let reserved = product.index.try_reserve_exact(size);
                reserved.map_err(|error| error.to_string())?;
                memory::furnish(&mut product.index);
                self.index_size = Some(size);
            }
            INDEX => {
                let size = self.index_size.unwrap_or_default();
                if payload.len() > size.saturating_sub(self.product.index.len()) {
                    return Err("more of an index than announced".into());
                }
                self.product.index.extend_from_slice(&payload);
            }
            WARNING | FAILURE | NOTE | LEFT_OUT => self.remark(kind, &payload)?,
            FILE => self.file(&payload)?,
            FAILED => {
                self.failure = Some(text(&payload));
                return Ok(true);
            }
            DONE if self.index_size == Some(self.product.index.len()) => return Ok(true),
            _ => return Err(format!("a frame of kind {kind} where none belongs")),
        }
        Ok(false)
    }

    /// A piece of a file: of the last one, or the first of another.
    fn file(&mut self, payload: &[u8]) -> Result<(), String> {
        let (head, piece) = payload.split_at_checked(16).ok_or("a file cut short")?;
        let [consumer, form] = array(head)?;
        let form = *Form::ALL.get(form).ok_or("a file of no known form")?;
        self.file_bytes += piece.len();
        if self.file_bytes > FILES_LIMIT {
            return Err("too much in files".into());
        }
        let files = &mut self.product.files;
        if let Some((of, last, content)) = files.last_mut() {
            if (*of, *last) == (consumer, form) {
                content.extend(piece);
                return Ok(());
            }
        }
        if files.len() == MOST_FILES {
            return Err("too many files".into());
        }
        files.push((consumer, form, piece.to_vec()));
        Ok(())
    }

    fn remark(&mut self, kind: u8, payload: &[u8]) -> Result<(), String> {
        self.remarks += 1;
        if self.remarks > MOST_REMARKS {
            return Err("too many remarks".into());
        }
        let (head, rest) = payload.split_at_checked(16).ok_or("a remark cut short")?;
        let [path_length, number] = array(head)?;
        let (path, rest) = rest
            .split_at_checked(path_length)
            .ok_or("a remark cut short")?;
        if path.len() > TEXT_LIMIT || rest.len() > TEXT_LIMIT {
            return Err("a remark that is too long".into());
        }
        let path = PathBuf::from(OsStr::from_bytes(path));
        let text = text(rest);
        let product = &mut self.product;
        match kind {
            WARNING => product.warnings.push(Warning { path, text }),
            FAILURE => product.failures.push(Warning { path, text }),
            NOTE => product.notes.push(Note {
                path,
                line: Some(number).filter(|&line| line > 0),
                text,
            }),
            _ => {
                let reason = match number {
                    0 => Reason::SourceTree,
                    1 => Reason::Archive,
                    _ => return Err("an unknown reason".into()),
                };
                product.left_out.push((path, reason));
            }
        }
        Ok(())
    }

    /// What came of the work, once the last frame has been taken.
    ///
    /// # Errors
    /// Why there is no index.
    pub fn outcome(self) -> Result<Product, String> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.product),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(cut(bytes)).into_owned()
}

fn array<const N: usize>(payload: &[u8]) -> Result<[usize; N], String> {
    if payload.len() != N * size_of::<u64>() {
        return Err(format!("{} bytes for {N} numbers", payload.len()));
    }
    let mut numbers = [0; N];
    let words = payload.chunks_exact(size_of::<u64>());
    for (number, word) in numbers.iter_mut().zip(words) {
        let value = word.try_into().map_or(u64::MAX, u64::from_le_bytes);
        *number = usize::try_from(value).map_err(|_| format!("the number {value}"))?;
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privsep::frames;

    fn product() -> Product {
        let warning = |path: &str, text: &str| Warning {
            path: path.into(),
            text: text.into(),
        };
        Product {
            index: (0..3_000_000u32).map(|number| number as u8).collect(),
            files: vec![
                (0, Form::Json, vec![b'x'; 3 * PIECE + 1]),
                (0, Form::Stamp, Vec::new()),
                (7, Form::Stamp, b"sha256:".to_vec()),
            ],
            directories: 1,
            distributions: 2,
            entry_points: 3,
            scanned: 4,
            reused: 5,
            unchanged: true,
            warnings: vec![warning("/a", "x"), warning("/b\u{fffd}", "")],
            failures: vec![warning("", "y")],
            notes: vec![Note {
                path: "/c".into(),
                line: Some(7),
                text: "z".into(),
            }],
            left_out: vec![
                ("/d".into(), Reason::Archive),
                ("/e".into(), Reason::SourceTree),
            ],
        }
    }

    fn stream(outcome: Result<Product, WorkerError>) -> Vec<u8> {
        let mut stream = Vec::new();
        let mut sender = frames::Sender::new(&mut stream);
        let progress = Progress {
            directories: 8,
            distributions: 9,
        };
        send_progress(&mut sender, progress).unwrap();
        send_outcome(&mut sender, outcome).unwrap();
        stream
    }

    fn received(stream: &[u8]) -> Result<Result<Product, String>, String> {
        hearing(stream, &mut |_| ())
    }

    fn hearing(
        mut stream: &[u8],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Result<Product, String>, String> {
        let mut reception = Reception::default();
        while let Some(frame) = frames::read(&mut stream).map_err(|error| error.to_string())? {
            if reception.take(frame, progress)? {
                return Ok(reception.outcome());
            }
        }
        Err("no last frame".into())
    }

    #[test]
    fn an_outcome_arrives_as_it_was_sent() {
        let mut heard = 0;
        let mut progress = |progress: Progress| heard += progress.distributions;
        let arrived = hearing(&stream(Ok(product())), &mut progress);
        let arrived = arrived.unwrap().unwrap();
        assert_eq!(format!("{arrived:?}"), format!("{:?}", product()));
        assert_eq!(heard, 9);
    }

    #[test]
    fn a_failure_arrives_as_its_text() {
        let failure = WorkerError::Write(crate::index::write::WriteError::TooLarge);
        let text = failure.to_string();
        assert_eq!(received(&stream(Err(failure))).unwrap().unwrap_err(), text);
    }

    #[test]
    fn a_stream_that_was_tampered_with_is_refused_or_is_another_text() {
        let mut small = product();
        small.index.truncate(10);
        small.files.truncate(1);
        small.files[0].2.truncate(10);
        let good = stream(Ok(small));
        let mut refused = 0;
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // Whatever comes of it, nothing panics and nothing large is allotted.
                match received(&bad) {
                    Err(_) => refused += 1,
                    Ok(Ok(product)) => assert_eq!(product.index.len(), 10),
                    Ok(Err(_)) => {}
                }
            }
        }
        assert!(refused > good.len());
    }

    #[test]
    fn more_than_was_announced_is_refused() {
        let frame = |kind, payload: Vec<u8>| Frame { kind, payload };
        let mut quiet = |_| ();
        let mut reception = Reception::default();
        let over = numbers(&[0, 0, 0, 0, 0, SIZE_LIMIT as usize + 1, 0]);
        assert!(reception.take(frame(COUNTS, over), &mut quiet).is_err());
        let mut reception = Reception::default();
        let ten = numbers(&[0, 0, 0, 0, 0, 10, 0]);
        assert_eq!(
            reception.take(frame(COUNTS, ten.clone()), &mut quiet),
            Ok(false)
        );
        assert!(reception.take(frame(COUNTS, ten), &mut quiet).is_err());
        assert!(
            reception
                .take(frame(INDEX, vec![0; 11]), &mut quiet)
                .is_err()
        );
        assert!(reception.take(frame(DONE, Vec::new()), &mut quiet).is_err());
        assert_eq!(
            reception.take(frame(INDEX, vec![0; 10]), &mut quiet),
            Ok(false)
        );
        assert_eq!(
            reception.take(frame(DONE, Vec::new()), &mut quiet),
            Ok(true)
        );
    }

    #[test]
    fn there_is_an_end_to_remarks() {
        let mut many = product();
        many.index.clear();
        many.warnings = vec![many.warnings[0].clone(); 2 * MOST_REMARKS];
        let arrived = received(&stream(Ok(many))).unwrap().unwrap();
        assert!(arrived.warnings.len() < MOST_REMARKS);
        assert_eq!(arrived.failures.len(), 1);
        let remark = Frame {
            kind: WARNING,
            payload: numbers(&[0, 0]),
        };
        let mut reception = Reception::default();
        let mut quiet = |_| ();
        for _ in 0..MOST_REMARKS {
            let again = Frame {
                kind: WARNING,
                payload: remark.payload.clone(),
            };
            assert_eq!(reception.take(again, &mut quiet), Ok(false));
        }
        assert!(reception.take(remark, &mut quiet).is_err());
    }
}
