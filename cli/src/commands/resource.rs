//! What the nouns have in common: list, get and act on things with names.

use uuid::Uuid;

use crate::args::{AtArgs, FormatArg, ListArgs, OutputArgs, RefsArgs};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, Row, RowWriter};

/// A kind of thing: its path in the API and its columns.
pub(super) struct Kind {
    pub(super) path: &'static str,
    pub(super) columns: &'static [&'static str],
}

/// Why a wait ends whose time is over.
pub(super) const LATE: &str =
    "it did not come to that in time, and may yet: wait again, or see `eai events explain`";

/// What is done to one thing.
#[derive(Clone, Copy)]
enum Act<'a> {
    Get,
    Verb(&'a str),
    Remove,
}

// === impl Kind ===

impl Kind {
    /// Lists what is in a place, by default in the user's account.
    pub(super) async fn list(
        &self,
        args: ListArgs,
        client: &mut Client,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        let place = args.place.or_else(|| client.account().map(str::to_owned));
        self.list_in(place.as_deref(), args.at, args.output, client, printer)
            .await
    }

    /// Lists what is in exactly this place, or anywhere.
    pub(super) async fn list_in(
        &self,
        place: Option<&str>,
        at: AtArgs,
        output: OutputArgs,
        client: &mut Client,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(place.map(|place| ("account", place)));
        query.extend(at.at.as_deref().map(|at| ("at", at)));
        let rows = client.rows(&[self.path], &query, None).await?;
        self.print(&rows, output, printer)
    }

    /// Makes one.
    pub(super) async fn create(
        &self,
        body: serde_json::Value,
        output: OutputArgs,
        client: &mut Client,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        let row = client
            .row(Call::command(&[self.path], 0).body(body))
            .await?;
        self.print(&[row], output, printer)
    }

    /// Shows each.
    pub(super) async fn get(
        &self,
        args: RefsArgs,
        at: AtArgs,
        client: &mut Client,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        let at: Vec<(&str, String)> = at.at.map(|at| ("at", at)).into_iter().collect();
        self.each(Act::Get, &at, args, client, printer).await
    }

    /// Does one thing to each, and shows what it is now.
    pub(super) async fn act(
        &self,
        verb: &str,
        args: RefsArgs,
        client: &mut Client,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        self.act_with(verb, &[], args, client, printer).await
    }

    /// Does one thing to each in a certain way, and shows what it is now.
    pub(super) async fn act_with(
        &self,
        verb: &str,
        query: &[(&str, String)],
        args: RefsArgs,
        client: &mut Client,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        self.each(Act::Verb(verb), query, args, client, printer)
            .await
    }

    /// Takes each away, and shows what it was.
    pub(super) async fn remove(
        &self,
        args: RefsArgs,
        client: &mut Client,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        self.each(Act::Remove, &[], args, client, printer).await
    }

    /// Shows one thing.
    pub(super) async fn get_one(
        &self,
        reference: &str,
        at: AtArgs,
        output: OutputArgs,
        client: &mut Client,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        let mut call = Call::get(&[self.path, reference]);
        if let Some(at) = at.at {
            call = call.query("at", at);
        }
        let row = client.row(call).await?;
        self.print(&[row], output, printer)
    }

    /// Prints rows of this kind.
    pub(super) fn print(
        &self,
        rows: &[Row],
        output: OutputArgs,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        RowWriter::new(output.view(FormatArg::Table), self.columns).write(printer, rows)?;
        Ok(ExitStatus::Success)
    }

    /// Prints what a wait ends with that was in vain, and why it ends.
    pub(super) fn give_up(
        &self,
        row: Row,
        output: OutputArgs,
        printer: &mut Printer,
        why: &str,
    ) -> Result<ExitStatus, Error> {
        self.print(&[row], output, printer)?;
        printer.flush()?;
        printer.warning(&why);
        Ok(ExitStatus::Failure)
    }

    /// One refusal does not keep the others from being done.
    async fn each(
        &self,
        act: Act<'_>,
        query: &[(&str, String)],
        args: RefsArgs,
        client: &mut Client,
        printer: &mut Printer,
    ) -> Result<ExitStatus, Error> {
        let mut rows = Vec::new();
        let mut refusals = Vec::new();
        for (nth, reference) in (0..).zip(&args.refs) {
            let reference = qualified(reference, client.account());
            let mut call = match act {
                Act::Verb(verb) => Call::command(&[self.path, &reference, verb], nth),
                Act::Remove => Call::remove(&[self.path, &reference], nth),
                Act::Get => Call::get(&[self.path, &reference]),
            };
            for (name, value) in query {
                call = call.query(name, value.clone());
            }
            match client.row(call).await {
                Ok(row) => rows.push(row),
                Err(error @ Error::Refused(_)) => refusals.push(error),
                Err(error) => {
                    self.print_some(&rows, args.output, printer)?;
                    return Err(error);
                }
            }
        }
        if refusals.is_empty() {
            return self.print(&rows, args.output, printer);
        }
        self.print_some(&rows, args.output, printer)?;
        for refusal in &refusals {
            printer.error(refusal);
        }
        Ok(ExitStatus::Failure)
    }

    /// Prints what there is, and nothing at all, not even a header, if there is nothing.
    fn print_some(
        &self,
        rows: &[Row],
        output: OutputArgs,
        printer: &mut Printer,
    ) -> Result<(), Error> {
        if !rows.is_empty() {
            self.print(rows, output, printer)?;
        }
        Ok(())
    }
}

/// A plain name in the account that the user named; ids and full names as they are.
pub(crate) fn qualified(reference: &str, account: Option<&str>) -> String {
    let plain = !reference.contains('.') && Uuid::parse_str(reference).is_err();
    match account {
        // An account that isn't a full name itself can only be understood by the platform.
        Some(account) if plain && account.contains('.') => format!("{account}.{reference}"),
        _ => reference.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_put_in_the_account() {
        let account = Some("snow.testacc");
        assert_eq!(qualified("x", account), "snow.testacc.x");
        assert_eq!(qualified("snow.other.x", account), "snow.other.x");
        let id = "9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10";
        assert_eq!(qualified(id, account), id);
        assert_eq!(qualified("x", None), "x");
        assert_eq!(qualified("x", Some("testacc")), "x");
    }
}
