//! `eai service`.

use serde_json::{Map, Value};

use super::resource::{Kind, qualified};
use crate::args::{NewService, ServiceVerb};
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;

const SERVICE: Kind = Kind {
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
        ServiceVerb::New(args) => new(args, client, printer).await,
        ServiceVerb::Ls(args) => SERVICE.list(args, client, printer).await,
        ServiceVerb::Get(args) => SERVICE.get(args, client, printer).await,
        ServiceVerb::Start(args) => SERVICE.act("start", args, client, printer).await,
        ServiceVerb::Stop(args) => SERVICE.act("stop", args, client, printer).await,
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
    SERVICE
        .create(Value::Object(body), args.output, client, printer)
        .await
}
