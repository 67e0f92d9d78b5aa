//! Where windows lie over an image.

use super::movement::image;
use crate::NotEvaluated;
use crate::call::Call;

/// How windows move over height and width.
pub(crate) struct Windows {
    /// Of the operand: batch, height, width, channels.
    pub(crate) from: [usize; 4],
    /// Of the result.
    pub(crate) to: [usize; 4],
    pub(crate) size: [usize; 2],
    pub(crate) stride: [i64; 2],
    pub(crate) dilation: [i64; 2],
    /// Cells in front of the first row and column.
    pub(crate) before: [i64; 2],
}

impl Windows {
    /// Of an op whose result lies where its windows do.
    pub(crate) fn new(
        call: &Call<'_>,
        from: &[usize],
        size: [usize; 2],
        dilates: bool,
    ) -> Result<Self, NotEvaluated> {
        let (from, to) = (image(from)?, image(call.shape(0)?)?);
        let stride = [call.attr("stride_h"), call.attr("stride_w")];
        let dilation = match dilates {
            true => [call.attr("dilation_h_factor"), call.attr("dilation_w_factor")],
            false => [1, 1],
        };
        if stride.into_iter().chain(dilation).any(|n| !(1..1 << 31).contains(&n)) {
            return Err(NotEvaluated::Operands { why: "a stride or dilation is no step" });
        }
        if size.contains(&0) {
            return Err(NotEvaluated::Operands { why: "the window is empty" });
        }
        let before = [0, 1].map(|n| {
            let reach = (size[n] as i64 - 1).saturating_mul(dilation[n]).saturating_add(1);
            let covered = (to[1 + n] as i64 - 1).saturating_mul(stride[n]).saturating_add(reach);
            // Padding VALID never reaches beyond the edge.
            (covered - from[1 + n] as i64).max(0) / 2
        });
        Ok(Self { from, to, size, stride, dilation, before })
    }

    /// Pays for each cell of each window, so many times.
    pub(crate) fn pay(&self, call: &mut Call<'_>, times: usize) -> Result<(), NotEvaluated> {
        let sizes = self.to.iter().chain(&self.size).chain([&times]);
        let work = sizes.into_iter().try_fold(1_u64, |all, size| all.checked_mul(*size as u64));
        call.budget.take_work(work.ok_or(NotEvaluated::Budget)?)
    }

    /// Calls back with each place of the result: batch, row, column.
    pub(crate) fn each_place(&self, mut visit: impl FnMut([usize; 3])) {
        for batch in 0..self.to[0] {
            for row in 0..self.to[1] {
                for column in 0..self.to[2] {
                    visit([batch, row, column]);
                }
            }
        }
    }

    /// Calls back with the cells of a window that lie in the image: the place in the window, and
    /// the pixel, counted over the whole operand.
    pub(crate) fn each_cell(
        &self,
        [batch, row, column]: [usize; 3],
        mut visit: impl FnMut(usize, usize),
    ) {
        let [_, height, width, _] = self.from;
        let origin = [row, column];
        let place = |axis: usize, n: usize, size: usize| {
            let first = origin[axis] as i64 * self.stride[axis] - self.before[axis];
            let at = first + self.dilation[axis].saturating_mul(n as i64);
            usize::try_from(at).ok().filter(|at| *at < size)
        };
        for y in 0..self.size[0] {
            let Some(at_y) = place(0, y, height) else { continue };
            for x in 0..self.size[1] {
                let Some(at_x) = place(1, x, width) else { continue };
                visit(y * self.size[1] + x, (batch * height + at_y) * width + at_x);
            }
        }
    }
}

const UNFIT: NotEvaluated = NotEvaluated::Operands { why: "filter and channels do not fit" };

/// Sums of products of windows and filters, as kernels add them: row, column, channel.
pub(crate) struct Sums {
    pub(crate) windows: Windows,
    /// Channels that go into one result.
    depth: usize,
    /// Results of one group of channels.
    of_group: usize,
    depthwise: bool,
}

impl Sums {
    pub(crate) fn conv(call: &mut Call<'_>) -> Result<Self, NotEvaluated> {
        let [outputs, height, width, depth] = image(call.operand(1)?.shape())?;
        let from = call.operand(0)?.shape();
        let windows = Windows::new(call, from, [height, width], true)?;
        let channels = windows.from[3];
        let groups = channels.checked_div(depth).unwrap_or(0);
        if groups == 0 || groups * depth != channels || outputs % groups != 0 {
            return Err(UNFIT);
        }
        windows.pay(call, depth)?;
        Ok(Self { windows, depth, of_group: outputs / groups, depthwise: false })
    }

    pub(crate) fn depthwise(call: &mut Call<'_>) -> Result<Self, NotEvaluated> {
        let [one, height, width, outputs] = image(call.operand(1)?.shape())?;
        let from = call.operand(0)?.shape();
        let windows = Windows::new(call, from, [height, width], true)?;
        let channels = windows.from[3];
        if one != 1 || channels == 0 || outputs % channels != 0 {
            return Err(UNFIT);
        }
        windows.pay(call, 1)?;
        Ok(Self { windows, depth: 1, of_group: outputs / channels, depthwise: true })
    }

    /// Each sum, with its channel, in the result's order.
    pub(crate) fn each<A: Copy>(
        &self,
        start: A,
        add: impl Fn(A, usize, usize) -> A,
        mut visit: impl FnMut(usize, A),
    ) {
        let outputs = self.windows.to[3];
        let cells = self.windows.size[0] * self.windows.size[1];
        self.windows.each_place(|place| {
            for channel in 0..outputs {
                let first = channel / self.of_group.max(1) * self.depth;
                let mut sum = start;
                self.windows.each_cell(place, |cell, pixel| {
                    for n in 0..self.depth {
                        let x = pixel * self.windows.from[3] + first + n;
                        let w = match self.depthwise {
                            true => cell * outputs + channel,
                            false => (channel * cells + cell) * self.depth + n,
                        };
                        sum = add(sum, x, w);
                    }
                });
                visit(channel, sum);
            }
        });
    }
}

/// Where the elements of the operand go.
pub(crate) struct Scattered {
    pub(crate) windows: Windows,
    depth: usize,
}

impl Scattered {
    /// Windows lie over the result, and move with the pixels of the operand.
    pub(crate) fn new(call: &mut Call<'_>) -> Result<Self, NotEvaluated> {
        let [outputs, height, width, depth] = image(call.operand(1)?.shape())?;
        let (from, to) = (image(call.operand(2)?.shape())?, image(call.shape(0)?)?);
        let stride = [call.attr("stride_h"), call.attr("stride_w")];
        if stride.iter().any(|n| !(1..1 << 31).contains(n)) || [height, width].contains(&0) {
            return Err(NotEvaluated::Operands { why: "a stride or the filter is none" });
        }
        let size = [height, width];
        let mut before = [0; 2];
        for n in 0..2 {
            let (small, large, size) = (from[1 + n] as i64, to[1 + n] as i64, size[n] as i64);
            // Padding SAME or VALID of the result leads back to the operand.
            let windows = match call.attr("padding") {
                0 => large.div_ceil_by(stride[n]),
                _ => (large + 1 - size).div_ceil_by(stride[n]),
            };
            if windows != small {
                return Err(NotEvaluated::Operands {
                    why: "sizes of operand and result do not fit",
                });
            }
            before[n] = ((small - 1) * stride[n] + size - large).max(0) / 2;
        }
        if from[3] != depth || to[3] != outputs || from[0] != to[0] {
            return Err(UNFIT);
        }
        let windows = Windows { from: to, to: from, size, stride, dilation: [1, 1], before };
        windows.pay(call, outputs)?;
        Ok(Self { windows, depth })
    }

    /// Calls back with each place of the result, of the operand and of the filter.
    pub(crate) fn each(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let cells = self.windows.size[0] * self.windows.size[1];
        let [_, height, width, _] = self.windows.to;
        let outputs = self.windows.from[3];
        self.windows.each_place(|place| {
            let [batch, row, column] = place;
            let pixel = (batch * height + row) * width + column;
            for n in 0..self.depth {
                self.windows.each_cell(place, |cell, to| {
                    for channel in 0..outputs {
                        let w = (channel * cells + cell) * self.depth + n;
                        visit(to * outputs + channel, pixel * self.depth + n, w);
                    }
                });
            }
        });
    }
}

/// Division that rounds up, of numbers that may be negative.
trait DivCeilBy {
    fn div_ceil_by(self, by: i64) -> i64;
}

impl DivCeilBy for i64 {
    fn div_ceil_by(self, by: i64) -> i64 {
        self.div_euclid(by) + i64::from(self.rem_euclid(by) != 0)
    }
}
