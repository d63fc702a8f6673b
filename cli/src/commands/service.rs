//! `eai service`.

use std::path::Path;

use eai_core::spec::Requirements;
use serde_json::{Map, Value};

use super::data::push_all;
use super::life;
use super::queue;
use super::resource::{Kind, qualified};
use super::role;
use super::watch;
use crate::args::{NewService, ServiceVerb, UpdateService};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::files::{self, scan};
use crate::output::Printer;

pub(super) const SERVICE: Kind = Kind {
    path: "service",
    columns: &[
        "id",
        "name",
        "fullName",
        "role",
        "runtime",
        "status",
        "accessUrl",
    ],
};

pub(super) async fn run(
    verb: ServiceVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        ServiceVerb::New(args) => new(*args, client, printer).await,
        ServiceVerb::Ls(args) => SERVICE.list(args, client, printer).await,
        ServiceVerb::Get(args) => SERVICE.get(args.refs, args.at, client, printer).await,
        ServiceVerb::Update(args) => update(*args, client, printer).await,
        ServiceVerb::Start(args) => SERVICE.act("start", args, client, printer).await,
        ServiceVerb::Stop(args) => queue::stop(args, client, printer).await,
        ServiceVerb::Scale(args) => queue::scale(args, client, printer).await,
        ServiceVerb::Status(args) => queue::status(args, client, printer).await,
        ServiceVerb::Health(args) => queue::health(args, client, printer).await,
        ServiceVerb::Snapshot(args) => queue::snapshot(args, client, printer).await,
        ServiceVerb::Restart(args) => SERVICE.act("restart", args, client, printer).await,
        ServiceVerb::Wait(args) => life::wait(args, client, printer).await,
        ServiceVerb::Logs(args) => life::logs(args, client, printer).await,
        ServiceVerb::Events(args) => life::events(args, client, printer).await,
        ServiceVerb::Revisions(args) => life::revisions(args, client, printer).await,
        ServiceVerb::Rollback(args) => life::rollback(args, client, printer).await,
        ServiceVerb::Delete(args) => life::delete(args, client, printer).await,
        ServiceVerb::Role(verb) => role::of_service(verb, client, printer).await,
        ServiceVerb::Deactivate(args) => SERVICE.act("deactivate", args, client, printer).await,
        ServiceVerb::Reactivate(args) => SERVICE.act("reactivate", args, client, printer).await,
    }
}

async fn new(
    args: NewService,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let account = client.account();
    let mut body = Map::new();
    body.insert("name".to_owned(), args.name.into());
    for (field, value) in [
        ("account", account.map(str::to_owned)),
        (
            "runtime",
            args.runtime.map(|name| qualified(&name, account)),
        ),
        ("role", args.role.map(|name| qualified(&name, account))),
    ] {
        if let Some(value) = value {
            body.insert(field.to_owned(), value.into());
        }
    }
    if args.public {
        body.insert("public".to_owned(), true.into());
    }
    let mut terms: Vec<_> = queue::terms(&args.terms).collect();
    if let Some(queue) = queue::queue(&args.queue, &args.terms) {
        body.insert("queue".to_owned(), queue);
        terms.retain(|(field, _)| *field != "idleTimeoutMs");
    }
    // What no service can have is refused before there is one.
    let (fleet, terms): (Vec<_>, Vec<_>) = terms
        .into_iter()
        .partition(|(field, _)| matches!(*field, "replicas" | "concurrency"));
    for (field, value) in fleet {
        body.insert(field.to_owned(), value);
    }
    let worker = queue::worker(&args.queue.worker);
    if worker.is_some() && !args.queue.queue {
        return Err(Error::Usage(
            "only a service with a queue has workers: add `--queue`".to_owned(),
        ));
    }
    // What cannot be pushed is told before anything is made.
    if let Some(upload) = &args.upload {
        scan(upload, None)?;
    }
    let requirements = args.requirements.as_deref().map(text).transpose()?;
    if let Some(text) = &requirements {
        let checked: Result<Requirements, _> = text.parse();
        checked.map_err(|error| Error::Usage(error.to_string()))?;
    }
    let mut row = client
        .row(Call::command(&[SERVICE.path], 0).body(Value::Object(body)))
        .await?;
    if let Some(upload) = args.upload {
        let runtime = row.text("runtime").unwrap_or_default().to_owned();
        push_all(&runtime, &[(upload, None)], 1, false, client, printer).await?;
    }
    let mut update = Map::new();
    if let Some(requirements) = requirements {
        update.insert("requirements".to_owned(), requirements.into());
    }
    if let Some(worker) = worker {
        update.insert("worker".to_owned(), worker);
    }
    if !args.queue.command.is_empty() {
        update.insert("command".to_owned(), args.queue.command.into());
    }
    // Kept is what it is to run, once that is there.
    update.extend(
        terms
            .into_iter()
            .map(|(field, value)| (field.to_owned(), value)),
    );
    if !update.is_empty() {
        let id = row.text("id").unwrap_or_default().to_owned();
        let body = Value::Object(update);
        row = client
            .row(Call::patch(&[SERVICE.path, &id], 2).body(body))
            .await?;
    }
    SERVICE.print(&[row], args.output, printer)
}

/// A file of the user's that goes into a command.
fn text(path: &Path) -> Result<String, Error> {
    let read = std::fs::read_to_string(path).map_err(|source| files::Error::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(read)
}

async fn update(
    args: UpdateService,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let reference = qualified(&args.reference, client.account());
    let preemptable = match (args.preemptable, args.non_preemptable) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let mut body = Map::new();
    let mut set = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(field.to_owned(), value);
        }
    };
    set("image", args.image.map(Value::from));
    set("cpu", args.cpu.map(Value::from));
    set("mem", args.mem.map(Value::from));
    set("gpu", args.gpu.map(Value::from));
    set("gpuMem", args.gpu_mem.map(Value::from));
    set("preemptable", preemptable.map(Value::from));
    set("workdir", args.workdir.map(Value::from));
    set("port", args.port.map(Value::from));
    set("readinessPath", args.readiness_path.map(Value::from));
    set(
        "requirements",
        args.requirements
            .as_deref()
            .map(text)
            .transpose()?
            .map(Value::from),
    );
    set("maxRunTime", args.max_run_time.map(Value::from));
    set("worker", queue::worker(&args.worker));
    for (field, value) in queue::terms(&args.terms) {
        set(field, Some(value));
    }
    for (field, list) in [
        ("environmentVars", args.env),
        ("data", args.data),
        ("command", args.command),
    ] {
        set(field, (!list.is_empty()).then(|| list.into()));
    }
    if body.is_empty() && args.watch.is_none() {
        return Err(Error::Usage(
            "there is nothing to update: name what changes, as `eai service update --help` shows"
                .to_owned(),
        ));
    }
    let row = if body.is_empty() {
        client.row(Call::get(&[SERVICE.path, &reference])).await?
    } else {
        let call = Call::patch(&[SERVICE.path, &reference], 0).body(Value::Object(body));
        client.row(call).await?
    };
    match args.watch {
        None => SERVICE.print(&[row], args.output, printer),
        Some(folder) => {
            let runtime = row.text("runtime").unwrap_or_default().to_owned();
            watch::run(&folder, &runtime, args.output, client, printer).await
        }
    }
}
