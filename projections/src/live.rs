//! What the views know of what is alive: where the routes in memory begin.

use eai_core::ids::{JobId, ServiceId};
use eai_core::job::Phase;
use eai_core::log::live::{
    Demand, LiveClaim, LiveExecutor, LiveJob, LiveLeaving, LiveRole, LiveRollout, LiveService,
    LiveWorker, Snapshot,
};
use eai_core::names::{AccountName, Name};
use eai_core::service::Traffic;
use eai_core::spec::Spec;
use eai_core::worker::Condition;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};

use super::rows::{column, json, number, optional, optional_json, optional_time, terms, time};
use super::{Error, Views, checkpoint};

impl Views {
    /// Every service and every job that is alive, as of one sequence.
    pub async fn alive(&self) -> Result<Snapshot, Error> {
        self.ask(|pool| async move {
            let mut connection = pool.acquire().await?;
            let mut transaction = connection.begin().await?;
            let sequence = checkpoint::read(&mut transaction).await?;
            let rows = |text| sqlx::query(text);
            let services = rows("SELECT * FROM services").fetch_all(&mut *transaction);
            let services = services.await?;
            let text = "SELECT * FROM jobs WHERE state IN ('QUEUING', 'QUEUED', 'RUNNING', 'CANCELLING') \
                        ORDER BY sequence";
            let jobs = rows(text).fetch_all(&mut *transaction).await?;
            let executors = rows("SELECT * FROM executors").fetch_all(&mut *transaction).await?;
            let workers = rows("SELECT * FROM workers").fetch_all(&mut *transaction).await?;
            let leaving = rows("SELECT * FROM leaving").fetch_all(&mut *transaction).await?;
            let leaving = read(&leaving, |row| Ok((column(row, "service_id")?, leaves(row)?)))?;
            let joined = rows("SELECT * FROM joined ORDER BY sequence").fetch_all(&mut *transaction).await?;
            let joined = read(&joined, |row| Ok((column(row, "service_id")?, joins(row)?)))?;
            let text = "SELECT id, full_name FROM accounts";
            let accounts = rows(text).fetch_all(&mut *transaction).await?;
            let roles = rows(ROLES).fetch_all(&mut *transaction).await?;
            let text = "SELECT id, revoked_before FROM users WHERE revoked_before IS NOT NULL";
            let revoked = rows(text).fetch_all(&mut *transaction).await?;
            let text = "SELECT id, name FROM organizations";
            let organizations = rows(text).fetch_all(&mut *transaction).await?;
            Ok(Snapshot {
                sequence: sequence.map_or(0, |checkpoint| checkpoint.sequence),
                services: read(&services, |row| service(row, &leaving, &joined))?,
                jobs: read(&jobs, job)?,
                executors: read(&executors, executor)?,
                workers: read(&workers, worker)?,
                accounts: read(&accounts, |row| Ok((column(row, "full_name")?, column(row, "id")?)))?,
                organizations: read(&organizations, |row| Ok((column(row, "name")?, column(row, "id")?)))?,
                roles: read(&roles, role)?,
                revoked: read(&revoked, |row| Ok((column(row, "id")?, row.try_get("revoked_before")?)))?,
            })
        })
        .await
    }
}

/// Every role with whoever holds it.
const ROLES: &str = "SELECT id, account, policies, \
    (SELECT json_group_array(user) FROM (SELECT user FROM role_members WHERE role = roles.id ORDER BY sequence)) AS members, \
    (SELECT json_group_array(json_array(id, hash)) FROM (SELECT id, hash FROM role_keys \
        WHERE role = roles.id AND revoked_on IS NULL ORDER BY sequence)) AS keys FROM roles";

fn role(row: &SqliteRow) -> Result<LiveRole, Error> {
    Ok(LiveRole {
        id: column(row, "id")?,
        account: column(row, "account")?,
        policies: json(row, "policies")?,
        members: json(row, "members")?,
        keys: json(row, "keys")?,
    })
}

fn read<T>(
    rows: &[SqliteRow],
    one: impl Fn(&SqliteRow) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    rows.iter().map(one).collect()
}

fn leaves(row: &SqliteRow) -> Result<LiveLeaving, Error> {
    Ok(LiveLeaving {
        job: column(row, "job")?,
        run: number(row, "run")?,
        until: time(row, "until")?,
        done: row.try_get("done")?,
    })
}

fn joins(row: &SqliteRow) -> Result<(JobId, u32), Error> {
    Ok((column(row, "job")?, number(row, "run")?))
}

fn service(
    row: &SqliteRow,
    leaving: &[(ServiceId, LiveLeaving)],
    joined: &[(ServiceId, (JobId, u32))],
) -> Result<LiveService, Error> {
    let account: AccountName = column(row, "account")?;
    let name: Name = column(row, "name")?;
    let mut service = LiveService::new(
        column(row, "id")?,
        account.join(name),
        column(row, "status")?,
        row.try_get("public")?,
        row.try_get("created_by")?,
        column(row, "runtime_id")?,
        optional(row, "config_key")?,
    );
    service.role = Some(column(row, "role_id")?);
    service.queue = optional_json(row, "queue")?;
    service.demand = Demand {
        terms: terms(row)?,
        traffic: match row.try_get("traffic")? {
            "busy" => Traffic::Busy,
            "quiet" => Traffic::Quiet(time(row, "quiet_since")?),
            _ => Traffic::Never,
        },
        stirred: time(row, "stirred_on")?,
    };
    let run: Option<u32> = row.try_get("serving_run")?;
    service.asked = row.try_get("asked")?;
    let leaving = leaving.iter().filter(|(of, _)| *of == service.id);
    let joined = joined.iter().filter(|(of, _)| *of == service.id);
    service.rollout = LiveRollout {
        desired: optional(row, "desired_key")?,
        serving: optional(row, "serving_job")?.zip(run),
        joined: joined.map(|(_, run)| *run).collect(),
        served: optional(row, "served_key")?,
        leaving: leaving.map(|(_, run)| *run).collect(),
    };
    Ok(service)
}

fn worker(row: &SqliteRow) -> Result<LiveWorker, Error> {
    let condition = match row.try_get("condition")? {
        "well" => Condition::Well,
        "stopped" => Condition::Stopped,
        _ => Condition::Unhealthy {
            reason: row.try_get("reason")?,
        },
    };
    let restarted = optional_time(row, "restarted_on")?;
    let reason: Option<String> = row.try_get("restart_reason")?;
    Ok(LiveWorker {
        service: column(row, "service_id")?,
        index: number(row, "worker")?,
        name: row.try_get("name")?,
        job: column(row, "job")?,
        run: number(row, "run")?,
        revision: number(row, "revision")?,
        condition,
        message: row.try_get("message")?,
        unlaunched: row.try_get("unlaunched")?,
        failures: number(row, "failures")?,
        since: time(row, "since")?,
        started: time(row, "started_on")?,
        restarted: restarted.zip(reason),
        version: 0,
    })
}

fn executor(row: &SqliteRow) -> Result<LiveExecutor, Error> {
    Ok(LiveExecutor {
        id: column(row, "id")?,
        account: column(row, "account")?,
        epoch: number(row, "epoch")?,
        started: row.try_get("started")?,
        lost: row.try_get("lost")?,
        draining: row.try_get("draining")?,
        mem_mib: number(row, "mem")?,
    })
}

fn job(row: &SqliteRow) -> Result<LiveJob, Error> {
    let mut job = LiveJob::queuing(
        column(row, "id")?,
        column(row, "account")?,
        number(row, "port")?,
    );
    let spec: Spec = json(row, "spec")?;
    job.mem_mib = spec.resources.mem.mebibytes().into();
    job.service = optional(row, "service_id")?;
    job.revision = row
        .try_get::<Option<u32>, _>("revision")?
        .unwrap_or_default();
    job.key = optional(row, "config_key")?;
    job.worker = row.try_get("worker")?;
    job.drain_until = optional_time(row, "drain_until")?;
    job.run = number(row, "run")?;
    job.phase = column(row, "state")?;
    job.ready = row.try_get("ready")?;
    job.frozen = row.try_get("frozen")?;
    job.endpoint = optional(row, "endpoint")?;
    job.since = time(row, "updated_on")?;
    job.ready_on = job.ready.then_some(job.since);
    if job.phase == Phase::Cancelling {
        job.cancel_reason = row.try_get("state_info")?;
    }
    if let Some(executor) = optional(row, "executor")? {
        job.claim = Some(LiveClaim {
            executor,
            epoch: number(row, "epoch")?,
            claim: number(row, "claim")?,
        });
    }
    Ok(job)
}
