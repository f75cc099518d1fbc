# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The same payments in process, over PTYs and over real daemons: what a terminal does must not depend on its wires."""

from pathlib import Path

import pytest

from tests.flows.rungs import KINDS, opened
from tests.secrets.planted import PAN

MASKED = f"{PAN[:6]}******{PAN[-4:]}"
TORN = {"contactless": "torn", "contact": "torn-at-first-cryptogram"}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_approved_with_a_pin(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as terminal:
        fields = await terminal.pay()
        assert fields["outcome"] == "approved"
        assert fields["response_code"] == "00"
        assert fields["masked_pan"] == MASKED
        assert fields["ksn"] == "FFFF9876543210E00001"
        (decision,) = terminal.decisions()[-1:]
        assert decision["checks"] == {"mac": "good", "ksn": "fresh", "pin": "good", "arqc": "good"}
        assert decision["amount"] == 4200


async def test_two_payments_count_up(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as terminal:
        first, second = await terminal.pay(), await terminal.pay("31.50")
        assert [first["outcome"], second["outcome"]] == ["approved", "approved"]
        assert [first["ksn"][-1], second["ksn"][-1]] == ["1", "2"]
        assert [decision["amount"] for decision in terminal.decisions()[-2:]] == [4200, 3150]


@pytest.mark.parametrize(
    ("scene", "code", "check"),
    [({"behaviour": "wrong-pin"}, "55", ("pin", "wrong")), ({"fault": "tampered-arqc"}, "59", ("arqc", "wrong"))],
    ids=["wrong-pin", "tampered-arqc"],
)
async def test_declined(kind: str, tmp_path: Path, scene: dict[str, str], code: str, check: tuple[str, str]) -> None:
    async with opened(kind, tmp_path, **scene) as terminal:
        fields = await terminal.pay()
        assert (fields["outcome"], fields["response_code"]) == ("declined", code)
        name, verdict = check
        assert terminal.decisions()[-1]["checks"][name] == verdict


async def test_cancelled_at_the_pad(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, behaviour="cancel") as terminal:
        fields = await terminal.pay()
        assert fields["outcome"] == "cancelled"
        assert "cancelled PIN entry" in fields["reason"]
        assert not [decision for decision in terminal.decisions() if decision["mti"] == "0100"]


async def test_torn_before_anything_was_asked(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, fault=TORN[KINDS[kind][1]]) as terminal:
        fields = await terminal.pay()
        assert fields["outcome"] == "failed"
        assert "card" in fields["reason"]
        assert not [decision for decision in terminal.decisions() if decision["mti"] == "0100"]


@pytest.mark.parametrize("kind", [name for name, (_, interface) in KINDS.items() if interface == "contact"])
async def test_an_approval_that_the_card_never_confirmed_is_taken_back(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, fault="torn-at-second-cryptogram") as terminal:
        fields = await terminal.pay()
        assert fields["outcome"] == "failed"
        assert [decision["code"] for decision in terminal.decisions() if decision["mti"] == "0100"] == ["00"]
