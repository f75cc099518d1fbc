# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What answers each host command, by the class of its request. Data only."""

from collections.abc import Mapping

from hsm_sim.payshield import (
    cards,
    data,
    diagnostics,
    hashes,
    keys,
    legacy_macs,
    macs,
    pin_checks,
    pin_issue,
    pins,
    rsa,
    transport,
)
from hsm_sim.payshield.handlers import Handler

HANDLERS: Mapping[type, Handler] = {
    **diagnostics.HANDLERS,
    **keys.HANDLERS,
    **transport.HANDLERS,
    **pins.HANDLERS,
    **pin_checks.HANDLERS,
    **pin_issue.HANDLERS,
    **macs.HANDLERS,
    **legacy_macs.HANDLERS,
    **data.HANDLERS,
    **hashes.HANDLERS,
    **rsa.HANDLERS,
    **cards.HANDLERS,
}
