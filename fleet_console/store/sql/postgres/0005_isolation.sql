-- SPDX-FileCopyrightText: 2026 The Tillguard authors
-- SPDX-License-Identifier: Apache-2.0
-- Isolation and orders. How often an order was handed to the broker; and the few orders that are still open are found among all of them.

ALTER TABLE orders ADD COLUMN handed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX open_orders ON orders (state, made_ms) WHERE state IN ('ready', 'sent');

-- Certificates by which terminals were added, beside those that head office issued: what an isolated terminal may have.
CREATE TABLE shown_certificates (
    terminal TEXT NOT NULL REFERENCES terminals,
    serial TEXT NOT NULL,
    PRIMARY KEY (terminal, serial)
);
