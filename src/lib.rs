//! epcache: `updatedb` and `locate` for Python entry points.
//!
//! A small program, started by the system's package manager, reads the metadata of every installed
//! Python distribution as data, and publishes one read-only index. Any program then finds plugins
//! and console scripts by opening one file instead of hundreds.
//!
//! The library consists of the program's rooms. Data flows through them in one direction. A room
//! only calls rooms further down in this list (`tests/rooms.rs` checks that):
//!
//! - [`commands`]: one file per subcommand; calls the rooms below, and prints
//! - [`cli`]: the arguments of the commands
//! - [`trigger`]: makes a request of what a package manager reports
//! - [`worker`]: makes the bytes of an index from a request; does not print or write
//! - [`check`]: what is wrong with installed packages; does not print
//! - [`consumers`]: the programs registered for some entry points, and the files for them
//! - [`lookup`]: which record answers for an entry of `sys.path`, and their joint answer
//! - [`layout`]: which search directories exist
//! - [`environment`]: the user's settings; [`config`]: the administrator's settings
//! - [`scan`]: makes one record from one search directory
//! - [`freshness`]: whether a record is still true
//! - [`index`]: the format
//! - [`state`] and [`journal`]: the results of the last runs
//! - [`publish`]: replaces a file at once
//! - [`privsep`]: a child process that works without any other rights
//! - [`rooted`]: the file tree below a root
//! - `waiting`: waits that end
//! - `json`, [`terminal`]: output; `owner`, `parallel`: users and threads
//! - `process`: what the kernel reports about this process
//! - [`metadata`]: the grammars, and which characters are control characters

pub mod check;
pub mod cli;
pub mod commands;
pub mod config;
pub mod consumers;
pub mod environment;
pub mod freshness;
pub mod index;
pub mod journal;
mod json;
pub mod layout;
pub mod lookup;
pub mod metadata;
mod owner;
mod parallel;
pub mod privsep;
mod process;
pub mod publish;
pub mod rooted;
pub mod scan;
pub mod state;
pub mod terminal;
pub mod trigger;
mod waiting;
pub mod worker;
