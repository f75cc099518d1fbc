# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded payments, explained: the machine says of a recording what it said of the payment itself."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.card_profile import load_card
from device_profiles.twins.card_t0 import T0View
from device_profiles.twins.contact_card import ContactCardTwin
from protocols.errors import DecodeError
from scripts.lib import emv_docs
from terminal_agent.card.chaining import exchange
from terminal_agent.cli import main
from terminal_agent.emv import ContactTransaction, EmvOutcome, PinAnswer
from terminal_agent.emv.replay import MOST_EXCHANGES, explain, whole
from tests.protocols.emv.contact_traces import transaction
from tests.terminal_agent.emv.contact_issuer import CardIssuer
from tests.terminal_agent.emv.contact_session import application, authorities, request, terminal
from tests.terminal_agent.emv.test_published_card import KEYS as PUBLISHED_KEYS

KEYS = authorities()
SHOP = terminal(
    contact=(
        application(),
        application(aid="A0000000041010"),
        application(aid="A000000333010102", application_version="0096"),
    )
)
Recording = list[tuple[bytes, bytes]]


def recorded(name: str, code: str | None, *, t0: bool = False) -> tuple[Recording, EmvOutcome]:
    """A payment, and everything that went over the reader."""
    profile = load_card(name)
    assert profile.contact is not None
    card: Any = ContactCardTwin(profile)
    if t0:
        card = T0View(card, bytes.fromhex(profile.contact.atr_t0))
    card.power_on()
    heard: Recording = []

    def one(command: bytes) -> bytes:
        answer: bytes = card.apdu(command)
        heard.append((command, answer))
        return answer

    def run(machine: Any) -> EmvOutcome:
        try:
            wanted = next(machine)
            while True:
                if not isinstance(wanted, bytes):
                    wanted = machine.send(PinAnswer.ENTERED)
                    continue
                turns = exchange(wanted)
                try:
                    send = next(turns)
                    while True:
                        send = turns.send(one(send))
                except StopIteration as end:
                    wanted = machine.send(end.value)
        except StopIteration as end:
            outcome: EmvOutcome = end.value
            return outcome

    payment = ContactTransaction(SHOP, request(), 99, KEYS)
    outcome = run(payment.first())
    answer = None
    if code is not None:
        issuer = CardIssuer(profile)
        keys = profile.keys.test_mk_smi
        scripts = issuer.script(outcome, 0x72, ("84240000", b"")) if keys else b""
        answer = issuer.answer(outcome, code, scripts)
    return heard, run(payment.second(answer))


@pytest.mark.parametrize("name", ["test-visa-sda", "test-visa-dda", "test-visa-cda", "test-mastercard-cda"])
@pytest.mark.parametrize("code", ["00", "51", None])
@pytest.mark.parametrize("t0", [False, True])
def test_the_explanation_is_the_payments_own(name: str, code: str | None, t0: bool) -> None:
    heard, outcome = recorded(name, code, t0=t0)
    found = explain(heard, SHOP, KEYS)
    assert found.outcome.decision is outcome.decision
    assert [str(note) for note in found.notes if note.subject not in ("script", "issuer")] == [
        str(note) for note in outcome.notes if note.subject not in ("script", "issuer")
    ]
    assert found.differences == ()
    assert found.outcome.alerts == outcome.alerts


def test_the_published_transaction_is_explained() -> None:
    found = explain(transaction(), terminal(), PUBLISHED_KEYS)
    said = [str(note) for note in found.notes]
    assert "offline authentication: DDA succeeded: a card that its issuer certified signed (Book 2, 6.5)" in said
    assert "offline PIN: the card says that the PIN is right (Book 3, 10.5.1)" in said
    assert found.differences[0].startswith("TVR: the recorded terminal sent 0000000000")
    assert found.outcome.decision == "approved"
    assert all("1234560012345608" not in line for line in said)


def test_another_terminal_says_where_it_differs() -> None:
    heard, _ = recorded("test-visa-sda", "00")
    strict = terminal(contact=(application(tac_denial="0200000000"),))
    found = explain(heard, strict, KEYS)
    assert "GENERATE AC: the recorded terminal asked for ARQC, this one would ask for AAC" in found.differences


# Recordings that are none


@pytest.mark.parametrize(
    "recording", [[], [(b"\0\xa4\4\0", b"\x90\0")], [(bytes(4), b"\x90\0")] * (MOST_EXCHANGES + 1)]
)
def test_what_is_no_payment(recording: Recording) -> None:
    with pytest.raises(DecodeError):
        explain(recording, SHOP, KEYS)


GOOD = recorded("test-visa-cda", "00")[0]


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_recording_is_explained_or_refused(data: st.DataObject) -> None:
    heard = [(bytearray(command), bytearray(answer)) for command, answer in GOOD]
    for _ in range(data.draw(st.integers(1, 4))):
        command, answer = heard[data.draw(st.integers(0, len(heard) - 1))]
        part = data.draw(st.sampled_from([command, answer]))
        part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    keep = data.draw(st.integers(0, len(heard)))
    try:
        explain([(bytes(command), bytes(answer)) for command, answer in heard[:keep]], SHOP, KEYS)
    except DecodeError:
        return


def test_taken_apart_by_t0() -> None:
    parts = [(b"\0\xb2\1\x0c\0", b"\x6c\x05"), (b"\0\xb2\1\x0c\5", b"\1\2\3\4\5\x90\0")]
    assert whole(parts) == (parts[1],)
    parts = [(b"\0\xa4\4\0", b"\x61\x02"), (b"\0\xc0\0\0\2", b"\1\2\x90\0")]
    assert whole(parts) == ((b"\0\xa4\4\0", b"\1\2\x90\0"),)


# The command


def test_the_shipped_trace_is_todays(capsys: pytest.CaptureFixture[str]) -> None:
    assert emv_docs.TRACE.read_text("utf-8") == emv_docs.trace(), "run: .venv/bin/python scripts/lib/emv_docs.py"
    assert main(["explain", str(emv_docs.TRACE)]) == 0
    said = capsys.readouterr().out
    assert "CDA succeeded" in said
    assert "another way" not in said
    assert main(["explain", str(emv_docs.TRACE), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["decision"], answer["tvr"]) == ("declined", "0000048000")
    assert {"subject", "words", "source"} == set(answer["notes"][0])


def test_other_keys_may_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(emv_docs.TRACE), "--ca-keys", "visa-live"]) == 0
    assert "CDA failed: this terminal does not hold CA key A000000003 E7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ('{"c": "00A4"', "line 1: a JSON object"),
        ('{"c": "00A40400", "r": "9000"}\n{"c": "00B2010C", "r": "5A08**"}', "line 2: 'r': 2 octets"),
        ('{"c": "00A40400"}', "line 1: 'r': 2 octets"),
        ("[1]", "line 1: a JSON object"),
        ("[" * 100_000, "line 1: a JSON object"),
        ("", "no exchange is in it"),
        ('{"c": "00A40400", "r": "9000"}', "no application is selected in it"),
    ],
)
def test_a_file_that_is_no_trace(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trace.jsonl"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert main(["explain", str(path)]) == 2
    fault = capsys.readouterr().err
    assert said in fault
    assert "hint:" in fault


def test_a_masked_recording_says_that_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *exchanges = emv_docs.TRACE.read_text("utf-8").splitlines()
    assert '"exact": true' in first
    path = tmp_path / "masked.jsonl"
    path.write_text("\n".join([first.replace("true", "false"), *exchanges]), "utf-8")
    assert main(["explain", str(path)]) == 0
    assert "account data are masked" in capsys.readouterr().err


def test_the_page_shows_todays_machine() -> None:
    text = emv_docs.PAGE.read_text("utf-8")
    assert text == emv_docs.page(text), "run: .venv/bin/python scripts/lib/emv_docs.py"
    assert "first_cryptogram --> second_cryptogram: refused" in text
