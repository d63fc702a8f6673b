//! From a spec to a configuration: every mount becomes one version of one data resource.

use eai_core::ids::DataId;
use eai_core::job::{Configuration, DataVersion, ResolvedMount};
use eai_core::names::Reference;
use eai_core::spec::{Access, Mount, Spec};
use eai_projections::{DataRow, ServiceRow};

use super::SPEC_FILE;
use crate::api::{ApiError, IsThing as _, Shared};
use crate::auth::Caller;

/// What a job has from its machine or image.
const SYSTEM: [&str; 10] = [
    "/bin", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/run", "/sbin", "/usr",
];

/// What a service runs from now on.
pub(super) async fn configuration(
    state: &Shared,
    caller: Option<&Caller>,
    service: &ServiceRow,
    spec: &Spec,
    runtime: DataVersion,
) -> Result<Configuration, ApiError> {
    if spec.worker.is_some() && service.queue.is_none() {
        return Err(ApiError::bad_spec(format!(
            "`{SPEC_FILE}`: `worker` is for services with a queue, and `{}` has a URL",
            service.name
        )));
    }
    let mut mounts = Vec::new();
    for mount in spec.data.iter() {
        mounts.push(resolve(state, caller, service, mount).await?);
    }
    Ok(Configuration {
        spec: spec.clone(),
        runtime,
        mounts,
    })
}

async fn resolve(
    state: &Shared,
    caller: Option<&Caller>,
    service: &ServiceRow,
    mount: &Mount,
) -> Result<ResolvedMount, ApiError> {
    let bad = |why: String| ApiError::bad_spec(format!("`{SPEC_FILE}`: the mount `{mount}` {why}"));
    if SYSTEM.iter().any(|path| mount.target().is_within(path)) {
        return Err(bad(
            "lies where the job has its system: choose another path, such as `/data`".into(),
        ));
    }
    if mount.access() == Access::ReadWrite {
        return Err(bad("cannot be written to yet: end it with `:ro`".into()));
    }
    let missing = || {
        bad(format!(
            "names data that is not in account `{}`: `eai data ls` lists what there is",
            service.account
        ))
    };
    let row = find(state, service, mount.source())
        .await?
        .ok_or_else(missing)?;
    if let Some(caller) = caller {
        caller.must("data", "read", &row.thing())?;
    }
    let source = match version(mount) {
        Some(Wanted::Newest) => row.manifest.map(|manifest| (row.version, manifest)),
        Some(Wanted::Exactly(version)) => {
            let found = state.views.version(row.id, version).await?;
            found.map(|found| (found.version, found.manifest))
        }
        None => {
            return Err(bad(
                "has a version that is neither a number nor `latest`: `eai data versions` lists them".into(),
            ));
        }
    };
    let (version, manifest) = source.ok_or_else(|| {
        bad("names a version that is not there: push something first, or name another".into())
    })?;
    if let Some(subpath) = mount.subpath() {
        let files = state.contents.manifest(Some(manifest)).await?;
        if !files.iter().any(|(path, _)| path.is_within(subpath)) {
            return Err(bad(format!(
                "names a path that is not in version {version}"
            )));
        }
    }
    Ok(ResolvedMount {
        target: mount.target().clone(),
        source: DataVersion {
            data: row.id,
            version,
            manifest,
        },
        subpath: mount.subpath().map(str::to_owned),
    })
}

enum Wanted {
    Newest,
    Exactly(u64),
}

fn version(mount: &Mount) -> Option<Wanted> {
    match mount.version() {
        "latest" => Some(Wanted::Newest),
        text => text.parse().ok().map(Wanted::Exactly),
    }
}

/// The data that is meant, if the service may see it.
async fn find(
    state: &Shared,
    service: &ServiceRow,
    source: &Reference,
) -> Result<Option<DataRow>, ApiError> {
    let id = match source {
        Reference::Id(id) => Some(*id),
        Reference::Full(name) => state.views.holder("data", name).await?,
        Reference::Plain(name) => {
            let name = service.account.join(name.clone());
            state.views.holder("data", &name).await?
        }
    };
    let Some(id) = id else {
        return Ok(None);
    };
    let row = state.views.data(DataId(id)).await?;
    Ok(row.filter(|row| row.account == service.account))
}
