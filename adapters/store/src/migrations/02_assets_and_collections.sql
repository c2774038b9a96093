CREATE TABLE assets (
    place        INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    user_id      TEXT NOT NULL,
    workflow_id  TEXT,
    parent       INTEGER REFERENCES assets (place),  -- the folder; null at the top
    name         TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size         INTEGER NOT NULL,
    metadata     TEXT NOT NULL,  -- a JSON object
    created_at   TEXT NOT NULL,
    duration     REAL,
    searched     TEXT NOT NULL   -- the name in lower case
) STRICT;

CREATE INDEX assets_of_a_user ON assets (user_id, place);
CREATE INDEX assets_of_a_folder ON assets (user_id, parent, place);
CREATE INDEX assets_by_parent ON assets (parent);

CREATE TABLE collections (
    place      INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    metadata   TEXT NOT NULL,  -- a JSON object
    created_at TEXT NOT NULL,
    searched   TEXT NOT NULL,  -- the name in lower case
    UNIQUE (user_id, name)
) STRICT;

CREATE INDEX collections_of_a_user ON collections (user_id, place);

CREATE TABLE documents (
    place      INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL REFERENCES collections (place) ON DELETE CASCADE,
    id         TEXT NOT NULL,
    text       TEXT NOT NULL,
    metadata   TEXT NOT NULL,  -- a JSON object
    UNIQUE (collection, id)
) STRICT;

CREATE VIRTUAL TABLE document_words USING fts5 (
    text,
    content = 'documents',
    content_rowid = 'place',
    tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER document_added AFTER INSERT ON documents BEGIN
    INSERT INTO document_words (rowid, text) VALUES (new.place, new.text);
END;

CREATE TRIGGER document_removed AFTER DELETE ON documents BEGIN
    INSERT INTO document_words (document_words, rowid, text) VALUES ('delete', old.place, old.text);
END;

CREATE TRIGGER document_changed AFTER UPDATE OF text ON documents BEGIN
    INSERT INTO document_words (document_words, rowid, text) VALUES ('delete', old.place, old.text);
    INSERT INTO document_words (rowid, text) VALUES (new.place, new.text);
END;
