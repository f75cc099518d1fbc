# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A bound terminal proves its binding in each message that asks for money; the bank refuses any other, and says why.

The bank computes the proof from a key of its own, in :mod:`device_profiles.twins.acquirer_bindings`.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device_profiles.acquirer_profile import Bound
from device_profiles.twins.acquirer import Host
from protocols.identity.binding import Binding, Proof, challenge, holds, proof, read_proof
from protocols.primitives import AesKey, Use
from protocols.vault import Refusal, Refused
from terminal_agent.errors import AgentError
from terminal_agent.flows import payment
from terminal_agent.flows.keys import KeysRefused, NoVault
from terminal_agent.flows.proving import Prover
from terminal_agent.host.port import HostUnreachable
from terminal_agent.identity.folder import Folder, Record
from tests.terminal_agent.flows.contact_bench import TERMINAL, Shop
from tests.terminal_agent.flows.test_offline_advice import Approving, ApprovingLate, settle

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracles'
KEY = bytes(range(16))  # TEST
SERIAL = "SN-00042"
BINDING = Binding("123456", "TILLGUARD-0001", "LIC-2026-77", SERIAL, "+52.5200+013.4050")
BOUND = Bound(TERMINAL, SERIAL, 3, KEY.hex())


class Machine:
    """An identity and a vault's binding key."""

    def __init__(self, serial: str = SERIAL, version: int = 3, key: bytes = KEY) -> None:
        self.record = Record(TERMINAL, binding=replace(BINDING, serial=serial), version=version)
        self.fault: AgentError | None = None
        self._key = key
        self._drawn = 0

    async def vault(self, said: bytes) -> bytes:
        if self.fault is not None:
            raise self.fault
        with AesKey(self._key, Use.CMAC) as key:
            return proof(key, said)

    def entropy(self, octets: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(octets, "big")

    def prover(self) -> Prover:
        return Prover(lambda: self.record, self.vault, self.entropy)

    async def prove(self, _: str) -> Proof | None:
        text = await self.prover().proof()
        return read_proof(text) if text else None


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, offline_limit=5_000)
    made.bank.host = Host(replace(made.bank.profile, bindings=(BOUND,)), made.bank.ledger)
    made.till.prove = Machine().prove
    yield made
    made.close()


async def test_each_proof_is_of_this_machine_and_new() -> None:
    machine = Machine()
    proofs = [read_proof(await machine.prover().proof()) for _ in range(3)]
    with AesKey(KEY, Use.CMAC) as key:
        assert all(holds(key, SERIAL, one) for one in proofs)
    assert len({one.factor for one in proofs}) == 3
    assert {one.version for one in proofs} == {3}


async def test_without_a_binding_or_a_key_there_is_none() -> None:
    machine = Machine()
    machine.fault = KeysRefused(Refused(Refusal.NO_KEY, "no key in slot binding"))
    assert await machine.prover().proof() == ""
    machine.record = Record(TERMINAL)
    machine.fault = NoVault("not asked")
    assert await machine.prover().proof() == ""


@pytest.mark.parametrize("fault", [NoVault("gone"), KeysRefused(Refused(Refusal.PHASE, "the vault is tampered"))])
async def test_a_vault_that_cannot_be_asked_is_a_fault(fault: AgentError) -> None:
    machine = Machine()
    machine.fault = fault
    with pytest.raises(AgentError, match=fault.what):
        await machine.prover().proof()


async def test_an_identity_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text("{}")
    with pytest.raises(AgentError, match="damaged"):
        await Prover(Folder(tmp_path, TERMINAL).read, Machine().vault, Machine().entropy).proof()


async def test_the_bank_believes_the_terminal_that_was_bound(shop: Shop) -> None:
    for _ in range(2):
        assert (await shop.pay())["outcome"] == "approved"
        assert shop.bank.event["checks"]["binding"] == "good"


async def nothing(_: str) -> None:
    """A terminal that proves nothing."""


def replayed() -> Callable[[str], Awaitable[Proof | None]]:
    with AesKey(KEY, Use.CMAC) as key:
        heard = Proof(3, bytes(8), proof(key, challenge(SERIAL, bytes(8), 3))[:8])

    async def prove(_: str) -> Proof:
        return heard

    return prove


@pytest.mark.parametrize(
    ("prove", "why"),
    [
        (nothing, "this terminal must prove its binding"),
        (Machine(version=2).prove, "the proof is of binding 2, 3 is in force"),
        (Machine(serial="SN-00043").prove, "the binding proof is wrong: another machine, or another key"),
        (Machine(key=bytes(16)).prove, "the binding proof is wrong: another machine, or another key"),
        (replayed(), "the binding proof was used before"),
    ],
)
async def test_the_bank_refuses_any_other_and_says_why(
    shop: Shop, prove: Callable[[str], Awaitable[Proof | None]], why: str
) -> None:
    shop.till.prove = prove
    if why.endswith("used before"):
        assert (await shop.pay())["outcome"] == "approved"
    fields = await shop.pay()
    assert (fields["outcome"], fields["response_code"]) == ("declined", "58")
    assert shop.bank.event["reasons"] == [why]


@pytest.mark.parametrize("late", [False, True])
async def test_an_advice_carries_a_proof_of_its_own(shop: Shop, late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment, "InsertedCard", ApprovingLate if late else Approving)
    shop.line.fault = HostUnreachable("no route", sent=False) if late else None
    assert (await shop.pay())["outcome"] == "approved"
    shop.line.fault = None
    await settle(shop)
    assert shop.line.sent[-1] == "0220"
    assert shop.bank.event["checks"]["binding"] == "good"
    assert shop.held == 4_200


async def test_an_advice_without_a_proof_is_not_booked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment, "InsertedCard", Approving)
    shop.till.prove = nothing
    assert (await shop.pay())["outcome"] == "approved"
    await settle(shop)
    assert shop.bank.event["reasons"] == ["this terminal must prove its binding"]
    assert shop.held == 0
    assert shop.events[-1].name == "advice.refused"


async def test_a_payment_whose_binding_cannot_be_proven_is_not_sent(shop: Shop) -> None:
    machine = Machine()
    machine.fault = NoVault("the vault is gone")
    shop.till.prove = machine.prove
    fields = await shop.pay()
    assert (fields["outcome"], fields["reason"]) == ("failed", "the vault is gone")
    assert "0100" not in shop.line.sent
