# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated terminal at the wire. Invariant: what it has told waits until a receipt of head office names it."""

from device_profiles.twins.fleet_terminal import FleetTerminal
from protocols.telemetry.batch import CONTEXT, lines, read_batch
from protocols.telemetry.envelope import genesis, report_hash
from protocols.telemetry.events import Lane, make
from protocols.telemetry.receipt import Receipt, encode_receipt
from tests.protocols.telemetry.report_keys import public, signer

NAME, AT = "TG000007", 1_800_000_000_000


def terminal(seed: int = 1, **more: object) -> FleetTerminal:
    return FleetTerminal(NAME, AT, signer(NAME), public("head-office"), seed=seed, **more)  # type: ignore[arg-type]


def receipt(upto: int, serial: int, *, key: str = "head-office", boot: int = AT, missing: tuple[int, int] | None = None,
            also: tuple[int, int] | None = None) -> bytes:  # fmt: skip
    made = Receipt(NAME, boot, upto, AT, serial, (also,) if also else (), (missing,) if missing else ())
    return encode_receipt(made, signer(key))


def drained(one: FleetTerminal) -> list[tuple[Lane, list[int]]]:
    """Everything that it wants to send, each batch verified."""
    found = []
    while (made := one.batch()) is not None:
        sealed = read_batch(made[1])
        assert public(NAME).signed(sealed, CONTEXT)
        found.append((made[0], [line.report.seq for line in lines(sealed)]))
    return found


def test_the_same_seed_tells_the_same_story() -> None:
    stories = [[one.happen(AT + place).octets for place in range(50)] for one in (terminal(), terminal(), terminal(2))]
    assert stories[0] == stories[1]
    assert stories[0] != stories[2]


def test_one_chain_over_all_lanes() -> None:
    one = terminal()
    prev = genesis(NAME)
    for place in range(60):
        made = one.happen(AT + place)
        assert f'"prev":"{prev}"'.encode() in made.octets
        prev = report_hash(made.octets)


def test_alerts_first_and_alone_and_batches_of_32_at_most() -> None:
    one = terminal()
    for place in range(40):
        one.tell(make("device.back", AT + place, device="reader"))
    one.tell(make("payment.step", AT, payment="p", step="s", wire="card", ms=1))
    one.tell(make("device.lost", AT, device="reader", reason="x"))
    one.tell(make("device.lost", AT, device="reader", reason="y"))
    assert drained(one) == [
        (Lane.ALERT, [42]),
        (Lane.ALERT, [43]),
        (Lane.HEALTH, list(range(1, 33))),
        (Lane.HEALTH, list(range(33, 41))),
        (Lane.BULK, [41]),
    ]
    assert one.waiting == 43


def test_only_a_receipt_of_head_office_makes_it_forget() -> None:
    one = terminal()
    for place in range(10):
        one.tell(make("device.back", AT + place, device="reader"))
    drained(one)
    assert one.receipted(receipt(10, 1, key="somebody else")) == []
    assert one.receipted(receipt(10, 1, boot=AT - 1)) == []
    assert one.waiting == 10
    assert [kept.seq for kept in one.receipted(receipt(3, 2, also=(8, 9), missing=(4, 7)))] == [1, 2, 3, 8, 9]
    assert drained(one) == [(Lane.HEALTH, [4, 5, 6, 7])]
    assert one.receipted(receipt(10, 2)) == []  # a serial number counts once
    one.again()
    assert drained(one) == [(Lane.HEALTH, [4, 5, 6, 7, 10])]
    one.receipted(receipt(10, 3))
    assert (one.waiting, drained(one)) == (0, [])


def test_the_next_life_brings_what_the_last_one_left_and_follows_it() -> None:
    one = terminal()
    kept = [one.tell(make("device.back", AT, device="reader")) for _ in range(2)]
    two = FleetTerminal(NAME, AT + 1, signer(NAME), public("head-office"), prev=one.prev, kept=kept)
    two.tell(make("device.back", AT, device="reader"))
    assert drained(two) == [(Lane.HEALTH, [1, 2]), (Lane.HEALTH, [1])]
    [line] = lines(read_batch(two.will(AT)))
    assert (line.report.seq, line.report.boot, line.report.prev) == (0, AT + 1, one.prev)
