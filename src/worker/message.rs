//! The worker's messages: converts results to frames, and frames to results.
//!
//! The receiver trusts nothing: it checks lengths, counts, numbers and order, and the first invalid
//! frame ends the reception. Each item that a worker may send has a limit, so that the receiver's
//! memory and time are bounded for any input. The index is not checked here: it is verified as a
//! whole before it is used. Texts are for messages and are shortened. The code that prints them
//! escapes them.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Product, Progress, WorkerError};
use crate::consumers::{self, Form};
use crate::index::format::SIZE_LIMIT;
use crate::layout::{Note, Reason};
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

/// How many remarks were not sent because they did not fit.
const MORE: u8 = PROGRESS + 10;

/// In bytes. The most that all remarks (warnings, failures, notes) may take together.
const REMARKS_LIMIT: usize = 1 << 20;
/// In bytes. A remark counts as this much more than its path and text: about its use of memory.
const REMARK_COST: usize = 64;
/// In bytes. Longer paths and texts are cut.
const TEXT_LIMIT: usize = 8 << 10;

/// In bytes. The most that the files for consumers may take together.
pub(super) const FILES_LIMIT: usize = 32 << 20;
/// In bytes. Larger items are sent in pieces of this size.
const PIECE: usize = 1 << 16;

/// The most frames that a worker needs to send. An hour's progress is 72,000, an index 4,096, all
/// remarks 16,384, and files for consumers are about 4,000 at most.
const MOST_FRAMES: u32 = 200_000;

/// In bytes. The most that a worker needs to send: an index, files, remarks, and the frames'
/// headers.
pub const MOST_BYTES: u64 =
    SIZE_LIMIT + (FILES_LIMIT + REMARKS_LIMIT) as u64 + MOST_FRAMES as u64 * 64;

/// Sends the progress of the work.
pub(super) fn send_progress<W: Write>(to: &mut Sender<W>, progress: Progress) -> io::Result<()> {
    to.send(
        PROGRESS,
        &numbers(&[progress.directories, progress.distributions]),
    )
}

/// Sends the result of the work.
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
        usize::from(product.private),
    ];
    to.send(COUNTS, &numbers(&counts))?;
    // In pieces that stay in the processor's cache on their way.
    for piece in product.index.chunks(PIECE) {
        to.send(INDEX, piece)?;
    }
    for (consumer, form, content) in &product.files {
        send_file(to, *consumer, *form, content)?;
    }
    send_remarks(to, &product)?;
    to.send(DONE, b"")
}

/// Sends the remarks, the most serious first. Returns how many did not fit.
fn send_remarks<W: Write>(to: &mut Sender<W>, product: &Product) -> io::Result<()> {
    let warnings = [(FAILURE, &product.failures), (WARNING, &product.warnings)];
    let warnings = warnings.into_iter().flat_map(|(kind, warnings)| {
        let remarks = warnings.iter();
        remarks.map(move |it| (kind, it.path.as_path(), 0, it.text.as_str()))
    });
    let left_out = product.left_out.iter().map(|(path, reason)| {
        let number = match reason {
            Reason::SourceTree => 0,
            Reason::Archive => 1,
            Reason::TooMuch(count) => count.saturating_add(1),
        };
        (LEFT_OUT, path.as_path(), number, "")
    });
    let notes = product.notes.iter().map(|it| {
        let line = it.line.unwrap_or_default();
        (NOTE, it.path.as_path(), line, it.text.as_str())
    });
    let (mut room, mut more) = (REMARKS_LIMIT, 0);
    for (kind, path, number, text) in warnings.chain(left_out).chain(notes) {
        let path = cut(path.as_os_str().as_bytes());
        let text = cut_text(text);
        // If one does not fit, no less serious one is sent instead.
        match room.checked_sub(cost(path, text)).filter(|_| more == 0) {
            Some(left) => room = left,
            None => {
                more += 1;
                continue;
            }
        }
        let head = numbers(&[path.len(), number]);
        to.send(kind, &[&head, path, text.as_bytes()].concat())?;
    }
    if more > 0 {
        to.send(MORE, &numbers(&[more]))?;
    }
    Ok(())
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

/// Cut between characters: half of one would become a longer one.
fn cut_text(text: &str) -> &str {
    let ends = (0..=TEXT_LIMIT.min(text.len())).rev();
    ends.filter_map(|end| text.get(..end))
        .next()
        .unwrap_or_default()
}

fn cost(path: &[u8], text: &str) -> usize {
    REMARK_COST + path.len() + text.len()
}

/// The part of a result that has been received.
#[derive(Debug, Default)]
pub struct Reception {
    product: Product,
    /// The length of the index, when it has been announced.
    index_size: Option<usize>,
    frames: u32,
    remark_bytes: usize,
    file_bytes: usize,
    /// The consumer and the form of the last file: each comes once, in this order.
    last_file: Option<(usize, usize)>,
    failure: Option<String>,
}

impl Reception {
    /// Takes a frame. `progress` is called for each report of progress. Returns whether it was the
    /// last.
    ///
    /// # Errors
    /// What is wrong with it. Then nothing of the result may be used.
    pub fn take(
        &mut self,
        frame: Frame,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<bool, String> {
        let Frame { kind, payload } = frame;
        self.frames += 1;
        if self.frames > MOST_FRAMES {
            return Err("too many frames".into());
        }
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
                let (size, unchanged, private);
                [
                    product.directories,
                    product.distributions,
                    product.entry_points,
                    product.scanned,
                    product.reused,
                    size,
                    unchanged,
                    private,
                ] = array(&payload)?;
                product.unchanged = unchanged != 0;
                product.private = private != 0;
                if size as u64 > SIZE_LIMIT {
                    return Err(format!("an index of {size} bytes"));
                }
                let reserved = product.index.try_reserve_exact(size);
                reserved.map_err(|error| error.to_string())?;
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
            MORE => [self.product.unsaid] = array(&payload)?,
            FAILED => {
                self.failure = Some(text(&payload));
                return Ok(true);
            }
            DONE if self.index_size == Some(self.product.index.len()) => return Ok(true),
            _ => return Err(format!("a frame of kind {kind} where none belongs")),
        }
        Ok(false)
    }

    /// A piece of a file: of the last one, or the first piece of another one.
    fn file(&mut self, payload: &[u8]) -> Result<(), String> {
        let (head, piece) = payload.split_at_checked(16).ok_or("a file cut short")?;
        let [consumer, form] = array(head)?;
        let place = (consumer, form);
        let form = *Form::ALL.get(form).ok_or("a file of no known form")?;
        if consumer >= consumers::MOST {
            return Err("a file for no consumer".into());
        }
        self.file_bytes += piece.len();
        if self.file_bytes > FILES_LIMIT {
            return Err("too much in files".into());
        }
        match self.last_file.cmp(&Some(place)) {
            Ordering::Less => {
                self.last_file = Some(place);
                self.product.files.push((consumer, form, piece.to_vec()));
            }
            Ordering::Equal => {
                if let Some((_, _, content)) = self.product.files.last_mut() {
                    content.extend(piece);
                }
            }
            Ordering::Greater => return Err("files out of order".into()),
        }
        Ok(())
    }

    fn remark(&mut self, kind: u8, payload: &[u8]) -> Result<(), String> {
        let (head, rest) = payload.split_at_checked(16).ok_or("a remark cut short")?;
        let [path_length, number] = array(head)?;
        let (path, rest) = rest
            .split_at_checked(path_length)
            .ok_or("a remark cut short")?;
        if path.len() > TEXT_LIMIT || rest.len() > TEXT_LIMIT {
            return Err("a remark that is too long".into());
        }
        let text = text(rest);
        self.remark_bytes += cost(path, &text);
        if self.remark_bytes > REMARKS_LIMIT {
            return Err("too many remarks".into());
        }
        let path = PathBuf::from(OsStr::from_bytes(path));
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
                    count => Reason::TooMuch(count - 1),
                };
                product.left_out.push((path, reason));
            }
        }
        Ok(())
    }

    /// The result of the work, after the last frame.
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
mod tests;
