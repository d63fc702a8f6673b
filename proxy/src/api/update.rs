//! `service update`: the spec of a service, changed flag by flag, as a new version of its runtime; and its terms.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::command::{Context, Part};
use eai_core::data::Manifest;
use eai_core::ids::CommandId;
use eai_core::service::{self, Change as Terms, ServiceAggregate};
use eai_core::spec::{
    AbsolutePath, Command, Cpu, Gpus, Image, Memory, Mount, Mounts, Port, Runtime, Seconds, Spec,
    UrlPath, Worker,
};
use eai_projections::ServiceRow;
use schemars::JsonSchema;
use serde::Deserialize;

use super::extract::{Input, Key, Ref};
use super::service::{Range, Service, shape};
use super::things::IsThing as _;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;
use crate::revise::{self, Base, Edit, Place, SPEC_FILE};

/// What changes of a service; what is absent stays.
#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Update {
    image: Option<Image>,
    command: Option<Command>,
    cpu: Option<Cpu>,
    mem: Option<Memory>,
    gpu: Option<Gpus>,
    gpu_mem: Option<Memory>,
    preemptable: Option<bool>,
    /// Variables that are set, each as `NAME=value`; the others stay.
    #[serde(default)]
    environment_vars: Vec<String>,
    /// Mounts that are added, or take the place of those at the same path.
    #[serde(default)]
    data: Vec<String>,
    workdir: Option<AbsolutePath>,
    port: Option<Port>,
    readiness_path: Option<UrlPath>,
    /// Python packages; a text without any takes those away that there were.
    requirements: Option<String>,
    max_run_time: Option<Seconds>,
    /// What a worker of a queue runs instead of a command.
    worker: Option<Worker>,
    /// How long its job is kept that nobody asks for; 0 is what is usual.
    idle_timeout_ms: Option<u64>,
    /// How many jobs are kept though nobody asks.
    min_ready: Option<u32>,
    /// How many replicas it has.
    replicas: Option<Range>,
    /// How many requests each of them is meant for at a time.
    concurrency: Option<u32>,
}

pub(crate) async fn update(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Input(mut update): Input<Update>,
) -> Result<Json<Service>, ApiError> {
    let row = resolve::service(&state, &caller, &reference).await?;
    let context = command::context(&caller, id, &headers);
    let terms = Terms {
        idle_timeout_ms: update.idle_timeout_ms.take(),
        min_ready: update.min_ready.take(),
        replicas: update.replicas.take().map(|range| (range.min, range.max)),
        concurrency: update.concurrency.take(),
    };
    let has_terms = terms != Terms::default();
    let has_spec = update != Update::default();
    if has_spec || !has_terms {
        let runtime = resolve::data(&state, &caller, &row.runtime_id.to_string()).await?;
        // What is to run is written there.
        caller.must("data", "write", &runtime.thing())?;
        revise::change(
            &state,
            &context,
            Some(&caller),
            &Place::from(&runtime),
            &update,
        )
        .await?;
    }
    if has_terms {
        // Two commands of one request have an id each.
        let id = if has_spec {
            CommandId(id.aggregate(0))
        } else {
            id
        };
        configure(&state, &row, terms, Context { id, ..context }).await?;
    }
    let row = resolve::service(&state, &caller, &row.id.to_string()).await?;
    Ok(Json(shape(&state, row)))
}

/// Keeps a service's job on other terms.
async fn configure(
    state: &Shared,
    row: &ServiceRow,
    terms: Terms,
    context: Context,
) -> Result<(), ApiError> {
    if terms.min_ready.is_some_and(|count| count > 0) && row.queue.is_none() {
        // A job is kept of what it is to run, and so that has to be known.
        revise::ensure(state, row).await?;
    }
    let command = service::Command::Configure(terms);
    let part = Part::<ServiceAggregate>::on(row.account.clone(), row.id, command).boxed();
    command::execute(state, &context, &[part]).await.map(drop)
}

// === impl Update ===

impl Edit for Update {
    /// The runtime's files with the changed spec.
    async fn edit(&self, state: &Shared, base: &Base) -> Result<Manifest, ApiError> {
        let present = revise::spec(state, &base.files).await?;
        let is_first = present.is_none();
        let spec = self.apply(present.unwrap_or_default())?;
        let text = spec
            .to_yaml()
            .map_err(|error| ApiError::bad_spec(error.to_string()))?;
        let mut put = vec![revise::store(state, SPEC_FILE, text).await?];
        if is_first {
            put.extend(revise::page(state, &base.files).await?);
        }
        Ok(base.files.changed(&[], put)?)
    }
}

impl Update {
    fn apply(&self, mut spec: Spec) -> Result<Spec, ApiError> {
        fn set<T: Clone>(field: &mut T, value: Option<&T>) {
            if let Some(value) = value {
                *field = value.clone();
            }
        }
        let bad = |error: &dyn std::fmt::Display| ApiError::bad_spec(error.to_string());
        let is_other = self
            .image
            .as_ref()
            .is_some_and(|image| *image != spec.runtime.image);
        if is_other && spec.runtime.command == Runtime::default().command {
            // Another image knows best what to run: our default command may not even exist in it.
            spec.runtime.command = Command::default();
        }
        set(&mut spec.runtime.image, self.image.as_ref());
        set(&mut spec.runtime.command, self.command.as_ref());
        match (&self.worker, &self.command) {
            // Either says what runs: the one that is named now.
            (Some(worker), command) => {
                spec.worker = Some(worker.clone());
                if command.is_none() {
                    spec.runtime.command = Command::default();
                }
            }
            (None, Some(_)) => spec.worker = None,
            (None, None) => {}
        }
        set(&mut spec.resources.cpu, self.cpu.as_ref());
        set(&mut spec.resources.mem, self.mem.as_ref());
        set(&mut spec.resources.gpu, self.gpu.as_ref());
        set(&mut spec.preemptable, self.preemptable.as_ref());
        set(&mut spec.port, self.port.as_ref());
        set(&mut spec.max_run_time, self.max_run_time.as_ref());
        if let Some(gpu_mem) = self.gpu_mem {
            spec.resources.gpu_mem = Some(gpu_mem);
        }
        if spec.resources.gpu == Gpus::default() && self.gpu.is_some() && self.gpu_mem.is_none() {
            // Without graphics processors there is nothing for it to say.
            spec.resources.gpu_mem = None;
        }
        if let Some(workdir) = &self.workdir {
            spec.workdir = Some(workdir.clone());
        }
        if let Some(path) = &self.readiness_path {
            spec.readiness.path = Some(path.clone());
        }
        match self.requirements.as_deref().map(str::trim) {
            None => {}
            Some("") => spec.requirements = None,
            Some(_) => {
                let text = self.requirements.as_deref().unwrap_or_default();
                spec.requirements = Some(text.parse().map_err(|error| bad(&error))?);
            }
        }
        for variable in &self.environment_vars {
            spec.environment_vars
                .add(variable)
                .map_err(|error| bad(&error))?;
        }
        if !self.data.is_empty() {
            let new: Vec<Mount> = self
                .data
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()
                .map_err(|error| bad(&error))?;
            let stays = |mount: &&Mount| new.iter().all(|other| other.target() != mount.target());
            let mut mounts: Vec<Mount> = spec.data.iter().filter(stays).cloned().collect();
            mounts.extend(new);
            spec.data = Mounts::new(mounts).map_err(|error| bad(&error))?;
        }
        spec.check().map_err(|error| bad(&error))?;
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(spec: &str, update: serde_json::Value) -> Result<Spec, ApiError> {
        let update: Update = serde_json::from_value(update).unwrap();
        update.apply(Spec::parse(spec.as_bytes()).unwrap())
    }

    #[test]
    fn what_is_not_named_stays() {
        let spec = "runtime: {image: nginx, command: [run]}\nport: 9000\n\
                    environmentVars: [A=1, B=2]\ndata: [x:/x, y:/y]\n";
        let update = serde_json::json!({
            "cpu": 0.5, "mem": 2, "gpu": 2, "gpuMem": 16, "preemptable": true, "maxRunTime": 60,
            "environmentVars": ["B=3", "C=4"], "data": ["z:/y"], "workdir": "/tmp",
            "readinessPath": "/healthz",
        });
        let expected = "runtime: {image: nginx, command: [run]}\nport: 9000\n\
                        environmentVars: [A=1, B=3, C=4]\ndata: [x:/x, z:/y]\n\
                        resources: {cpu: 0.5, mem: 2, gpu: 2, gpuMem: 16}\npreemptable: true\n\
                        maxRunTime: 60\nworkdir: /tmp\nreadiness: {path: /healthz}\n";
        let expected = Spec::parse(expected.as_bytes()).unwrap();
        assert_eq!(apply(spec, update), Ok(expected.clone()));
        let without = serde_json::json!({"gpu": 0});
        let text = expected.to_yaml().unwrap();
        assert_eq!(apply(&text, without).unwrap().resources.gpu_mem, None);
    }

    #[test]
    fn another_image_has_its_own_command() {
        let other = apply("", serde_json::json!({"image": "nginx"})).unwrap();
        assert!(other.runtime.command.is_empty());
        let same = apply("", serde_json::json!({"image": "python:3.10"})).unwrap();
        assert_eq!(same, Spec::default());
        let kept = apply(
            "runtime: {image: a, command: [x]}",
            serde_json::json!({"image": "b"}),
        );
        assert_eq!(kept.unwrap().runtime.command.to_string(), "x");
    }

    #[test]
    fn a_worker_and_a_command_take_each_others_place() {
        let handler = serde_json::json!({"worker": {"handler": "app.handle"}});
        let spec = apply("", handler.clone()).unwrap();
        assert!(spec.runtime.command.is_empty() && spec.worker.is_some());
        let text = spec.to_yaml().unwrap();
        let commanded = apply(&text, serde_json::json!({"command": ["x"]})).unwrap();
        assert_eq!(commanded.worker, None);
        assert_eq!(commanded.runtime.command.to_string(), "x");
        let both = serde_json::json!({"command": ["x"], "worker": {"agiWorker": "a.B"}});
        assert!(apply("", both).is_err());
        let kept = apply(&text, serde_json::json!({"cpu": 0.5})).unwrap();
        assert_eq!(kept.worker, spec.worker);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for bad in [
            serde_json::json!({"gpuMem": 4}),
            serde_json::json!({"environmentVars": ["=x"]}),
            serde_json::json!({"data": ["x"]}),
            serde_json::json!({"data": ["a:/x", "b:/x/y"]}),
        ] {
            assert!(apply("", bad.clone()).is_err(), "{bad}");
        }
    }
}
