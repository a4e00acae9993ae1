//! Whose wish counts, when several runs are at work on one release at the same time.
//!
//! There is no lock: a Job that dies would leave it behind. Instead:
//!
//! - **A wish is recorded at most once by a run.** A run begins a revision by creating the record with the next number,
//!   which the API server grants to one of all who try. From then on the run knows the revision by its [`Mark`].
//! - **The newest revision counts.** Whoever finds that a later one followed its own gives its own wish up and helps to
//!   bring the classes to what the newest says ([`Turn::Theirs`]), since it may have written something in between. Whoever
//!   finds that the release was uninstalled meanwhile helps to take its classes away ([`Turn::Uninstalled`]).
//! - **Whoever wishes what is recorded already finishes it**, whether or not the one who began it still lives.
//! - **Every write is bound to what was read**: records and classes by resourceVersion. A write that comes too late is
//!   refused, and its run reads and decides again.
//! - **Before a revision is called deployed, the record of every other unfinished one is ended**, bound to the version that
//!   was read. So of two runs at work on two revisions, one at least meets a conflict, and looks again.
//! - **What a run does not write it looks at once more**, after its revision was begun ([`super::Plan::holds`]): what it
//!   took for right may have been read before another run, by now finished, changed it.
//! - **A run that only repairs drift** writes no record in which it could meet others, so it looks at the end whether the
//!   newest revision is still the one that it repaired to.
//!
//! Why every run ends: a run goes round again only if somebody else wrote in between. Each run records one wish at most,
//! so there are finitely many revisions; once the last has been begun, all runs work towards the same classes, each of
//! their writes is either made once or found made, and no write of anybody is left to make anybody go round.
//!
//! What a crash leaves: a pending record, which the next run finishes or supersedes; drift, which it repairs; or a class
//! that was deleted to be made anew with another handler, which it creates. Helm's own pending record is left to Helm for
//! as long as Helm may be at work on it ([`helm_may_be_at_work`]).
//!
//! The model in `tests/model` walks through the interleavings of small numbers of runs with this very code.

use std::time::Duration;

use jiff::Timestamp;

use crate::release::{History, Record, Status, Stored};

/// How long Helm is given to finish what it began. An upgrade of a few RuntimeClasses takes Helm a second or two, and
/// nothing is written to the record meanwhile by which life could be told from death.
const PATIENCE_WITH_HELM: Duration = Duration::from_secs(30);

/// A revision, told from one of the same number that came after an uninstall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    revision: u32,
    deployed: String,
}

impl Mark {
    /// The mark of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { revision: record.revision(), deployed: record.last_deployed().to_owned() }
    }

    /// Whether a record is of this revision.
    #[must_use]
    pub fn is_of(&self, record: &Record) -> bool {
        *self == Self::of(record)
    }
}

/// What a run is to bring the classes to.
#[derive(Debug)]
pub enum Turn<'a> {
    /// Its own wish.
    Ours,
    /// A revision that followed its own.
    Theirs(&'a Stored),
    /// Nothing: the release was uninstalled after its wish had been recorded.
    Uninstalled,
}

/// Whose turn it is by the records, for a run whose wish was recorded as `wished`, if it was.
#[must_use]
pub fn turn<'a>(history: &'a History, wished: Option<&Mark>) -> Turn<'a> {
    let Some(mark) = wished else { return Turn::Ours };
    match history.newest() {
        None if history.damaged.is_empty() => return Turn::Uninstalled,
        Some(newest) if newest.record.status() == Status::Uninstalled => return Turn::Uninstalled,
        _ => {}
    }
    // A wish that failed is its own run's affair, and that run has said so.
    let standing = history.records.iter().rev().find(|stored| stored.record.status() != Status::Failed);
    let ours_is_there = history.records.iter().any(|stored| mark.is_of(&stored.record));
    match standing {
        Some(stored) if mark.is_of(&stored.record) => Turn::Ours,
        // Ours was deleted, and what is left of the history is old: an uninstall is under way.
        Some(stored) if !ours_is_there && stored.record.status() == Status::Superseded => Turn::Uninstalled,
        Some(stored) if !ours_is_there || stored.record.revision() > mark.revision => Turn::Theirs(stored),
        _ => Turn::Ours,
    }
}

/// Whether Helm may be at work on the newest revision still. `watched` is for how long this run has seen it unchanged: a
/// clock that differs from that of Helm's machine is not waited for longer than that.
#[must_use]
pub fn helm_may_be_at_work(history: &History, now: Timestamp, watched: Duration) -> bool {
    let Some(newest) = history.newest().map(|stored| &stored.record) else { return false };
    if !newest.status().is_pending() || newest.is_by_us() {
        return false;
    }
    let age = newest.last_deployed().parse::<Timestamp>().ok().map(|begun| now.duration_since(begun));
    let abandoned = age.is_some_and(|age| age.unsigned_abs() >= PATIENCE_WITH_HELM && age.is_positive());
    !abandoned && watched < PATIENCE_WITH_HELM
}
