//! Schemas and examples of what goes in and out, from the types themselves.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Examples by the name of a schema or a parameter.
static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

/// The schemas of a document.
#[derive(Debug)]
pub(in crate::api) struct Schemas {
    /// Of what is read: what is absent may be absent. They hold all that they speak of.
    read: SchemaGenerator,
    /// Of what is written: what is always there is required.
    written: SchemaGenerator,
    bodies: Map<String, Value>,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.meta_schema = None;
            settings.definitions_path = "/components/schemas".into();
        });
        let inline = |settings: &mut SchemaSettings| settings.inline_subschemas = true;
        Self {
            read: settings.clone().with(inline).into_generator(),
            written: settings.for_serialize().into_generator(),
            bodies: Map::new(),
        }
    }

    /// What is written, by reference.
    pub(super) fn answer<T: JsonSchema>(&mut self) -> Value {
        self.written.subschema_for::<T>().to_value()
    }

    /// What is read, by reference.
    pub(super) fn input<T: JsonSchema>(&mut self) -> Value {
        let name = T::schema_name();
        let schema = self.read.subschema_for::<T>().to_value();
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        self.bodies.insert(name.into_owned(), schema);
        reference
    }

    /// The parameters of a query.
    pub(super) fn query<T: JsonSchema>(&mut self) -> Vec<Value> {
        let of = T::schema_name();
        let schema = self.read.subschema_for::<T>().to_value();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let fields = schema["properties"].as_object().cloned();
        let fields = fields.unwrap_or_default().into_iter();
        fields
            .map(|(name, schema)| parameter(&of, &name, schema, &required))
            .collect()
    }

    /// All of them by name.
    pub(super) fn into_components(mut self) -> Map<String, Value> {
        let mut components = self.written.take_definitions(true);
        components.extend(self.bodies);
        for schema in components.values_mut() {
            say_times(schema);
        }
        components
    }
}

fn parameter(of: &str, name: &str, mut schema: Value, required: &[Value]) -> Value {
    let mut parameter = json!({ "name": name, "in": "query" });
    if required.iter().any(|other| other == name) {
        parameter["required"] = true.into();
    }
    if let Some(schema) = schema.as_object_mut() {
        if let Some(text) = schema.remove("description") {
            parameter["description"] = text;
        }
        // What is absent in a query is absent, and never null.
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".into(), only);
            }
        }
        if schema.get("default") == Some(&Value::Null) {
            schema.remove("default");
        }
    }
    let examples = &EXAMPLES["parameters"];
    let own = examples.get(format!("{of}.{name}"));
    if let Some(example) = own.or_else(|| examples.get(name)) {
        parameter["example"] = example.clone();
    }
    parameter["schema"] = schema;
    parameter
}

/// Fields that end in `On` are times.
fn say_times(schema: &mut Value) {
    let fields = schema.get_mut("properties");
    let fields = fields.and_then(Value::as_object_mut).into_iter().flatten();
    let times = fields.filter(|(name, _)| name.ends_with("On"));
    for (_, time) in times {
        time["format"] = "date-time".into();
    }
}

/// An example of what a schema describes. A list is one of its rows.
pub(super) fn example(schema: &Value) -> Option<Value> {
    let name = schema["$ref"].as_str()?.rsplit('/').next()?;
    let examples = &EXAMPLES["schemas"];
    if let Some(example) = examples.get(name) {
        return Some(example.clone());
    }
    let row = examples.get(name.strip_suffix("List")?)?;
    Some(json!({ "items": [row], "next": null }))
}
