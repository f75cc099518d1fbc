# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Client, journal and bank through faults and deaths: in the end both sides have booked the same, and nothing is owed.

No socket: the bank's twin and a real HSM engine are driven in process. A death is a journal reopened from the files as
they lay on the disk at that moment; which fault and which death strike is drawn from a fixed seed.
"""

import random
from pathlib import Path

import pytest

from device_profiles.twins.acquirer import Host
from device_profiles.twins.acquirer_script import Fault, Rule, Script
from protocols.acquirer.account import AccountData
from protocols.acquirer.message import Draft
from protocols.pan import Pan
from terminal_agent.host.client import AuthorisationRequest, HostClient, PinData, Reply
from terminal_agent.host.journal import Journal
from terminal_agent.host.port import HostGarbled
from terminal_agent.host.reversal import ReversalReason
from tests.device_profiles.acquirer_bench import NOW, TEST_PAN, Bench
from tests.terminal_agent.host.payments import after_power_loss, begun, conclude

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracles'
PAYMENTS = 60
DEATHS = ("recorded", "sent", "received", "answered", "")
FAULTS = (None, None, None, *Fault)


class Death(Exception):
    """The agent is killed here."""


class Till:
    """The terminal around one bench; ``sold`` is what its customers have taken home."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.bench = Bench()
        self.dice = dice
        self.folder = folder
        self.lives = 0
        self.journal = Journal.open(folder / "host.journal")
        self.client = HostClient(self.bench.dialect, "TG000001", "TILLGUARD-0001")
        self.sold = 0

    def exchange(self, asked: Draft, octets: bytes) -> Reply | None:
        """What the link does: the first answer to this very question, or None for silence."""
        accepts = self.client.answers(asked)
        for answer in self.bench.send(octets):
            if accepts(answer):
                return self.client.read_reply(asked, answer)
        return None

    def sign_on(self) -> None:
        asked = self.client.sign_on(self.journal.next_stan(), NOW)
        reply = self.exchange(asked, asked.without_mac())
        assert reply is not None
        assert reply.session_key is not None
        self.bench.pad.load(reply.session_key.cryptogram, reply.session_key.check_value)
        reply.require_mac(self.bench.pad.mac(reply.octets_to_mac))

    def pay(self, amount: int, fault: Fault | None, death: str) -> None:
        script = Script((Rule(mti="0100", fault=fault),)) if fault else None
        self.bench.host = Host(self.bench.profile, self.bench.ledger, script)
        self.sign_on()
        ksn, block = self.bench.pad.enter(self.dice.choice(("7391", "7391", "7391", "1111")))
        request = AuthorisationRequest(
            amount=amount,
            currency="978",
            account=AccountData(Pan(TEST_PAN), None, "2812"),
            sequence_number=1,
            icc_data=self.bench.card.pay(amount),
            interface="contactless",
            pin=PinData(block, ksn),
        )
        asked = self.client.authorise(request, self.journal.next_stan(), NOW)
        payment = begun(self.journal)
        ref = self.journal.record(asked, payment)
        self.maybe(death, "recorded")
        try:
            octets = asked.with_mac(self.bench.pad.mac(asked.octets_to_mac))
            reply = self.exchange(asked, octets)
            self.maybe(death, "sent")
            if reply is None:
                self.journal.must_reverse(ref, ReversalReason.SILENCE, NOW)
                return
            reply.require_mac(self.bench.pad.mac(reply.octets_to_mac))
        except HostGarbled:
            self.journal.must_reverse(ref, ReversalReason.GARBLED, NOW)
            return
        self.maybe(death, "received")
        self.journal.answered(ref, reply)
        self.maybe(death, "answered")
        if reply.approved:
            conclude(self.journal, payment, "approved", NOW)
            self.sold += amount

    def maybe(self, death: str, here: str) -> None:
        if death == here:
            raise Death

    def be_born_again(self) -> None:
        self.lives += 1
        revived = after_power_loss(self.journal, self.folder / str(self.lives))
        self.journal.close()
        self.journal = revived
        self.journal.recover(NOW)

    def reverse_what_is_owed(self) -> None:
        self.bench.host = Host(self.bench.profile, self.bench.ledger)
        self.sign_on()
        for owed in self.journal.reversals():
            self.journal.reversal_sending(owed.ref)
            asked = self.client.reverse(owed)
            if owed.attempts == 0 and self.dice.random() < 0.3:
                lost = asked.with_mac(self.bench.pad.mac(asked.octets_to_mac))
                self.bench.send(lost)  # the bank hears it, its answer is lost, and so it comes again
                (again,) = [one for one in self.journal.reversals() if one.ref == owed.ref]
                self.journal.reversal_sending(owed.ref)
                asked = self.client.reverse(again)
            reply = self.exchange(asked, asked.with_mac(self.bench.pad.mac(asked.octets_to_mac)))
            assert reply is not None
            reply.require_mac(self.bench.pad.mac(reply.octets_to_mac))
            assert self.journal.reversal_answered(owed.ref, reply.response_code, NOW)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_any_faults_and_deaths_both_sides_have_booked_the_same(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    till = Till(tmp_path, dice)
    for _ in range(PAYMENTS):
        fault, death = dice.choice(FAULTS), dice.choice(DEATHS)
        try:
            till.pay(dice.randrange(100, 5000), fault, death)
        except Death:
            till.be_born_again()
        if dice.random() < 0.5:
            till.reverse_what_is_owed()
    till.be_born_again()
    till.reverse_what_is_owed()
    assert till.journal.reversals() == ()
    assert sum(till.bench.ledger.held.values()) == till.sold
    assert till.sold > 0
    till.journal.close()
