//! What became of weights: how ops read them, what that costs, and why.

use super::{NO_ROOM, Summary, UNDONE};
use std::io::{self, Write};
use tfq_ir::catalog::ops;
use tfq_ir::{ElementType, OpId, SubgraphId, counted, grouped};
use tfq_opt::pass::{AskedSize, NeededSize};
use tfq_opt::passes::{DequantizeReason, DequantizeReasons, SparedSlowness};
use tfq_opt::target::{Granularity, Target};

impl Summary<'_> {
    /// Whether weights could be stored for this target as they are in the result: without float16
    /// they would stay float32.
    pub(super) fn is_of_use(&self, older: &Target) -> bool {
        let module = &self.optimized.module;
        let half = |(sg, op, _): (SubgraphId, OpId, _)| {
            let graph = module.subgraph(sg);
            graph.operand(op, 0).is_some_and(|id| graph.tensor(id).ty == ElementType::Float16)
        };
        older.dequantize_supports(ElementType::Float16, Granularity::Unscaled)
            || !module.ops_of_kind(ops::DEQUANTIZE).any(half)
    }

    /// Weights that the target does not read as they came.
    pub(super) fn dequantized(&self, out: &mut impl Write) -> io::Result<()> {
        let (report, target) = (&self.optimized.report, &self.run.target);
        let for_ram = report.statistic("dequantized-for-ram");
        if for_ram > 0 {
            let held = match report.statistic("dequantized-for-ram-bytes") {
                0 => "memory that is not known".to_owned(),
                bytes => counted(bytes, "byte"),
            };
            writeln!(
                out,
                "  {} stored as float32 again: behind a Dequantize, {target} would hold {held}; \
                 --prefer=size takes the smaller file",
                counted(for_ram, "constant")
            )?;
        }
        let n = report.statistic("constants-dequantized").saturating_sub(for_ram);
        if n == 0 {
            return Ok(());
        }
        let constants = counted(n, "constant");
        let (them, they) = if n == 1 { ("it", "it") } else { ("them", "they") };
        if report.products.get::<NeededSize>().is_none() {
            return writeln!(out, "  {constants} stored as float32 again");
        }
        if report.statistic("constants-quantized") > 0 {
            return writeln!(
                out,
                "  {constants} made float32 first: {target} does not read {them} as {they} came"
            );
        }
        let hint = self.run.hints.iter().find(|(of, _)| *of == "no kernel");
        let hint = hint.map_or(String::new(), |(_, hint)| format!("; {hint}"));
        writeln!(
            out,
            "  {constants} stored as float32 again: {target} reads {them} in no other form{hint}"
        )
    }

    /// Weights that came as integers, and how ops read them.
    pub(super) fn reread(&self, out: &mut impl Write) -> io::Result<()> {
        let report = &self.optimized.report;
        let as_codes = report.statistic("weights-reread-as-codes");
        let dequantized = report.statistic("weights-reread") - as_codes;
        if dequantized > 0 {
            let weights = counted(dequantized, "weight");
            let get = if dequantized == 1 { "gets" } else { "get" };
            writeln!(out, "  {weights} that came as integers {get} a Dequantize")?;
        }
        if as_codes > 0 {
            let weights = counted(as_codes, "weight");
            let are = if as_codes == 1 { "is" } else { "are" };
            writeln!(out, "  {weights} that came behind a Dequantize {are} read as integers")?;
        }
        Ok(())
    }

    /// Dequantize ops, what each is for, and what they cost.
    pub(super) fn inserted(&self, out: &mut impl Write) -> io::Result<()> {
        let report = &self.optimized.report;
        let count = |name| report.statistic(name);
        let inserted = count("dequantize-inserted");
        if inserted > 0 {
            let results = match (count("dequantize-cache-bytes"), count("dequantize-invoke-bytes"))
            {
                (0, 0) => String::new(),
                (0, bytes) => format!(
                    "; {} makes {} of their results at each run",
                    self.run.target,
                    counted(bytes, "byte")
                ),
                (bytes, _) => {
                    format!("; the runtime keeps {} of their results", counted(bytes, "byte"))
                }
            };
            writeln!(out, "  {} Dequantize inserted{results}", grouped(inserted))?;
            self.reasons(out)?;
        }
        if count("dequantize-record-bytes") > 0 {
            let bytes = counted(count("dequantize-record-bytes"), "byte");
            writeln!(out, "  the record of what the runtime keeps takes {bytes} of the file")?;
        }
        Ok(())
    }

    /// What ops get a Dequantize for.
    fn reasons(&self, out: &mut impl Write) -> io::Result<()> {
        let report = &self.optimized.report;
        let count = |name| report.statistic(name);
        let ops = |name| counted(count(name), "op");
        if count("dequantized-for-speed") > 0 {
            let ops = ops("dequantized-for-speed");
            let cost = match count("speed-bytes") {
                0 => String::new(),
                bytes => {
                    let bytes = counted(bytes, "byte");
                    format!(", for about {bytes}; --prefer=size saves these")
                }
            };
            let spared = report.products.get::<SparedSlowness>();
            let times =
                spared.map_or(String::new(), |spared| format!(", by up to {} times", spared.times));
            writeln!(out, "    {ops} would be slower with int8{times}{cost}")?;
        }
        if count("dequantized-to-be-exact") > 0 {
            let ops = ops("dequantized-to-be-exact");
            writeln!(out, "    {ops} with exact activations; exact-activations=off rounds them")?;
        }
        if count("dequantized-as-told") > 0 {
            let ops = ops("dequantized-as-told");
            let who = self.run.asked.as_deref().unwrap_or("an option");
            writeln!(out, "    {ops} for which {who} asks for one")?;
        }
        let reasons = report.products.get::<DequantizeReasons>();
        for (reason, by) in reasons.iter().flat_map(|reasons| &reasons.0) {
            let ops = counted(by.ops(), "op");
            let verb = |one, several| if by.ops() == 1 { one } else { several };
            match reason {
                DequantizeReason::NoKernel(form) => {
                    let read = verb("reads", "read");
                    writeln!(out, "    {ops} that {read} no {form}: {by}")?;
                }
                DequantizeReason::CopiesCodes => {
                    writeln!(out, "    behind {ops} that {} codes: {by}", verb("copies", "copy"))?;
                }
                DequantizeReason::CopiesMore => {
                    let copy = verb("copies", "copy");
                    writeln!(out, "    {ops} that {copy} more than the table has: {by}")?;
                }
                DequantizeReason::Returned => {
                    let outputs = counted(by.ops(), "output");
                    writeln!(out, "    {outputs} of a subgraph")?;
                }
            }
        }
        Ok(())
    }

    /// Why the file grew, or what was not done since it would have.
    pub(super) fn growth(&self, out: &mut impl Write) -> io::Result<()> {
        let report = &self.optimized.report;
        let left = |rule| report.left_by_rule().get(rule).copied().unwrap_or(0);
        if let Some(by) = self.optimized.undone {
            let (undone, by) = (left(UNDONE), counted(by, "byte"));
            match undone {
                // No pass did anything: other tools lay the same model out in another way.
                0 => writeln!(out, "  as it came: written anew it would be larger by {by}")?,
                _ => writeln!(
                    out,
                    "  {} undone: the file would be larger by {by}; --remarks tells which{}",
                    counted(undone, "change"),
                    self.hint(UNDONE)
                )?,
            }
        }
        if left(NO_ROOM) > 0 {
            writeln!(
                out,
                "  no record of what the runtime keeps: the file would be larger with it"
            )?;
        }
        let by = match self.bytes_out.saturating_sub(self.bytes_in) {
            0 => return Ok(()),
            by => counted(by, "byte"),
        };
        let grown = report.statistic("constants-grown");
        if grown > 0 {
            let grown = grouped(grown);
            let which = "constants that compat=toco quantises cost more bytes than they save";
            writeln!(out, "  larger by {by}: {grown} of the {which}")
        } else if let Some(mended) = &self.optimized.mended {
            let target = &self.run.target;
            writeln!(out, "  larger by {by}: {target} would not run it as it came: {mended}")
        } else if report.products.get::<NeededSize>().is_some()
            && report.statistic("constants-quantized") > 0
        {
            let target = &self.run.target;
            writeln!(out, "  larger by {by}: {target} would not run it as it came")
        } else if report.products.get::<AskedSize>().is_some() {
            let who = self.run.asked.as_deref().unwrap_or("an option");
            writeln!(out, "  larger by {by}: {who} asks for it")
        } else {
            Ok(())
        }
    }
}
