//! What analyses tell rules.

use crate::analysis::Analysis;
use crate::session::Session;
use smallvec::SmallVec;
use std::any::{Any, TypeId};
use std::sync::Arc;
use tfq_ir::SubgraphId;

type Answer = (TypeId, Arc<dyn Any + Send + Sync>);

/// An analysis that a rule asks for.
#[derive(Clone, Copy)]
pub(super) struct Asked(fn(&Session<'_>, SubgraphId) -> Answer);

impl Asked {
    pub(super) fn new<A: Analysis>() -> Self {
        Self(|session, sg| (TypeId::of::<A>(), session.analysis::<A>(sg)))
    }
}

/// Results of the analyses that rules ask for, for the model as it is. Matches are looked for on
/// all cores, and a session is for one, so they are fetched beforehand.
#[derive(Debug, Default)]
pub(super) struct Answers(SmallVec<[Answer; 2]>);

impl Answers {
    pub(super) fn new(
        session: &Session<'_>,
        sg: SubgraphId,
        asked: impl Iterator<Item = Asked>,
    ) -> Self {
        Self(asked.map(|Asked(ask)| ask(session, sg)).collect())
    }

    pub(super) fn get<A: Analysis>(&self) -> Option<&A::Result> {
        let (_, result) = self.0.iter().find(|(of, _)| *of == TypeId::of::<A>())?;
        result.downcast_ref()
    }
}
