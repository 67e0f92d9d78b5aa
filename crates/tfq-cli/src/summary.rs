//! What was done, for people and for machines.

mod weights;

use super::diagnostics::named;
use super::model::is_standard;
use super::shown::standard_error;
use super::tool;
use super::verify::Verified;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tfq_ir::{Applied, counted, grouped};
use tfq_opt::Optimized;
use tfq_opt::pass::{
    NeededSize, PassReport, RaisedRuntime, Remark, RemarkKind, RuleCount, Timeline, Why,
};
use tfq_opt::passes::IdlePatterns;
use tfq_opt::target::Target;
use tfq_text::{visible, visible_quoted};

/// What the user asked for, as far as it is told again or says what to tell.
#[derive(Default)]
pub(crate) struct Run<'a> {
    pub(crate) target: String,
    pub(crate) dry_run: bool,
    /// Whether the user named the passes.
    pub(crate) passes_named: bool,
    pub(crate) timing: bool,
    /// The option that says how ops are to read weights, or that a plan does.
    pub(crate) asked: Option<String>,
    /// What the user could ask for where constants are left unchanged, by the reason for that.
    pub(crate) hints: Vec<(&'static str, String)>,
    /// The pass whose remarks are wanted, or `""` for those of all; `None` where none are.
    pub(crate) remarks: Option<&'a str>,
}

/// Edits that were applied in the place of passes.
pub(crate) struct Replayed {
    pub(crate) file: String,
    pub(crate) edits: usize,
    /// Entries of records of what was erased, which are not written.
    pub(crate) erased_entries: usize,
}

/// Where the edits of a run are written, and the bytes that they name by hash.
pub(crate) struct Written {
    pub(crate) edits: PathBuf,
    pub(crate) side_file: Option<PathBuf>,
}

pub(crate) struct Summary<'a> {
    pub(crate) run: Run<'a>,
    pub(crate) replayed: Option<Replayed>,
    /// The file that the model is from.
    pub(crate) input: String,
    pub(crate) timeline: &'a Timeline,
    pub(crate) optimized: &'a Optimized,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// What running it showed, if that was asked for.
    pub(crate) verified: Option<&'a Verified>,
    /// Where the model was written, if it was.
    pub(crate) output: Option<&'a Path>,
    /// Where its constants were written, if apart from it.
    pub(crate) side_file: Option<PathBuf>,
    /// Files with constants of it that have to be brought to its folder.
    pub(crate) goes_along: Vec<String>,
    /// Where its edits were written, if they were.
    pub(crate) edits: Option<Written>,
}

/// The rules by which the run undoes changes, and leaves out the record of what the runtime keeps.
pub(crate) const UNDONE: &str = "larger";
const NO_ROOM: &str = "no room for the record";

/// How many places for which the target refuses the model are told of.
const MOST_REFUSALS: usize = 5;

impl Summary<'_> {
    /// Tells it in the way that the user asked for.
    pub(crate) fn tell(&self, json: bool, quiet: bool) -> io::Result<()> {
        match (json, quiet) {
            (true, _) => self.json(&mut io::stdout().lock()),
            (false, true) => Ok(()),
            (false, false) => self.text(&mut standard_error()),
        }
    }

    fn text(&self, out: &mut impl Write) -> io::Result<()> {
        let report = &self.optimized.report;
        let input = &self.input;
        let percent = 100.0 * self.bytes_out as f64 / self.bytes_in.max(1) as f64;
        let (before, after) = (grouped(self.bytes_in), grouped(self.bytes_out));
        writeln!(out, "{input}: {before} to {after} bytes ({percent:.1} %)")?;
        if let Some(Replayed { file, edits, erased_entries }) = &self.replayed {
            writeln!(out, "  {} of {file}", counted(*edits, "edit"))?;
            if *erased_entries > 0 {
                let entries = match erased_entries {
                    1 => "1 entry of a record is of what was erased, and is".to_owned(),
                    n => format!(
                        "{} entries of records are of what was erased, and are",
                        grouped(*n as u64)
                    ),
                };
                writeln!(out, "  {entries} not written")?;
            }
        }
        if let Some((kept, patches)) = self.optimized.kept {
            let kept = grouped(kept as u64);
            writeln!(out, "  kept {kept} of {}", counted(patches, "patch"))?;
            return self.whereabouts(out);
        }
        let count = |name| report.statistic(name);
        self.dequantized(out)?;
        if count("constants-quantized") > 0 {
            let constants = counted(count("constants-quantized") as usize, "constant");
            writeln!(
                out,
                "  {constants} quantised, {} to {} bytes",
                grouped(count("constant-bytes-before")),
                grouped(count("constant-bytes-after")),
            )?;
        }
        let told = [
            (count("ops-rewritten"), "rewritten"),
            (count("ops-merged"), "merged with equal ones"),
            (count("ops-dropped"), "dropped that nobody reads"),
        ];
        let changed: Vec<String> = told
            .into_iter()
            .filter(|(ops, _)| *ops > 0)
            .map(|(ops, how)| format!("{} {how}", counted(ops as usize, "op")))
            .collect();
        if count("ops-rewritten") + count("ops-merged") > 0 {
            writeln!(out, "  {}", changed.join(", "))?;
        }
        self.reread(out)?;
        self.inserted(out)?;
        if let Some(RaisedRuntime { from, to, by }) = &report.raised_runtime {
            let cap = Target::keeping_to(from, to).and_then(|(cap, _)| Target::named(cap));
            let of_family = self.run.target == "litert" || self.run.target.starts_with("litert-");
            let tool = tool::name();
            let older = match cap.filter(|cap| of_family && self.is_of_use(cap)) {
                Some(cap) => format!(
                    " (--target={} writes for older ones, `{tool} targets` lists them)",
                    cap.name()
                ),
                None => String::new(),
            };
            writeln!(out, "  needs TensorFlow Lite {to} for {by}; the input needs {from}{older}")?;
        }
        self.growth(out)?;
        for (rule, skipped) in self.optimized.report.left_by_rule() {
            let hint = self.hint(rule);
            let skipped = match rule {
                // Told as what it is.
                UNDONE | NO_ROOM => continue,
                "large bias" => counted(skipped, rule),
                rule => format!("{} {rule}", grouped(skipped)),
            };
            writeln!(out, "  left unchanged: {skipped}{hint}")?;
        }
        let (target, result) = (&self.run.target, self.optimized);
        let (of_signatures, refused): (Vec<_>, Vec<_>) =
            result.unloadable.iter().partition(|one| one.by_signature_only);
        first_few(out, &format!("not run by {target} through the signature"), &of_signatures)?;
        // A model that is not even loaded has the same faults twice.
        match refused.is_empty() {
            true => {
                first_few(out, &format!("not run by {target}, as it came"), &result.unrunnable)?
            }
            false => first_few(out, &format!("not taken by {target}"), &refused)?,
        }
        self.idle_passes(out)?;
        self.whereabouts(out)
    }

    /// Patterns of names to keep that fit no weight.
    fn idle_patterns(&self) -> Vec<&str> {
        let idle = self.optimized.report.products.get::<IdlePatterns>();
        idle.map_or(&[][..], |idle| &idle.0).iter().map(|idle| idle.pattern.as_str()).collect()
    }

    /// What the user could ask for, behind what it is about.
    fn hint(&self, rule: &str) -> String {
        let hint = self.run.hints.iter().find(|(of, _)| *of == rule);
        hint.map_or(String::new(), |(_, hint)| format!("; {hint}"))
    }

    fn whereabouts(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(verified) = self.verified {
            writeln!(out, "  verified: {verified}")?;
        }
        let constants = |side: &Option<PathBuf>, whose| match side {
            Some(side) => format!(", {whose} constants to {}", named(side)),
            None => String::new(),
        };
        match self.output {
            Some(output) if is_standard(output) => (),
            Some(output) => {
                let constants = constants(&self.side_file, "its");
                writeln!(out, "  written to {}{constants}", named(output))?;
            }
            None if self.run.dry_run => writeln!(out, "  nothing written: --dry-run")?,
            None if self.edits.is_some() => writeln!(out, "  no model written: give -o FILE")?,
            None => writeln!(out, "  nothing written: give -o FILE")?,
        }
        if !self.goes_along.is_empty() {
            let files: Vec<_> = self.goes_along.iter().map(|name| visible_quoted(name)).collect();
            writeln!(out, "  needs its constants beside it: {}", files.join(", "))?;
        }
        match &self.edits {
            Some(Written { edits, side_file }) if !is_standard(edits) => {
                let constants = constants(side_file, "their");
                writeln!(out, "  edits written to {}{constants}", named(edits))
            }
            _ => Ok(()),
        }
    }

    /// Passes that the user named and that found nothing to do, with what came nearest.
    fn idle_passes(&self, out: &mut impl Write) -> io::Result<()> {
        let named = |pass: &&PassReport| self.run.passes_named && !pass.changed;
        for pass in self.optimized.report.passes.iter().filter(named) {
            let missed = pass.remarks.iter().find(|remark| remark.kind == RemarkKind::Missed);
            match (&pass.nearest, missed) {
                (Some(near), _) => writeln!(
                    out,
                    "  {} changed nothing, 0 of {}; nearest: {} at {}: {}",
                    pass.name,
                    counted(pass.candidates, "candidate"),
                    near.rule,
                    near.place,
                    near.reason
                )?,
                (None, Some(remark)) => writeln!(
                    out,
                    "  {} changed nothing; for example {}: {}",
                    pass.name, remark.place, remark.message
                )?,
                (None, None) => writeln!(out, "  {} changed nothing", pass.name)?,
            }
        }
        Ok(())
    }

    pub(crate) fn stats(&self, out: &mut impl Write) -> io::Result<()> {
        for pass in &self.optimized.report.passes {
            let sign = if pass.bytes_saved < 0 { "-" } else { "" };
            let saved = grouped(pass.bytes_saved.unsigned_abs());
            writeln!(
                out,
                "{}: {}, {sign}{saved} bytes of constants saved",
                pass.name,
                counted(pass.patches, "patch")
            )?;
            for (rule, RuleCount { applied, refused }) in &pass.rules {
                let refused = match refused {
                    0 => String::new(),
                    n => format!(", refused {n}"),
                };
                writeln!(out, "  {applied:>7}  {rule}{refused}")?;
            }
        }
        Ok(())
    }

    /// What the rules of a pass found at a tensor.
    pub(crate) fn why(&self, out: &mut impl Write, why: &Why) -> io::Result<()> {
        let (pass, tensor) = (&why.pass, visible(&why.tensor));
        let passes = || self.optimized.report.passes.iter().filter(|p| p.name == *pass);
        let mut told = false;
        for report in passes() {
            for answer in &report.answers {
                let tfq_opt::pass::Answer { rule, place, outcome } = answer;
                writeln!(out, "{pass}@{tensor}: {place}: {rule}: {outcome}")?;
                told = true;
            }
            let quoted = format!("`{tensor}`");
            let about = |remark: &&Remark| {
                remark.place.contains(&quoted) || remark.message.contains(&quoted)
            };
            for remark in report.remarks.iter().filter(about) {
                let (kind, rule) = (kind(remark), &remark.rule);
                writeln!(
                    out,
                    "{pass}@{tensor}: {}: {kind} ({rule}): {}",
                    remark.place, remark.message
                )?;
                told = true;
            }
        }
        if told { Ok(()) } else { writeln!(out, "{pass}@{tensor}: no rule begins there") }
    }

    /// Which patches made or changed each op and tensor that is not as the file had it.
    pub(crate) fn provenance(&self, out: &mut impl Write) -> io::Result<()> {
        let module = &self.optimized.module;
        let by = |patches: &[&Applied]| {
            let name = |patch: &&Applied| {
                format!("{}: {}", patch.pass().map_or("?", |pass| pass), patch.label())
            };
            let mut names: Vec<String> = patches.iter().map(name).collect();
            names.dedup();
            names.join("; ")
        };
        for (sg, graph) in module.subgraphs() {
            let ops = module.op_origins(sg);
            for op in graph.ops() {
                if let Some(patches) = ops.get(&op) {
                    writeln!(out, "{}: {}", module.op_place(sg, op), by(patches))?;
                }
            }
            let tensors = module.tensor_origins(sg);
            for id in graph.tensors() {
                if let Some(patches) = tensors.get(&id) {
                    writeln!(out, "{}: {}", module.tensor_place(sg, id), by(patches))?;
                }
            }
        }
        Ok(())
    }

    fn json(&self, out: &mut impl Write) -> io::Result<()> {
        let report = &self.optimized.report;
        let mut statistics = Map::new();
        for pass in &report.passes {
            for (name, value) in &pass.statistics {
                let sum = statistics.get(&**name).and_then(Value::as_u64).unwrap_or(0) + value;
                statistics.insert(name.to_string(), sum.into());
            }
        }
        let passes: Vec<Value> = report
            .passes
            .iter()
            .map(|pass| {
                json!({
                    "name": pass.name,
                    "patches": pass.patches,
                    "rules": rules(pass),
                    "bytes_saved": pass.bytes_saved,
                    "seconds": pass.time.as_secs_f64(),
                    "verify_seconds": pass.verify_time.as_secs_f64(),
                })
            })
            .collect();
        let mut object = json!({
            "input": self.input,
            "output": self.output.map(named),
            "side_file": self.side_file.as_ref().map(named),
            "bytes_before": self.bytes_in,
            "bytes_after": self.bytes_out,
            "statistics": statistics,
            "skipped": self.optimized.report.left_by_rule(),
            "idle_patterns": self.idle_patterns(),
            "passes": passes,
        });
        if !self.goes_along.is_empty() {
            object["needs_beside"] = json!(self.goes_along);
        }
        if let Some(Replayed { file, edits, erased_entries: erased }) = &self.replayed {
            object["replayed"] =
                json!({ "file": file, "edits": edits, "erased_record_entries": erased });
        }
        if let Some(Written { edits, side_file }) = &self.edits {
            object["edits"] =
                json!({ "file": named(edits), "side_file": side_file.as_ref().map(named) });
        }
        if let Some(RaisedRuntime { from, to, by }) = &report.raised_runtime {
            object["min_runtime"] = json!({ "before": from, "after": to, "by": by });
        }
        if let Some(verified) = self.verified {
            object["verified"] = verified.json();
        }
        let fault = |place: &str, what: &str| json!({ "place": place, "what": what });
        if !self.optimized.unloadable.is_empty() {
            let refusals = self.optimized.unloadable.iter();
            object["unloadable"] = refusals.map(|one| fault(&one.place, &one.what)).collect();
        }
        if !self.optimized.unrunnable.is_empty() {
            let faults = self.optimized.unrunnable.iter();
            object["unrunnable"] = faults.map(|one| fault(&one.place, &one.what)).collect();
        }
        if let Some(one) = &self.optimized.mended {
            object["mended"] = fault(&one.place, &one.what);
        }
        if self.optimized.report.products.get::<NeededSize>().is_some() {
            object["did_not_run"] = true.into();
        }
        if let Some(by) = self.optimized.undone {
            object["undone_growth"] = by.into();
        }
        if self.run.timing {
            object["timing"] = super::timing::json(self.timeline);
        }
        if let Some((kept, patches)) = self.optimized.kept {
            object["kept_patches"] = json!({ "kept": kept, "of": patches });
        }
        if let Some(filter) = self.run.remarks {
            let remarks: Vec<Value> =
                self.chosen(filter).map(|(pass, r)| remark_json(pass, r)).collect();
            object["remarks"] = remarks.into();
        }
        write!(out, "{}", super::json::json_text(&object))
    }

    pub(crate) fn remarks(&self, out: &mut impl Write, filter: &str) -> io::Result<()> {
        let module = &self.optimized.module;
        for (sg, id, why) in module.oddities().filter(|_| filter.is_empty()) {
            let place = module.tensor_place(sg, id);
            writeln!(out, "input: note (no single value): {place}: {why}, so it stays as it is")?;
        }
        for (pass, remark) in self.chosen(filter) {
            let kind = kind(remark);
            writeln!(
                out,
                "{pass}: {kind} ({}): {}: {}",
                remark.rule, remark.place, remark.message
            )?;
        }
        Ok(())
    }

    /// Remarks of the pass of this name, or of all.
    fn chosen<'a>(&'a self, filter: &'a str) -> impl Iterator<Item = (&'a str, &'a Remark)> {
        let remarks = self.optimized.report.remarks();
        remarks.filter(move |(pass, _)| filter.is_empty() || *pass == filter)
    }
}

fn rules(pass: &PassReport) -> Value {
    let rule = |(name, count): (&String, &RuleCount)| {
        (name.clone(), json!({ "applied": count.applied, "refused": count.refused }))
    };
    Value::Object(pass.rules.iter().map(rule).collect())
}

fn kind(remark: &Remark) -> &'static str {
    match remark.kind {
        RemarkKind::Applied => "applied",
        RemarkKind::Missed => "missed",
        RemarkKind::Refused => "refused",
        RemarkKind::Note => "note",
    }
}

fn remark_json(pass: &str, remark: &Remark) -> Value {
    json!({
        "pass": pass,
        "kind": kind(remark),
        "rule": remark.rule,
        "place": remark.place,
        "message": remark.message,
    })
}

/// The first few of a list, each with what it is.
fn first_few(out: &mut impl Write, what: &str, list: &[impl fmt::Display]) -> io::Result<()> {
    for one in list.iter().take(MOST_REFUSALS) {
        writeln!(out, "  {what}: {one}")?;
    }
    match list.len().saturating_sub(MOST_REFUSALS) {
        0 => Ok(()),
        n => writeln!(out, "  and {} more", grouped(n as u64)),
    }
}
