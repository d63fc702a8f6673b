//! Commands to try, a read side that runs, and all its rows as text.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eai_core::account::{self, AccountAggregate};
use eai_core::command::{AnyPart, Context, Part};
use eai_core::envelope::Actor;
use eai_core::ids::{AccountId, CommandId, DataId, OrganizationId, RoleId, ServiceId, UserId};
use eai_core::log::{Error, Log, Outcome};
use eai_core::names::{AccountName, FullName};
use eai_core::role::{self, MemberAdded, RoleAggregate};
use eai_core::service::{self, New, Owned, ServiceAggregate};
use eai_core::{data, name};
use eai_projections::{Page, Scope, Store, Views, open};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long anything may take on a slow, busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// How many events `service new` makes.
pub(crate) const CREATED: u64 = 6;

pub(crate) type Parts = Vec<Box<dyn AnyPart>>;

/// Awaits something that must end.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, future).await;
    ended.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

/// Looks until the answer is something.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look() {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    within(what, looking).await
}

// === commands ===

pub(crate) fn account() -> AccountName {
    "snow.testacc".parse().unwrap()
}

pub(crate) fn full_name(name: &str) -> FullName {
    account().join(name.parse().unwrap())
}

fn context(id: CommandId) -> Context {
    // The log keeps milliseconds, and so does what is compared with it.
    let time = OffsetDateTime::now_utc();
    let time = time
        .replace_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000)
        .unwrap();
    let admin = Actor::User(UserId(Uuid::from_u128(9)));
    Context::user(id, admin, time)
}

pub(crate) fn new_id() -> CommandId {
    CommandId(Uuid::new_v4())
}

/// Executes a command that must be taken.
pub(crate) async fn execute(log: &Log, id: CommandId, parts: &Parts) -> Outcome {
    let outcome = within("a command", log.execute(&context(id), parts)).await;
    outcome.unwrap()
}

/// Executes a command that may be refused.
pub(crate) async fn offer(log: &Log, parts: &Parts) {
    match within("a command", log.execute(&context(new_id()), parts)).await {
        Ok(_) | Err(Error::Refused(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Makes a service with its data and role.
pub(crate) async fn new_service(log: &Log, name: &str) -> ServiceId {
    let id = new_id();
    let new = New {
        full_name: full_name(name),
        runtime: Owned::Made,
        role: Owned::Made,
        public: false,
        queue: None,
        terms: service::Terms::default(),
    };
    let outcome = execute(log, id, &service::create(id, new).unwrap()).await;
    assert_eq!(outcome.events as u64, CREATED);
    ServiceId(id.aggregate(0))
}

/// Asks something of a service; how many events that made.
pub(crate) async fn ask(log: &Log, service: ServiceId, command: service::Command) -> usize {
    let part = Part::<ServiceAggregate>::on(account(), service, command).boxed();
    execute(log, new_id(), &vec![part]).await.events
}

pub(crate) async fn new_data(log: &Log, name: &str) -> DataId {
    let id = new_id();
    let data_id = DataId(id.aggregate(0));
    execute(log, id, &data::create(data_id, &full_name(name))).await;
    data_id
}

pub(crate) async fn new_role(log: &Log, name: &str, policies: &[&str]) -> RoleId {
    let id = new_id();
    let role = RoleId(id.aggregate(0));
    let policies = policies.iter().map(|text| text.parse().unwrap()).collect();
    execute(log, id, &role::create(role, &full_name(name), policies)).await;
    role
}

pub(crate) async fn add_member(log: &Log, role: RoleId, user: UserId) {
    let command = role::Command::AddMember(MemberAdded { user });
    let part = Part::<RoleAggregate>::on(account(), role, command).boxed();
    execute(log, new_id(), &vec![part]).await;
}

pub(crate) async fn new_account(log: &Log) -> (AccountId, OrganizationId) {
    let id = new_id();
    let created = account::Created {
        id: AccountId(id.aggregate(0)),
        full_name: account(),
        organization_id: OrganizationId(id.aggregate(1)),
    };
    let made = (created.id, created.organization_id);
    let create = account::Command::Create(created);
    let parts = vec![
        name::reserve_account(&account(), made.0.0),
        Part::<AccountAggregate>::new(account(), made.0, create).boxed(),
    ];
    execute(log, id, &parts).await;
    made
}

pub(crate) async fn add_user(log: &Log, account_id: AccountId, name: &str) -> UserId {
    let id = new_id();
    let user = UserId(id.aggregate(0));
    let added = account::UserAdded {
        id: user,
        name: name.parse().unwrap(),
    };
    let command = account::Command::AddUser(added);
    let part = Part::<AccountAggregate>::on(account(), account_id, command).boxed();
    execute(log, id, &vec![part]).await;
    user
}

/// The log's end, as soon as the server is back to tell it.
pub(crate) async fn end(log: &Log) -> u64 {
    let asking = async {
        loop {
            match log.last_sequence().await {
                Ok(last) => return last,
                Err(Error::Unavailable(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    within("the log", asking).await
}

// === a read side that runs ===

/// Views in a folder, with a projector that runs.
pub(crate) struct Running {
    pub(crate) store: Store,
    pub(crate) views: Views,
    stop: CancellationToken,
    projector: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(directory: &Path, log: &Log) -> Self {
        Self::of(open(directory).await.unwrap(), log)
    }

    pub(crate) fn of(store: Store, log: &Log) -> Self {
        let stop = CancellationToken::new();
        let projector = tokio::spawn(store.projector(log.clone()).run(stop.clone()));
        Self {
            views: store.views(),
            store,
            stop,
            projector,
        }
    }

    /// Waits until the views have the whole log.
    pub(crate) async fn caught_up(&self, log: &Log) -> u64 {
        let last = end(log).await;
        self.views.until(last, PATIENCE).await.unwrap();
        last
    }

    /// Waits for the reason of a halt.
    pub(crate) async fn halted(&self) -> String {
        until("a halt", || self.views.halted()).await
    }

    /// Ends it between two batches.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        within("the projector's end", self.projector).await.unwrap();
    }

    /// Ends it wherever it is.
    pub(crate) async fn abort(self) {
        self.projector.abort();
        assert!(self.projector.await.unwrap_err().is_cancelled());
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.projector.is_finished()
    }
}

/// How many services the views show; whether they answer at all.
pub(crate) async fn services(views: &Views) -> Result<usize, eai_projections::Error> {
    let page = Page {
        after: 0,
        limit: 10_000,
    };
    let rows = views.services(&Scope::Account(account()), page).await?;
    Ok(rows.len())
}

// === files ===

/// Waits until this process has no file of a folder open, as if it had ended: a database that is closed later removes
/// what belongs to the next one of its name.
pub(crate) async fn closed(directory: &Path) {
    let is_in = |link: PathBuf| link.starts_with(directory);
    until("its files to be closed", || {
        let mut open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let is_open = open.any(|file| fs::read_link(file.path()).is_ok_and(is_in));
        (!is_open).then_some(())
    })
    .await;
}

/// The newest generation's database.
pub(crate) fn database(directory: &Path) -> PathBuf {
    databases(directory).pop().expect("a database")
}

fn databases(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u64, PathBuf)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "db"))
        .map(|path| {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            (stem.rsplit_once('.').unwrap().1.parse().unwrap(), path)
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

pub(crate) async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    options.connect().await.unwrap()
}

/// Every row of every table of the newest views that are finished.
pub(crate) async fn dump(directory: &Path) -> Vec<String> {
    for path in databases(directory).into_iter().rev() {
        let mut connection = connect(&path).await;
        let version = connection.fetch_one("PRAGMA user_version").await.unwrap();
        if version.get::<i64, _>(0) != 0 {
            return rows(&mut connection).await;
        }
    }
    panic!("there are no views");
}

/// Every row of every table of one database.
pub(crate) async fn dump_of(database: &Path) -> Vec<String> {
    rows(&mut connect(database).await).await
}

/// Rows as views of the past have them: where each event is, is asked of the views in use alone.
pub(crate) fn of_the_past(mut rows: Vec<String>) -> Vec<String> {
    rows.retain(|row| !row.starts_with("events: "));
    rows
}

async fn rows(connection: &mut SqliteConnection) -> Vec<String> {
    let text = "SELECT m.name, group_concat('quote(' || quote(c.name) || ')', ' || '' | '' || ') \
                FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' \
                GROUP BY m.name ORDER BY m.name";
    let tables = sqlx::query(text).fetch_all(&mut *connection).await.unwrap();
    let mut rows = Vec::new();
    for table in tables {
        let (name, columns): (String, String) = (table.get(0), table.get(1));
        let columns = columns.replace('\'', "\"").replace("\" | \"", "' | '");
        let text = AssertSqlSafe(format!("SELECT {columns} FROM {name} ORDER BY 1"));
        let found = sqlx::query(text).fetch_all(&mut *connection).await.unwrap();
        rows.extend(
            found
                .iter()
                .map(|row| format!("{name}: {}", row.get::<String, _>(0))),
        );
    }
    assert!(rows.len() > 1, "there are rows: {rows:?}");
    rows
}

/// A copy of the views as they are on the disk now; nothing may be writing.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
