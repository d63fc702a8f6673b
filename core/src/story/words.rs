//! The words for each event: what happened to it, as the end of a sentence that it begins.

use super::{Facet, Told};
use crate::aggregate::{Aggregate, DecodeError, Event as _};
use crate::envelope::TypeParts;
use crate::ids::JobId;
use crate::{account, data, executor, job, name, platform, role, service, task, worker};

/// The most characters of a text that somebody else wrote.
const MOST: usize = 300;

/// What an event says. One that this version cannot read says only that.
pub(super) fn told(parts: TypeParts<'_>, data: &str) -> Told {
    read(parts, data).unwrap_or_else(|_| Told {
        text: format!("saw `{parts}`, which this version cannot read"),
        facet: Facet::Unknown,
        job: None,
    })
}

fn read(parts: TypeParts<'_>, data: &str) -> Result<Told, DecodeError> {
    macro_rules! kinds {
        ($($module:ident $aggregate:ident $words:path,)+) => {
            match parts.kind {
                $($module::$aggregate::KIND => {
                    let event = <$module::$aggregate as Aggregate>::Event::decode(
                        parts.name, parts.version, data,
                    )?;
                    Ok($words(&event))
                })+
                _ => Err(DecodeError::Unknown { name: parts.to_string(), version: parts.version }),
            }
        };
    }
    kinds! {
        account AccountAggregate of_account,
        data DataAggregate of_data,
        executor ExecutorAggregate of_executor,
        job JobAggregate of_job,
        name NameAggregate of_name,
        platform PlatformAggregate of_platform,
        role RoleAggregate of_role,
        service ServiceAggregate of_service,
        task TaskAggregate of_task,
        worker WorkerAggregate of_worker,
    }
}

fn say(facet: Facet, text: impl Into<String>) -> Told {
    Told {
        text: text.into(),
        facet,
        job: None,
    }
}

impl Told {
    fn about(self, job: JobId) -> Self {
        Self {
            job: Some(job.to_string()),
            ..self
        }
    }
}

fn of_service(event: &service::Event) -> Told {
    use service::Event;
    match event {
        Event::Created(created) => {
            let queue = match &created.queue {
                Some(queue) => format!(", with a queue for {}", count(queue.workers, "worker")),
                None => String::new(),
            };
            say(Facet::Made, format!("was made, {}{queue}", created.status))
        }
        Event::Started(_) => say(Facet::Status, "was started"),
        Event::Stopped(stopped) if stopped.keep_workers => say(
            Facet::Status,
            "was stopped, and its workers stay with nothing to do",
        ),
        Event::Stopped(_) => say(Facet::Status, "was stopped"),
        Event::Deactivated(_) => say(Facet::Status, "was put away"),
        Event::Reactivated(back) => {
            say(Facet::Status, format!("was brought back, {}", back.status))
        }
        Event::Deleted(_) => say(Facet::Status, "was deleted"),
        Event::Revised(revised) => {
            let runtime = &revised.configuration.spec.runtime;
            let text = format!("got revision {}: {}", revised.revision, program(runtime));
            say(Facet::Content, text)
        }
        Event::Restarted(restarted) => {
            let text = format!(
                "is to run the same anew, as revision {}",
                restarted.revision
            );
            say(Facet::Content, text)
        }
        Event::Configured(configured) => say(Facet::Terms, terms(&configured.terms)),
        Event::Scaled(scaled) => {
            let text = format!("is to have {}", count(scaled.workers, "worker"));
            say(Facet::Terms, text)
        }
        Event::GaveUp(gave_up) => {
            let text = format!(
                "is not tried again after {} in a row: {}",
                count(gave_up.failures, "failure"),
                why(&gave_up.reason, &gave_up.message)
            );
            say(Facet::Trust, text)
        }
        Event::HealthChanged(health) => {
            let text = format!(
                "is {}: {} of {} work, {} not or not yet, {} unhealthy",
                health.status,
                health.running,
                count(health.workers, "worker"),
                health.pending,
                health.unhealthy
            );
            say(Facet::Health, text)
        }
        Event::Quiet(_) => say(Facet::Traffic, "is asked for by nobody"),
        Event::Busy(_) => say(Facet::Traffic, "is asked for again"),
        Event::DeadLettered(dead) => {
            let number = u32::try_from(dead.tasks.len()).unwrap_or(u32::MAX);
            let text = format!("has {} more that are tried no more", count(number, "task"));
            say(Facet::Health, text)
        }
        Event::Activated(run) => activated(run),
        Event::Switched(run) => {
            let text = format!("sends its requests to run {} of job {}", run.run, run.job);
            say(Facet::Work, text).about(run.job)
        }
        Event::Draining(run) => {
            let (run, job) = (run.run, run.job);
            let text = format!("sends no more requests to run {run} of job {job}, to make room");
            say(Facet::Work, text).about(job)
        }
        Event::Drained(run) => {
            let cut = match run.cut {
                0 => String::new(),
                cut => format!(", {cut} of which were cut"),
            };
            let (run, job) = (run.run, run.job);
            let text = format!("saw run {run} of job {job} be done with its requests{cut}");
            say(Facet::Work, text).about(job)
        }
        Event::Joined(run) => {
            let (run, job) = (run.run, run.job);
            let text = format!("sends requests to run {run} of job {job} as well");
            say(Facet::Work, text).about(job)
        }
        Event::Resized(size) => {
            let (replicas, in_flight) = (size.replicas, count(size.in_flight, "request"));
            let text = format!("wants {replicas} at a time, for {in_flight} in flight");
            say(Facet::Size, text)
        }
        Event::JobEnded(ended) => job_ended(ended),
    }
}

fn activated(activated: &service::Activated) -> Told {
    let by = if activated.by_itself {
        " by itself"
    } else {
        ""
    };
    let worker = match activated.worker {
        Some(worker) => format!(", its worker {worker}"),
        None => String::new(),
    };
    let (run, job) = (activated.run, activated.job);
    let text = format!("asked{by} for run {run} of job {job}{worker}");
    say(Facet::Work, text).about(job)
}

fn job_ended(ended: &service::JobEnded) -> Told {
    let why = match &ended.ending {
        Some(ending) => format!(": {}", why(&ending.reason, &ending.message)),
        None => String::new(),
    };
    let failed = match ended.failed_revision {
        Some(revision) => format!("; revision {revision} never answered, and the one before stays"),
        None => String::new(),
    };
    let (run, job, state) = (ended.run, ended.job, ended.state);
    let text = format!("saw run {run} of job {job} end as {state}{why}{failed}");
    say(Facet::Work, text).about(job)
}

fn of_job(event: &job::Event) -> Told {
    use job::Event;
    match event {
        Event::Submitted(submitted) => {
            let by = match &submitted.service {
                Some(of) => format!(" by {}, revision {}", of.service.full_name, of.revision),
                None => String::new(),
            };
            let program = program(&submitted.configuration.spec.runtime);
            say(Facet::Made, format!("was asked for{by}: {program}"))
        }
        Event::Claimed(claimed) => {
            let text = format!(
                "is prepared: executor {} took run {}",
                claimed.executor, claimed.run
            );
            say(Facet::Status, text)
        }
        Event::Started(started) => {
            let image = match &started.image {
                Some(image) => format!(", image {}", bounded(image)),
                None => String::new(),
            };
            let (backend, run) = (&started.backend, started.run);
            say(
                Facet::Status,
                format!("runs with {backend}, run {run}{image}"),
            )
        }
        Event::Ready(ready) => say(
            Facet::Health,
            format!("answers on its port, run {}", ready.run),
        ),
        Event::Unready(unready) => {
            let text = format!("does not answer: {}", bounded(&unready.reason));
            say(Facet::Health, text)
        }
        Event::Frozen(frozen) if frozen.reason == "idle" => {
            say(Facet::Traffic, "is held still, since nobody asked for it")
        }
        Event::Frozen(_) => say(Facet::Traffic, "is held still, as somebody asked"),
        Event::Thawed(_) => say(Facet::Traffic, "goes on"),
        Event::Cancelling(cancelling) => {
            let text = format!("is to end: {}", bounded(&cancelling.reason));
            say(Facet::Status, text)
        }
        Event::Ended(ended) => say(Facet::Status, end(ended)),
        Event::Retried(retried) => say(
            Facet::Status,
            format!("is to run again, as run {}", retried.run),
        ),
    }
}

/// How a run ended.
fn end(ended: &job::Ended) -> String {
    let exit = match (ended.exit_code, ended.signal) {
        (Some(code), _) if !ended.message.contains(&code.to_string()) => {
            format!(", exit code {code}")
        }
        (None, Some(signal)) if !ended.message.contains(&signal.to_string()) => {
            format!(", signal {signal}")
        }
        _ => String::new(),
    };
    let why = why(&ended.reason, &ended.message);
    format!("ended as {}: {why}{exit}", ended.state)
}

fn of_worker(event: &worker::Event) -> Told {
    use worker::Event;
    match event {
        Event::Started(started) => say(
            Facet::Status,
            format!(
                "`{}` works in run {} of job {}",
                bounded(&started.name),
                started.run,
                started.job
            ),
        )
        .about(started.job),
        Event::Unhealthy(unhealthy) => say(
            Facet::Status,
            format!(
                "is unhealthy: {}",
                why(&unhealthy.reason, &unhealthy.message)
            ),
        )
        .about(unhealthy.job),
        Event::Recovered(recovered) => say(Facet::Status, "is well again").about(recovered.job),
        Event::Restarted(restarted) => say(
            Facet::Status,
            format!(
                "was replaced: {}; it works in run {} of job {}",
                bounded(&restarted.reason),
                restarted.run,
                restarted.job
            ),
        )
        .about(restarted.job),
        Event::Stopped(stopped) => say(Facet::Status, "ended, as it was to").about(stopped.job),
    }
}

fn of_executor(event: &executor::Event) -> Told {
    use executor::Event;
    match event {
        Event::Started(started) => {
            let (went_on, lost) = (runs(started.adopted.len()), runs(started.lost.len()));
            let (epoch, backend) = (started.epoch, &started.backend);
            let text =
                format!("started, epoch {epoch}, with {backend}: {went_on} went on, {lost} lost");
            say(Facet::Status, text)
        }
        Event::Stopped(_) => say(Facet::Status, "stopped"),
        Event::Lost(_) => say(
            Facet::Status,
            "was not heard any more, and its runs were given up",
        ),
        Event::Draining(_) => say(Facet::Terms, "takes no new jobs"),
        Event::Undrained(_) => say(Facet::Terms, "takes jobs again"),
    }
}

fn of_data(event: &data::Event) -> Told {
    use data::Event;
    match event {
        Event::Created(_) => say(Facet::Made, "was made"),
        Event::Pushed(pushed) => {
            let text = format!(
                "got version {}: {} files, {} bytes",
                pushed.version, pushed.files, pushed.bytes
            );
            say(Facet::Content, text)
        }
    }
}

fn of_role(event: &role::Event) -> Told {
    use role::Event;
    match event {
        Event::Created(_) => say(Facet::Made, "was made"),
        Event::MemberAdded(added) => say(Facet::Content, format!("got user {}", added.user)),
        Event::MemberRemoved(removed) => say(Facet::Content, format!("lost user {}", removed.user)),
        Event::PolicyAdded(added) => say(
            Facet::Terms,
            format!("allows more: `{}`", bounded(&added.policy.to_string())),
        ),
        Event::PolicyRemoved(removed) => say(
            Facet::Terms,
            format!("allows no more: `{}`", bounded(&removed.policy.to_string())),
        ),
        Event::KeyAdded(added) => say(Facet::Content, format!("got key {}", added.id)),
        Event::KeyRevoked(revoked) => say(
            Facet::Content,
            format!("lost key {}, which is good no more", revoked.id),
        ),
    }
}

fn of_account(event: &account::Event) -> Told {
    use account::Event;
    match event {
        Event::Created(_) => say(Facet::Made, "was made"),
        Event::UserAdded(added) => say(Facet::Content, format!("got user {}", added.name)),
        Event::TokensRevoked(revoked) => say(
            Facet::Content,
            format!("took the tokens of user {} back", revoked.user),
        ),
        Event::MonitorAdded(added) => say(
            Facet::Content,
            format!("got credentials {} of a monitor", added.name),
        ),
        Event::MonitorRevoked(revoked) => say(
            Facet::Content,
            format!("took the credentials {} of a monitor back", revoked.id),
        ),
    }
}

fn of_name(event: &name::Event) -> Told {
    use name::Event;
    match event {
        Event::Reserved(reserved) => say(
            Facet::Status,
            format!("{} was given to {}", reserved.full_name, reserved.holder),
        ),
        Event::Released(_) => say(Facet::Status, "is free again"),
    }
}

fn of_platform(event: &platform::Event) -> Told {
    let platform::Event::Restored(restored) = event;
    let text = format!(
        "began with the {} events of an export of platform {}; what ran in it is over",
        restored.events, restored.from
    );
    say(Facet::Made, text)
}

/// Tasks are in a log of their own, and told by their own commands.
fn of_task(event: &task::Event) -> Told {
    say(Facet::Status, format!("was {}", event.name()))
}

fn program(runtime: &crate::spec::Runtime) -> String {
    let command: Vec<String> = runtime
        .command
        .arguments()
        .iter()
        .map(ToString::to_string)
        .collect();
    let text = if command.is_empty() {
        format!("what image {} runs", runtime.image)
    } else {
        format!("`{}` in image {}", command.join(" "), runtime.image)
    };
    bounded(&text)
}

fn terms(terms: &service::Terms) -> String {
    let kept = match terms.min_ready {
        0 => "no job is kept when nobody asks",
        _ => "a job is always kept",
    };
    let idle = match terms.idle_timeout_ms {
        Some(time) => format!("idle timeout {} s", time / 1000),
        None => "the usual idle timeout".to_owned(),
    };
    let replicas = terms.replicas;
    let many = if replicas.is_usual() {
        String::new()
    } else {
        let (min, max, each) = (replicas.min, replicas.max, replicas.concurrency);
        let each = count(each, "request");
        format!(", {min} to {max} replicas, each meant for {each} at a time")
    };
    format!("is kept on other terms: {idle}, {kept}{many}")
}

/// A reason in a sentence, where there is one.
fn why(reason: &str, message: &str) -> String {
    bounded(if message.is_empty() { reason } else { message })
}

fn count(number: u32, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn runs(number: usize) -> String {
    count(u32::try_from(number).unwrap_or(u32::MAX), "run")
}

/// One line of bounded length.
fn bounded(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => line
            .get(..end)
            .map(|cut| format!("{cut}…"))
            .unwrap_or_default(),
        None => line,
    }
}
