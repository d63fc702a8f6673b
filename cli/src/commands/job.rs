//! `eai job`.

use eai_core::spec::Spec;
use serde_json::Value;
use tokio::time::Instant;

use super::resource::{Kind, LATE, qualified};
use crate::args::{
    FormatArg, JobRefs, JobVerb, ListJobs, LogArgs, OutputArgs, RefsArgs, Until, WaitArgs,
};
use crate::client::{Call, Client, Follow, Logs, Stream, Wanted, Written};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, Row, RowWriter};

const JOB: Kind = Kind {
    path: "job",
    columns: &[
        "id",
        "state",
        "name",
        "account",
        "creator",
        "created",
        "command",
        "runs.exitCode",
        "accessUrl",
    ],
};

/// The jobs of one service: what they have in common isn't repeated.
const JOB_OF_A_SERVICE: Kind = Kind {
    path: "job",
    columns: &[
        "id",
        "state",
        "name",
        "created",
        "command",
        "runs.exitCode",
        "accessUrl",
    ],
};

pub(super) async fn run(
    verb: JobVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        JobVerb::Ls(args) => list(args, client, printer).await,
        JobVerb::Get { jobs, at } => {
            let args = refs(jobs, client).await?;
            JOB.get(args, at, client, printer).await
        }
        JobVerb::Info { jobs, job_spec } => info(jobs, job_spec, client, printer).await,
        JobVerb::Log(args) => log(args, client, printer).await,
        JobVerb::Kill(args) => {
            let args = refs(args, client).await?;
            JOB.act("kill", args, client, printer).await
        }
        JobVerb::Freeze(args) => {
            let args = refs(args, client).await?;
            JOB.act("freeze", args, client, printer).await
        }
        JobVerb::Thaw(args) => {
            let args = refs(args, client).await?;
            JOB.act("thaw", args, client, printer).await
        }
        JobVerb::Wait(args) => wait(args, client, printer).await,
    }
}

async fn list(
    args: ListJobs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let place = args.place.or_else(|| client.account().map(str::to_owned));
    let service = args.service.map(|name| qualified(&name, client.account()));
    let kind = match &service {
        Some(_) => JOB_OF_A_SERVICE,
        None => JOB,
    };
    let order = if args.reverse { "created" } else { "-created" };
    let mut query = vec![("order", order)];
    for (name, value) in [
        ("account", &place),
        ("service", &service),
        ("state", &args.state),
        ("name", &args.name),
        ("at", &args.at.at),
    ] {
        query.extend(value.as_deref().map(|value| (name, value)));
    }
    let rows = client.rows(&[kind.path], &query, args.limit).await?;
    kind.print(&rows, args.output, printer)
}

/// The jobs that are meant.
async fn refs(args: JobRefs, client: &mut Client) -> Result<RefsArgs, Error> {
    let refs = if args.last {
        vec![last(client).await?]
    } else {
        args.refs
    };
    Ok(RefsArgs {
        refs,
        output: args.output,
    })
}

async fn one(reference: Option<String>, client: &mut Client) -> Result<String, Error> {
    match reference {
        Some(reference) => Ok(reference),
        None => last(client).await,
    }
}

/// The id of the newest job.
async fn last(client: &mut Client) -> Result<String, Error> {
    let account = client.account().map(str::to_owned);
    let mut query = vec![("state", "all")];
    query.extend(account.as_deref().map(|account| ("account", account)));
    let rows = client.rows(&[JOB.path], &query, Some(1)).await?;
    let id = rows.first().and_then(|row| row.text("id"));
    id.map(str::to_owned).ok_or(Error::NoJob)
}

async fn info(
    jobs: JobRefs,
    job_spec: bool,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let RefsArgs { refs, output } = refs(jobs, client).await?;
    let mut rows = Vec::new();
    for reference in &refs {
        rows.push(client.row(Call::get(&[JOB.path, reference])).await?);
    }
    if !job_spec {
        RowWriter::new(output.view(FormatArg::Yaml), JOB.columns).write(printer, &rows)?;
        return Ok(ExitStatus::Success);
    }
    for (nth, row) in rows.iter().enumerate() {
        if nth > 0 {
            printer.line("---")?;
        }
        printer.line(spec(row, client)?.trim_end())?;
    }
    Ok(ExitStatus::Success)
}

/// What a job runs, as the file that makes another one run the same.
fn spec(row: &Row, client: &Client) -> Result<String, Error> {
    let spec = row.value().get("spec").cloned().unwrap_or(Value::Null);
    let spec: Spec = serde_json::from_value(spec).map_err(|error| Error::Answer {
        url: client.url().to_owned(),
        reason: error.to_string(),
    })?;
    spec.to_yaml()
        .map_err(|error| Error::Yaml(error.to_string()))
}

async fn log(
    args: LogArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let job = one(args.reference, client).await?;
    // A connection that is lost has to be taken up in the same run.
    let run = if args.run.is_some() {
        args.run
    } else {
        let row = client.row(Call::get(&[JOB.path, &job])).await?;
        let run = row.value().get("run").and_then(Value::as_u64);
        run.and_then(|run| u32::try_from(run).ok())
    };
    let mut logs = Logs::new(Wanted {
        job,
        run,
        follow: args.follow,
        tail: args.tail,
    });
    while let Some(Written { stream, bytes }) = logs.next(client).await? {
        match stream {
            Stream::Stdout => printer.written(&bytes)?,
            Stream::Stderr | Stream::Platform => printer.written_aside(&bytes)?,
        }
        if args.follow {
            printer.flush()?;
        }
    }
    Ok(ExitStatus::Success)
}

/// Waits by the job's events; fails if the job ended before it was where it should be.
async fn wait(
    args: WaitArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let WaitArgs {
        reference,
        last: _,
        until,
        timeout,
        output,
    } = args;
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let job = one(reference, client).await?;
    // What happens from here on is seen in the events, what happened before in the row.
    let since = client.newest().await? + 1;
    let mut row = client.row(Call::get(&[JOB.path, &job])).await?;
    let id = row.text("id").unwrap_or(&job).to_owned();
    let mut follow = Follow::new(vec![("id", id.clone())], since.to_string());
    loop {
        let state = row.text("state").unwrap_or_default();
        let flag = |name: &str| row.value().get(name).and_then(Value::as_bool) == Some(true);
        let ended = !flag("alive");
        let reached = match until {
            Until::Running => state == "RUNNING",
            Until::Ready => flag("ready"),
            Until::Ended => ended,
        };
        if reached || ended {
            return finish(row, reached, output, printer);
        }
        let Some(event) = follow.next_until(client, deadline).await? else {
            return JOB.give_up(row, output, printer, LATE);
        };
        client.seen(
            event
                .value()
                .get("sequence")
                .and_then(Value::as_u64)
                .unwrap_or(0),
        );
        row = client.row(Call::get(&[JOB.path, &id])).await?;
    }
}

fn finish(
    row: Row,
    reached: bool,
    output: OutputArgs,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    JOB.print(&[row], output, printer)?;
    Ok(if reached {
        ExitStatus::Success
    } else {
        ExitStatus::Failure
    })
}
