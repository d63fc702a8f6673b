//! Commands that are planned on folded state: planned, executed, and planned anew where the state moved on.

use super::append::part_names;
use super::history::History;
use super::{Error, Log, Outcome};
use crate::aggregate::Aggregate;
use crate::command::{AnyPart, Context, Folded};
use crate::subject::Address;

/// How often a command is planned before it is given up.
const MOST_PLANS: u32 = 16;

impl Log {
    /// An aggregate's state: what this process saw last, else what the log has.
    ///
    /// It may be behind; a command that is decided on it is corrected by its expectation.
    pub async fn state<A: Aggregate>(&self, address: &Address) -> Result<A::State, Error> {
        self.state_since::<A>(address, 0).await
    }

    /// An aggregate's state with all its events up to `sequence`, at least.
    ///
    /// An event may be heard of before the command that stored it has its answer, so who was told of one asks
    /// for what came of it.
    pub async fn state_since<A: Aggregate>(
        &self,
        address: &Address,
        sequence: u64,
    ) -> Result<A::State, Error> {
        let history = self.cached(address, || Box::new(Folded::<A>(A::State::default())));
        let has_it = |history: &History| history.loaded && history.last_sequence >= sequence;
        let known = has_it(&history.lock());
        if !known {
            self.catch_up(address, &history).await?;
        }
        let history = history.lock();
        let folded = history.state.as_any().downcast_ref::<Folded<A>>();
        Ok(folded.map(|folded| folded.0.clone()).unwrap_or_default())
    }

    /// An aggregate's state as the log has it now: for what no expectation corrects.
    pub async fn newest_state<A: Aggregate>(&self, address: &Address) -> Result<A::State, Error> {
        let history = self.cached(address, || Box::new(Folded::<A>(A::State::default())));
        self.catch_up(address, &history).await?;
        self.state::<A>(address).await
    }

    /// Executes what `plan` gives, and plans anew as long as it turns out to be on an older state.
    ///
    /// A plan without parts is a command with nothing left to do.
    pub async fn settle<F, E>(
        &self,
        context: &Context,
        mut plan: impl FnMut() -> F,
    ) -> Result<Outcome, E>
    where
        F: Future<Output = Result<Vec<Box<dyn AnyPart>>, E>>,
        E: From<Error>,
    {
        let mut plans = 0;
        loop {
            plans += 1;
            let parts = plan().await?;
            if parts.is_empty() {
                return Ok(Outcome::NOTHING);
            }
            match self.execute(context, &parts).await {
                Err(Error::Refused(refusal)) if refusal.is_stale() => {
                    if plans == MOST_PLANS {
                        let aggregate = part_names(&parts);
                        return Err(Error::Contended { aggregate }.into());
                    }
                    self.refresh(&parts).await?;
                }
                executed => return Ok(executed?),
            }
        }
    }

    /// Brings the states that `parts` are decided on up to what the log has.
    async fn refresh(&self, parts: &[Box<dyn AnyPart>]) -> Result<(), Error> {
        for part in parts {
            let history = self.history(part.as_ref()).await?;
            self.catch_up(part.address(), &history).await?;
        }
        Ok(())
    }
}
