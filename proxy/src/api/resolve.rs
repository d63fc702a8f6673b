//! From what a user wrote (an id, a full name, a plain name) to the thing itself, if the caller may see it.

use eai_core::ids::{AccountId, DataId, ExecutorId, JobId, RoleId, ServiceId};
use eai_core::names::{AccountName, FullName, Reference};
use eai_projections::{AccountRow, DataRow, ExecutorRow, JobRow, RoleRow, ServiceRow};
use uuid::Uuid;

use super::{ApiError, Shared};
use crate::auth::Caller;

/// The id that a reference means. A name that nobody bears is not found.
async fn id(
    state: &Shared,
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
    state
        .views
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
        Some(known) if caller.may_use(&known.name.account).is_ok() => Ok(known.id),
        // What is too new for memory, or not the caller's, is told as ever.
        _ => service(state, caller, reference).await.map(|row| row.id),
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
            state: &Shared,
            caller: &Caller,
            reference: &str,
        ) -> Result<$row, ApiError> {
            let id = id(state, caller, $kind, reference).await?;
            let row = state.views.$name($id(id)).await?;
            let row = row.ok_or_else(|| missing($kind, reference))?;
            // What is not the caller's is as good as not there: nothing is told about it.
            caller.may_use(&row.account).map_err(|_| missing($kind, reference))?;
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
    state: &Shared,
    caller: &Caller,
    reference: &str,
) -> Result<AccountRow, ApiError> {
    let row = match reference.parse::<Reference>() {
        Ok(Reference::Id(id)) => state.views.account(AccountId(id)).await?,
        _ => {
            state
                .views
                .account_by_name(&account_name(caller, reference)?)
                .await?
        }
    };
    let row = row.ok_or_else(|| missing("account", reference))?;
    caller
        .may_use(&row.full_name)
        .map_err(|_| missing("account", reference))?;
    Ok(row)
}

/// The account that is meant by a full name, by the caller's own last name, or by nothing.
fn account_name(caller: &Caller, text: &str) -> Result<AccountName, ApiError> {
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
    Ok(full_name)
}
