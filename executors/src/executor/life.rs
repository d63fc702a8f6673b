//! One run from its claim to its end: data, sandbox, readiness, exit, and nothing left behind.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eai_core::command::Cause;
use eai_core::executor::Run as RunId;
use eai_core::job::{Command, Ended, Outcome, Phases, Started, Submitted};
use eai_core::names::AccountName;
use eai_core::spec::RUNTIME_PATH;
use eai_core::trace::TraceParent;
use tokio::sync::watch;

use super::exit::{ended, is_steady, without_exit};
use super::ready::{Readiness, Watch, micros};
use super::report::{Report, Superseded};
use super::still::{Still, gone_on_for};
use super::unstarted::{Unstarted, told};
use super::worker::Place;
use super::{Shared, Stop, Wish, Wished, folder_name, image, mounts, output, requirements, worker};
use crate::backend::{Exit, Run, RunError, Running, Signal, StartError};
use crate::data::Tree;
use crate::data::pip::TARGET;
use crate::environment;
use crate::queue::{Attached, Expected, Seen};

/// How long a command may take to end by itself once it is asked to.
const GRACE: Duration = Duration::from_secs(10);
/// How long the last output may take to be carried away before the end is told.
const OUTPUT_TIME: Duration = Duration::from_secs(5);
/// How long it may take after that, where output could not be stored for a while.
const LATE_OUTPUT_TIME: Duration = Duration::from_mins(1);

/// A run that this executor has.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) shared: Arc<Shared>,
    account: AccountName,
    submitted: Submitted,
    pub(super) run: RunId,
    report: Report,
    /// How long it waited for its claim.
    queue: Duration,
    /// The trace context of the request that it was asked for by.
    trace: Option<TraceParent>,
    /// When the log said that it is this executor's.
    held: Instant,
    /// What it is in its queue, if it is a worker.
    pub(super) place: Option<Place>,
}

/// What ends the wait for a command.
enum Turn {
    Exited(Result<Exit, RunError>),
    Cancelled,
    Taken,
    Stopped(Stop),
    Overdue(&'static str),
    Superseded(Superseded),
}

// === impl Turn ===

impl Turn {
    /// Whether what runs is to end now.
    fn is_to_end(&self) -> bool {
        !matches!(
            self,
            Self::Exited(_) | Self::Stopped(Stop::LeaveRuns | Stop::No)
        )
    }
}

// === impl Life ===

impl Life {
    pub(super) fn new(
        shared: &Arc<Shared>,
        account: &AccountName,
        submitted: Submitted,
        run: RunId,
        (queue, cause): (Duration, Option<Cause>),
        trace: Option<TraceParent>,
    ) -> Self {
        Self {
            report: Report::new(&shared.tools.log, account, run, shared.epoch(), cause),
            shared: Arc::clone(shared),
            account: account.clone(),
            place: worker::place(&submitted),
            submitted,
            run,
            queue,
            trace,
            held: Instant::now(),
        }
    }

    /// Sees the run through, from its claim or from where an earlier start left it.
    pub(super) async fn through(
        self,
        mut wished: Wished,
        left: Option<(Running, Option<Expected>)>,
    ) {
        let mut phases = Phases {
            queue: micros(self.queue),
            ..Phases::default()
        };
        // What goes on already is ended like any other, if that is what is wanted.
        if let Some((running, expected)) = left {
            if *wished.wish.borrow() != Wish::GoOn && running.started().is_none() {
                return self.not_begun().await;
            }
            // An earlier start may have claimed it, and not come to let it go.
            if let Err(error) = running.begin().await {
                tracing::warn!(job = %self.run.job, error = told(&error), "run.begin");
            }
            return self.watch(running, phases, wished, (true, expected)).await;
        }
        match self.start(&mut phases, &mut wished.wish).await {
            Ok((running, trees)) => {
                self.watch(running, phases, wished, (false, None)).await;
                drop(trees);
            }
            Err(Unstarted::Superseded(superseded)) => {
                tracing::warn!(job = %self.run.job, %superseded, "run.superseded");
                self.shared.discard(self.run).await;
            }
            Err(error) => {
                self.shared.discard(self.run).await;
                let (state, reason) = error.outcome();
                let ended = without_exit(self.run, state, reason, told(&error));
                self.tell_end(ended, false).await;
            }
        }
    }

    /// Ends a run whose command is held, and was asked to end before it was let go.
    async fn not_begun(&self) {
        self.shared.discard(self.run).await;
        let message = Unstarted::Cancelled.to_string();
        let ended = without_exit(self.run, Outcome::Cancelled, "cancelled", message);
        self.tell_end(ended, false).await;
    }

    async fn start(
        &self,
        phases: &mut Phases,
        wished: &mut watch::Receiver<Wish>,
    ) -> Result<(Running, Vec<Tree>), Unstarted> {
        let (run, trees) = self.prepared(phases, wished).await?;
        eai_core::fail_point::reach("executor.prepared");
        let mut held = self.held;
        let begun = loop {
            if *wished.borrow() != Wish::GoOn {
                return Err(Unstarted::Cancelled);
            }
            let sure = held + self.shared.settings.terms.sure();
            match self.shared.tools.backend.start(&run, sure).await {
                Err(StartError::Late) => {}
                begun => break begun?,
            }
            // Who was frozen, or took long, may have been given up meanwhile: the run may begin elsewhere.
            held = Instant::now();
            tokio::select! {
                biased;
                _ = wished.wait_for(|wish| *wish != Wish::GoOn) => return Err(Unstarted::Cancelled),
                checked = self.report.check_claim() => checked?,
            }
        };
        phases.create = micros(begun.create);
        phases.start = micros(begun.start);
        eai_core::fail_point::reach("executor.running");
        Ok((begun.running, trees))
    }

    /// What the run is made of, once all of it is on this machine.
    pub(super) async fn prepared(
        &self,
        phases: &mut Phases,
        wished: &mut watch::Receiver<Wish>,
    ) -> Result<(Run, Vec<Tree>), Unstarted> {
        self.check_resources()?;
        let clock = Instant::now();
        let image = tokio::select! {
            biased;
            _ = wished.wait_for(|wish| *wish != Wish::GoOn) => return Err(Unstarted::Cancelled),
            image = image::prepare(&self.shared, &self.account, self.run, &self.submitted) => image?,
        };
        phases.image = micros(clock.elapsed());
        let clock = Instant::now();
        let (mut binds, mut trees) = tokio::select! {
            biased;
            _ = wished.wait_for(|wish| *wish != Wish::GoOn) => return Err(Unstarted::Cancelled),
            data = mounts::prepare(&self.shared, &self.submitted.configuration) => data?,
        };
        let packages = tokio::select! {
            biased;
            _ = wished.wait_for(|wish| *wish != Wish::GoOn) => return Err(Unstarted::Cancelled),
            packages = requirements::prepare(&self.shared, &self.account, self.run, &self.submitted, &image) => packages?,
        };
        let mut env = environment::variables(
            &self.submitted,
            self.run.run,
            &self.shared.settings.console_url,
        );
        if let Some(trace) = self.trace {
            environment::add(&mut env, environment::TRACEPARENT, trace.to_string());
        }
        // A worker takes what it is given, and asks for nothing.
        if self.place.is_none()
            && let Some(tokens) = &self.shared.settings.tokens
            && let Some(token) = tokens.make(&self.account, self.run)
        {
            environment::add(&mut env, environment::TOKEN, token);
        }
        if let Some((bind, tree)) = packages {
            binds.push(bind);
            trees.push(tree);
            requirements::add_path(&mut env, TARGET);
        }
        let spec = &self.submitted.configuration.spec;
        let command = spec.runtime.command.arguments().iter();
        let mut command: Vec<String> = command.map(ToString::to_string).collect();
        let mut workdir = spec.workdir.as_ref().map(ToString::to_string);
        let mut runtime = None;
        if let Some(place) = &self.place {
            let parts = tokio::select! {
                biased;
                _ = wished.wait_for(|wish| *wish != Wish::GoOn) => return Err(Unstarted::Cancelled),
                parts = worker::prepare(&self.shared, (&self.account, self.run), &self.submitted, (place, &image), &mut env) => parts?,
            };
            binds.extend(parts.binds);
            trees.extend(parts.trees);
            command = parts.command.unwrap_or(command);
            runtime = Some(parts.runtime);
            workdir.get_or_insert_with(|| RUNTIME_PATH.to_owned());
        }
        phases.data = micros(clock.elapsed());
        let run = Run {
            name: folder_name(self.run),
            hostname: self.run.job.to_string(),
            image,
            command,
            env,
            workdir,
            mounts: binds,
            cpu_milli: spec.resources.cpu.milli().into(),
            mem_mib: spec.resources.mem.mebibytes().into(),
            gpus: spec.resources.gpu.get().into(),
            runtime,
            metadata: serde_json::to_value(self.run).unwrap_or_default(),
        };
        Ok((run, trees))
    }

    fn check_resources(&self) -> Result<(), Unstarted> {
        let resources = &self.submitted.configuration.spec.resources;
        let settings = &self.shared.settings;
        let too_much = |what: String, has: String| Err(Unstarted::TooMuch { what, has });
        if u64::from(resources.cpu.milli()) > settings.cpu_milli {
            let cores =
                |milli: u64| format!("{}.{:03} processor cores", milli / 1000, milli % 1000);
            return too_much(
                cores(resources.cpu.milli().into()),
                cores(settings.cpu_milli),
            );
        }
        if u64::from(resources.mem.mebibytes()) > settings.mem_mib {
            let memory = |mib: u64| format!("{mib} MiB of memory");
            return too_much(
                memory(resources.mem.mebibytes().into()),
                memory(settings.mem_mib),
            );
        }
        if resources.gpu.get() > 0 && !self.shared.tools.backend.has_images() {
            return too_much(
                "a graphics processor".into(),
                "none for sandboxed processes".into(),
            );
        }
        Ok(())
    }

    /// Watches a run that began, by this start or an earlier one.
    async fn watch(
        &self,
        running: Running,
        phases: Phases,
        wished: Wished,
        (left, expected): (bool, Option<Expected>),
    ) {
        let still = Still::keep(&running, wished.frozen.clone(), left);
        let mut carried = tokio::spawn(output::carry(
            self.shared.tools.output.clone(),
            self.account.clone(),
            self.run,
            running.clone(),
        ));
        let (state, readiness) = watch::channel(Readiness::default());
        let mut worker = self.attach(&running, expected);
        let seen = worker.as_ref().map(Attached::seen);
        let turn = self
            .turn(&running, (phases, seen), wished, (&state, &readiness))
            .await;
        let port = self.submitted.configuration.spec.port.get();
        let ready = readiness.borrow().ever;
        if turn.is_to_end() {
            still.let_go().await;
        }
        let ended = match turn {
            Turn::Stopped(Stop::LeaveRuns | Stop::No) => return carried.abort(),
            Turn::Superseded(superseded) => {
                tracing::warn!(job = %self.run.job, %superseded, "run.superseded");
                self.remove_worker(&running, worker).await;
                return carried.abort();
            }
            Turn::Taken => {
                tracing::warn!(job = %self.run.job, "run.taken: the log says that it is over");
                self.remove_worker(&running, worker).await;
                return carried.abort();
            }
            Turn::Exited(Ok(exit)) => ended(self.run, &exit, port, ready),
            Turn::Exited(Err(error)) => {
                without_exit(self.run, Outcome::Interrupted, "lost", told(&error))
            }
            Turn::Cancelled => {
                self.drain(worker.as_ref()).await;
                let exit = self.end(&running).await;
                Ended {
                    state: Outcome::Cancelled,
                    reason: "cancelled".into(),
                    message: String::new(),
                    ..ended(self.run, &exit.unwrap_or_default(), port, ready)
                }
            }
            Turn::Stopped(Stop::EndRuns) => {
                drop(self.end(&running).await);
                let message = "the platform was stopped";
                without_exit(self.run, Outcome::Interrupted, "platform-stopped", message)
            }
            Turn::Overdue(reason) => {
                drop(self.end(&running).await);
                let hint = readiness.borrow().hint.clone();
                let message = hint.unwrap_or_else(|| "it ran for as long as it may".into());
                without_exit(self.run, Outcome::Failed, reason, message)
            }
        };
        if let Some(worker) = &mut worker {
            worker.end(ended.message.clone()).await;
        }
        // Whoever reads the end of a job finds its last words.
        let in_time = tokio::time::timeout(OUTPUT_TIME, &mut carried).await;
        self.tell_end(ended, is_steady(ready, running.started()))
            .await;
        // The log answers again, so the output can be stored as well.
        if in_time.is_err()
            && tokio::time::timeout(LATE_OUTPUT_TIME, &mut carried)
                .await
                .is_err()
        {
            tracing::warn!(job = %self.run.job, "output.lost");
            carried.abort();
        }
        self.remove(&running).await;
    }

    /// Waits for whatever ends the run.
    async fn turn(
        &self,
        running: &Running,
        (phases, worker): (Phases, Option<watch::Receiver<Seen>>),
        wished: Wished,
        (state, readiness): (&watch::Sender<Readiness>, &watch::Receiver<Readiness>),
    ) -> Turn {
        let spec = &self.submitted.configuration.spec;
        let watch = Watch {
            report: &self.report,
            running,
            worker,
            spec,
            phases,
            began: Instant::now(),
            frozen: wished.frozen.clone(),
            state,
        };
        let mut first_answer = readiness.clone();
        let mut stop = self.shared.stop.clone();
        let never_ready = async {
            let answered = async { first_answer.wait_for(|state| state.ever).await.is_ok() };
            let time = self.shared.settings.start_timeout;
            tokio::select! {
                true = answered => std::future::pending().await,
                () = gone_on_for(wished.frozen.clone(), time) => {}
            }
        };
        let mut wish = wished.wish.clone();
        tokio::select! {
            biased;
            Ok(wish) = wish.wait_for(|wish| *wish != Wish::GoOn) => match *wish {
                Wish::Drop => Turn::Taken,
                Wish::End | Wish::GoOn => Turn::Cancelled,
            },
            _ = stop.wait_for(|stop| *stop != Stop::No) => Turn::Stopped(*self.shared.stop.borrow()),
            exit = running.wait() => Turn::Exited(exit),
            Err(superseded) = watch.run(self.started(running)) => Turn::Superseded(superseded),
            () = never_ready => Turn::Overdue("start-timeout"),
            () = self.overdue(running) => Turn::Overdue("max-run-time"),
        }
    }

    /// Waits for the end of the time that the run may take.
    async fn overdue(&self, running: &Running) {
        let most = u64::from(self.submitted.configuration.spec.max_run_time.get());
        if most == 0 {
            return std::future::pending().await;
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let began = running.started().map(|started| started.at);
        let began = began.map_or(now, Duration::from_millis);
        let left = (began + Duration::from_secs(most)).saturating_sub(now);
        tokio::time::sleep(left).await;
    }

    fn started(&self, running: &Running) -> Command {
        let began = running.started();
        let backend = &self.shared.tools.backend;
        let port = self.submitted.configuration.spec.port.get();
        Command::Start(Started {
            run: self.run.run,
            claim: self.run.claim,
            backend: backend.name().into(),
            endpoint: running.endpoint(port),
            limits: running.limits().into(),
            network: began.map_or_else(|| "none".into(), |began| began.network),
            image: image::of(&self.shared, &self.submitted),
            image_ignored: !backend.has_images(),
        })
    }

    /// Asks the command to end, and ends it where it takes too long.
    pub(super) async fn end(&self, running: &Running) -> Result<Exit, RunError> {
        running.signal(Signal::Term).await?;
        if let Ok(exit) = tokio::time::timeout(GRACE, running.wait()).await {
            return exit;
        }
        running.signal(Signal::Kill).await?;
        running.wait().await
    }

    async fn tell_end(&self, ended: Ended, steady: bool) {
        eai_core::fail_point::reach("executor.ended");
        if let Err(superseded) = self.report.end(ended, steady).await {
            tracing::debug!(job = %self.run.job, %superseded, "run.end");
        }
        eai_core::fail_point::reach("executor.settled");
    }

    pub(super) async fn remove(&self, running: &Running) {
        if let Err(error) = running.remove().await {
            tracing::warn!(job = %self.run.job, error = told(&error), "run.remove");
        }
    }
}
