//! What each noun does: functions of plain values, a client and a printer.
//!
//! Owns the paths of the API and the columns of each noun. It prints only through the printer
//! and ends only by returning.

mod account;
mod apply;
mod data;
mod diff;
mod doctor;
mod events;
mod executor;
mod explain;
mod export;
mod image;
mod job;
mod life;
mod login;
mod monitor;
mod organization;
mod proxy;
mod queue;
mod replay;
mod resource;
mod role;
mod server;
mod service;
mod task;
mod timeline;
mod user;
mod verify;
mod version;
mod watch;

use std::ffi::OsString;

use clap::Parser as _;
use tokio::runtime::Builder;

pub(crate) use resource::qualified;

use crate::args::{Cli, EventsVerb, GlobalArgs, Noun, VerifyArgs};
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;
use crate::settings::Settings;

/// Parses the command line, runs it, and tells what went wrong.
pub(crate) fn main(args: impl IntoIterator<Item = OsString>, printer: &mut Printer) -> ExitStatus {
    let ended = match Cli::try_parse_from(args) {
        Ok(cli) => run(cli, printer),
        Err(message) => printer.clap(&message).map(|()| {
            if message.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Success
            }
        }),
    };
    match ended.and_then(|status| printer.flush().map(|()| status)) {
        Ok(status) => status,
        Err(error) => {
            if !matches!(error, Error::BrokenPipe) {
                printer.error(&error);
            }
            error.status()
        }
    }
}

fn run(cli: Cli, printer: &mut Printer) -> Result<ExitStatus, Error> {
    let serves = match &cli.noun {
        Noun::Server(command) => command.runs_offline(),
        Noun::Events(EventsVerb::Replay(_)) => true,
        _ => false,
    };
    // The platform uses all cores; a client mostly waits, and starts faster without threads.
    let mut builder = if serves {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    let runtime = builder.enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(dispatch(cli, printer))
}

async fn dispatch(cli: Cli, printer: &mut Printer) -> Result<ExitStatus, Error> {
    let Cli { global, noun } = cli;
    let noun = match noun {
        Noun::Server(command) if command.runs_offline() => {
            return Box::pin(server::offline(*command, printer)).await;
        }
        Noun::Doctor(args) => return Box::pin(doctor::run(args, printer)).await,
        Noun::Completions { shell } => return doctor::completions(shell, printer),
        Noun::Events(EventsVerb::Verify(VerifyArgs {
            file: Some(file),
            output,
        })) => return verify::of_file(&file, output, printer),
        Noun::Events(EventsVerb::Replay(args)) => {
            return Box::pin(replay::run(args, &global, printer)).await;
        }
        other => other,
    };
    let mut client = connect(&global, printer)?;
    let ended = Box::pin(ask(noun, &mut client, printer)).await;
    for warning in client.take_warnings() {
        printer.warning(&warning);
    }
    ended
}

async fn ask(noun: Noun, client: &mut Client, printer: &mut Printer) -> Result<ExitStatus, Error> {
    match noun {
        Noun::Service(verb) => service::run(verb, client, printer).await,
        Noun::Task(verb) => task::run(verb, client, printer).await,
        Noun::Job(verb) => job::run(verb, client, printer).await,
        Noun::Diff(args) => diff::run(args, client, printer).await,
        Noun::Apply(args) => apply::run(args, client, printer).await,
        Noun::Data(verb) => data::run(verb, client, printer).await,
        Noun::Image(verb) => image::run(verb, client, printer).await,
        Noun::Account(verb) => account::run(verb, client, printer).await,
        Noun::User(verb) => user::run(verb, client, printer).await,
        Noun::Organization(verb) => organization::run(verb, client, printer).await,
        Noun::Role(verb) => role::run(verb, client, printer).await,
        Noun::Login(verb) => login::run(&verb, client, printer).await,
        Noun::Executor(verb) => executor::run(verb, client, printer).await,
        Noun::Events(verb) => events::run(verb, client, printer).await,
        Noun::Proxy(args) => proxy::run(args, client, printer).await,
        Noun::Monitor(verb) => monitor::run(verb, client, printer).await,
        Noun::Version => version::run(client, printer).await,
        // They were done before there was a client.
        Noun::Doctor(args) => doctor::run(args, printer).await,
        Noun::Completions { shell } => doctor::completions(shell, printer),
        Noun::Server(command) => Box::pin(server::online(*command, client, printer)).await,
    }
}

fn connect(global: &GlobalArgs, printer: &Printer) -> Result<Client, Error> {
    Client::new(Settings::resolve(global)?, printer.progress())
}
