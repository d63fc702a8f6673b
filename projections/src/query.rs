//! The questions that the views answer: by id, by name, and in pages.

use eai_core::ids::{
    AccountId, DataId, EventId, ExecutorId, KeyId, MonitorId, OrganizationId, RoleId, ServiceId,
    UserId,
};
use eai_core::names::{AccountName, FullName, Name};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::checkpoint::number;
use super::rows::{
    AccountRow, DataRow, FromRow, KeyRow, OrganizationRow, RoleRow, ServiceRow, UserRow,
};
use super::{Error, ExecutorRow, MonitorRow, Views};

/// Which accounts a list is about.
#[derive(Clone, Debug)]
pub enum Scope {
    /// One.
    Account(AccountName),
    /// Several: an organization, as far as the caller sees it.
    Every(Vec<AccountName>),
}

/// A page of a list: the rows made after a sequence, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Rows made after this sequence.
    pub after: u64,
    /// At most so many.
    pub limit: u32,
}

impl Scope {
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = match self {
            Self::Account(name) => vec![name.as_str()],
            Self::Every(names) => names.iter().map(AccountName::as_str).collect(),
        };
        serde_json::Value::from(names).to_string()
    }
}

/// What is selected for each kind of row. Members are joined in order, so that a role is one row.
pub(crate) const SERVICES: &str = "SELECT * FROM (SELECT services.*, EXISTS (SELECT 1 FROM leaving \
    WHERE leaving.service_id = services.id) AS is_leaving FROM services WHERE status <> 'deleted')";
const DATA: &str = "SELECT * FROM data";
const ROLES: &str = "SELECT roles.*, (SELECT json_group_array(user) FROM \
    (SELECT user FROM role_members WHERE role = roles.id ORDER BY sequence)) AS members FROM roles";
const ACCOUNTS: &str = "SELECT * FROM accounts";
const ORGANIZATIONS: &str = "SELECT * FROM organizations";
const EXECUTORS: &str = "SELECT * FROM executors";
const USERS: &str = "SELECT * FROM users";
const MONITORS: &str = "SELECT * FROM monitors";

macro_rules! by_id {
    ($($(#[$doc:meta])* $name:ident $id:ident $row:ident $select:ident,)*) => {$(
        $(#[$doc])*
        pub async fn $name(&self, id: $id) -> Result<Option<$row>, Error> {
            self.one($select, "id = ?", &id.to_string()).await
        }
    )*};
}

macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident $row:ident $select:ident $account:literal,)*) => {$(
        $(#[$doc])*
        pub async fn $name(&self, scope: &Scope, page: Page) -> Result<Vec<$row>, Error> {
            self.list($select, $account, scope, page).await
        }
    )*};
}

impl Views {
    by_id! {
        /// A service by its id.
        service ServiceId ServiceRow SERVICES,
        /// A data resource by its id.
        data DataId DataRow DATA,
        /// A role by its id.
        role RoleId RoleRow ROLES,
        /// An account by its id.
        account AccountId AccountRow ACCOUNTS,
        /// An organization by its id.
        organization OrganizationId OrganizationRow ORGANIZATIONS,
        /// An executor by its id.
        executor ExecutorId ExecutorRow EXECUTORS,
        /// A user by its id.
        user UserId UserRow USERS,
        /// Credentials of a monitor by their id.
        monitor MonitorId MonitorRow MONITORS,
    }

    lists! {
        /// Services, oldest first.
        services ServiceRow SERVICES "account",
        /// Data resources, oldest first.
        datas DataRow DATA "account",
        /// Roles, oldest first.
        roles RoleRow ROLES "account",
        /// Executors, oldest first.
        executors ExecutorRow EXECUTORS "account",
        /// Users, oldest first.
        users UserRow USERS "account",
        /// Credentials of monitors, oldest first, with those that were revoked.
        monitors MonitorRow MONITORS "account",
        /// Accounts, oldest first.
        accounts AccountRow ACCOUNTS "full_name",
    }

    /// An account by its name.
    pub async fn account_by_name(&self, name: &AccountName) -> Result<Option<AccountRow>, Error> {
        self.one(ACCOUNTS, "full_name = ?", name.as_str()).await
    }

    /// An organization by its name.
    pub async fn organization_by_name(
        &self,
        name: &Name,
    ) -> Result<Option<OrganizationRow>, Error> {
        self.one(ORGANIZATIONS, "name = ?", name.as_str()).await
    }

    /// A user by its name in an account.
    pub async fn user_by_name(
        &self,
        account: &AccountName,
        name: &Name,
    ) -> Result<Option<UserRow>, Error> {
        let ask = |pool| async move {
            let text = "SELECT * FROM users WHERE account = ? AND name = ?";
            let query = sqlx::query(text).bind(account.as_str()).bind(name.as_str());
            Ok(query.fetch_optional(&pool).await?)
        };
        let row: Option<SqliteRow> = self.ask(ask).await?;
        row.as_ref().map(UserRow::from_row).transpose()
    }

    /// The keys of a role that are good, and those that were.
    pub async fn role_keys(&self, role: RoleId, page: Page) -> Result<Vec<KeyRow>, Error> {
        let ask = |pool| async move {
            let text =
                "SELECT * FROM role_keys WHERE role = ? AND sequence > ? ORDER BY sequence LIMIT ?";
            let query = sqlx::query(text)
                .bind(role.to_string())
                .bind(number(page.after))
                .bind(page.limit);
            Ok(query.fetch_all(&pool).await?)
        };
        let rows: Vec<SqliteRow> = self.ask(ask).await?;
        rows.iter().map(KeyRow::from_row).collect()
    }

    /// One key of a role.
    pub async fn role_key(&self, key: KeyId) -> Result<Option<KeyRow>, Error> {
        let ask = |pool| async move {
            let text = "SELECT * FROM role_keys WHERE id = ?";
            let query = sqlx::query(text).bind(key.to_string());
            Ok(query.fetch_optional(&pool).await?)
        };
        let row: Option<SqliteRow> = self.ask(ask).await?;
        row.as_ref().map(KeyRow::from_row).transpose()
    }

    /// The id of what bears a name of a kind: `service`, `data`, `role`, `account`.
    pub async fn holder(&self, kind: &str, name: &FullName) -> Result<Option<Uuid>, Error> {
        let ask = |pool| async move {
            let text = "SELECT holder FROM names WHERE kind = ? AND full_name = ?";
            let query = sqlx::query(text).bind(kind).bind(name.to_string());
            Ok(query.fetch_optional(&pool).await?)
        };
        let row: Option<SqliteRow> = self.ask(ask).await?;
        row.map(|row| {
            let text: &str = row.try_get("holder")?;
            text.parse()
                .map_err(|error| Error::Row(format!("holder: {error}")))
        })
        .transpose()
    }

    /// How many events this version cannot read.
    pub async fn unreadable(&self) -> Result<u64, Error> {
        let ask = |pool| async move {
            let query = sqlx::query("SELECT count(*) AS number FROM parked");
            super::rows::number(&query.fetch_one(&pool).await?, "number")
        };
        self.ask(ask).await
    }

    /// Where an event is in the log.
    pub async fn event_sequence(&self, id: EventId) -> Result<Option<u64>, Error> {
        let ask = |pool| async move {
            let query = sqlx::query("SELECT sequence FROM events WHERE id = ?");
            let query = query.bind(id.0.as_bytes().as_slice());
            Ok(query.fetch_optional(&pool).await?)
        };
        let row: Option<SqliteRow> = self.ask(ask).await?;
        let sequence: Option<i64> = row.map(|row| row.try_get("sequence")).transpose()?;
        Ok(sequence.and_then(|sequence| u64::try_from(sequence).ok()))
    }

    async fn one<T: FromRow>(
        &self,
        select: &str,
        condition: &str,
        value: &str,
    ) -> Result<Option<T>, Error> {
        let ask = |pool| async move {
            // Both texts are constants of this module.
            let text = AssertSqlSafe(format!("{select} WHERE {condition}"));
            let row = sqlx::query(text).bind(value).fetch_optional(&pool).await?;
            row.as_ref().map(T::from_row).transpose()
        };
        self.ask(ask).await
    }

    async fn list<T: FromRow>(
        &self,
        select: &str,
        account: &str,
        scope: &Scope,
        page: Page,
    ) -> Result<Vec<T>, Error> {
        let text = format!(
            "{select} WHERE {account} IN (SELECT value FROM json_each(?)) AND sequence > ? \
             ORDER BY sequence LIMIT ?"
        );
        let ask = |pool| async move {
            let query = sqlx::query(AssertSqlSafe(text))
                .bind(scope.names())
                .bind(number(page.after))
                .bind(page.limit);
            let rows: Vec<SqliteRow> = query.fetch_all(&pool).await?;
            rows.iter().map(T::from_row).collect()
        };
        self.ask(ask).await
    }
}
