-- Ledger format 1. Normative page: migrator/docs/ledger.md. Integers 0 and 1 and NULL cost no byte in SQLite.
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE objects (
    row INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    key_hash INTEGER NOT NULL,
    size INTEGER NOT NULL,
    state INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    root INTEGER NOT NULL DEFAULT 0,
    seen_at_target INTEGER NOT NULL DEFAULT 0,
    kind TEXT,
    source_etag TEXT,
    source_version TEXT,
    modified_ms INTEGER,
    claims BLOB,
    attributes INTEGER,
    stored_size INTEGER,
    plaintext_sha256 BLOB,
    ciphertext_sha256 BLOB,
    nonce_prefix BLOB,
    target_etag TEXT,
    target_version TEXT,
    level TEXT,
    settled_ms INTEGER,
    reason TEXT,
    readers INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX objects_by_key ON objects (key_hash);
CREATE INDEX objects_begun ON objects (row) WHERE state IN (1, 2, 3, 4);

CREATE TABLE uploads (
    row INTEGER PRIMARY KEY,
    upload TEXT NOT NULL,
    attempt TEXT NOT NULL,
    part_units INTEGER NOT NULL,
    source_header INTEGER NOT NULL,
    header_sha256 BLOB,
    opened_ms INTEGER NOT NULL
);
CREATE TABLE parts (
    row INTEGER NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    ciphertext_sha256 BLOB NOT NULL,
    nonce_prefix BLOB,
    etag TEXT,
    PRIMARY KEY (row, number)
) WITHOUT ROWID;

-- Upload ids of ours that are no longer wanted, until a sweep has seen them gone.
CREATE TABLE forgotten (upload TEXT NOT NULL, row INTEGER NOT NULL, attempt TEXT NOT NULL, PRIMARY KEY (upload, row))
    WITHOUT ROWID;

CREATE TABLE attributes (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE notes (row INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY (row, note)) WITHOUT ROWID;
CREATE TABLE roots (id INTEGER PRIMARY KEY, sealed BLOB, clear BLOB);
CREATE TABLE runs (id INTEGER PRIMARY KEY, started_ms INTEGER NOT NULL, ended_ms INTEGER, owner TEXT NOT NULL,
    version TEXT NOT NULL, epoch INTEGER NOT NULL, outcome TEXT, resent_bytes INTEGER NOT NULL DEFAULT 0,
    resent_objects INTEGER NOT NULL DEFAULT 0);

-- Who the objects are for: sets of recipients (CBOR array of raw public keys) after the wave file's own, which is 0.
CREATE TABLE readers (id INTEGER PRIMARY KEY, changed_ms INTEGER NOT NULL, recipients BLOB NOT NULL,
    revoke INTEGER NOT NULL);
-- Rows whose objects may be under way to another set of readers, and what the target acknowledged of it.
CREATE TABLE rewrapping (
    row INTEGER PRIMARY KEY,
    readers INTEGER NOT NULL,
    attempt TEXT NOT NULL,
    upload TEXT,
    part_units INTEGER NOT NULL DEFAULT 0,
    revoke INTEGER NOT NULL DEFAULT 0,
    header_before BLOB,
    header_sha256 BLOB,
    begun_ms INTEGER NOT NULL
);
CREATE TABLE rewrap_parts (
    row INTEGER NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    ciphertext_sha256 BLOB NOT NULL,
    nonce_prefix BLOB,
    etag TEXT,
    PRIMARY KEY (row, number)
) WITHOUT ROWID;
-- What was rewrapped: one row an object and time, in the order of the events.
CREATE TABLE rewraps (
    id INTEGER PRIMARY KEY,
    row INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    readers INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    header_before BLOB NOT NULL,
    header_after BLOB NOT NULL,
    old_etag TEXT,
    old_version TEXT,
    at_ms INTEGER NOT NULL
);
CREATE INDEX rewraps_by_row ON rewraps (row);

CREATE TABLE batches (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, digest BLOB NOT NULL, events BLOB NOT NULL);
