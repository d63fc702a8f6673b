//! `eai events`.

use crate::args::{EventsVerb, FormatArg, OutputArgs, TailArgs};
use crate::client::{Call, Client, Follow};
use crate::error::{Error, ExitStatus};
use crate::output::{Format, Printer, Row, RowWriter, Selection};

const COLUMNS: &[&str] = &["id", "sequence", "time", "type", "subject", "actor"];
/// How many events are printed if nothing says how many.
const LINES: u64 = 10;

pub(super) async fn run(
    verb: EventsVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        EventsVerb::Tail(args) => print(args, client, printer).await,
        EventsVerb::Get { refs, output } => get(&refs, output, client, printer).await,
    }
}

/// Prints the last events, and those that come where that is asked for.
pub(super) async fn print(
    args: TailArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    if args.follow {
        follow(args, client, printer).await
    } else {
        tail(args, client, printer).await
    }
}

async fn tail(
    args: TailArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let (rows, _) = past(&args, &filter(&args), client).await?;
    RowWriter::new(args.output.view(FormatArg::Table), COLUMNS).write(printer, &rows)?;
    Ok(ExitStatus::Success)
}

/// Prints the past that was asked for, then all that comes.
///
/// The past is read first and the stream joined right behind it: a stream that is lost before it
/// says anything can then be joined again at the same place.
async fn follow(
    args: TailArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let filter = filter(&args);
    let mut writer = RowWriter::new(args.output.clone().view(FormatArg::Table), COLUMNS);
    let since = match (&args.since, args.lines) {
        (Some(since), None) => since.clone(),
        (_, Some(0)) => after(newest(client).await?),
        _ => {
            let (rows, last) = past(&args, &filter, client).await?;
            writer.write(printer, &rows)?;
            // Nothing passed the filter until now, so whatever does is new.
            last.map(|last| after(Some(last)))
                .or(args.since)
                .unwrap_or_else(|| after(None))
        }
    };
    // The header shows at once, not with the first event.
    writer.write(printer, &[])?;
    let mut follow = Follow::new(filter, since);
    loop {
        let row = follow.next(client).await?;
        writer.write(printer, &[row])?;
    }
}

/// The sequence number to go on from.
fn after(last: Option<u64>) -> String {
    (last.unwrap_or(0) + 1).to_string()
}

/// The sequence number of the newest event of all.
async fn newest(client: &mut Client) -> Result<Option<u64>, Error> {
    let events = client.events(&[("tail", "1")], Some(1)).await?;
    Ok(events.last().map(|event| event.sequence))
}

/// The events until now that were asked for, and the last one's sequence number.
async fn past(
    args: &TailArgs,
    filter: &[(&'static str, String)],
    client: &mut Client,
) -> Result<(Vec<Row>, Option<u64>), Error> {
    let lines = match (args.lines, &args.since) {
        (Some(lines), _) => Some(lines),
        (None, Some(_)) => None,
        (None, None) => Some(LINES),
    };
    let lines_text = lines.map(|lines| lines.to_string());
    let mut query: Vec<(&str, &str)> = filter
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    query.extend(args.since.as_deref().map(|since| ("since", since)));
    query.extend(lines_text.as_deref().map(|lines| ("tail", lines)));
    let events = client.events(&query, lines).await?;
    let last = events.last().map(|event| event.sequence);
    let rows = events
        .iter()
        .map(|event| event.row(client))
        .collect::<Result<_, _>>()?;
    Ok((rows, last))
}

fn filter(args: &TailArgs) -> Vec<(&'static str, String)> {
    let mut filter = Vec::new();
    filter.extend(args.kind.clone().map(|kind| ("type", kind)));
    filter.extend(args.id.clone().map(|id| ("id", id)));
    filter
}

async fn get(
    refs: &[String],
    output: OutputArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let view = output.view(FormatArg::Json);
    let as_stored = view.format == Format::Json && view.selection == Selection::Default;
    let mut rows = Vec::new();
    let mut refusals = Vec::new();
    for reference in refs {
        match client.document(Call::get(&["event", reference])).await {
            Ok((document, _)) if as_stored => printer.line(document.trim_end_matches('\n'))?,
            Ok((document, sequence)) => rows.push(event_row(&document, sequence, client)?),
            Err(error @ Error::Refused(_)) => refusals.push(error),
            Err(error) => return Err(error),
        }
    }
    if !rows.is_empty() {
        RowWriter::new(view, COLUMNS).write(printer, &rows)?;
    }
    for refusal in &refusals {
        printer.error(refusal);
    }
    Ok(if refusals.is_empty() {
        ExitStatus::Success
    } else {
        ExitStatus::Failure
    })
}

fn event_row(document: &str, sequence: Option<u64>, client: &Client) -> Result<Row, Error> {
    match sequence {
        Some(sequence) => Row::event(sequence, document),
        None => Row::parse(document),
    }
    .map_err(|error| Error::Answer {
        url: client.url().to_owned(),
        reason: error.to_string(),
    })
}
