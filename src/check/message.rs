//! Converts findings to frames, and frames to findings.
//!
//! The receiver trusts nothing: kinds must be in the catalogue, and counts and lengths are limited.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::catalogue::{KINDS, Level};
use super::{CheckError, Checked, Finding, MOST};
use crate::privsep::{Frame, Sender, kind};

const FINDING: u8 = kind::FIRST_OF_JOB;
const FAILED: u8 = FINDING + 1;
const DONE: u8 = FINDING + 2;

/// In bytes. The longest frame. Texts are cut before, and paths are not longer than this.
const LONGEST: usize = 16 << 10;
/// In bytes. The most that is sent.
pub const MOST_BYTES: u64 = (MOST as u64 + 1) * (LONGEST as u64 + 64);

/// Sends the result of a check.
pub(super) fn send<W: Write>(
    to: &mut Sender<W>,
    checked: Result<Checked, CheckError>,
) -> io::Result<()> {
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            let text = error.to_string();
            let text = text.as_bytes();
            return to.send(FAILED, text.get(..LONGEST).unwrap_or(text));
        }
    };
    let mut unsaid = checked.unsaid;
    for finding in &checked.findings {
        let frame = encoded(finding);
        if frame.len() > LONGEST {
            unsaid += 1;
        } else {
            to.send(FINDING, &frame)?;
        }
    }
    let counts = [checked.distributions, unsaid].map(|it| (it as u64).to_le_bytes());
    let interpreters = checked.interpreters.join("\n");
    to.send(
        DONE,
        &[counts.concat().as_slice(), interpreters.as_bytes()].concat(),
    )
}

/// Four numbers, then four strings, each after its length.
fn encoded(finding: &Finding) -> Vec<u8> {
    let number = KINDS.iter().position(|it| *it == finding.kind);
    let numbers = [
        number.unwrap_or_default(),
        usize::from(finding.level == Level::Note),
        finding.line.unwrap_or_default(),
    ];
    let mut bytes: Vec<u8> = numbers
        .into_iter()
        .flat_map(|it| (it as u64).to_le_bytes())
        .collect();
    let interpreters = finding.interpreters.join("\n");
    let strings = [
        finding.path.as_os_str().as_bytes(),
        &finding.distribution,
        finding.text.as_bytes(),
        interpreters.as_bytes(),
    ];
    for string in strings {
        bytes.extend((string.len() as u64).to_le_bytes());
        bytes.extend(string);
    }
    bytes
}

/// The part of a check that has been received.
#[derive(Debug, Default)]
pub struct Reception {
    checked: Checked,
    failure: Option<String>,
}

impl Reception {
    /// Takes a frame. Returns whether it was the last.
    ///
    /// # Errors
    /// What is wrong with it. Then nothing of the check may be used.
    pub fn take(&mut self, frame: &Frame) -> Result<bool, String> {
        let payload = frame.payload.as_slice();
        if payload.len() > LONGEST {
            return Err("a frame that is too long".into());
        }
        match frame.kind {
            FINDING if self.checked.findings.len() < MOST => {
                let finding = decoded(payload).ok_or("a finding that is none")?;
                self.checked.findings.push(finding);
                Ok(false)
            }
            FAILED => {
                self.failure = Some(String::from_utf8_lossy(payload).into_owned());
                Ok(true)
            }
            DONE => {
                let mut rest = payload;
                let counts = take_number(&mut rest).zip(take_number(&mut rest));
                (self.checked.distributions, self.checked.unsaid) = counts.ok_or("no counts")?;
                let interpreters = String::from_utf8_lossy(rest).into_owned();
                self.checked.interpreters = interpreters.lines().map(str::to_owned).collect();
                Ok(true)
            }
            kind => Err(format!("a frame of kind {kind} where none belongs")),
        }
    }

    /// The result of the check, after the last frame.
    ///
    /// # Errors
    /// Why nothing was checked.
    pub fn outcome(self) -> Result<Checked, String> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.checked),
        }
    }
}

fn decoded(mut bytes: &[u8]) -> Option<Finding> {
    let rest = &mut bytes;
    let [number, level, line] = [take_number(rest)?, take_number(rest)?, take_number(rest)?];
    let [path, distribution, text, interpreters] = [
        take_string(rest)?,
        take_string(rest)?,
        take_string(rest)?,
        take_string(rest)?,
    ];
    let lines = String::from_utf8(interpreters.to_vec()).ok()?;
    let finding = Finding {
        kind: KINDS.get(number)?,
        level: match level {
            0 => Level::Problem,
            1 => Level::Note,
            _ => return None,
        },
        path: PathBuf::from(OsStr::from_bytes(path)),
        line: Some(line).filter(|line| *line > 0),
        distribution: distribution.to_vec(),
        text: String::from_utf8(text.to_vec()).ok()?,
        interpreters: lines.lines().map(str::to_owned).collect(),
    };
    bytes.is_empty().then_some(finding)
}

fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    usize::try_from(u64::from_le_bytes(*number)).ok()
}

fn take_string<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = take_number(bytes)?;
    let (string, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privsep::frames;

    fn finding() -> Finding {
        Finding {
            kind: KINDS[3],
            level: Level::Note,
            path: PathBuf::from(OsStr::from_bytes(b"/a\xff/b")),
            line: Some(7),
            distribution: b"a\xe9".to_vec(),
            text: "é is wrong".into(),
            interpreters: vec!["3.11".into(), "3.13".into()],
        }
    }

    /// The frames of a check.
    fn sent(checked: Result<Checked, CheckError>) -> Vec<Frame> {
        let (mut reader, writer) = io::pipe().unwrap();
        send(&mut Sender::new(writer), checked).unwrap();
        std::iter::from_fn(|| frames::read(&mut reader).unwrap()).collect()
    }

    #[test]
    fn findings_arrive_as_they_were_sent() {
        let checked = Checked {
            findings: vec![finding()],
            interpreters: vec!["3.11".into()],
            distributions: 5,
            unsaid: 2,
        };
        let mut reception = Reception::default();
        let taken: Vec<_> = sent(Ok(checked))
            .iter()
            .map(|frame| reception.take(frame))
            .collect();
        assert_eq!(taken, [Ok(false), Ok(true)]);
        let checked = reception.outcome().unwrap();
        assert_eq!(checked.findings, [finding()]);
        assert_eq!((checked.distributions, checked.unsaid), (5, 2));
        let mut reception = Reception::default();
        let failure = CheckError::NoSuchDistribution("x".into());
        assert_eq!(reception.take(&sent(Err(failure))[0]), Ok(true));
        assert!(
            reception
                .outcome()
                .unwrap_err()
                .contains("no distribution x")
        );
    }

    #[test]
    fn invalid_findings_are_refused() {
        let whole = encoded(&finding());
        let frame = |payload: &[u8]| Frame {
            kind: FINDING,
            payload: payload.to_vec(),
        };
        let refused = |payload: &[u8]| Reception::default().take(&frame(payload)).is_err();
        assert!(!refused(&whole));
        for length in 0..whole.len() {
            assert!(refused(&whole[..length]), "{length}");
        }
        assert!(refused(&[whole.as_slice(), &[0]].concat()));
        // An unknown kind, an unknown level, a length beyond the frame.
        for at in [1, 8, 25] {
            let mut bad = whole.clone();
            bad[at] = 9;
            assert!(refused(&bad), "{at}");
        }
        assert!(refused(&vec![0; LONGEST + 1]));
        let other = Frame {
            kind: DONE + 1,
            payload: Vec::new(),
        };
        assert!(Reception::default().take(&other).is_err());
    }

    #[test]
    fn there_are_no_more_findings_than_are_kept() {
        let frame = Frame {
            kind: FINDING,
            payload: encoded(&finding()),
        };
        let mut reception = Reception::default();
        for _ in 0..MOST {
            assert_eq!(reception.take(&frame), Ok(false));
        }
        assert!(reception.take(&frame).is_err());
    }
}
