//! `eai task`.

mod submit;

use serde_json::json;

use super::resource::{Kind, qualified};
use crate::args::{
    AtArgs, DeadVerb, ListDead, ListTasks, PurgeArgs, RequeueArgs, TaskStatus, TaskVerb,
};
use crate::args::{FormatArg, OutputArgs};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, Row, RowWriter};

const TASK: Kind = Kind {
    path: "task",
    columns: &[
        "id",
        "task_name",
        "status",
        "attempts",
        "priority",
        "worker_name",
        "created_on",
    ],
};

pub(super) async fn run(
    verb: TaskVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        TaskVerb::Submit(args) => submit::run(*args, client, printer).await,
        TaskVerb::Ls(args) => list(args, client, printer).await,
        TaskVerb::Get(args) => TASK.get(args, AtArgs::default(), client, printer).await,
        TaskVerb::Result(task) => {
            text(
                &[TASK.path, &task.id.to_string(), "result"],
                client,
                printer,
            )
            .await
        }
        TaskVerb::Logs(task) => {
            text(&[TASK.path, &task.id.to_string(), "logs"], client, printer).await
        }
        TaskVerb::Cancel(args) => TASK.act("cancel", args, client, printer).await,
        TaskVerb::Retry(args) => TASK.act("retry", args, client, printer).await,
        TaskVerb::Purge(args) => purge(args, client, printer).await,
        TaskVerb::Dead(DeadVerb::Ls(args)) => dead(args, client, printer).await,
        TaskVerb::Dead(DeadVerb::Requeue(args)) => requeue(args, client, printer).await,
    }
}

async fn list(
    args: ListTasks,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let service = qualified(&args.service, client.account());
    let query: Vec<_> = args
        .status
        .map(|status| ("status", status.name()))
        .into_iter()
        .collect();
    let path = ["service", &service, "task"];
    let rows = client.rows(&path, &query, args.limit).await?;
    TASK.print(&rows, args.output, printer)
}

async fn dead(
    args: ListDead,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let service = qualified(&args.service, client.account());
    let path = ["service", &service, "dead"];
    let rows = client.rows(&path, &[], args.limit).await?;
    TASK.print(&rows, args.output, printer)
}

async fn requeue(
    args: RequeueArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let service = qualified(&args.service, client.account());
    let call = Call::command(&["service", &service, "dead", "requeue"], 0);
    let row = client
        .row(call.body(json!({ "tasks": args.tasks })))
        .await?;
    count(row, args.output, printer)
}

async fn purge(
    args: PurgeArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let service = qualified(&args.service, client.account());
    let mut call = Call::delete(&["service", &service, "task"]);
    if let Some(status) = args.status {
        let status = TaskStatus::from(status).name();
        call = call.query("status", status.to_owned());
    }
    let row = client.row(call).await?;
    count(row, args.output, printer)
}

/// How many tasks something happened to.
fn count(row: Row, output: OutputArgs, printer: &mut Printer) -> Result<ExitStatus, Error> {
    RowWriter::new(output.view(FormatArg::Table), &["tasks"]).write(printer, &[row])?;
    Ok(ExitStatus::Success)
}

/// Prints an answer that is no row, as it came.
async fn text(
    path: &[&str],
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let (text, _) = client.document(Call::get(path)).await?;
    if !text.is_empty() {
        printer.line(text.trim_end_matches('\n'))?;
    }
    Ok(ExitStatus::Success)
}
