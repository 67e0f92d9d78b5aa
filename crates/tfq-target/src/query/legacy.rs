//! What TensorFlow's legacy quantizer does with ops: `data/legacy_quantizer.toml`, which explains
//! itself.

use crate::facts::condition::{Condition, Site};
use serde::Deserialize;
use std::sync::OnceLock;
use tfq_ir::catalog::op_by_name;
use tfq_ir::{OpId, OpKind, Subgraph};

const FILE: &str = include_str!("../../data/legacy_quantizer.toml");

/// What the legacy quantizer does with an op.
#[derive(Debug)]
pub struct LegacyOp {
    codes: Vec<i32>,
    /// Operand slots that it quantises.
    pub weights: Vec<u32>,
    /// The axis of the weight that has one scale per index where these are asked for.
    pub channel_axis: Option<usize>,
    /// Whether it leaves a table int8 that has one reader.
    pub copies_codes: bool,
    hybrid: Option<Vec<Condition>>,
    per_channel: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    op: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    names: Vec<String>,
    weights: Vec<u32>,
    channel_axis: Option<usize>,
    #[serde(default)]
    copies_codes: bool,
    hybrid: Option<Vec<String>>,
    #[serde(default)]
    per_channel: bool,
    #[serde(rename = "source")]
    _source: String,
}

impl LegacyOp {
    /// What it does with ops of a kind; nothing with those that it does not know.
    pub fn of(kind: &OpKind) -> Option<&'static Self> {
        static OPS: OnceLock<Vec<LegacyOp>> = OnceLock::new();
        let OpKind::Builtin(code) = kind else { return None };
        let ops = OPS.get_or_init(|| parse(FILE).expect("a test reads it"));
        ops.iter().find(|op| op.codes.contains(code))
    }

    /// Whether it takes an op of this kind to read int8 weights, with one scale per channel or one
    /// for all.
    pub fn is_hybrid(&self, graph: &Subgraph, op: OpId, per_channel: bool) -> bool {
        let holds = |when: &Vec<Condition>| {
            let site = Site::bare(graph, op);
            when.iter().all(|condition| condition.holds(&site))
        };
        self.hybrid.as_ref().is_some_and(holds) && (per_channel || !self.per_channel)
    }
}

fn parse(text: &str) -> Result<Vec<LegacyOp>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let op = |row: Row| {
        let info = |name: &String| op_by_name(name).ok_or_else(|| format!("no operator {name}"));
        let infos = row.names.iter().map(info).collect::<Result<Vec<_>, _>>()?;
        let condition = |text: &String| {
            Condition::parse(text, &infos).map_err(|problem| format!("{}: {problem}", row.names[0]))
        };
        let conditions = |texts: &Vec<String>| texts.iter().map(condition).collect();
        Ok(LegacyOp {
            codes: infos.iter().map(|info| info.code).collect(),
            hybrid: row.hybrid.as_ref().map(conditions).transpose()?,
            weights: row.weights,
            channel_axis: row.channel_axis,
            copies_codes: row.copies_codes,
            per_channel: row.per_channel,
        })
    };
    file.op.into_iter().map(op).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfq_ir::catalog::ops;
    use tfq_ir::ops::semantics;

    #[test]
    fn rows_are_about_operands_that_are_there() {
        let all = parse(FILE).unwrap();
        let mut codes: Vec<_> = all.iter().flat_map(|op| &op.codes).collect();
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "an operator has two rows");
        for op in &all {
            for code in &op.codes {
                let what = semantics(*code).unwrap();
                assert!(op.weights.iter().all(|slot| what.operand(*slot as usize).is_some()));
            }
        }
        assert!(LegacyOp::of(&OpKind::Builtin(ops::ADD)).is_none());
        assert!(LegacyOp::of(&OpKind::Custom("CONV_2D".into())).is_none());
    }
}
