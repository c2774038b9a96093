CREATE TABLE models (
    place         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       TEXT NOT NULL,
    source        TEXT NOT NULL,  -- the service that offers it
    id            TEXT NOT NULL,
    name          TEXT NOT NULL,
    repo_id       TEXT,
    path          TEXT,
    type          TEXT,
    downloaded    INTEGER,
    size_on_disk  INTEGER,
    provider      TEXT,
    first_seen_at TEXT NOT NULL,
    seen_at       TEXT NOT NULL,
    searched      TEXT NOT NULL,  -- id and name in lower case
    UNIQUE (user_id, source, id)
) STRICT;

CREATE INDEX models_of_a_user ON models (user_id, place);
CREATE INDEX models_of_a_source ON models (user_id, source, place);
