//! The frames that travel over the pipe. A frame is a type, a length and that many bytes.
//!
//! The input is bytes to send, or a stream to read. The output is bytes in the pipe, or a
//! [`Frame`]. The reader allocates at most [`MOST`] bytes for a frame, whatever length the frame
//! claims. This room does not know what frames mean.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// The largest payload of one frame, in bytes.
pub const MOST: usize = 1 << 20;

/// A frame that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its content.
    pub payload: Vec<u8>,
}

/// Reads the next frame. `None` at the end of the stream.
///
/// # Errors
/// Those of reading; [`io::ErrorKind::InvalidData`] for a length beyond [`MOST`];
/// [`io::ErrorKind::UnexpectedEof`] if the stream ends within a frame.
pub fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut kind = [0];
    if from.read(&mut kind)? == 0 {
        return Ok(None);
    }
    let [kind] = kind;
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST {
        let text = format!("a frame of {length} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok(Some(Frame { kind, payload }))
}

/// The worker's end of the pipe.
#[derive(Debug)]
pub struct Sender<W> {
    pipe: W,
}

impl<W: Write> Sender<W> {
    /// A sender into this pipe.
    pub fn new(pipe: W) -> Self {
        Self { pipe }
    }

    pub(super) fn pipe(&self) -> BorrowedFd<'_>
    where
        W: AsFd,
    {
        self.pipe.as_fd()
    }

    /// Sends a frame, or several of one type if the payload is larger than [`MOST`].
    ///
    /// # Errors
    /// Those of writing: the reader has gone.
    pub fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let mut rest = payload;
        loop {
            let (part, more) = rest.split_at(rest.len().min(MOST));
            let length = u32::try_from(part.len()).map_err(io::Error::other)?;
            let [a, b, c, d] = length.to_le_bytes();
            write_both(&mut self.pipe, &[kind, a, b, c, d], part)?;
            rest = more;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Writes one after the other, in one system call if possible.
fn write_both(to: &mut impl Write, first: &[u8], second: &[u8]) -> io::Result<()> {
    let mut pieces = [IoSlice::new(first), IoSlice::new(second)];
    let mut left = pieces.as_mut_slice();
    while !left.is_empty() {
        match to.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_and_large_payloads_are_split() {
        let mut sender = Sender::new(Vec::new());
        let large = vec![7; 2 * MOST + 3];
        sender.send(1, b"").unwrap();
        sender.send(2, b"abc").unwrap();
        sender.send(3, &large).unwrap();
        let mut stream = sender.pipe.as_slice();
        let mut frames = Vec::new();
        while let Some(frame) = read(&mut stream).unwrap() {
            frames.push(frame);
        }
        let kinds: Vec<_> = frames.iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, [1, 2, 3, 3, 3]);
        assert_eq!(frames[1].payload, b"abc");
        let pieces: Vec<_> = frames[2..]
            .iter()
            .flat_map(|frame| &frame.payload)
            .collect();
        assert_eq!(pieces, large.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_length_that_is_too_large_is_refused_before_memory_is_allocated() {
        let mut frame = vec![9];
        frame.extend(u32::MAX.to_le_bytes());
        let error = read(&mut frame.as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_is_an_error() {
        for cut in 1..8 {
            let mut sender = Sender::new(Vec::new());
            sender.send(1, b"abc").unwrap();
            let error = read(&mut &sender.pipe[..cut]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
