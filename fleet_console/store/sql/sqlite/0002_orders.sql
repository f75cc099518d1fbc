-- SPDX-FileCopyrightText: 2026 The Tillguard authors
-- SPDX-License-Identifier: Apache-2.0
-- Orders, as persons signed them. `sequence` is the terminal's own count of orders: the version of the statement.

CREATE TABLE orders (
    terminal TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'ready', 'sent', 'done', 'refused', 'expired')),
    envelope BLOB NOT NULL,
    until_s INTEGER NOT NULL,
    made_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    result TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (terminal, sequence)
) WITHOUT ROWID;

CREATE TABLE approvals (
    terminal TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    person TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (terminal, sequence, key_id),
    FOREIGN KEY (terminal, sequence) REFERENCES orders
) WITHOUT ROWID;
