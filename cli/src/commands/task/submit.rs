//! `eai task submit`: tasks from the command line, a file or standard input; on request until their end.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::TASK;
use crate::args::SubmitArgs;
use crate::client::{Call, Client};
use crate::commands::resource::qualified;
use crate::error::{Error, ExitStatus};
use crate::files;
use crate::output::{Printer, Row};

/// How many tasks one call carries.
const AT_ONCE: usize = 400;
/// How long one call waits for a task's end, in seconds.
const WAIT: u64 = 30;
/// How long the answer to that may take.
const PATIENCE: Duration = Duration::from_secs(WAIT + 30);

type Fields = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Submitted {
    items: Vec<Box<RawValue>>,
}

pub(super) async fn run(
    args: SubmitArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let service = qualified(&args.service, client.account());
    let path = ["service", service.as_str(), "task"];
    let mut tasks = tasks(&args)?;
    let options = options(&args)?;
    for task in &mut tasks {
        // What is said here wins.
        task.extend(options.clone());
    }
    let mut rows = Vec::new();
    if let (Some(_), [task]) = (&args.split, tasks.as_slice()) {
        let call = Call::command(&path, 0).query("split", "true".to_owned());
        let call = call.text("application/json", text(task)?);
        rows = all(client.answer(call).await?, client)?;
    } else if let [task] = tasks.as_slice() {
        let call = Call::command(&path, 0).text("application/json", text(task)?);
        rows.push(client.row(call).await?);
    } else {
        for (nth, some) in (0..).zip(tasks.chunks(AT_ONCE)) {
            let lines = some.iter().map(text).collect::<Result<Vec<_>, _>>()?;
            let call = Call::command(&path, nth).text("application/x-ndjson", lines.join("\n"));
            rows.extend(all(client.answer(call).await?, client)?);
        }
    }
    if !args.wait {
        return TASK.print(&rows, args.output, printer);
    }
    let mut status = ExitStatus::Success;
    for row in &rows {
        let id = row.text("id").unwrap_or_default();
        match result(id, client).await {
            Ok(result) => printer.line(&result)?,
            Err(error @ Error::Refused(_)) => {
                printer.error(&error);
                status = ExitStatus::Failure;
            }
            Err(error) => return Err(error),
        }
        printer.flush()?;
    }
    Ok(status)
}

/// The tasks that are meant, as they were written.
fn tasks(args: &SubmitArgs) -> Result<Vec<Fields>, Error> {
    if let Some(file) = &args.split {
        let text = read(file)?;
        let plan: &RawValue = serde_json::from_str(&text)
            .map_err(|error| Error::Usage(format!("{} is not JSON: {error}", file.display())))?;
        if plan.get().starts_with('{') {
            return Ok(vec![object(plan)?]);
        }
        return Ok(vec![Fields::from([("plan".to_owned(), plan.to_owned())])]);
    }
    let text = match (&args.task, &args.file) {
        (Some(task), _) if task == "-" => standard_input()?,
        (Some(task), _) => task.clone(),
        (None, Some(file)) if file.as_os_str() == "-" => standard_input()?,
        (None, Some(file)) => read(file)?,
        (None, None) => "{}".to_owned(),
    };
    let mut tasks = Vec::new();
    let values = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
    for (index, value) in values.enumerate() {
        let value = value
            .map_err(|error| Error::Usage(format!("task {} is not JSON: {error}", index + 1)))?;
        tasks.push(object(value)?);
    }
    if tasks.is_empty() {
        return Err(Error::Usage("there is no task in it".to_owned()));
    }
    Ok(tasks)
}

fn object(value: &RawValue) -> Result<Fields, Error> {
    serde_json::from_str(value.get()).map_err(|_| {
        Error::Usage("a task is a JSON object, such as {\"args\":{\"x\":1}}".to_owned())
    })
}

/// What the command line says of all of them.
fn options(args: &SubmitArgs) -> Result<Fields, Error> {
    let mut fields = Fields::new();
    let mut set = |name: &str, value: Result<Box<RawValue>, serde_json::Error>| {
        let value = value.map_err(|error| Error::Usage(format!("`--{name}`: {error}")))?;
        fields.insert(name.to_owned(), value);
        Ok::<_, Error>(())
    };
    let index = args
        .worker
        .as_ref()
        .and_then(|worker| worker.parse::<u32>().ok());
    if let Some(name) = &args.name {
        set("task_name", raw(name))?;
    }
    if let Some(priority) = args.priority {
        set("priority", raw(&priority))?;
    }
    if let Some(delay) = args.delay {
        set("delay", raw(&delay))?;
    }
    if let Some(retries) = args.retries {
        set("retries", raw(&retries))?;
    }
    if let Some(backoff) = args.backoff {
        set("backoff", raw(&backoff))?;
    }
    if let Some(timeout) = args.timeout {
        set("timeout", raw(&timeout))?;
    }
    if let Some(key) = &args.key {
        set("key", raw(key))?;
    }
    match (index, &args.worker) {
        (Some(index), _) => set("worker_idx", raw(&index))?,
        (None, Some(worker)) => set("worker", raw(worker))?,
        (None, None) => {}
    }
    Ok(fields)
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, serde_json::Error> {
    to_raw_value(value)
}

fn text(task: &Fields) -> Result<String, Error> {
    serde_json::to_string(task).map_err(|error| Error::Usage(error.to_string()))
}

fn all(submitted: Submitted, client: &Client) -> Result<Vec<Row>, Error> {
    let rows = submitted.items.into_iter().map(Row::new);
    rows.collect::<Result<_, _>>()
        .map_err(|error| client.no_answer(&error.to_string()))
}

/// Waits for a task's end; the worker's answer, if there is one.
async fn result(id: &str, client: &mut Client) -> Result<String, Error> {
    loop {
        let call = Call::get(&[TASK.path, id]).query("wait", WAIT.to_string());
        let row = client.row(call.patience(PATIENCE)).await?;
        if !matches!(row.text("status"), Some("pending" | "running")) {
            break;
        }
    }
    let (result, _) = client
        .document(Call::get(&[TASK.path, id, "result"]))
        .await?;
    Ok(result)
}

fn read(path: &Path) -> Result<String, Error> {
    let read = std::fs::read_to_string(path).map_err(|source| files::Error::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(read)
}

fn standard_input() -> Result<String, Error> {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|source| files::Error::Read {
        path: "-".into(),
        source,
    })?;
    Ok(text)
}
