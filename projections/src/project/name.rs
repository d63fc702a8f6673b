//! Who bears which name.

use eai_core::name::Event;

use super::{Fact, Writes};

pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    match event {
        Event::Reserved(reserved) => {
            let text = "INSERT INTO names (kind, full_name, holder) VALUES (?, ?, ?) \
                        ON CONFLICT (kind, full_name) DO UPDATE SET holder = excluded.holder";
            writes
                .add(text)
                .bind(&reserved.kind)
                .bind(reserved.full_name.to_string())
                .bind(reserved.holder.to_string());
        }
        Event::Released(released) => {
            // The aggregate's id is `<kind>-<name>`.
            let (kind, name) = fact
                .aggregate
                .split_once('-')
                .unwrap_or((fact.aggregate, ""));
            let text = "DELETE FROM names WHERE kind = ? AND full_name = ? AND holder = ?";
            writes
                .add(text)
                .bind(kind)
                .bind(format!("{}.{name}", fact.account))
                .bind(released.holder.to_string());
        }
    }
}
