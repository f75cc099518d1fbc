# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The run through a CVM list: every method and condition, what each failure leaves in 9F34 and TVR, and bad lists."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.emv.bits import CvmCode, Tvr
from protocols.emv.oda import PublicKey
from protocols.errors import DecodeError
from protocols.pan import Pan
from terminal_agent.emv import AskPin, Cvm, EmvTerminal, PinAnswer
from terminal_agent.emv.cvm_list import CONDITIONS, RECOGNISED, SUPPORT, CvmRun, Verified, decode
from terminal_agent.emv.offline_pin import OfflinePinRun
from terminal_agent.emv.outcome import Trail
from terminal_agent.emv.request import CASH, CASHBACK, PURCHASE
from tests.terminal_agent.emv.contact_session import request, terminal

PAN = Pan("4000009999990057")
FAILED = Tvr.CVM_NOT_SUCCESSFUL
EVERYTHING: dict[str, object] = {"capabilities": "E06808", "online_pin": True, "signature": True}


def no_key() -> PublicKey:
    """This terminal is asked for no enciphered PIN."""
    raise AssertionError


def run(
    rules: str,
    *,
    pin: PinAnswer = PinAnswer.ENTERED,
    shop: EmvTerminal | None = None,
    amount: int = 4_200,
    amounts: str = "0000000000000000",
    in_currency: bool = True,
    kind: int = PURCHASE,
) -> tuple[Verified, int]:
    """The end of a run, and how often a PIN was asked for."""
    asked = request(amount, transaction_type=kind, cashback=100 if kind == CASHBACK else 0)
    listed = decode(bytes.fromhex(amounts + rules))
    trail = Trail()
    offline = OfflinePinRun(no_key, PAN, trail, listed_proven=True)
    machine = CvmRun(shop or terminal(**EVERYTHING), asked, listed, in_currency, PAN, offline).verify(trail)
    count = 0
    try:
        wanted = next(machine)
        while True:
            assert wanted == AskPin(PAN)
            count += 1
            wanted = machine.send(pin)
    except StopIteration as end:
        verified: Verified = end.value
        return verified, count


@pytest.mark.parametrize(
    ("rules", "cvm", "results", "found", "asked"),
    [
        ("0200", Cvm.ONLINE_PIN, "020000", Tvr.ONLINE_CVM_CAPTURED, 1),
        ("4203", Cvm.ONLINE_PIN, "420300", Tvr.ONLINE_CVM_CAPTURED, 1),
        ("1E00", Cvm.SIGNATURE, "1e0000", Tvr(0), 0),
        ("1F00", Cvm.NONE, "1f0002", Tvr(0), 0),
        ("5F00", Cvm.NONE, "5f0002", Tvr(0), 0),
        # fails at once, bit 7 or not
        ("0000", Cvm.NONE, "000001", FAILED, 0),
        ("40001F00", Cvm.NONE, "400001", FAILED, 0),
        # methods at the card, at a terminal without them
        ("0100", Cvm.NONE, "3f0001", Tvr.PIN_PAD_MISSING | FAILED, 0),
        ("01001F00", Cvm.NONE, "3f0001", Tvr.PIN_PAD_MISSING | FAILED, 0),
        ("41001F00", Cvm.NONE, "1f0002", Tvr.PIN_PAD_MISSING, 0),
        ("41030200", Cvm.ONLINE_PIN, "020000", Tvr.ONLINE_CVM_CAPTURED, 1),
        ("430044004500" + "1E00", Cvm.SIGNATURE, "1e0000", Tvr.PIN_PAD_MISSING, 0),
        # unknown methods and conditions
        ("46001F00", Cvm.NONE, "1f0002", Tvr.UNRECOGNISED_CVM, 0),
        ("20001F00", Cvm.NONE, "3f0001", Tvr.UNRECOGNISED_CVM | FAILED, 0),
        ("020A1F00", Cvm.NONE, "1f0002", Tvr(0), 0),
        ("02FF", Cvm.NONE, "3f0001", FAILED, 0),
        # conditions that do not hold
        ("0201" + "0204" + "0205" + "1F02", Cvm.NONE, "1f0202", Tvr(0), 0),
        ("", Cvm.NONE, "3f0001", FAILED, 0),
    ],
)
def test_rules(rules: str, cvm: Cvm, results: str, found: Tvr, asked: int) -> None:
    verified, count = run(rules)
    assert (verified.cvm, verified.results.hex(), verified.found, count) == (cvm, results, found, asked)


@pytest.mark.parametrize(
    ("answer", "bit"),
    [(PinAnswer.BYPASSED, Tvr.PIN_NOT_ENTERED), (PinAnswer.UNAVAILABLE, Tvr.PIN_PAD_MISSING)],
)
def test_a_pin_that_does_not_come_is_asked_for_once(answer: PinAnswer, bit: Tvr) -> None:
    verified, asked = run("42004200", pin=answer)
    assert (verified.cvm, verified.results.hex(), verified.found, asked) == (Cvm.NONE, "3f0001", bit | FAILED, 1)
    verified, asked = run("42001E00", pin=answer)
    assert (verified.cvm, verified.results.hex(), verified.found, asked) == (Cvm.SIGNATURE, "1e0000", bit, 1)


@pytest.mark.parametrize(
    ("changes", "rules", "results"),
    [
        ({"online_pin": False}, "42031F00", "1f0002"),  # passed over: the condition asks for support
        ({"online_pin": False}, "02001F00", "3f0001"),  # fails: required, and no PIN pad
        ({"capabilities": "E02808", "online_pin": False}, "42001F00", "1f0002"),
        ({"signature": False}, "5E001F00", "1f0002"),
        ({"capabilities": "E06008"}, "5F001E00", "1e0000"),
    ],
)
def test_what_the_terminal_cannot_do(changes: dict[str, object], rules: str, results: str) -> None:
    verified, asked = run(rules, shop=terminal(**(EVERYTHING | changes)))
    assert (verified.results.hex(), asked) == (results, 0)


UNATTENDED = {"terminal_type": "25"}


@pytest.mark.parametrize(
    ("condition", "kind", "shop", "holds"),
    [
        (0, PURCHASE, {}, True),
        (1, CASH, {}, False),
        (1, CASH, UNATTENDED, True),
        (1, PURCHASE, UNATTENDED, False),
        (2, PURCHASE, {}, True),
        (2, CASH, {}, False),
        (2, CASH, UNATTENDED, False),
        (2, CASHBACK, {}, False),
        (3, PURCHASE, {}, True),
        (4, CASH, {}, True),
        (4, CASH, UNATTENDED, False),
        (4, PURCHASE, {}, False),
        (5, CASHBACK, {}, True),
        (5, PURCHASE, {}, False),
        (10, PURCHASE, {}, False),
        (0x80, PURCHASE, {}, False),
    ],
)
def test_conditions_by_kind(condition: int, kind: int, shop: dict[str, object], holds: bool) -> None:
    verified, _ = run(f"1F{condition:02X}", kind=kind, shop=terminal(**(EVERYTHING | shop)))
    assert (verified.results[0] == CvmCode.NO_CVM) == holds


@pytest.mark.parametrize(
    ("condition", "amount", "holds"),
    [
        (6, 999, True),
        (6, 1_000, False),
        (7, 1_000, False),
        (7, 1_001, True),
        (8, 1_999, True),
        (8, 2_000, False),
        (9, 2_000, False),
        (9, 2_001, True),
    ],
)
def test_conditions_by_amount(condition: int, amount: int, holds: bool) -> None:
    amounts = f"{1_000:08X}{2_000:08X}"
    for in_currency in (True, False):
        verified, _ = run(f"1F{condition:02X}", amount=amount, amounts=amounts, in_currency=in_currency)
        assert (verified.results[0] == CvmCode.NO_CVM) == (holds and in_currency)


@pytest.mark.parametrize("octets", ["", "00000000000000", "0000000000000000" + "02", "0000000000000000" + "020342"])
def test_a_list_that_is_no_list(octets: str) -> None:
    with pytest.raises(DecodeError):
        decode(bytes.fromhex(octets))


def test_what_is_carried_out_is_known() -> None:
    assert set(SUPPORT) < RECOGNISED
    assert len(CONDITIONS) == 10


def test_every_method_under_every_condition_ends() -> None:
    """9F34 says what happened: a success is one of the three methods built, and never without its own bits."""
    for code, condition in itertools.product(range(256), range(12)):
        verified, asked = run(f"{code:02X}{condition:02X}")
        assert asked <= 1
        method = verified.results[0] & 0x3F
        if FAILED in verified.found:
            assert verified.cvm is Cvm.NONE
            assert verified.results[2] == 0x01
        else:
            assert method in SUPPORT
            assert (verified.cvm is Cvm.ONLINE_PIN) == (method == CvmCode.ONLINE_PIN) == (asked == 1)


@given(st.binary(max_size=252))
@settings(max_examples=200, deadline=None)
def test_any_list_ends(octets: bytes) -> None:
    try:
        listed = decode(octets)
    except DecodeError:
        return
    rules = "".join(f"{rule.code:02X}{rule.condition:02X}" for rule in listed.rules)
    _, asked = run(rules, amounts=octets[:8].hex())
    assert asked <= 1
