//! Who bears which name.

use eai_core::name::Event;
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: Event,
) -> Result<(), Error> {
    match event {
        Event::Reserved(reserved) => {
            let text = "INSERT INTO names (kind, full_name, holder) VALUES (?, ?, ?) \
                        ON CONFLICT (kind, full_name) DO UPDATE SET holder = excluded.holder";
            sqlx::query(text)
                .bind(&reserved.kind)
                .bind(reserved.full_name.to_string())
                .bind(reserved.holder.to_string())
                .execute(connection)
                .await?;
        }
        Event::Released(released) => {
            // The aggregate's id is `<kind>-<name>`.
            let (kind, name) = fact
                .aggregate
                .split_once('-')
                .unwrap_or((fact.aggregate, ""));
            let text = "DELETE FROM names WHERE kind = ? AND full_name = ? AND holder = ?";
            sqlx::query(text)
                .bind(kind)
                .bind(format!("{}.{name}", fact.account))
                .bind(released.holder.to_string())
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}
