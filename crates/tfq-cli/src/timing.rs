//! Where the time went: as a tree, as JSON, and as a trace that Chrome and Perfetto show.

use serde_json::{Value, json};
use std::io::{self, Write};
use tfq_ir::counted;
use tfq_opt::pass::Timeline;

/// Milliseconds of each step with what lies in it indented below, equal ones put together.
pub(crate) fn tree(timeline: &Timeline, out: &mut impl Write) -> io::Result<()> {
    for (span, count) in timeline.totals() {
        let times =
            if count == 1 { String::new() } else { format!(" ({})", counted(count, "time")) };
        let (ms, indent) = (1e3 * span.time.as_secs_f64(), 2 * span.depth);
        writeln!(out, "{ms:9.3} ms  {:indent$}{}{times}", "", span.name)?;
    }
    Ok(())
}

/// The same for machines, in seconds.
pub(crate) fn json(timeline: &Timeline) -> Value {
    let spans = timeline.totals().into_iter().map(|(span, count)| {
        json!({
            "name": span.name,
            "kind": span.kind.name(),
            "depth": span.depth,
            "count": count,
            "seconds": span.time.as_secs_f64(),
        })
    });
    spans.collect()
}

/// The trace event format.
pub(crate) fn trace(timeline: &Timeline) -> String {
    let events: Vec<Value> = timeline
        .spans()
        .iter()
        .map(|span| {
            json!({
                "name": span.name,
                "cat": span.kind.name(),
                "ph": "X",
                "ts": 1e6 * span.start.as_secs_f64(),
                "dur": 1e6 * span.time.as_secs_f64(),
                "pid": 1,
                "tid": 1,
            })
        })
        .collect();
    let trace = json!({ "traceEvents": events, "displayTimeUnit": "ms" });
    format!("{trace}\n")
}
