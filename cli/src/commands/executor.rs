//! `eai executor`.

use super::resource::Kind;
use crate::args::ExecutorVerb;
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;

const EXECUTOR: Kind = Kind {
    path: "executor",
    columns: &[
        "id",
        "backend",
        "state",
        "epoch",
        "running",
        "reserved.memMib",
        "capacity.memMib",
        "heartbeatAge",
    ],
};

pub(super) async fn run(
    verb: ExecutorVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        ExecutorVerb::Ls(args) => EXECUTOR.list(args, client, printer).await,
        ExecutorVerb::Get(args) => EXECUTOR.get(args.refs, args.at, client, printer).await,
        ExecutorVerb::Drain(args) => EXECUTOR.act("drain", args, client, printer).await,
        ExecutorVerb::Undrain(args) => EXECUTOR.act("undrain", args, client, printer).await,
    }
}
