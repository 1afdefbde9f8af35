//! Results arrive as they were sent, and any input comes to an end.

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
        private: true,
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
            ("/f".into(), Reason::TooMuch(3)),
        ],
        unsaid: 0,
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
            // With any result, nothing panics and nothing large is allocated.
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
    let over = numbers(&[0, 0, 0, 0, 0, SIZE_LIMIT as usize + 1, 0, 0]);
    assert!(reception.take(frame(COUNTS, over), &mut quiet).is_err());
    let mut reception = Reception::default();
    let ten = numbers(&[0, 0, 0, 0, 0, 10, 0, 0]);
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
fn remarks_have_a_limit_and_the_gravest_come_first() {
    let mut many = product();
    many.index.clear();
    let (long, count) = ("\u{e9}".repeat(TEXT_LIMIT), 1000);
    many.warnings = vec![many.warnings[0].clone(); count];
    many.warnings[0].text = long;
    many.warnings[1].path = "/".repeat(2 * TEXT_LIMIT).into();
    many.warnings.resize(1 << 15, many.warnings[2].clone());
    let all = many.warnings.len() + many.notes.len() + many.left_out.len();
    let arrived = received(&stream(Ok(many))).unwrap().unwrap();
    assert_eq!(arrived.failures.len(), 1);
    let kept = arrived.warnings.len();
    assert_eq!(kept, (REMARKS_LIMIT - 65 - 2 * (TEXT_LIMIT + 66)) / 67 + 2);
    assert_eq!(arrived.unsaid, all - kept);
    assert_eq!(arrived.warnings[0].text.len(), TEXT_LIMIT);
    assert!(arrived.notes.is_empty() && arrived.left_out.is_empty());
}

fn refused_after(mut frame: impl FnMut(usize) -> Frame) -> (usize, String) {
    let mut reception = Reception::default();
    for number in 0.. {
        if let Err(why) = reception.take(frame(number), &mut |_| ()) {
            return (number, why);
        }
    }
    unreachable!()
}

#[test]
fn each_kind_of_frame_has_an_end() {
    let frame = |kind, payload: &[u8]| Frame {
        kind,
        payload: payload.to_vec(),
    };
    let remark = |text: &[u8]| frame(NOTE, &[&numbers(&[0, 0]), text].concat());
    let many = refused_after(|_| remark(b""));
    assert_eq!(
        many,
        (REMARKS_LIMIT / REMARK_COST, "too many remarks".into())
    );
    // A byte that is not UTF-8 counts as what replaces it.
    let (count, _) = refused_after(|_| remark(&[0xff; TEXT_LIMIT]));
    assert_eq!(count, REMARKS_LIMIT / (REMARK_COST + 3 * TEXT_LIMIT));
    let frames = MOST_FRAMES as usize;
    for endless in [frame(PROGRESS, &[0; 16]), frame(INDEX, b"")] {
        let again = |_| frame(endless.kind, &endless.payload);
        assert_eq!(refused_after(again), (frames, "too many frames".into()));
    }
    let file = |number: usize, piece: &[u8]| {
        let forms = Form::ALL.len();
        frame(
            FILE,
            &[&numbers(&[number / forms, number % forms]), piece].concat(),
        )
    };
    let most = Form::ALL.len() * consumers::MOST;
    let one_each = refused_after(|number| file(number, b"x"));
    assert_eq!(one_each, (most, "a file for no consumer".into()));
    let back = refused_after(|number| file(5 - number % 3, b""));
    assert_eq!(back, (1, "files out of order".into()));
    let (pieces, why) = refused_after(|_| file(0, &[0; PIECE]));
    assert_eq!((pieces, &*why), (FILES_LIMIT / PIECE, "too much in files"));
}

#[test]
fn an_hour_of_progress_and_the_largest_outcome_are_within_the_limits() {
    let files = Form::ALL.len() * consumers::MOST + FILES_LIMIT / PIECE;
    let index = SIZE_LIMIT as usize / PIECE;
    let frames = 20 * 3600 + index + REMARKS_LIMIT / REMARK_COST + files;
    assert!(frames < MOST_FRAMES as usize);
}
