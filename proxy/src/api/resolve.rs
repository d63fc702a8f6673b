//! From what a user wrote (an id, a full name, a plain name) to the thing itself, if the caller may see it.

use eai_core::access::Thing;
use eai_core::ids::{AccountId, DataId, ExecutorId, JobId, MonitorId, RoleId, ServiceId, UserId};
use eai_core::names::{AccountName, FullName, Reference};
use eai_projections::{
    AccountRow, DataRow, ExecutorRow, JobRow, MonitorRow, RoleRow, ServiceRow, UserRow,
};
use uuid::Uuid;

use super::at::Seen;
use super::things::IsThing as _;
use super::{ApiError, Shared};
use crate::auth::Caller;

/// The id that a reference means. A name that nobody bears is not found.
async fn id(
    seen: &impl Seen,
    caller: &Caller,
    kind: &'static str,
    reference: &str,
) -> Result<Uuid, ApiError> {
    let full_name = match reference.parse::<Reference>()? {
        Reference::Id(id) => return Ok(id),
        Reference::Full(full_name) => full_name,
        Reference::Plain(name) => caller.account.join(name),
    };
    caller.may_use(&full_name.account)?;
    seen.views()
        .holder(kind, &full_name)
        .await?
        .ok_or_else(|| missing(kind, &full_name.to_string()))
}

/// The id of the service that a reference means, without a query where it is alive in memory: for what is asked again
/// and again.
pub(crate) async fn service_id(
    state: &Shared,
    caller: &Caller,
    reference: &str,
) -> Result<ServiceId, ApiError> {
    let known = match reference.parse::<Reference>()? {
        Reference::Id(id) => Some(ServiceId(id)),
        Reference::Full(full_name) => state.live.service_named(&full_name),
        Reference::Plain(name) => state.live.service_named(&caller.account.join(name)),
    };
    match known.and_then(|id| state.live.service(id)) {
        Some(known) => {
            let name = &known.name;
            let thing = Thing::named(&name.account, known.id.0, name.name.as_str());
            let missing = || match caller.may_use(&name.account) {
                Err(error) if reference.parse::<Uuid>().is_err() => error,
                _ => missing("service", reference),
            };
            caller.may("service", &thing, missing)?;
            Ok(known.id)
        }
        // What is too new for memory is asked of the views.
        None => service(state, caller, reference).await.map(|row| row.id),
    }
}

fn missing(kind: &str, reference: &str) -> ApiError {
    ApiError::not_found(format!(
        "there is no {kind} `{reference}`: `eai {kind} ls` lists what there is"
    ))
}

macro_rules! resolvers {
    ($($name:ident $kind:literal $id:ident $row:ident,)*) => {$(
        #[doc = concat!("The ", $kind, " that a reference means.")]
        pub(crate) async fn $name(
            seen: &impl Seen,
            caller: &Caller,
            reference: &str,
        ) -> Result<$row, ApiError> {
            let id = id(seen, caller, $kind, reference).await?;
            let row = seen.views().$name($id(id)).await?;
            let row = row.ok_or_else(|| missing($kind, reference))?;
            // What is not the caller's is as good as not there: nothing is told about it.
            caller.may($kind, &row.thing(), || missing($kind, reference))?;
            Ok(row)
        }
    )*};
}

resolvers! {
    service "service" ServiceId ServiceRow,
    data "data" DataId DataRow,
    role "role" RoleId RoleRow,
    job "job" JobId JobRow,
    executor "executor" ExecutorId ExecutorRow,
}

/// The account that a reference means: an id, a full name, or its own last name.
pub(crate) async fn account(
    seen: &impl Seen,
    caller: &Caller,
    reference: &str,
) -> Result<AccountRow, ApiError> {
    let row = match reference.parse::<Reference>() {
        Ok(Reference::Id(id)) => seen.views().account(AccountId(id)).await?,
        _ => {
            seen.views()
                .account_by_name(&account_name(caller, reference)?)
                .await?
        }
    };
    let row = row.ok_or_else(|| missing("account", reference))?;
    caller.may("account", &row.thing(), || missing("account", reference))?;
    Ok(row)
}

/// The user that a reference means: an id, a URN, or a name in the caller's account.
pub(crate) async fn user(
    seen: &impl Seen,
    caller: &Caller,
    reference: &str,
) -> Result<UserRow, ApiError> {
    // `ORGANIZATION:user:ID` is how `eai user get` tells who somebody is.
    let reference = reference
        .rsplit_once(":user:")
        .map_or(reference, |(_, id)| id);
    let row = match reference.parse::<Reference>()? {
        Reference::Id(id) => seen.views().user(UserId(id)).await?,
        Reference::Plain(name) => seen.views().user_by_name(&caller.account, &name).await?,
        Reference::Full(full_name) => {
            caller.may_use(&full_name.account)?;
            let (account, name) = (&full_name.account, &full_name.name);
            seen.views().user_by_name(account, name).await?
        }
    };
    let row = row.ok_or_else(|| missing("user", reference))?;
    caller.may("user", &row.thing(), || missing("user", reference))?;
    Ok(row)
}

/// The credentials of a monitor that a reference means: an id, or a name in an account.
pub(crate) async fn monitor(
    seen: &impl Seen,
    caller: &Caller,
    reference: &str,
) -> Result<MonitorRow, ApiError> {
    let full_name = match reference.parse::<Reference>()? {
        Reference::Id(id) => Err(MonitorId(id)),
        Reference::Plain(name) => Ok(caller.account.join(name)),
        Reference::Full(full_name) => Ok(full_name),
    };
    let row = match full_name {
        Err(id) => seen.views().monitor(id).await?,
        Ok(FullName { account, name }) => {
            caller.may_use(&account)?;
            seen.views().monitor_by_name(&account, &name).await?
        }
    };
    let missing = || {
        ApiError::not_found(format!(
            "there are no credentials `{reference}`: `eai monitor credentials ls` lists what there is"
        ))
    };
    let row = row.ok_or_else(missing)?;
    caller.may("monitor", &row.thing(), missing)?;
    Ok(row)
}

/// The account that is meant by a full name, by the caller's own last name, or by nothing.
pub(crate) fn account_name(caller: &Caller, text: &str) -> Result<AccountName, ApiError> {
    if text == caller.account.own().as_str() {
        return Ok(caller.account.clone());
    }
    let name = if text.contains('.') {
        text.parse()?
    } else {
        let Reference::Plain(name) = text.parse::<Reference>()? else {
            return Err(missing("account", text));
        };
        format!("{}.{name}", caller.account.organization()).parse()?
    };
    Ok(name)
}

/// The full name of something to be made: `name` may carry its account, else `account` says it.
pub(crate) fn new_name(
    caller: &Caller,
    name: &str,
    account: Option<&str>,
) -> Result<FullName, ApiError> {
    let account = match account {
        Some(text) => account_name(caller, text)?,
        None => caller.account.clone(),
    };
    let full_name: FullName = if name.contains('.') {
        let full_name: FullName = name.parse()?;
        if full_name.account != account && account != caller.account {
            return Err(ApiError::bad_request(format!(
                "`{full_name}` is not in account `{account}`: give the name alone, or another account"
            )));
        }
        full_name
    } else {
        account.join(name.parse()?)
    };
    caller.may_use(&full_name.account)?;
    let thing = Thing {
        name: Some(full_name.name.as_str()),
        ..Thing::account(&full_name.account)
    };
    caller.may_make(&thing)?;
    Ok(full_name)
}
