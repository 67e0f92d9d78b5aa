//! Where the time of a run went.

use std::time::{Duration, Instant};

/// One thing that took time, inside those of smaller depth before it.
#[derive(Clone, Debug)]
pub struct Span {
    /// What it was about: the name of a pass, an analysis, a loop.
    pub name: String,
    /// What kind of thing it was.
    pub kind: SpanKind,
    /// How deep it lies: 0 for the whole.
    pub depth: usize,
    /// From the start of the run.
    pub start: Duration,
    /// How long it took, with all inside.
    pub time: Duration,
}

/// What kind of thing took time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// The whole run.
    Pipeline,
    /// `repeat`, `until-stable` or `subgraph`.
    Scope,
    /// A pass.
    Pass,
    /// An analysis that a pass asked for.
    Analysis,
    /// The verifier.
    Verifier,
    /// Whether the pass kept what it declares.
    Contract,
    /// Keeping the state before a pass.
    Snapshot,
    /// What the observer of the run did: progress, printing.
    Observer,
    /// Reading, writing and the rest around the passes.
    File,
}

impl SpanKind {
    /// In lower case, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Scope => "scope",
            Self::Pass => "pass",
            Self::Analysis => "analysis",
            Self::Verifier => "verifier",
            Self::Contract => "contract",
            Self::Snapshot => "snapshot",
            Self::Observer => "observer",
            Self::File => "file",
        }
    }
}

/// Records spans, in the order in which they begin.
#[derive(Clone, Debug)]
pub struct Timeline {
    start: Instant,
    depth: usize,
    spans: Vec<Span>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { start: Instant::now(), depth: 0, spans: Vec::new() }
    }
}

impl Timeline {
    /// Begins a span, which holds those that begin until it ends. Returns what [`Self::end`] is
    /// to be given.
    pub fn begin(&mut self, kind: SpanKind, name: impl Into<String>) -> usize {
        let (start, time) = (self.start.elapsed(), Duration::ZERO);
        self.spans.push(Span { name: name.into(), kind, depth: self.depth, start, time });
        self.depth += 1;
        self.spans.len() - 1
    }

    /// Ends a span and those inside it, and returns how long it took.
    pub fn end(&mut self, span: usize) -> Duration {
        let time = self.start.elapsed() - self.spans[span].start;
        self.spans[span].time = time;
        self.depth = self.spans[span].depth;
        time
    }

    /// Times a call.
    pub fn span<T>(&mut self, kind: SpanKind, name: &str, call: impl FnOnce() -> T) -> T {
        let span = self.begin(kind, name);
        let result = call();
        self.end(span);
        result
    }

    /// Adds a span that was timed elsewhere, inside the one that is open.
    pub(crate) fn add(&mut self, kind: SpanKind, name: &str, start: Instant, time: Duration) {
        let start = start.saturating_duration_since(self.start);
        self.spans.push(Span { name: name.to_owned(), kind, depth: self.depth, start, time });
    }

    /// Puts the spans of a run here, inside the one that is open.
    pub fn nest(&mut self, other: &Self) {
        let later = other.start.saturating_duration_since(self.start);
        self.spans.extend(other.spans.iter().map(|span| Span {
            depth: span.depth + self.depth,
            start: span.start + later,
            ..span.clone()
        }));
    }

    /// The spans with those of one kind and name in one place put together: what, how often, how
    /// long in all.
    pub fn totals(&self) -> Vec<(Span, usize)> {
        let mut totals: Vec<(Span, usize)> = Vec::new();
        // Where in `totals` the open spans stand.
        let mut open: Vec<usize> = Vec::new();
        for span in &self.spans {
            open.truncate(span.depth);
            let begin = open.last().map_or(0, |at| at + 1);
            let end = totals[begin..]
                .iter()
                .position(|(other, _)| other.depth < span.depth)
                .map_or(totals.len(), |n| begin + n);
            let same = totals[begin..end].iter().position(|(other, _)| {
                (other.depth, other.kind, &other.name) == (span.depth, span.kind, &span.name)
            });
            let at = same.map_or(end, |n| begin + n);
            match same {
                Some(_) => {
                    totals[at].0.time += span.time;
                    totals[at].1 += 1;
                }
                None => totals.insert(end, (span.clone(), 1)),
            }
            open.push(at);
        }
        totals
    }

    /// The spans, each behind the one that it lies in.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }
}
