-- SPDX-FileCopyrightText: 2026 The Tillguard authors
-- SPDX-License-Identifier: Apache-2.0
-- Head office's own chain of records, and what countersigned its head.

CREATE TABLE audit (seq INTEGER PRIMARY KEY, line BLOB NOT NULL);

CREATE TABLE countersignatures (
    number INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    head TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('key', 'rfc3161')),
    octets BLOB NOT NULL,
    at_ms INTEGER NOT NULL
);
