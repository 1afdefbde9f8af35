//! Hostile jobs: what an attacker does after taking the worker over.
//!
//! Most jobs try one system call after the other. They report the kernel's answers as the reason
//! why there is no index, which the parent prints like any other reason. Other jobs die or lie. The
//! tests decide what is right.

#[path = "attempts.rs"]
mod attempts;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::sync::OnceLock;
use std::time::Duration;

use epcache::commands::Work;
use epcache::consumers::{self, Form};
use epcache::index::format::distribution_flag;
use epcache::privsep::{self, Bounds, Job, Policy, Sender, Terms, kind};
use epcache::rooted::Root;
use epcache::worker::{self, Request};
use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::wait::{WaitPidFlag, waitpid};

// If there are two, the older one takes a structure.
#[cfg(not(target_pointer_width = "32"))]
use libc::SYS_mmap as SYS_MMAP;
#[cfg(target_pointer_width = "32")]
use libc::SYS_mmap2 as SYS_MMAP;

use super::index_checks::repair;
use super::index_support;
use super::program::{INHERITED, LEFT_BEHIND, SETTING, Setting};
use attempts::{
    descriptors, forbidden, memory, multiplying, rising, talking, terminal, the_parent, tracing,
    writing,
};

/// The kernel's answer to a call.
type Said = Result<usize, Errno>;

pub(crate) const PROGRESS: u8 = kind::FIRST_OF_JOB;
const COUNTS: u8 = PROGRESS + 1;
const INDEX: u8 = PROGRESS + 2;
const WARNING: u8 = PROGRESS + 3;
const NOTE: u8 = PROGRESS + 5;
const FAILED: u8 = PROGRESS + 7;
const DONE: u8 = PROGRESS + 8;
const FILE: u8 = PROGRESS + 9;
const FORMS: u64 = Form::ALL.len() as u64;

/// A secret that must not appear anywhere: jobs write it wherever they can.
pub(crate) const CANARY: &str = "a-dead-canary";

/// A system call that bypasses libc.
fn call<const N: usize>(number: c_long, arguments: [usize; N]) -> Said {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: the caller makes sure that pointers among the arguments are valid for the call. Its
    // effect on this process is what the tests try.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(Errno::last()),
        result => Ok(result as usize),
    }
}

const HERE: usize = libc::AT_FDCWD as usize;

fn at(text: &CStr) -> usize {
    text.as_ptr() as usize
}

fn c(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).expect("no NUL")
}

fn open(path: &str, flags: i32) -> Said {
    let path = c(path);
    call(libc::SYS_openat, [HERE, at(&path), flags as usize, 0o666])
}

/// The pipe to the parent: the descriptor that is open only for writing, before any attempt.
static PIPE: OnceLock<usize> = OnceLock::new();

fn pipe() -> usize {
    let status = |fd| call(libc::SYS_fcntl, [fd, libc::F_GETFL as usize]);
    let find = || (3..1024).find(|&fd| status(fd).is_ok_and(|flags| flags & 3 == 1));
    *PIPE.get_or_init(|| find().expect("a pipe"))
}

/// Attempts with their names.
type Attempts = Vec<(&'static str, Said)>;

/// A valid index, to put false numbers in.
fn honest(root: &Root, request: &Request) -> Vec<u8> {
    worker::run(root, request, &mut |_| ())
        .expect("an index")
        .index
}

fn send_index(sender: &mut Sender<File>, index: &[u8]) {
    announce(sender, index.len());
    send(sender, INDEX, index);
    send(sender, DONE, b"");
}

fn announce(sender: &mut Sender<File>, size: usize) {
    let counts = [1, 1, 1, 1, 0, size as u64, 0, 0];
    send(sender, COUNTS, &counts.map(u64::to_le_bytes).concat());
}

fn numbers(one: u64, two: u64) -> Vec<u8> {
    [one.to_le_bytes(), two.to_le_bytes()].concat()
}

/// A valid index of about so many bytes that takes long to verify: it has many short rows, half of
/// them equal, and text that is not ASCII.
fn large(size: usize) -> Vec<u8> {
    let distribution = |number: usize| {
        let entries = (0..20).map(|n| format!("g{n}: {number} = \u{e9}"));
        let entries: Vec<_> = entries.collect();
        let entries: Vec<_> = entries.iter().map(String::as_str).collect();
        let file_name = format!("x-{number}.dist-info");
        let mut dist = index_support::dist(&file_name, &format!("x{}", number / 2), &entries);
        dist.flags |= (number as u32 % 2) * distribution_flag::SHADOWED;
        dist
    };
    let distributions = (0..size / 1000).map(distribution).collect();
    index_support::write(&[index_support::directory("/large", distributions)], false)
}

/// Ignores errors: the parent may not read any more.
fn send(sender: &mut Sender<File>, kind: u8, payload: &[u8]) {
    let _ = sender.send(kind, payload);
}

fn write_raw(bytes: &[u8]) {
    let pipe = pipe();
    let _ = call(
        libc::SYS_write,
        [pipe, bytes.as_ptr() as usize, bytes.len()],
    );
}

fn for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Sends the last message through the pipe.
fn say_last(attempts: &[(&str, Said)]) {
    let words = attempts.iter().map(|(name, said)| match said {
        Ok(result) => format!(" {name}=+{result}"),
        Err(errno) => format!(" {name}={errno:?}"),
    });
    let text = format!("attempts:{}", words.collect::<String>());
    let length = (text.len() as u32).to_le_bytes();
    write_raw(&[&[FAILED][..], &length, text.as_bytes()].concat());
}

/// Runs in place of the worker's job.
pub(crate) const HOSTILE: Work = |root, request, sender| {
    let setting = SETTING.get().expect("set before the fork");
    pipe();
    let (job, argument) = setting.job.split_once(' ').unwrap_or((&setting.job, ""));
    match job {
        "write" => say_last(&writing(setting.fact(argument))),
        "fill" => {
            let victim = format!("{}/victim", setting.fact("open"));
            let written = open(&victim, libc::O_WRONLY | libc::O_APPEND).and_then(|fd| {
                call(
                    libc::SYS_write,
                    [fd, CANARY.as_ptr() as usize, CANARY.len()],
                )
            });
            say_last(&[("fill", written)]);
        }
        "talk" => say_last(&talking(setting)),
        "parent" => say_last(&the_parent(setting)),
        "trace" => say_last(&tracing(setting)),
        "rise" => say_last(&rising()),
        "terminal" => say_last(&terminal()),
        "multiply" => say_last(&multiplying()),
        "memory" => say_last(&memory()),
        "descriptors" => say_last(&descriptors()),
        "forbidden" => forbidden(argument),
        "limits" => {
            let limits = std::fs::read("/proc/self/limits").expect("the process's limits");
            send(sender, FAILED, &limits);
        }
        "lie" => {
            let mut index = honest(root, request);
            let (offset, number) = argument.split_once('=').expect("an offset and a number");
            let offset: usize = offset.parse().expect("an offset");
            let number: u32 = number.parse().expect("a number");
            index[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
            assert!(repair(&mut index));
            send_index(sender, &index);
        }
        "truth-and-then-nothing" => {
            send_index(sender, &honest(root, request));
            for_ever();
        }
        "damage" => {
            let mut index = honest(root, request);
            let last = index.len() - 1;
            index[last] ^= 1;
            send_index(sender, &index);
        }
        "cut" => {
            let index = honest(root, request);
            send_index(sender, &index[..index.len() / 2]);
        }
        "no-index" => send_index(sender, b"#!/bin/sh\necho no index\n"),
        "nothing" => send_index(sender, b""),
        "ten-gigabytes" => {
            announce(sender, 256 << 20);
            let part = vec![0; 1 << 20];
            for _ in 0..10 << 10 {
                send(sender, INDEX, &part);
            }
        }
        "promise" => {
            announce(sender, 256 << 20);
            send(sender, DONE, b"");
        }
        "crumbs" => {
            announce(sender, 256 << 20);
            let piece = vec![0; argument.parse().expect("a size")];
            while sender.send(INDEX, &piece).is_ok() {}
        }
        "files" => {
            let piece = [numbers(0, 0), vec![b'x'; 1 << 19]].concat();
            while sender.send(FILE, &piece).is_ok() {}
        }
        "many-files" => {
            for number in 0.. {
                let sent = sender.send(FILE, &numbers(number / FORMS, number % FORMS));
                if sent.is_err() {
                    break;
                }
            }
        }
        "view" => {
            let index = honest(root, request);
            announce(sender, index.len());
            send(sender, INDEX, &index);
            for _ in 0..64 {
                send(sender, FILE, &[numbers(0, 0), vec![b'x'; 1 << 19]].concat());
            }
            send(sender, DONE, b"");
        }
        // The largest values of everything, as costly to show as possible, and an index of so many
        // bytes.
        "everything" => {
            let index = large(argument.parse().expect("a size"));
            announce(sender, index.len());
            send(sender, INDEX, &index);
            let most = FORMS * consumers::MOST as u64;
            for number in 0..most {
                let piece = vec![b'x'; (32 << 20) / most as usize];
                send(
                    sender,
                    FILE,
                    &[numbers(number / FORMS, number % FORMS), piece].concat(),
                );
            }
            for kind in [WARNING, NOTE] {
                for _ in 0..60 {
                    let text = b"\x01".repeat(8 << 10);
                    send(sender, kind, &[numbers(0, 0), text].concat());
                }
                for _ in 0..400 {
                    send(sender, kind, &numbers(0, 0));
                }
            }
            send(sender, DONE, b"");
        }
        "remarks" => {
            let payload = [&16u64.to_le_bytes()[..], &[0; 8], &[b'/'; 5000]].concat();
            for _ in 0..100_000 {
                send(sender, WARNING, &payload);
            }
        }
        "announce" => {
            let counts = [u64::MAX; 8];
            send(sender, COUNTS, &counts.map(u64::to_le_bytes).concat());
        }
        "unchanged" => {
            send(
                sender,
                COUNTS,
                &[0, 0, 0, 0, 0, 0, 1, 0].map(u64::to_le_bytes).concat(),
            );
            send(sender, DONE, b"");
        }
        // This says that all users may read it.
        "public" => send_index(sender, &honest(root, request)),
        "garbage" => write_raw(&[0xa5; 4096]),
        "long-frame" => write_raw(&[&[PROGRESS][..], &u32::MAX.to_le_bytes(), &[0; 64]].concat()),
        "half-a-frame" => write_raw(&[&[PROGRESS][..], &16u32.to_le_bytes(), &[0; 7]].concat()),
        "done-first" => send(sender, DONE, b""),
        "index-first" => send(sender, INDEX, b"an index"),
        "counts-twice" => {
            for _ in 0..2 {
                send(sender, COUNTS, &[0; 64]);
            }
        }
        "begin-again" => send(sender, 0, &[0, 2, 1]),
        "unknown" => send(sender, 200, b""),
        "reserved" => send(sender, 9, b""),
        "refuse" => send(
            sender,
            1,
            b"\x1b]0;pwned\x07\repcache: all is well\nepcache: really",
        ),
        "panicked" => send(sender, 2, b"\x1b[2J\nepcache: all is well"),
        "failed" => send(sender, FAILED, b"\xff\x1b[2J\nepcache: all is well"),
        "crash" => {
            // SAFETY: none, on purpose.
            unsafe { std::ptr::null_mut::<u8>().write_volatile(1) }
        }
        "abort" => std::process::abort(),
        "panic" => panic!("\x1b[2Joh"),
        "exit" => {
            let _ = call(libc::SYS_exit_group, [argument.parse().expect("a status")]);
        }
        "eat" => drop(Vec::<u8>::with_capacity(8 << 30)),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "hang" => for_ever(),
        "deaf" => {
            let mut all = [u64::MAX; 1];
            let how = libc::SIG_BLOCK as usize;
            let _ = call(
                libc::SYS_rt_sigprocmask,
                [how, all.as_mut_ptr() as usize, 0, 8],
            );
            for_ever();
        }
        "close" => {
            let _ = call(libc::SYS_close, [pipe()]);
            for_ever();
        }
        "progress" => loop {
            if sender.send(PROGRESS, &[0; 16]).is_err() {
                break;
            }
        },
        other => panic!("no job {other}"),
    }
};

/// Jobs that run through the library, with limits that a test can wait for. Returns the exit
/// status.
pub(crate) fn within_bounds(setting: &Setting) -> Option<i32> {
    let (silence, time, size) = match setting.job.split_once(' ').map_or("", |(_, bound)| bound) {
        "silence" => (300, 60_000, u64::MAX),
        "time" => (60_000, 500, u64::MAX),
        "size" => (60_000, 60_000, 1 << 20),
        _ => return None,
    };
    let bounds = Bounds {
        silence: Duration::from_millis(silence),
        time: Duration::from_millis(time),
        size,
    };
    let policy = Policy::default();
    let terms = Terms {
        policy: &policy,
        bounds,
        kept: &[],
        writable: &[],
    };
    let root = Root::system();
    let request = Request::full(
        worker::Scope::Paths(Vec::new()),
        epcache::scan::Purpose::Running,
    );
    let job = Job {
        enter: Box::new(|| false),
        prepare: Box::new(|| worker::prepare(&root, &request)),
        work: Box::new(|sender| HOSTILE(&root, &request, sender)),
    };
    let done = privsep::run(terms, job, &mut |_| Ok(false)).map(drop);
    // This process goes on, as a daemon would. The worker must not.
    if waitpid(None, Some(WaitPidFlag::WNOHANG)) != Err(Errno::ECHILD) {
        return Some(LEFT_BEHIND.into());
    }
    match done {
        Ok(()) => Some(0),
        Err(trouble) => {
            eprintln!("{trouble}");
            Some(2)
        }
    }
}
