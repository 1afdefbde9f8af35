//! The process that reads packages can do nothing else: no package code is executed, nothing is
//! read as root, and the process has given up all other rights.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at what it does not expect"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "separation/execution.rs"]
mod execution;
#[path = "separation/parent.rs"]
mod parent;
#[path = "separation/reading.rs"]
mod reading;
#[path = "support/separation.rs"]
mod separation;
#[path = "separation/worker.rs"]
mod worker;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cli::{NOBODY, Tree, left_out, root_for, run, set_mode};
use epcache::privsep::{self, Bounds, Job, Policy, Privileges, Terms};
use nix::errno::Errno;
use nix::libc;
use separation::{Call, StuckMount, calls, can_trace, contains, traced, unread};

const SITE: &str = "root/usr/lib/python3.11/site-packages";

/// A user who is neither root nor [`NOBODY`].
const STRANGER: u32 = 1234;
