//! `eai doctor`, and `eai completions`: what needs no platform.

use clap::CommandFactory as _;
use serde_json::json;

use crate::args::{Cli, DoctorArgs, FormatArg};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, Row, RowWriter};
use crate::server::doctor::{Machine, State, examine};

/// The exit code where something keeps a platform from running jobs.
const BAD: u8 = 1;

pub(super) async fn run(args: DoctorArgs, printer: &mut Printer) -> Result<ExitStatus, Error> {
    let findings = examine(&Machine {
        nats_server: args.nats_server,
        data_dir: args.data_dir,
        listen: args.listen,
    })
    .await;
    let mut rows = Vec::new();
    for one in &findings {
        let row = json!({
            "check": one.check,
            "state": one.state.as_str(),
            "finding": one.found,
            "advice": one.advice,
        });
        let row = Row::parse(&row.to_string()).map_err(|error| Error::Yaml(error.to_string()))?;
        rows.push(row);
    }
    let columns = &["check", "state", "finding", "advice"];
    RowWriter::new(args.output.view(FormatArg::Table), columns).write(printer, &rows)?;
    let bad = findings.iter().any(|one| one.state == State::Bad);
    Ok(ExitStatus::of_gate(if bad { BAD } else { 0 }))
}

/// Prints what a shell reads to complete the command line.
pub(super) fn completions(
    shell: clap_complete::Shell,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "eai", &mut script);
    printer.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitStatus::Success)
}
