//! Which rules could match at a place, looked up by the kind of op: there may be many rules, and at
//! nearly every op none of them begins.

use super::matching::Anchor;
use super::rule::Rule;
use smallvec::SmallVec;
use tfq_ir::{Op, OpKind, Subgraph};

/// Rules in the order in which they are tried.
pub(super) struct RuleIndex<'r> {
    rules: Vec<&'r Rule>,
    /// Those that could match at a builtin op, by its code.
    by_code: Vec<Places>,
    /// Those that could match at an op that none of the rules names.
    at_any: Places,
    unserved: Places,
    at_tensors: Places,
    at_custom: Places,
}

/// Where rules stand among all, in their order.
type Places = SmallVec<[u16; 4]>;

impl<'r> RuleIndex<'r> {
    pub(super) fn new(rules: Vec<&'r Rule>) -> Self {
        let places = |of: &dyn Fn(&Rule) -> bool| -> Places {
            let found = rules.iter().enumerate().filter(|(_, rule)| of(rule));
            found.map(|(place, _)| numbered(place)).collect()
        };
        let mut by_code: Vec<Places> = Vec::new();
        let highest = rules.iter().flat_map(|rule| rule.root.codes()).max();
        by_code.resize(highest.map_or(0, |code| code + 1), Places::new());
        for (place, rule) in rules.iter().enumerate() {
            if rule.root.is_at_any_op() {
                by_code.iter_mut().for_each(|places| places.push(numbered(place)));
            }
            rule.root.codes().for_each(|code| by_code[code].push(numbered(place)));
        }
        Self {
            by_code,
            at_any: places(&|rule| rule.root.is_at_any_op()),
            unserved: places(&|rule| rule.root.is_unserved()),
            at_tensors: places(&|rule| rule.root.is_at_tensors()),
            at_custom: places(&|rule| !rule.root.is_at_tensors()),
            rules,
        }
    }

    pub(super) fn rules(&self) -> &[&'r Rule] {
        &self.rules
    }

    /// Whether a rule could match at some tensor.
    pub(super) fn is_at_tensors(&self) -> bool {
        !self.at_tensors.is_empty()
    }

    /// Whether a rule could match at the op.
    pub(super) fn starts_with(&self, op: &Op) -> bool {
        match &op.kind {
            OpKind::Builtin(code) => !self.of_code(*code).is_empty(),
            OpKind::Custom(_) => self.rules.iter().any(|rule| rule.root.starts_with(op)),
        }
    }

    /// The rules that could match at a place.
    pub(super) fn at<'s>(
        &'s self,
        graph: &'s Subgraph,
        at: Anchor,
    ) -> impl Iterator<Item = &'r Rule> + use<'r, 's> {
        let places = match at {
            Anchor::Op(op) => match graph.op(op).kind {
                OpKind::Builtin(code) => self.of_code(code),
                OpKind::Custom(_) => &self.at_custom,
            },
            Anchor::Read(..) => &self.unserved,
            Anchor::Tensor(_) => &self.at_tensors,
        };
        let rules = places.iter().map(|place| self.rules[usize::from(*place)]);
        rules.filter(move |rule| match at {
            Anchor::Op(op) => rule.root.starts_with(graph.op(op)),
            Anchor::Read(..) => true,
            Anchor::Tensor(tensor) => rule.root.starts_at(graph.tensor(tensor)),
        })
    }

    fn of_code(&self, code: i32) -> &Places {
        let named = usize::try_from(code).ok().and_then(|code| self.by_code.get(code));
        named.unwrap_or(&self.at_any)
    }
}

fn numbered(place: usize) -> u16 {
    u16::try_from(place).expect("a pass has a few rules")
}
