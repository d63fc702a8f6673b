//! `eai proxy`.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;

use serde_json::json;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::resource::qualified;
use crate::args::ProxyArgs;
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::forward::{Credential, Forward, Host, Sites};
use crate::output::Printer;

/// Where a command finds the port.
const URL: &str = "EAI_PROXY_URL";
/// The exit code of a command that a signal ended is this and the signal, as in a shell.
const SIGNALLED: i32 = 128;

pub(super) async fn run(
    args: ProxyArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    if client.access_token().await?.is_none() {
        return Err(Error::NoCredentials(client.profile().to_owned()));
    }
    let mut name = None;
    let mut only = None;
    if let Some(service) = &args.service {
        let service = qualified(service, client.account());
        let row = client.row(Call::get(&["service", &service])).await?;
        name = row.text("fullName").map(str::to_owned);
        let host = Host::of(&row).ok_or_else(|| client.no_answer("a service without a URL"))?;
        only = Some(host);
    }
    let forward = Forward::bind(args.port).await.map_err(|error| {
        let port = args.port;
        Error::Port(format!(
            "cannot listen on 127.0.0.1:{port}: {error}. Choose another port with `--port`, or 0 for a free one"
        ))
    })?;
    let sites = client.sites(only);
    let url = forward.url();
    let credential = Credential::new(client.clone());
    if !args.command.is_empty() {
        return beside(&args.command, forward, sites, credential).await;
    }
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    if args.json {
        let port = forward.port();
        printer.line(&json!({ "url": url, "port": port, "service": name }).to_string())?;
    } else {
        printer.line(&url)?;
    }
    printer.flush()?;
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    forward.serve(sites, credential, stop).await;
    Ok(ExitStatus::Success)
}

/// Serves while a command runs; ends as it ends.
async fn beside(
    command: &[OsString],
    forward: Forward,
    sites: Sites,
    credential: Credential,
) -> Result<ExitStatus, Error> {
    let name = command[0].to_string_lossy().into_owned();
    let failed = |error: io::Error| {
        Error::Port(format!(
            "cannot run `{name}`: {error}. Write the command and its arguments behind `--`"
        ))
    };
    // Ctrl-C in a terminal is for the command as well: this ends with it.
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .env(URL, forward.url())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut ended = None;
    let stop = async {
        loop {
            tokio::select! {
                status = child.wait() => {
                    ended = Some(status);
                    return;
                }
                _ = interrupt.recv() => {}
                _ = terminate.recv() => return,
            }
        }
    };
    forward.serve(sites, credential, stop).await;
    let Some(status) = ended else {
        return Ok(ExitStatus::Gate(143));
    };
    let status = status.map_err(failed)?;
    let code = status
        .code()
        .unwrap_or_else(|| SIGNALLED + status.signal().unwrap_or(0));
    Ok(ExitStatus::of_gate(u8::try_from(code).unwrap_or(1)))
}

fn listen(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|error| Error::Port(format!("failed to listen to signals: {error}")))
}
