//! `eai events timeline`: a service and its jobs side by side, drawn from top to bottom.

use super::explain::Line;
use super::resource::qualified;
use crate::args::{FormatArg, TimelineArgs};
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::{Format, Printer, RowWriter, Selection};

const COLUMNS: &[&str] = &["sequence", "time", "kind", "of", "text", "who"];
/// How many things stand side by side; what is more shares the last column.
const MOST_LANES: usize = 8;

pub(super) async fn run(
    args: TimelineArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let reference = qualified(&args.reference, client.account());
    let mut query: Vec<(&str, &str)> = Vec::new();
    query.extend(args.since.as_deref().map(|since| ("since", since)));
    query.extend(args.until.as_deref().map(|until| ("until", until)));
    let most = Some(args.lines);
    let rows = client.rows(&["timeline", &reference], &query, most).await?;
    let view = args.output.view(FormatArg::Table);
    if view.format != Format::Table || view.selection != Selection::Default {
        RowWriter::new(view, COLUMNS).write(printer, &rows)?;
        return Ok(ExitStatus::Success);
    }
    let lines: Vec<Line> = rows
        .iter()
        .map(|row| serde_json::from_value(row.value().clone()))
        .collect::<Result<_, _>>()
        .map_err(|error| client.no_answer(&error.to_string()))?;
    for line in draw(&lines) {
        printer.line(&line)?;
    }
    Ok(ExitStatus::Success)
}

/// A column of the drawing: what is in it, if something is.
#[derive(Debug, Default)]
struct Lanes {
    lanes: Vec<Option<String>>,
}

/// The drawing, line by line: the time, a column for each thing, and what happened.
fn draw(lines: &[Line]) -> Vec<String> {
    let mut lanes = Lanes::default();
    let mut drawn = Vec::new();
    let mut day = "";
    // Everything stands behind the widest drawing, so what happened is read straight down.
    let mut told = Vec::new();
    for line in lines {
        let (date, time) = line.time.split_once('T').unwrap_or(("", &line.time));
        if date != day {
            day = date;
            told.push((date.to_owned(), String::new(), String::new()));
        }
        let at = lanes.take(&line.of);
        let ends = ends(line);
        let picture = lanes.picture(at, ends);
        if ends {
            lanes.leave(at);
        }
        let text = format!("{} {}  #{}", line.subject(), line.text, line.sequence);
        told.push((clock(time), picture, text));
    }
    let width = |column: fn(&(String, String, String)) -> &String| {
        let cells = told.iter().map(column);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (time_width, picture_width) = (width(|row| &row.0), width(|row| &row.1));
    for (time, picture, text) in &told {
        let line = format!("{time:time_width$}  {picture:picture_width$}  {text}");
        drawn.push(line.trim_end().to_owned());
    }
    drawn
}

/// Whether there is nothing of it any more.
fn ends(line: &Line) -> bool {
    let mut parts = line.r#type.split('.').skip(1);
    matches!(
        (parts.next(), parts.next()),
        (Some("job"), Some("ended")) | (Some("service"), Some("deleted"))
    )
}

/// A time of a day to the millisecond, as long as every other one.
fn clock(time: &str) -> String {
    let (seconds, rest) = time
        .trim_end_matches('Z')
        .split_once('.')
        .unwrap_or((time.trim_end_matches('Z'), ""));
    let digits: String = rest.chars().chain("000".chars()).take(3).collect();
    format!("{seconds}.{digits}")
}

// === impl Lanes ===

impl Lanes {
    /// The column of a thing: its own, a free one, a new one, or the last.
    fn take(&mut self, of: &str) -> usize {
        let is = |lane: &Option<String>| lane.as_deref() == Some(of);
        if let Some(at) = self.lanes.iter().position(is) {
            return at;
        }
        let free = self.lanes.iter().position(Option::is_none);
        let at = free.unwrap_or(self.lanes.len()).min(MOST_LANES - 1);
        match self.lanes.get_mut(at) {
            Some(lane) => *lane = Some(of.to_owned()),
            None => self.lanes.push(Some(of.to_owned())),
        }
        at
    }

    fn leave(&mut self, at: usize) {
        if let Some(lane) = self.lanes.get_mut(at) {
            *lane = None;
        }
    }

    /// One line of the columns, with the event in its own.
    fn picture(&self, event: usize, ends: bool) -> String {
        let mut picture = String::new();
        for (at, lane) in self.lanes.iter().enumerate() {
            picture.push(match lane {
                _ if at == event && ends => '■',
                _ if at == event => '●',
                Some(_) => '│',
                None => ' ',
            });
            picture.push(' ');
        }
        picture.truncate(picture.trim_end().len());
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sequence: u64, time: &str, of: &str, event_type: &str) -> Line {
        let kind = event_type.split('.').next().unwrap();
        Line {
            sequence,
            time: time.to_owned(),
            kind: kind.to_owned(),
            of: of.to_owned(),
            name: None,
            who: "platform".to_owned(),
            text: "did".to_owned(),
            r#type: format!("eai.{event_type}.v1"),
        }
    }

    #[test]
    fn what_is_there_stands_side_by_side() {
        let lines = [
            line(1, "2026-01-02T03:04:05.1Z", "s", "service.created"),
            line(2, "2026-01-02T03:04:05.2Z", "a", "job.submitted"),
            line(3, "2026-01-02T03:04:06Z", "b", "job.submitted"),
            line(4, "2026-01-02T03:04:07.123456Z", "a", "job.ended"),
            line(5, "2026-01-03T00:00:00Z", "c", "job.submitted"),
            line(6, "2026-01-03T00:00:01Z", "s", "service.stopped"),
        ];
        assert_eq!(
            draw(&lines),
            [
                "2026-01-02",
                "03:04:05.100  ●      service s did  #1",
                "03:04:05.200  │ ●    job a did  #2",
                "03:04:06.000  │ │ ●  job b did  #3",
                "03:04:07.123  │ ■ │  job a did  #4",
                "2026-01-03",
                "00:00:00.000  │ ● │  job c did  #5",
                "00:00:01.000  ● │ │  service s did  #6",
            ]
        );
    }

    #[test]
    fn more_than_there_is_room_for_share_the_last_column() {
        let lines: Vec<Line> = (0..20)
            .map(|nth| {
                line(
                    nth,
                    "2026-01-02T03:04:05Z",
                    &format!("j{nth}"),
                    "job.submitted",
                )
            })
            .collect();
        let drawn = draw(&lines);
        let widest = drawn
            .iter()
            .map(|line| line.matches(['●', '│']).count())
            .max();
        assert_eq!(widest, Some(MOST_LANES));
    }
}
