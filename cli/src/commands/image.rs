//! `eai image`.

use std::time::Duration;

use reqwest::Body;

use super::resource::Kind;
use crate::args::{FormatArg, ImageVerb};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::files::Pack;
use crate::output::{Printer, Row, RowWriter};

const IMAGE: Kind = Kind {
    path: "image",
    columns: &["name", "id", "bytes", "createdOn"],
};

/// How long the platform may take once it has all of an image: layers are unpacked then.
const UNPACKING: Duration = Duration::from_mins(11);

pub(super) async fn run(
    verb: ImageVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        ImageVerb::Ls(output) => {
            let rows = client.rows(&[IMAGE.path], &[], None).await?;
            IMAGE.print(&rows, output, printer)
        }
        ImageVerb::Import {
            source,
            tag,
            output,
        } => {
            let pack = Pack::of(&source)?;
            let call = Call::post(&[IMAGE.path]).query("name", tag);
            let bulk = client.bulk(call).await?.patient(UNPACKING);
            let bar = printer.progress().bar(pack.bytes());
            let answer = bulk.send(|sent| {
                let bar = bar.clone();
                let body = pack.pieces(move |bytes| {
                    sent.add(bytes);
                    bar.add(bytes);
                });
                Some(Body::wrap_stream(body))
            });
            let text = answer.await?.text().await?;
            bar.finish();
            let row = Row::parse(&text).map_err(|error| client.no_answer(&error.to_string()))?;
            RowWriter::new(output.view(FormatArg::Table), IMAGE.columns).write(printer, &[row])?;
            Ok(ExitStatus::Success)
        }
    }
}
