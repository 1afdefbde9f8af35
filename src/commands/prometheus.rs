//! `epcache status` as metrics, for node_exporter's textfile collector: the text format of Prometheus, version 0.0.4.
//!
//! In comes the report, out go lines. Times are points in time, not ages, and states are 0 or 1, so that the file says
//! the same until something changes.

use std::io::Write;

use super::status::Report;
use super::status::words::{FRESH, MISSING};
use crate::state::Outcome;
use crate::terminal::Output;

/// A metric's samples: labels and value.
type Samples = Vec<(Vec<(&'static str, String)>, f64)>;

pub(super) fn print(report: &Report, output: &mut Output) -> std::io::Result<()> {
    let mut metric = |name: &str, help: &str, samples: Samples| {
        if samples.is_empty() {
            return Ok(());
        }
        writeln!(output, "# HELP epcache_{name} {help}")?;
        writeln!(output, "# TYPE epcache_{name} gauge")?;
        for (labels, value) in samples {
            let labels: Vec<_> = labels
                .iter()
                .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)))
                .collect();
            let braces = match labels.is_empty() {
                true => String::new(),
                false => format!("{{{}}}", labels.join(",")),
            };
            writeln!(output, "epcache_{name}{braces} {value}")?;
        }
        Ok(())
    };
    let version = ("version", report.version.to_owned());
    let yes = |is: bool| f64::from(u8::from(is));
    metric(
        "build_info",
        "The version of epcache, as a label.",
        vec![(vec![version], 1.0)],
    )?;
    metric(
        "fresh",
        "Whether every search directory is in a fresh index.",
        vec![(Vec::new(), yes(report.fresh))],
    )?;
    let there = || {
        let there = report.indexes.iter().filter(|index| index.state != MISSING);
        there.map(|index| {
            let kind = ("kind", index.kind.to_owned());
            (vec![("path", index.path.shown()), kind], index)
        })
    };
    metric(
        "index_fresh",
        "Whether all that an index says is true.",
        there()
            .map(|(labels, index)| (labels, yes(index.state == FRESH)))
            .collect(),
    )?;
    metric(
        "index_suspect",
        "Whether a later refresh has failed, or is at work.",
        there()
            .map(|(labels, index)| (labels, yes(index.suspect)))
            .collect(),
    )?;
    metric(
        "index_modified_timestamp_seconds",
        "When an index was published.",
        there()
            .filter_map(|(labels, index)| Some((labels, index.modified? as f64)))
            .collect(),
    )?;
    metric(
        "index_size_bytes",
        "The size of an index.",
        there()
            .filter_map(|(labels, index)| Some((labels, index.size? as f64)))
            .collect(),
    )?;
    let records = || {
        there().flat_map(|(labels, index)| {
            index.records.iter().map(move |record| {
                let directory = ("directory", record.path.shown());
                let index = labels.first().map(|(_, path)| ("index", path.clone()));
                (Vec::from_iter([directory].into_iter().chain(index)), record)
            })
        })
    };
    metric(
        "record_fresh",
        "Whether what an index says of a search directory is true.",
        records()
            .map(|(labels, record)| (labels, yes(record.state == FRESH)))
            .collect(),
    )?;
    metric(
        "record_distributions",
        "Distributions of a search directory in an index.",
        records()
            .map(|(labels, record)| (labels, f64::from(record.distributions)))
            .collect(),
    )?;
    metric(
        "record_entry_points",
        "Entry points of a search directory in an index.",
        records()
            .map(|(labels, record)| (labels, f64::from(record.entry_points)))
            .collect(),
    )?;
    metric(
        "directory_indexed",
        "Whether a search directory of this system is in any index.",
        report
            .directories
            .iter()
            .map(|directory| {
                let labels = vec![("directory", directory.path.shown())];
                (labels, yes(directory.state != MISSING))
            })
            .collect(),
    )?;
    let triggers = &report.triggers;
    metric(
        "trigger_installed",
        "Whether a package manager calls epcache.",
        triggers
            .installed
            .iter()
            .map(|caller| (vec![("caller", caller.word().to_owned())], 1.0))
            .collect(),
    )?;
    metric(
        "triggers_enabled",
        "Whether triggers are to refresh the index.",
        vec![(Vec::new(), yes(triggers.switched_off.is_none()))],
    )?;
    metric(
        "unit_enabled",
        "Whether a systemd unit is to be started at boot.",
        triggers
            .units
            .iter()
            .map(|(unit, enabled)| (vec![("unit", (*unit).to_owned())], yes(*enabled)))
            .collect(),
    )?;
    let runs = || {
        let runs = triggers.last_runs.iter();
        runs.map(|(caller, run)| (vec![("caller", caller.word().to_owned())], run))
    };
    metric(
        "last_run_timestamp_seconds",
        "When the system index was last to be refreshed.",
        runs()
            .map(|(labels, run)| (labels, run.time as f64))
            .collect(),
    )?;
    metric(
        "last_run_failed",
        "Whether that failed.",
        runs()
            .map(|(labels, run)| (labels, yes(run.result == Outcome::Failed)))
            .collect(),
    )?;
    metric(
        "last_run_duration_seconds",
        "How long it took.",
        runs()
            .map(|(labels, run)| (labels, run.duration_ms as f64 / 1000.0))
            .collect(),
    )
}

/// A label's value, as the format has it; file names that are not UTF-8 become readable ones.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
