# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What reading and writing an acquirer message costs, beside pyiso8583 alone on the same octets."""

import iso8583

from protocols.acquirer.dialects import DIALECTS
from protocols.acquirer.frame import Framer, frame, tpdu
from protocols.acquirer.message import decode, draft
from tests.bench.row import Row, cpu_us
from tests.protocols.acquirer.samples import REQUEST


def rows() -> list[Row]:
    """An authorisation request with PIN and chip data, per dialect."""
    measured: list[Row] = []
    for dialect in DIALECTS.values():
        octets = draft(REQUEST, dialect).with_mac(bytes(8))
        texts, _ = iso8583.decode(octets, dialect.specification)
        floor_read = cpu_us(lambda o=octets, s=dialect.specification: iso8583.decode(o, s))
        floor_write = cpu_us(lambda t=texts, s=dialect.specification: iso8583.encode(dict(t), s))
        read = cpu_us(lambda o=octets, d=dialect: decode(o, d))
        write = cpu_us(lambda d=dialect: draft(REQUEST, d).with_mac(bytes(8)))
        measured.append(Row(f"acquirer {dialect.name} read 0100", read, "us", "pyiso8583", floor_read))
        measured.append(Row(f"acquirer {dialect.name} write 0100", write, "us", "pyiso8583", floor_write))
        framed = frame(octets, dialect, tpdu(1, 2) if dialect.tpdu else b"")
        measured.append(
            Row(f"acquirer {dialect.name} unframe", cpu_us(lambda f=framed, d=dialect: Framer(d).feed(f)), "us")
        )
    return measured
