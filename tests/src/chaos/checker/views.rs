//! Compares what the platform shows with what its log adds up to.

use serde_json::Value;

use super::world::{Thing, World};
use crate::chaos::record::Views;

/// Adds what differs to the violations.
pub(super) fn compare(world: &World, views: &Views, violations: &mut Vec<String>) {
    violations.extend(views.wrong.iter().cloned());
    let mut names = std::collections::HashMap::new();
    for thing in &world.things {
        let Some(full_name) = world.full_names.get(&thing.id) else {
            violations.push(format!("{}/{} has no name", thing.kind, thing.id));
            continue;
        };
        if let Some(other) = names.insert((&thing.kind, full_name), &thing.id) {
            let id = &thing.id;
            violations.push(format!("{full_name} names both {other} and {id}"));
        }
    }
    for (kind, shown) in [
        ("service", &views.services),
        ("data", &views.data),
        ("role", &views.roles),
    ] {
        let things: Vec<_> = world
            .things
            .iter()
            .filter(|thing| thing.kind == kind)
            .collect();
        if things.len() != shown.len() {
            let (there, listed) = (things.len(), shown.len());
            violations.push(format!(
                "{listed} of kind {kind} are listed, the log has {there}"
            ));
        }
        for (thing, row) in things.iter().zip(shown) {
            if let Some(field) = differs(world, thing, row) {
                let id = &thing.id;
                violations.push(format!("{kind} {id} is listed with another {field}: {row}"));
            }
        }
    }
}

/// The first field in which a row is not what the log says.
fn differs(world: &World, thing: &Thing, row: &Value) -> Option<&'static str> {
    let status = || {
        let timeline = world.services.get(&format!("service/{}", thing.id))?;
        timeline.last().as_deref()
    };
    let created = &thing.created;
    let mut fields = vec![
        ("id", Some(thing.id.as_str())),
        ("name", created["name"].as_str()),
        (
            "fullName",
            world.full_names.get(&thing.id).map(String::as_str),
        ),
    ];
    if thing.kind == "service" {
        fields.push(("status", status()));
        fields.push(("runtime", created["runtime"]["fullName"].as_str()));
        fields.push(("role", created["role"]["fullName"].as_str()));
    }
    let differs = |(field, value): &(&'static str, Option<&str>)| row[*field].as_str() != *value;
    fields.into_iter().find(differs).map(|(field, _)| field)
}
