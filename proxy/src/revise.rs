//! What a change of data means: a new version of its files, and a new revision of every service that runs them.
//!
//! Both are parts of one command, so that no service ever runs files that were pushed with another spec.

mod configure;
mod defaults;

use std::sync::Arc;

use eai_core::command::{AnyPart, Context, Part};
use eai_core::data::{self, DataAggregate, File, FilePath, Manifest, Push};
use eai_core::digest::Digest;
use eai_core::ids::{CommandId, DataId};
use eai_core::job::{Configuration, DataVersion};
use eai_core::log::Outcome;
use eai_core::names::AccountName;
use eai_core::service::{Command, ServiceAggregate};
use eai_core::spec::Spec;
use eai_core::subject::Address;
use eai_projections::{DataRow, ServiceRow};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::api::{ApiError, Shared, command};
use crate::auth::Caller;

pub(crate) use defaults::{page, with_defaults};

/// The file that says what a service runs.
pub(crate) const SPEC_FILE: &str = "eai.yaml";

/// A data resource, where it is in the log.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) account: AccountName,
    pub(crate) id: DataId,
}

/// What a change is made on.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) id: DataId,
    /// The newest version; 0 where there is none.
    pub(crate) version: u64,
    /// Its files.
    pub(crate) files: Arc<Manifest>,
    /// The digest of their list.
    manifest: Option<Digest>,
    /// The services that run it.
    pub(crate) services: Vec<ServiceRow>,
}

/// A change of files.
pub(crate) trait Edit: Sync {
    /// The whole list of files after it. Asked again where others came first.
    fn edit(
        &self,
        state: &Shared,
        base: &Base,
    ) -> impl Future<Output = Result<Manifest, ApiError>> + Send;

    /// What a service runs from now on, where that is more than its files say.
    fn configuration(&self, _service: &ServiceRow) -> Option<&Configuration> {
        None
    }
}

/// Adds what a service needs to run at all.
struct Complete;

/// Sees to it that a service can run: that there is a spec, and that the newest version of its runtime is
/// what it is to run. Safe to repeat, by any number of proxies at a time.
pub async fn ensure(state: &Shared, service: &ServiceRow) -> Result<(), ApiError> {
    let address = Address::new(service.account.clone(), "service", service.id);
    let service_state = state.log.state::<ServiceAggregate>(&address).await?;
    let runtime = state.views.data(service.runtime_id).await?;
    let place = Place::from(&runtime.ok_or_else(|| {
        ApiError::not_found(format!(
            "the runtime `{}` of service `{}` is not there",
            service.runtime, service.name
        ))
    })?);
    let newest = place.state(state).await?;
    let desired = service_state.and_then(|service| service.desired);
    let is_newest = desired.is_some_and(|revised| {
        let runtime = revised.configuration.runtime;
        runtime.data == place.id && runtime.version == newest.0
    });
    if is_newest {
        return Ok(());
    }
    // Proxies that look at the same version give the same command.
    let name = format!("ensure/{}", newest.0);
    let id = CommandId(Uuid::new_v5(&service.id.0, name.as_bytes()));
    let context = Context::platform(id, OffsetDateTime::now_utc());
    change(state, &context, None, &place, &Complete)
        .await
        .map(drop)
}

/// Changes the files of a data resource. The views have the outcome when this returns. Whoever asks for it has to see what
/// services mount after it: who decides what runs reads what it gets.
pub(crate) async fn change(
    state: &Shared,
    context: &Context,
    caller: Option<&Caller>,
    place: &Place,
    edit: &impl Edit,
) -> Result<Outcome, ApiError> {
    // Nothing that was sent for this change is swept before the log refers to it.
    let _hold = state.contents.objects().hold().await;
    let plan = || async {
        let base = place.base(state).await?;
        let files = edit.edit(state, &base).await?;
        parts(state, caller, place, &base, files, edit).await
    };
    command::settle(state, context, plan).await
}

/// The parts of a change: the version, and a revision of each service.
async fn parts(
    state: &Shared,
    caller: Option<&Caller>,
    place: &Place,
    base: &Base,
    files: Manifest,
    edit: &impl Edit,
) -> Result<Vec<Box<dyn AnyPart>>, ApiError> {
    let spec = spec(state, &files).await?;
    let document = files.document()?;
    let manifest = document.digest;
    let objects = state.contents.objects();
    objects.put(manifest, document.bytes.into()).await?;
    let push = Push {
        base: base.version,
        manifest,
        files: files.len() as u64,
        bytes: files.bytes(),
    };
    let same = base.manifest == Some(manifest);
    let version = if same { base.version } else { base.version + 1 };
    let mut parts = vec![data::push(place.account.clone(), place.id, push)];
    let Some(spec) = spec else {
        return Ok(parts);
    };
    for service in &base.services {
        let runtime = DataVersion {
            data: place.id,
            version,
            manifest,
        };
        let configuration = match edit.configuration(service) {
            Some(earlier) => Configuration {
                runtime,
                ..earlier.clone()
            },
            None => configure::configuration(state, caller, service, &spec, runtime).await?,
        };
        let revise = Command::Revise(Box::new(configuration));
        parts.push(
            Part::<ServiceAggregate>::on(service.account.clone(), service.id, revise).boxed(),
        );
    }
    Ok(parts)
}

/// The spec in these files, if there is one.
pub(crate) async fn spec(state: &Shared, files: &Manifest) -> Result<Option<Spec>, ApiError> {
    let Some(file) = files.get(&spec_path()?) else {
        return Ok(None);
    };
    let bad = |error: &dyn std::fmt::Display| ApiError::bad_spec(format!("`{SPEC_FILE}`: {error}"));
    let most = eai_core::spec::MAX_FILE_BYTES as u64;
    if file.size > most {
        return Err(bad(&format!(
            "the file is too large ({} bytes of {most}): put scripts into files of their own",
            file.size
        )));
    }
    let text = state.contents.objects().read(file.sha256, most).await?;
    Spec::parse(&text).map(Some).map_err(|error| bad(&error))
}

/// Stores a file that the platform writes.
pub(crate) async fn store(
    state: &Shared,
    path: &str,
    text: String,
) -> Result<(FilePath, File), ApiError> {
    let sha256 = Digest::of(text.as_bytes());
    let file = File {
        size: text.len() as u64,
        sha256,
        executable: false,
    };
    state.contents.objects().put(sha256, text.into()).await?;
    Ok((
        path.parse().map_err(|error| ApiError::internal(&error))?,
        file,
    ))
}

pub(crate) fn spec_path() -> Result<FilePath, ApiError> {
    SPEC_FILE
        .parse()
        .map_err(|error| ApiError::internal(&error))
}

// === impl Complete ===

impl Edit for Complete {
    async fn edit(&self, state: &Shared, base: &Base) -> Result<Manifest, ApiError> {
        with_defaults(state, base, Manifest::clone(&base.files)).await
    }
}

// === impl Place ===

impl From<&DataRow> for Place {
    fn from(row: &DataRow) -> Self {
        Self {
            account: row.account.clone(),
            id: row.id,
        }
    }
}

impl Place {
    /// Version and list of files, as the log has them.
    pub(crate) async fn state(&self, state: &Shared) -> Result<(u64, Option<Digest>), ApiError> {
        let address = Address::new(self.account.clone(), "data", self.id);
        let data = state.log.state::<DataAggregate>(&address).await?;
        Ok(data.map_or((0, None), |data| (data.version, data.manifest)))
    }

    async fn base(&self, state: &Shared) -> Result<Base, ApiError> {
        let (version, manifest) = self.state(state).await?;
        Ok(Base {
            id: self.id,
            version,
            files: state.contents.base(manifest).await?,
            manifest,
            services: state.views.services_of_runtime(self.id).await?,
        })
    }
}
