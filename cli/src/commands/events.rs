//! `eai events`.

use super::{explain, export, timeline, verify};
use crate::args::{EventsVerb, FilterArgs, FormatArg, ListEvents, OutputArgs, TailArgs};
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
        EventsVerb::Ls(args) => list(args, client, printer).await,
        EventsVerb::Tail(args) => print(args, client, printer).await,
        EventsVerb::Get { refs, output } => get(&refs, output, client, printer).await,
        EventsVerb::Explain(args) => explain::run(args, client, printer).await,
        EventsVerb::Timeline(args) => timeline::run(args, client, printer).await,
        EventsVerb::Export(args) => export::run(args, client, printer).await,
        // It was done before there was a client.
        EventsVerb::Replay(_) => Ok(ExitStatus::Usage),
        EventsVerb::Verify(args) => verify::run(args, client, printer).await,
    }
}

/// Prints events from the start of what was asked for, and says where to go on.
async fn list(
    args: ListEvents,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let filter = filter(&args.filter, client);
    let mut query: Vec<(&str, &str)> = borrowed(&filter);
    query.extend(args.filter.since.as_deref().map(|since| ("since", since)));
    // One more than is printed tells whether there are more.
    let mut events = client.events(&query, Some(args.limit + 1)).await?;
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let next = events.get(most).map(|event| event.sequence);
    events.truncate(most);
    let rows: Vec<Row> = events
        .iter()
        .map(|event| event.row(client))
        .collect::<Result<_, _>>()?;
    RowWriter::new(args.output.view(FormatArg::Table), COLUMNS).write(printer, &rows)?;
    if let Some(next) = next {
        printer.warning(&format!("there are more: go on with `--since {next}`"));
    }
    Ok(ExitStatus::Success)
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
    let (rows, _) = past(&args, &filter(&args.filter, client), client).await?;
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
    let filter = filter(&args.filter, client);
    let mut writer = RowWriter::new(args.output.clone().view(FormatArg::Table), COLUMNS);
    let since = match (&args.filter.since, args.lines) {
        (Some(since), None) => since.clone(),
        (_, Some(0)) => after(Some(client.newest().await?)),
        _ => {
            let (rows, last) = past(&args, &filter, client).await?;
            writer.write(printer, &rows)?;
            // Nothing passed the filter until now, so whatever does is new.
            last.map(|last| after(Some(last)))
                .or(args.filter.since)
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

/// The events until now that were asked for, and the last one's sequence number.
async fn past(
    args: &TailArgs,
    filter: &[(&'static str, String)],
    client: &mut Client,
) -> Result<(Vec<Row>, Option<u64>), Error> {
    let lines = match (args.lines, &args.filter.since) {
        (Some(lines), _) => Some(lines),
        (None, Some(_)) => None,
        (None, None) => Some(LINES),
    };
    let lines_text = lines.map(|lines| lines.to_string());
    let mut query = borrowed(filter);
    query.extend(args.filter.since.as_deref().map(|since| ("since", since)));
    query.extend(lines_text.as_deref().map(|lines| ("tail", lines)));
    let events = client.events(&query, lines).await?;
    let last = events.last().map(|event| event.sequence);
    let rows = events
        .iter()
        .map(|event| event.row(client))
        .collect::<Result<_, _>>()?;
    Ok((rows, last))
}

/// What is asked of each event. Where to begin is asked beside it.
fn filter(args: &FilterArgs, client: &Client) -> Vec<(&'static str, String)> {
    let correlation = args.correlation.map(|id| id.to_string());
    let asked = [
        ("account", client.account().map(str::to_owned)),
        ("kind", args.kind.clone()),
        ("type", args.of_type.clone()),
        ("id", args.id.clone()),
        ("actor", args.actor.clone()),
        ("correlation", correlation),
        ("until", args.until.clone()),
    ];
    let given = asked.into_iter();
    given
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn borrowed<'a>(filter: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let filter = filter.iter();
    filter
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
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
