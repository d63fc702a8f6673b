//! Commands to one task: what came of an attempt, and what users ask.

use rand::RngExt;
use time::OffsetDateTime;

use super::{LiveTask, Tasks};
use crate::aggregate::{Aggregate, Refusal};
use crate::command::{Context, Part};
use crate::log::controller::context;
use crate::log::{Error, Outcome};
use crate::subject::Address;
use crate::task::{self, Command, Done, Failure, TaskAggregate};

impl Tasks {
    /// A worker did it. Said twice it is stored once; refused (`attempt-over`) where the attempt is over, and then
    /// the answer is dropped.
    pub async fn finish(&self, task: &LiveTask, done: Done) -> Result<Outcome, Error> {
        let context = context(task.id.0, &format!("done/{}", done.attempt));
        self.ask(&context, task, Command::Finish(done)).await
    }

    /// An attempt failed: it is tried again later, or was the last one. Said twice it is stored once.
    pub async fn fail(
        &self,
        task: &LiveTask,
        failure: Failure,
        now: OffsetDateTime,
    ) -> Result<Outcome, Error> {
        let context = context(task.id.0, &format!("failed/{}", failure.attempt));
        let address = address(task);
        let jitter = rand::rng().random_range(0.0..1.0);
        let plan = || async {
            let state = self
                .log()
                .state_since::<TaskAggregate>(&address, task.version);
            let state = state.await?;
            let state = state.ok_or_else(|| Refusal::not_found("there is no such task"))?;
            let command = task::failed(&state, failure.clone(), now, jitter);
            Ok::<_, Error>(vec![part(task, command).boxed()])
        };
        match self.log().settle(&context, plan).await {
            // It was stored long ago, and its task was requeued since.
            Err(Error::CommandIdReused(_)) => {
                let what = format!("attempt {} failed long ago", failure.attempt);
                Err(Refusal::conflict("attempt-over", what).into())
            }
            settled => settled,
        }
    }

    /// It is not wanted any more.
    pub async fn cancel(&self, context: &Context, task: &LiveTask) -> Result<Outcome, Error> {
        self.ask(context, task, Command::Cancel).await
    }

    /// It is to be tried again, from the start.
    pub async fn requeue(&self, context: &Context, task: &LiveTask) -> Result<Outcome, Error> {
        let _kept = self.inner.removing.read().await;
        self.ask(context, task, Command::Requeue).await
    }

    /// A decision is made with everything in view that the asker has seen.
    async fn ask(
        &self,
        context: &Context,
        task: &LiveTask,
        command: Command,
    ) -> Result<Outcome, Error> {
        let log = self.log();
        log.state_since::<TaskAggregate>(&address(task), task.version)
            .await?;
        log.execute(context, &[part(task, command).boxed()]).await
    }
}

fn address(task: &LiveTask) -> Address {
    Address::new(task.account().clone(), TaskAggregate::KIND, task.id)
}

fn part(task: &LiveTask, command: Command) -> Part<TaskAggregate> {
    Part::on(task.account().clone(), task.id, command)
}
