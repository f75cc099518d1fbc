# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A41: the audit log is altered, thinned out, cut, forked, or the whole disk is put back to an older day."""

import json
from collections.abc import Awaitable, Callable
from functools import partial

from protocols.audit_chain import genesis, link
from tests.attacks.disk import TERMINAL, Disk, disk
from tests.attacks.harness import Attack, Case, Opener
from tests.attacks.soft.audit import NumberedLog, chain_holds_by_itself, numbers_hold
from tests.attacks.soft.console import ForgetfulWatch

WITHOUT_CHAIN: Opener[Disk] = partial(disk, open_log=NumberedLog, audit=numbers_hold)
WITHOUT_MEMORY: Opener[Disk] = partial(disk, audit=chain_holds_by_itself)
WITHOUT_STORIES: Opener[Disk] = partial(disk, watch=ForgetfulWatch)


async def alter_a_record(target: Disk) -> bool:
    """Change what one record says."""
    lines = target.log.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"reader2", b"reader9")
    target.log.write_bytes(b"".join(lines))
    return target.inspect() and target.records()[2]["fields"] == {"device": "reader9"}


async def take_one_out(target: Disk) -> bool:
    """Remove a record and number the ones behind it anew."""
    records = target.records()
    gone = records.pop(2)
    lines = [json.dumps(record | {"seq": place}, separators=(",", ":")) for place, record in enumerate(records, 1)]
    target.log.write_text("".join(line + "\n" for line in lines))
    return target.inspect() and all(record["at_ms"] != gone["at_ms"] for record in target.records())


async def cut_the_end_off(target: Disk) -> bool:
    """Remove the last records."""
    lines = target.log.read_bytes().splitlines(keepends=True)
    target.log.write_bytes(b"".join(lines[:-2]))
    return target.inspect() and len(target.records()) == len(lines) - 2


async def make_it_anew(target: Disk) -> bool:
    """Write the log again from one record on, with hashes that are right: the chain has no key."""
    head, lines = genesis(f"agent/{TERMINAL}"), []
    for place, record in enumerate(target.records()):
        fields = {"device": "reader9"} if place == 2 else record["fields"]
        made = link(head, record["at_ms"], record["name"], fields)
        head = made.head
        lines.append(made.line)
    target.log.write_bytes(b"".join(lines))
    return target.inspect() and target.records()[2]["fields"] == {"device": "reader9"}


async def put_the_disk_back(target: Disk) -> bool:
    """Put yesterday's disk in, log, outbox and all; the auditor comes before it has grown past what was noted."""
    image = target.image()
    target.work(4)
    assert target.inspect(), "the auditor has seen what is going to be undone"
    target.put_back(image)
    return target.inspect()


async def put_the_disk_back_and_go_on(target: Disk) -> bool:
    """The same, and the terminal works on; no auditor comes, there is only what head office gets to see."""
    image = target.image()
    target.work(2)
    seen = len(target.alerts())
    target.put_back(image)
    target.work(4)
    return len(target.alerts()) == seen


def _case(
    name: str, soft: Opener[Disk], strike: Callable[[Disk], Awaitable[bool]], alert: str, told: str = ""
) -> Case[Disk]:
    return Case(name, soft, disk, strike, alert, told or "the auditor, who verifies the log; exit code 6")


ATTACK = Attack(
    id="A41",
    title="Audit log tampered with",
    reference="Schneier and Kelsey, Secure Audit Logs to Support Computer Forensics, ACM TISSEC 2 (1999): what a log "
    "on a machine that falls can still prove",
    attacker="has root on the terminal, or its disk in hand; wants what happened to be unseen",
    soft="numbered lines without hashes; a hash chain whose end nobody noted elsewhere; a head office that takes each "
    "report by itself",
    defence="every record carries the hash of the one before; the auditor holds the log against the head noted at the "
    "last visit; each report to head office links to the one before, over restarts",
    cases=(
        _case("record altered", WITHOUT_CHAIN, alter_a_record, "audit: changed"),
        _case("record taken out", WITHOUT_CHAIN, take_one_out, "audit: changed"),
        _case("end cut off", WITHOUT_MEMORY, cut_the_end_off, "audit: truncated"),
        _case("made anew from a record on", WITHOUT_MEMORY, make_it_anew, "audit: rewritten"),
        _case("disk put back", WITHOUT_MEMORY, put_the_disk_back, "audit: truncated"),
        _case(
            "disk put back and used",
            WITHOUT_STORIES,
            put_the_disk_back_and_go_on,
            "head office: unlinked",
            "head office, on the screen of fleet-console watch",
        ),
    ),
)
