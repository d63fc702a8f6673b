-- The views: a pure fold of the event log. Every column comes from an event, so a rebuild gives the same rows.

CREATE TABLE organizations (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    created_on TEXT NOT NULL,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    id              TEXT PRIMARY KEY,
    full_name       TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL,
    created_on      TEXT NOT NULL,
    sequence        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    account  TEXT NOT NULL,
    -- The last second whose tokens are good no more, since 1970.
    revoked_before INTEGER,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX users_by_account ON users (account, sequence);

-- The credentials of monitors that are good, and those that were.
CREATE TABLE monitors (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    account    TEXT NOT NULL,
    key        TEXT NOT NULL,
    created_on TEXT NOT NULL,
    created_by TEXT NOT NULL,
    revoked_on TEXT,
    sequence   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX monitors_by_account ON monitors (account, sequence);

-- Who bears a name of a kind.
CREATE TABLE names (
    kind      TEXT NOT NULL,
    full_name TEXT NOT NULL,
    holder    TEXT NOT NULL,
    PRIMARY KEY (kind, full_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE data (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    account    TEXT NOT NULL,
    -- Its newest version; 0 where nothing was pushed yet.
    version    INTEGER NOT NULL,
    manifest   TEXT,
    files      INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    -- The manifest that a job last ran.
    ran_manifest TEXT,
    created_on TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_on TEXT NOT NULL,
    sequence   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX data_by_account ON data (account, sequence);

-- Every version of data there ever was.
CREATE TABLE versions (
    data       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    manifest   TEXT NOT NULL,
    files      INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    created_on TEXT NOT NULL,
    created_by TEXT NOT NULL,
    sequence   INTEGER NOT NULL,
    PRIMARY KEY (data, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX versions_in_order ON versions (sequence);

CREATE TABLE roles (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    account    TEXT NOT NULL,
    policies   TEXT NOT NULL,
    created_on TEXT NOT NULL,
    sequence   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX roles_by_account ON roles (account, sequence);

CREATE TABLE role_members (
    role     TEXT NOT NULL,
    user     TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (role, user)
) STRICT, WITHOUT ROWID;

-- The keys that hold roles, and those that did.
CREATE TABLE role_keys (
    id         TEXT PRIMARY KEY,
    role       TEXT NOT NULL,
    hash       TEXT NOT NULL,
    created_on TEXT NOT NULL,
    created_by TEXT NOT NULL,
    revoked_on TEXT,
    sequence   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX role_keys_by_role ON role_keys (role, sequence);

CREATE TABLE services (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    account    TEXT NOT NULL,
    runtime_id TEXT NOT NULL,
    runtime    TEXT NOT NULL,
    role_id    TEXT NOT NULL,
    role       TEXT NOT NULL,
    status     TEXT NOT NULL,
    public     INTEGER NOT NULL,
    revision   INTEGER,
    -- The key of what requests lead to, and of what was last asked for.
    config_key TEXT,
    desired_key TEXT,
    -- The run that requests go to, the newest revision that it is a run of, and the key of the newest one they went to.
    serving_job      TEXT,
    serving_run      INTEGER,
    serving_revision INTEGER,
    served_key       TEXT,
    -- Runs of revisions before this one are replaced, whatever they run.
    fresh            INTEGER NOT NULL DEFAULT 0,
    -- The revision that did not come to answer, and its job.
    failed_revision  INTEGER,
    failed_job       TEXT,
    -- Its queue with the workers that are wanted now, as JSON.
    queue      TEXT,
    -- On what terms its job is kept; NULL is what is usual.
    idle_timeout_ms INTEGER,
    min_ready  INTEGER NOT NULL,
    -- How many replicas it may have, as JSON; NULL is one. How many its traffic asked for.
    replicas   TEXT,
    asked      INTEGER,
    -- never, busy or quiet: since when, and when somebody last asked of whom the log knows.
    traffic     TEXT NOT NULL,
    quiet_since TEXT,
    stirred_on  TEXT NOT NULL,
    -- Why its job is not tried again.
    gave_up     TEXT,
    created_on TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_on TEXT NOT NULL,
    sequence   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX services_by_account ON services (account, sequence);
CREATE INDEX services_by_runtime ON services (runtime_id);

-- What each service was to run, and when.
CREATE TABLE revisions (
    service_id    TEXT NOT NULL,
    revision      INTEGER NOT NULL,
    config_key    TEXT NOT NULL,
    configuration TEXT NOT NULL,
    created_on    TEXT NOT NULL,
    created_by    TEXT NOT NULL,
    sequence      INTEGER NOT NULL,
    PRIMARY KEY (service_id, revision)
) STRICT, WITHOUT ROWID;

-- The runs that get no more requests, and until when they may go on with those they have.
CREATE TABLE leaving (
    service_id TEXT NOT NULL,
    job        TEXT NOT NULL,
    run        INTEGER NOT NULL,
    until      TEXT NOT NULL,
    done       INTEGER NOT NULL,
    PRIMARY KEY (service_id, job, run)
) STRICT, WITHOUT ROWID;

-- The runs that take requests beside the one that serves, in the order in which they came to.
CREATE TABLE joined (
    service_id TEXT NOT NULL,
    job        TEXT NOT NULL,
    run        INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    PRIMARY KEY (service_id, job, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id               TEXT PRIMARY KEY,
    name             TEXT,
    account          TEXT NOT NULL,
    service_id       TEXT,
    service          TEXT,
    revision         INTEGER,
    config_key       TEXT,
    worker           INTEGER,
    runtime_id       TEXT NOT NULL,
    runtime_version  INTEGER NOT NULL,
    runtime_manifest TEXT NOT NULL,
    spec             TEXT NOT NULL,
    port             INTEGER NOT NULL,
    state            TEXT NOT NULL,
    state_info       TEXT NOT NULL,
    -- Until when the run may go on with what it is at, where it is to end.
    drain_until      TEXT,
    run              INTEGER NOT NULL,
    claim            INTEGER,
    executor         TEXT,
    -- The epoch of the executor in which the run was last known to go on.
    epoch            INTEGER,
    backend          TEXT,
    image_ignored    INTEGER NOT NULL DEFAULT 0,
    endpoint         TEXT,
    ready            INTEGER NOT NULL,
    frozen           INTEGER NOT NULL DEFAULT 0,
    created_on       TEXT NOT NULL,
    created_by       TEXT NOT NULL,
    updated_on       TEXT NOT NULL,
    sequence         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_account ON jobs (account, sequence);
CREATE INDEX jobs_by_service ON jobs (service_id, sequence);
CREATE INDEX jobs_alive ON jobs (state) WHERE state IN ('QUEUING', 'QUEUED', 'RUNNING', 'CANCELLING');

CREATE TABLE runs (
    job                 TEXT NOT NULL,
    run                 INTEGER NOT NULL,
    state               TEXT NOT NULL,
    executor            TEXT,
    backend             TEXT,
    image               TEXT,
    created_on          TEXT NOT NULL,
    claimed_on          TEXT,
    started_on          TEXT,
    ready_on            TEXT,
    cancel_requested_on TEXT,
    ended_on            TEXT,
    reason              TEXT,
    message             TEXT,
    exit_code           INTEGER,
    signal              INTEGER,
    phases              TEXT,
    PRIMARY KEY (job, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE executors (
    id       TEXT PRIMARY KEY,
    account  TEXT NOT NULL,
    epoch    INTEGER NOT NULL,
    backend  TEXT NOT NULL,
    cpu      INTEGER NOT NULL,
    mem      INTEGER NOT NULL,
    started  INTEGER NOT NULL,
    lost     INTEGER NOT NULL,
    draining INTEGER NOT NULL,
    started_on TEXT NOT NULL,
    updated_on TEXT NOT NULL,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The places in queues that workers fill.
CREATE TABLE workers (
    id             TEXT PRIMARY KEY,
    service_id     TEXT NOT NULL,
    worker         INTEGER NOT NULL,
    name           TEXT NOT NULL,
    account        TEXT NOT NULL,
    job            TEXT NOT NULL,
    run            INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    condition      TEXT NOT NULL,
    reason         TEXT NOT NULL,
    message        TEXT NOT NULL,
    unlaunched     INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    since          TEXT NOT NULL,
    started_on     TEXT NOT NULL,
    restarted_on   TEXT,
    restart_reason TEXT,
    sequence       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where each event is, by its id.
CREATE TABLE events (
    id       BLOB PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest event of each aggregate: the end of its hash chain.
CREATE TABLE heads (
    aggregate TEXT PRIMARY KEY,
    sequence  INTEGER NOT NULL,
    digest    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Events that this version cannot read. They stop nothing.
CREATE TABLE parked (
    sequence INTEGER PRIMARY KEY,
    type     TEXT NOT NULL,
    reason   TEXT NOT NULL
) STRICT;

-- How far the fold is: one row once there is an event.
CREATE TABLE checkpoint (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    sequence INTEGER NOT NULL,
    digest   TEXT NOT NULL
) STRICT;
