//! `eai events replay`: asks an export what a platform is asked.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser as _;

use super::ask;
use crate::args::{
    AccountVerb, Cli, DataVerb, EventsVerb, ExecutorVerb, GlobalArgs, JobVerb, Noun,
    OrganizationVerb, ReplayArgs, RoleVerb, ServiceVerb, UserVerb,
};
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;
use crate::server::Replay;
use crate::settings::{Credentials, Settings};

pub(super) async fn run(
    args: ReplayArgs,
    global: &GlobalArgs,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let words = args.command.iter().map(OsString::from);
    let words = std::iter::once(OsString::from("eai")).chain(words);
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(message) => {
            printer.clap(&message)?;
            return Ok(ExitStatus::Usage);
        }
    };
    if !is_answered(&cli.noun) {
        return Err(Error::Usage(format!(
            "an export does not answer `eai {}`: it answers `ls` and `get` of services, jobs, data, roles, users, accounts and \
             executors, `diff`, and `events ls|tail|get|explain|timeline|verify`",
            args.command.join(" ")
        )));
    }
    let replay = Replay::start(&args.from_file).await?;
    let answered = tokio::select! {
        answered = answer(&replay, cli, global, printer) => answered,
        interrupted = Replay::interrupted() => Err(interrupted.into()),
    };
    replay.stop().await?;
    answered
}

async fn answer(
    replay: &Replay,
    cli: Cli,
    global: &GlobalArgs,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    // Nothing of it is for the next invocation.
    let cache = tempfile::tempdir().map_err(Error::Runtime)?;
    let account = cli.global.account.or_else(|| global.account.clone());
    let settings = Settings {
        config_dir: cache.path().to_owned(),
        profile: "replay".to_owned(),
        url: replay.url.clone(),
        ca_cert: None,
        credentials: Credentials::Token(replay.token.clone()),
        account,
        command_id: uuid::Uuid::new_v4(),
        retry_for: Duration::ZERO,
    };
    let mut client = Client::new(settings, printer.progress())?;
    let ended = Box::pin(ask(cli.noun, &mut client, printer)).await;
    for warning in client.take_warnings() {
        printer.warning(&warning);
    }
    ended
}

/// Whether a command only asks, and for what is in the event log.
fn is_answered(noun: &Noun) -> bool {
    match noun {
        Noun::Service(verb) => match verb {
            ServiceVerb::Ls(_) | ServiceVerb::Get(_) | ServiceVerb::Revisions(_) => true,
            ServiceVerb::Events(args) => !args.follow,
            _ => false,
        },
        Noun::Job(verb) => matches!(
            verb,
            JobVerb::Ls(_) | JobVerb::Get { .. } | JobVerb::Info { .. }
        ),
        Noun::Data(verb) => matches!(verb, DataVerb::Ls(_) | DataVerb::Get(_)),
        Noun::Role(verb) => matches!(verb, RoleVerb::Ls(_) | RoleVerb::Get(_)),
        Noun::User(verb) => matches!(verb, UserVerb::Ls(_) | UserVerb::Get(_)),
        Noun::Account(verb) => matches!(verb, AccountVerb::Ls(_) | AccountVerb::Get { .. }),
        Noun::Organization(OrganizationVerb::Get(_)) | Noun::Diff(_) => true,
        Noun::Executor(verb) => matches!(verb, ExecutorVerb::Ls(_) | ExecutorVerb::Get(_)),
        Noun::Events(verb) => match verb {
            EventsVerb::Ls(_)
            | EventsVerb::Get { .. }
            | EventsVerb::Explain(_)
            | EventsVerb::Timeline(_) => true,
            EventsVerb::Tail(args) => !args.follow,
            EventsVerb::Verify(args) => args.file.is_none(),
            EventsVerb::Export(_) | EventsVerb::Replay(_) => false,
        },
        _ => false,
    }
}
