//! Rounding twice.

use tfq_opt::ir::catalog::ops::FLOOR;
use tfq_opt::pass::rewrite::{Rule, any, apply_rules, op};
use tfq_opt::pass::{Pass, PassError, Session, declare_pass};

declare_pass! {
    name: "acme.remove-floor-of-floor", contract: Exact, scope: Subgraph;
    /// Drops a FLOOR of a FLOOR.
    ///
    /// ## What it does
    /// `FLOOR(FLOOR(x))` becomes `FLOOR(x)`.
    ///
    /// ## When it is safe
    /// Results are bit-identical: rounding a whole number down changes nothing.
    ///
    /// ## Example
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %a = FLOOR(%x) : f32[4]
    ///   %b = FLOOR(%a) : f32[4]
    ///   %y = NEG(%b) : f32[4]
    ///   output %y
    /// }
    /// ```
    /// becomes with `acme.remove-floor-of-floor`
    /// ```tfg
    /// tfg 1 quant
    /// subgraph @main {
    ///   %x = input : f32[4]
    ///   %a = FLOOR(%x) : f32[4]
    ///   %y = NEG(%a) : f32[4]
    ///   output %y
    /// }
    /// ```
    pub struct RemoveFloorOfFloor {}
}

impl Pass for RemoveFloorOfFloor {
    fn run(&self, session: &mut Session<'_>) -> Result<(), PassError> {
        for sg in session.subgraphs() {
            apply_rules(session, sg, &[rule()])?;
        }
        Ok(())
    }
}

/// `whole` is the inner FLOOR's result.
fn rule() -> Rule {
    Rule::new("floor of floor", op(FLOOR).operand(0, any("whole")))
        .guard("a FLOOR computes the operand", |m| {
            let producer = m.graph().producer(m.id("whole"));
            producer.is_some_and(|(op, _)| m.graph().op(op).kind.is(FLOOR))
        })
        .guard("operand and result are stored alike", |m| m.same_type("whole", "result"))
        .forward("whole")
}

#[cfg(test)]
mod tests {
    use super::RemoveFloorOfFloor;
    use tfq_golden::assert_pipeline_snapshot;
    use tfq_golden::snapshot::Settings;
    use tfq_opt::Optimizer;
    use tfq_opt::ir::text::{Level, ParseOptions, parse, print};
    use tfq_opt::pass::{Declared, Registry};

    fn registry() -> Registry {
        tfq_opt::builtin().with_passes([RemoveFloorOfFloor::info()]).unwrap()
    }

    #[test]
    fn the_example_of_the_manual_is_what_it_does() {
        let options = ParseOptions { fills: true, ..ParseOptions::default() };
        let examples = RemoveFloorOfFloor::info().examples();
        assert_eq!(examples.len(), 1);
        for example in examples {
            let optimizer = Optimizer::parse_in(&registry(), &example.pipeline).unwrap();
            let result = optimizer.run(parse(&example.before, &options).unwrap()).unwrap();
            let wanted = parse(&example.after, &options).unwrap();
            assert_eq!(print(&result.module, Level::Quant), print(&wanted, Level::Quant));
        }
    }

    #[test]
    fn cases() {
        let settings = Settings::new(&registry()).folder("../tests/cases").one_file();
        for case in ["twice", "of_another_op"] {
            let model = format!("tests/cases/{case}.tfg");
            let settings = settings.clone().name(case);
            assert_pipeline_snapshot!(&model, "acme.remove-floor-of-floor", settings);
        }
    }
}
