//! What `epcache status` says of the package manager's triggers: are they installed, are they on, and when did
//! they last run, with what result.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::duration;
use super::trigger::switched_off;
use crate::config::Config;
use crate::environment::Environment;
use crate::lookup::SYSTEM_INDEXES;
use crate::rooted::Root;
use crate::state::{self, Caller, Outcome, Run, now};
use crate::terminal::{BAD, DIM, GOOD, HEADING, Output, escape};

/// dpkg's own list of file triggers: a directory and the package to be told, a line each.
const DPKG_TRIGGERS: &str = "/var/lib/dpkg/triggers/File";
/// A larger one is none, in bytes.
const DPKG_TRIGGERS_LIMIT: usize = 16 << 20;
/// The package's name there.
const PACKAGE: &str = "epcache";

/// rpm alone can read its database. A package whose triggers call epcache installs this file with them.
const RPM_MARKER: &str = "/usr/lib/epcache/triggers.d/rpm";

/// What sees what no package manager does, and the link that enables it.
const UNITS: [(&str, &str); 2] = [
    ("epcache.path", "multi-user.target.wants/epcache.path"),
    ("epcache.timer", "timers.target.wants/epcache.timer"),
];
/// Where systemd looks for units, and for such links.
const UNIT_DIRECTORIES: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// What there is to say.
#[derive(Debug, Default, Serialize)]
pub(super) struct Triggers {
    /// The package managers that call epcache.
    pub(super) installed: Vec<Caller>,
    /// Why they are to do nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) switched_off: Option<&'static str>,
    /// systemd's units that are installed, and whether they are enabled.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) units: BTreeMap<&'static str, bool>,
    /// The last run of each that ever ran.
    pub(super) last_runs: BTreeMap<Caller, Run>,
}

impl Triggers {
    pub(super) fn look(root: &Root, config: &Config, environment: &Environment) -> Self {
        let mut installed = Vec::new();
        if dpkg_has_triggers(root) {
            installed.push(Caller::Dpkg);
        }
        if root.is_file(Path::new(RPM_MARKER)) {
            installed.push(Caller::Rpm);
        }
        Self {
            installed,
            switched_off: switched_off(config, environment),
            units: units(root),
            last_runs: state::read(root, &SYSTEM_INDEXES.map(Path::new)),
        }
    }

    /// Whether there is nothing to say but that none are installed.
    pub(super) fn is_empty(&self) -> bool {
        self.installed.is_empty()
            && self.switched_off.is_none()
            && self.units.is_empty()
            && self.last_runs.is_empty()
    }

    pub(super) fn print(&self, output: &mut Output) -> std::io::Result<()> {
        write!(output, "{HEADING}Triggers{HEADING:#}: ")?;
        if self.installed.is_empty() {
            write!(output, "{DIM}not installed{DIM:#}")?;
        } else {
            let names: Vec<_> = self.installed.iter().map(|name| name.word()).collect();
            write!(output, "installed for {}", names.join(" and "))?;
        }
        if let Some(why) = self.switched_off {
            write!(output, ", {BAD}switched off{BAD:#}: {why}")?;
        }
        writeln!(output)?;
        for (unit, enabled) in &self.units {
            let (style, word) = if *enabled {
                (GOOD, "enabled")
            } else {
                (DIM, "disabled")
            };
            writeln!(output, "  {style}{word:<10}{style:#} {unit}")?;
        }
        for (caller, run) in &self.last_runs {
            let style = if run.result == Outcome::Failed {
                BAD
            } else {
                GOOD
            };
            writeln!(
                output,
                "  {style}{:<10}{style:#} {}  {DIM}{} ago, in {} ms{DIM:#}",
                run.result.word(),
                caller.word(),
                duration(now().saturating_sub(run.time)),
                run.duration_ms
            )?;
            if !run.sandbox.is_empty() {
                writeln!(output, "             {DIM}{}{DIM:#}", escape(&run.sandbox))?;
            }
            if !run.message.is_empty() {
                writeln!(output, "             {}", escape(&run.message))?;
            }
        }
        Ok(())
    }
}

/// The units that are installed, and whether they are enabled.
fn units(root: &Root) -> BTreeMap<&'static str, bool> {
    let somewhere = |name: &str, is_there: &dyn Fn(&Path) -> bool| {
        UNIT_DIRECTORIES
            .map(Path::new)
            .iter()
            .any(|directory| is_there(&directory.join(name)))
    };
    // A link to a unit may lead nowhere below a root of its own; a mask is a link to /dev/null.
    let is_link = |path: &Path| root.read_link(path).is_ok();
    UNITS
        .into_iter()
        .filter(|(unit, _)| somewhere(unit, &|path| root.is_file(path)))
        .map(|(unit, link)| (unit, somewhere(link, &is_link)))
        .collect()
}

fn dpkg_has_triggers(root: &Root) -> bool {
    let list = root.read(Path::new(DPKG_TRIGGERS), DPKG_TRIGGERS_LIMIT);
    String::from_utf8_lossy(&list.unwrap_or_default())
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .any(|(_, package)| package.split(['/', ':']).next() == Some(PACKAGE))
}
