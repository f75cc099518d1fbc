-- SPDX-FileCopyrightText: 2026 The Tillguard authors
-- SPDX-License-Identifier: Apache-2.0
-- Terminals and what they reported. A report is known by (terminal, boot, seq): it may come twice and stands here once.

CREATE TABLE terminals (
    terminal TEXT PRIMARY KEY,
    shard INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'isolated', 'retired')),
    reason TEXT NOT NULL DEFAULT '',
    changed_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE report_keys (
    terminal TEXT NOT NULL REFERENCES terminals,
    key_id TEXT NOT NULL,
    public BLOB NOT NULL,
    added_ms INTEGER NOT NULL,
    PRIMARY KEY (terminal, key_id)
) WITHOUT ROWID;

-- One row: grows with every change to terminals or keys. A commit of reports names the version that it was judged by.
CREATE TABLE register (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), version INTEGER NOT NULL);
INSERT INTO register VALUES (1, 1);

CREATE TABLE reports (
    number INTEGER PRIMARY KEY,
    terminal TEXT NOT NULL,
    boot INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    lane TEXT NOT NULL,
    event TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    heard_ms INTEGER NOT NULL,
    hash BLOB NOT NULL,
    octets BLOB NOT NULL,
    UNIQUE (terminal, boot, seq)
);

-- How far each boot's numbers are here without a gap, and the hashes that link its two ends. What is here beyond that
-- stands in `reports`; what the terminal says it has dropped, in `dropped`.
CREATE TABLE stories (
    terminal TEXT NOT NULL,
    boot INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    first_prev BLOB,
    last_hash BLOB,
    PRIMARY KEY (terminal, boot)
) WITHOUT ROWID;

CREATE TABLE dropped (
    terminal TEXT NOT NULL,
    boot INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (terminal, boot, first)
) WITHOUT ROWID;

CREATE TABLE terminal_latest (
    terminal TEXT PRIMARY KEY,
    boot INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    event TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    heard_ms INTEGER NOT NULL,
    presence TEXT NOT NULL,
    deadline_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE receipts (
    terminal TEXT PRIMARY KEY,
    serial INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- What was not taken, and why. Not the octets: nobody vouches that they hold no card data, and a report that should have
-- been taken still lies in its terminal's spool, since it got no receipt.
CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY,
    heard_ms INTEGER NOT NULL,
    terminal TEXT NOT NULL,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    words TEXT NOT NULL,
    length INTEGER NOT NULL,
    digest BLOB NOT NULL
);
CREATE INDEX dead_letters_of ON dead_letters (terminal, number);
