-- `place` orders a list: it is given once and never again, so that a page's cursor stays good whatever changes.

CREATE TABLE workflows (
    place       INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     TEXT NOT NULL,
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    tags        TEXT NOT NULL,  -- a JSON list of texts
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    searched    TEXT NOT NULL,  -- name, description and tags in lower case
    UNIQUE (user_id, id)
) STRICT;

CREATE INDEX workflows_of_a_user ON workflows (user_id, place);

-- The whole workflow as its file had it, apart from the rows that lists go through.
CREATE TABLE workflow_files (
    workflow INTEGER PRIMARY KEY REFERENCES workflows (place) ON DELETE CASCADE,
    json     TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
    place            INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    user_id          TEXT NOT NULL,
    job_type         TEXT NOT NULL,
    status           TEXT NOT NULL,
    workflow_id      TEXT,
    params           TEXT NOT NULL,  -- a JSON object
    created_at       TEXT NOT NULL,
    started_at       TEXT,
    finished_at      TEXT,
    error            TEXT,
    cost             REAL,
    cancel_requested INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX jobs_of_a_user ON jobs (user_id, place);
CREATE INDEX jobs_of_a_workflow ON jobs (user_id, workflow_id, place);
CREATE INDEX unfinished_jobs ON jobs (place) WHERE finished_at IS NULL;

CREATE TABLE job_logs (
    job       INTEGER NOT NULL REFERENCES jobs (place) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    timestamp TEXT NOT NULL,
    level     TEXT NOT NULL,
    logger    TEXT NOT NULL,
    message   TEXT NOT NULL,
    module    TEXT NOT NULL,
    function  TEXT NOT NULL,
    line      INTEGER NOT NULL,
    exc_info  TEXT,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_events (
    job        INTEGER NOT NULL REFERENCES jobs (place) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    event_time TEXT NOT NULL,
    node_id    TEXT,
    payload    TEXT NOT NULL,  -- JSON
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;
