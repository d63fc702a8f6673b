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
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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
    created_on TEXT NOT NULL,
    created_by TEXT NOT NULL,
    sequence   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX data_by_account ON data (account, sequence);

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

CREATE TABLE services (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    account    TEXT NOT NULL,
    runtime_id TEXT NOT NULL,
    runtime    TEXT NOT NULL,
    role_id    TEXT NOT NULL,
    role       TEXT NOT NULL,
    status     TEXT NOT NULL,
    created_on TEXT NOT NULL,
    created_by TEXT NOT NULL,
    updated_on TEXT NOT NULL,
    sequence   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX services_by_account ON services (account, sequence);

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
