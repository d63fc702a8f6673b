//! The verbs of a service's life: waiting for it, following it, going back to what it was.

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::events;
use super::resource::{LATE, qualified};
use super::service::SERVICE;
use crate::args::{
    FilterArgs, FormatArg, RefsArgs, RollbackArgs, ServiceEventsArgs, ServiceLogArgs,
    ServiceRefArgs, ServiceUntil, ServiceWaitArgs, TailArgs,
};
use crate::client::{Call, Client, Follow, Logs, Stream, Wanted, Written};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, Row, RowWriter};

const REVISIONS: &[&str] = &[
    "revision",
    "state",
    "image",
    "command",
    "runtimeVersion",
    "createdOn",
    "createdBy",
];

/// Takes services away, one after the other.
pub(super) async fn delete(
    args: RefsArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    SERVICE.remove(args, client, printer).await
}

pub(super) async fn revisions(
    args: ServiceRefArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let reference = qualified(&args.reference, client.account());
    let path = [SERVICE.path, &reference, "revision"];
    let rows = client.rows(&path, &[], None).await?;
    RowWriter::new(args.output.view(FormatArg::Table), REVISIONS).write(printer, &rows)?;
    Ok(ExitStatus::Success)
}

pub(super) async fn rollback(
    args: RollbackArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let reference = qualified(&args.reference, client.account());
    let body = match args.to {
        Some(to) => json!({ "to": to }),
        None => json!({}),
    };
    let call = Call::command(&[SERVICE.path, &reference, "rollback"], 0).body(body);
    let row = client.row(call).await?;
    SERVICE.print(&[row], args.output, printer)
}

/// Prints the events of a service, as `eai events tail --id` does.
pub(super) async fn events(
    args: ServiceEventsArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let id = match Uuid::parse_str(&args.reference) {
        // One that was deleted has its events all the same.
        Ok(_) => args.reference,
        Err(_) => id(&args.reference, client).await?.0,
    };
    let tail = TailArgs {
        follow: args.follow,
        lines: args.lines,
        filter: FilterArgs {
            id: Some(id),
            since: args.since,
            ..FilterArgs::default()
        },
        output: args.output,
    };
    events::print(tail, client, printer).await
}

/// The id of a service, and the service.
async fn id(reference: &str, client: &mut Client) -> Result<(String, Row), Error> {
    let reference = qualified(reference, client.account());
    let row = client.row(Call::get(&[SERVICE.path, &reference])).await?;
    let id = row.text("id").unwrap_or(&reference).to_owned();
    Ok((id, row))
}

/// Waits by the service's events; fails where what is waited for does not come by itself.
pub(super) async fn wait(
    args: ServiceWaitArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    // What happens from here on is seen in the events, what happened before in the row.
    let since = client.newest().await? + 1;
    let (id, mut row) = id(&args.reference, client).await?;
    let mut follow = Follow::new(vec![("id", id.clone())], since.to_string());
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    loop {
        match reached(args.until, &row, client).await? {
            Reached::Yes => {
                SERVICE.print(&[row], args.output, printer)?;
                return Ok(ExitStatus::Success);
            }
            Reached::Never(why) => {
                return SERVICE.give_up(row, args.output, printer, &why);
            }
            Reached::NotYet => {}
        }
        if follow.next_until(client, deadline).await?.is_none() {
            return SERVICE.give_up(row, args.output, printer, LATE);
        }
        // What was stored together with it, such as the end of its job, has to show as well.
        client.newest().await?;
        row = client.row(Call::get(&[SERVICE.path, &id])).await?;
    }
}

/// Whether what is waited for is there.
enum Reached {
    Yes,
    NotYet,
    /// It would need somebody to do something: why, and what.
    Never(String),
}

async fn reached(until: ServiceUntil, row: &Row, client: &mut Client) -> Result<Reached, Error> {
    let is = |field: &str, value: &str| row.text(field) == Some(value);
    let on = is("status", "on");
    let serving = number(row, "servingRevision");
    let newest = serving.is_some() && serving == number(row, "revision");
    let yes = match until {
        ServiceUntil::Ready => on && newest,
        ServiceUntil::Settled => on && newest && is("rollout", "settled"),
        // One in error is on, and its job is not tried.
        ServiceUntil::Stopped if is("status", "error") => false,
        ServiceUntil::Stopped => {
            let id = row.text("id").unwrap_or_default().to_owned();
            let query = [("service", id.as_str()), ("state", "alive")];
            !on && client.rows(&["job"], &query, Some(1)).await?.is_empty()
        }
    };
    Ok(match until {
        _ if yes => Reached::Yes,
        ServiceUntil::Ready | ServiceUntil::Settled if on && is("rollout", "failed") => {
            Reached::Never(row.text("rolloutReason").unwrap_or_default().to_owned())
        }
        ServiceUntil::Ready | ServiceUntil::Settled if !on => Reached::Never(why_not(row)),
        ServiceUntil::Stopped if on || is("status", "error") => Reached::Never(why_not(row)),
        _ => Reached::NotYet,
    })
}

/// Why what is waited for does not come by itself, and who could bring it about.
fn why_not(row: &Row) -> String {
    // The platform says why it gave one up.
    if let Some(reason) = row.text("reason") {
        return reason.to_owned();
    }
    let name = row.text("name").unwrap_or_default();
    let (status, verb) = match row.text("status").unwrap_or_default() {
        "on" => ("on", "stop"),
        "deactivated" => ("deactivated", "reactivate"),
        other => (other, "start"),
    };
    format!("service `{name}` is {status}, and stays so: `eai service {verb} {name}` changes that")
}

fn number(row: &Row, field: &str) -> Option<u64> {
    row.value().get(field).and_then(Value::as_u64)
}

/// Prints what the newest run wrote, and then each run that comes.
pub(super) async fn logs(
    args: ServiceLogArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let since = client.newest().await? + 1;
    let (id, _) = id(&args.reference, client).await?;
    let query = [("service", id.as_str()), ("state", "all")];
    let newest = client.rows(&["job"], &query, Some(1)).await?;
    let mut last = None;
    if let Some(job) = newest.first() {
        let run = Run {
            job: job.text("id").unwrap_or_default().to_owned(),
            run: number(job, "run").and_then(|run| u32::try_from(run).ok()),
        };
        print(&run, &args, args.tail, client, printer).await?;
        last = Some(run);
    }
    if !args.follow {
        return Ok(ExitStatus::Success);
    }
    let filter = vec![("id", id), ("type", "service.activated".to_owned())];
    let mut follow = Follow::new(filter, since.to_string());
    loop {
        let event = follow.next(client).await?;
        client.seen(number(&event, "sequence").unwrap_or(0));
        let data = event.value().get("data").cloned().unwrap_or_default();
        let run = Run {
            job: data["job"].as_str().unwrap_or_default().to_owned(),
            run: data["run"].as_u64().and_then(|run| u32::try_from(run).ok()),
        };
        if last.as_ref() != Some(&run) {
            print(&run, &args, None, client, printer).await?;
            last = Some(run);
        }
    }
}

/// A run of a job.
#[derive(PartialEq, Eq)]
struct Run {
    job: String,
    run: Option<u32>,
}

async fn print(
    run: &Run,
    args: &ServiceLogArgs,
    tail: Option<u64>,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<(), Error> {
    let mut logs = Logs::new(Wanted {
        job: run.job.clone(),
        run: run.run,
        follow: args.follow,
        tail,
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
    Ok(())
}
