//! `rootsmith store`.

use std::fmt::Write;
use std::time::Duration;

use indicatif::DecimalBytes;

use crate::cli::args::{GcArgs, StoreCommand};
use crate::cli::{Answer, Session};
use crate::error::Error;
use crate::ops::store::{Listing, TidyOptions, TidyReport, VerifyReport, list, tidy, verify};

/// Does what was asked of the store.
pub fn run(command: &StoreCommand, session: &Session) -> Result<Answer, Error> {
    match command {
        StoreCommand::Ls { blobs, json } => {
            let listing = list(&session.store()?, *blobs);
            Ok(if *json { Answer::json(&listing) } else { Answer::new(listing_text(&listing)) })
        }
        StoreCommand::Gc(arguments) => {
            let root = session.environment.store_folder(session.global.store.as_deref())?;
            let report = tidy(&root, options(arguments))?;
            Ok(if arguments.json { Answer::json(&report) } else { Answer::new(tidied_text(&report)) })
        }
        StoreCommand::Verify { json } => {
            let report = verify(&session.store()?, session.reporter.as_ref())?;
            let answer = if *json { Answer::json(&report) } else { Answer::new(verified_text(&report)) };
            Ok(if report.damaged.is_empty() { answer } else { answer.no() })
        }
    }
}

fn options(arguments: &GcArgs) -> TidyOptions {
    let days = Duration::from_secs(24 * 60 * 60) * arguments.older_than;
    TidyOptions { unused_for: (!arguments.all).then_some(days), wait: arguments.wait, dry_run: arguments.dry_run }
}

// Writing to a string cannot fail, so that its results are dropped below.

fn listing_text(listing: &Listing) -> String {
    let mut text = String::new();
    for blob in listing.blobs.iter().flatten() {
        let _ = writeln!(text, "{} {:>12}", blob.digest, blob.size);
    }
    let usage = &listing.usage;
    let _ = writeln!(text, "{}", listing.root.display());
    let rows = [
        ("blobs", usage.blobs, usage.blob_bytes),
        ("remembered results", usage.memos, usage.memo_bytes),
        ("unfinished downloads", usage.unfinished, usage.unfinished_bytes),
    ];
    for (name, count, bytes) in rows {
        let _ = writeln!(text, "{count:>8} {name:<20} {:>10}", DecimalBytes(bytes).to_string());
    }
    text
}

fn tidied_text(report: &TidyReport) -> String {
    let sum = |usage: &crate::store::Usage| {
        let bytes = DecimalBytes(usage.blob_bytes + usage.memo_bytes + usage.unfinished_bytes);
        format!("{} files, {bytes}", usage.blobs + usage.memos + usage.unfinished)
    };
    let (removed, left) = (sum(&report.tidied.removed), sum(&report.tidied.left));
    match report.dry_run {
        true => format!("would remove {removed}; would leave {left}\n"),
        false => format!("removed {removed}; left {left}\n"),
    }
}

fn verified_text(report: &VerifyReport) -> String {
    let mut text = String::new();
    for damage in &report.damaged {
        let _ = writeln!(text, "removed {}: {}", damage.path.display(), damage.reason);
    }
    let (read, bytes) = (report.read, DecimalBytes(report.read_bytes));
    let _ = writeln!(text, "{read} files read, {bytes}; {} damaged", report.damaged.len());
    text
}
