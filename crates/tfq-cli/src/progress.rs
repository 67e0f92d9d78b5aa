//! A progress bar for long work on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tfq_opt::pass::Event;

/// Below this many bytes the work is over before a bar could be read.
const LONG: u64 = 64 << 20;

/// Shown on standard error where that is a terminal and the model is large.
pub(crate) struct Progress(ProgressBar);

/// A bar for a number of steps, each of which may take long.
pub(crate) fn steps(message: &'static str, count: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg:30} {wide_bar} {pos} of {len}")
        .expect("the template is valid");
    bar.set_style(style);
    bar.set_message(message);
    bar
}

impl Progress {
    pub(crate) fn new(bytes: u64, quiet: bool) -> Self {
        if quiet || bytes < LONG {
            return Self(ProgressBar::hidden());
        }
        // indicatif draws nothing where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg:30} {wide_bar} {percent:>3} %")
            .expect("the template is valid");
        bar.set_style(style);
        Self(bar)
    }

    pub(crate) fn event(&self, event: &Event<'_>) {
        match event {
            Event::Begin { pass, index, count, .. } => {
                self.0.set_length(*count as u64);
                self.0.set_position(*index as u64);
                self.0.set_message((*pass).to_owned());
            }
            Event::End { .. } => self.0.inc(1),
            Event::Failed { .. } => self.0.finish_and_clear(),
        }
    }

    pub(crate) fn written(&self, bytes: u64, of: u64) {
        self.0.set_message("writing");
        self.0.set_length(of);
        self.0.set_position(bytes);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
