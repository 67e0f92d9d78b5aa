//! Holds a result to the size of the file that it was made from.
//!
//! Passes weigh what a change saves against what it costs, but only the lowered file tells: it
//! aligns constants that another writer packed, and shares what that one wrote twice.

use tfq_ir::{DEQUANT_CACHE_METADATA, DequantCache, Edit, Module, counted, grouped};
use tfq_pass::{Remark, RemarkKind, Report, Room};
use tfq_tflite::{Image, LowerError, LowerOptions};

/// The pass that records what the runtime keeps.
const RECORDER: &str = "annotate-dequant-cache";

/// The rule by which something is undone.
const LARGER: &str = "larger";

/// The rule by which the record is left out.
const NO_ROOM: &str = "no room for the record";

/// How large a file may become.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    came: u64,
    most: u64,
}

impl Limit {
    /// As large as it came; with `may_grow` larger by what ops take that are there for time: some thirty
    /// of a small model, and next to nothing of a large one.
    pub(crate) fn new(came: u64, may_grow: bool) -> Self {
        let growth = if may_grow { (came / 50).max(5 << 10) } else { 0 };
        Self { came, most: came + growth }
    }

    /// What passes are told: they know by estimate what they add, and what goes beyond the limit is
    /// undone.
    pub(crate) fn room(self) -> Option<Room> {
        let growth = self.most - self.came;
        (growth > 0).then_some(Room(growth - growth / 8))
    }
}

/// As much of what a run made as takes no more than a limit, with its image, which was made to be
/// measured.
pub(crate) enum Bounded {
    /// All of it.
    Whole(Image),
    /// It without the record that the run put into its metadata.
    Bare(Box<Module>, Image),
    /// Nothing: the model stays as it came, instead of growing by so many bytes.
    Undone(u64),
}

/// Holds a result to a limit, unless it has to be larger; `record` is that of the model that the
/// run began with.
pub(crate) fn bounded<E: From<LowerError>>(
    result: &Module,
    record: Option<&DequantCache>,
    report: &mut Report,
    lower: &LowerOptions,
    limit: Limit,
    has_to: impl FnOnce() -> Result<bool, E>,
) -> Result<Bounded, E> {
    let image = tfq_tflite::lower(result, lower)?;
    let full = image.len();
    if full <= limit.most {
        return Ok(Bounded::Whole(image));
    }
    if result.dequant_cache().is_some() && record.is_none() {
        let mut bare = result.clone();
        bare.apply(Edit::dequant_cache(None)).expect("it can be done to every module");
        let image = tfq_tflite::lower(&bare, lower)?;
        if image.len() <= limit.most {
            let why = format!("with it the file would take {}", more(full, limit));
            forget_record(report, why);
            return Ok(Bounded::Bare(Box::new(bare), image));
        }
    }
    if has_to()? {
        return Ok(Bounded::Whole(image));
    }
    undo(report, full, limit);
    Ok(Bounded::Undone(full - limit.came))
}

/// Says what the record of cached Dequantize results costs, where the run brought it.
pub(crate) fn tell_of_record(module: &Module, before: Option<&DequantCache>, report: &mut Report) {
    if module.dequant_cache().as_ref() == before {
        return;
    }
    let Some(bytes) = tfq_tflite::dequant_cache_bytes(module) else { return };
    let Some(pass) = report.passes.iter_mut().rev().find(|pass| pass.name == RECORDER) else {
        return;
    };
    pass.statistics.insert("dequantize-record-bytes".into(), bytes);
    pass.remarks.push(Remark {
        kind: RemarkKind::Note,
        rule: "recorded".into(),
        place: record_place(),
        message: format!("the record takes {} of the file", counted(bytes, "byte")),
    });
}

fn more(full: u64, Limit { came, most }: Limit) -> String {
    let may = if most > came { format!(" and may take {}", grouped(most)) } else { String::new() };
    format!("{}, and it had {}{may}", counted(full, "byte"), grouped(came))
}

fn record_place() -> String {
    format!("metadata `{DEQUANT_CACHE_METADATA}`")
}

fn forget_record(report: &mut Report, why: String) {
    let passes = report.passes.iter_mut().rev();
    for pass in passes.filter(|pass| pass.name == RECORDER).take(1) {
        let (rule, place) = (NO_ROOM.into(), record_place());
        pass.remarks.push(Remark { kind: RemarkKind::Missed, rule, place, message: why.clone() });
    }
}

/// Lets the report say that the model stays as it came.
fn undo(report: &mut Report, full: u64, limit: Limit) {
    for pass in &mut report.passes {
        pass.patches = 0;
        pass.changed = false;
        pass.bytes_saved = 0;
        pass.statistics.clear();
        pass.rules.clear();
        if pass.name == RECORDER {
            // It tells of ops that are not there.
            pass.remarks.clear();
        }
        match std::mem::take(&mut pass.unkept) {
            0 => (),
            undone => _ = pass.left.insert(LARGER.into(), undone),
        }
        // A finding is about ops and constants as they would have been.
        pass.remarks.retain(|remark| remark.kind != RemarkKind::Note);
        for remark in pass.remarks.iter_mut().filter(|r| r.kind == RemarkKind::Applied) {
            remark.kind = RemarkKind::Missed;
            let was = std::mem::take(&mut remark.message);
            let rule = std::mem::replace(&mut remark.rule, LARGER.into());
            remark.message = format!(
                "{rule}: {was}; undone, since the file would take {}; \
                 name the passes with --passes to have it all the same",
                more(full, limit)
            );
        }
    }
}
