//! Writes one line to the system's journal, or to syslog.
//!
//! The input is a message, the output is a datagram to journald's own socket or to `/dev/log`. If
//! nothing listens there, or reads fast enough, the message is lost. epcache does not wait for it
//! or fail.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

const JOURNAL: &str = "/run/systemd/journal/socket";
const SYSLOG: &str = "/dev/log";

/// Reports a failure, in one line without control characters.
pub fn error(message: &str) {
    // A chroot may have the host's /run and /dev. Its failures do not belong in the host's journal.
    if is_chroot() {
        return;
    }
    let _ = send(
        JOURNAL,
        &format!("PRIORITY=3\nSYSLOG_IDENTIFIER=epcache\nMESSAGE={message}\n"),
    )
    .or_else(|_| {
        // Facility daemon (3), severity error (3); RFC 3164 without the time, which the receiver
        // adds.
        let process = std::process::id();
        send(SYSLOG, &format!("<27>epcache[{process}]: {message}"))
    });
}

fn send(socket: &str, datagram: &str) -> io::Result<usize> {
    let ours = UnixDatagram::unbound()?;
    ours.set_nonblocking(true)?;
    ours.send_to(datagram.as_bytes(), socket)
}

/// Whether this process has another root than the first process. True without /proc, which chroots
/// often lack. False if the first process cannot be inspected, because then it is not known.
fn is_chroot() -> bool {
    let root = |path| std::fs::metadata(path).map(|root| (root.dev(), root.ino()));
    match (root("/"), root("/proc/1/root/.")) {
        (Ok(ours), Ok(first)) => ours != first,
        (_, Err(error)) => error.kind() != io::ErrorKind::PermissionDenied,
        (Err(_), _) => true,
    }
}
