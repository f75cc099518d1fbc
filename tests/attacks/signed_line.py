# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Two terminals before one bank, and the wire to them in wrong hands: the ground of attacks on MACs. Attacks nothing.

Bank and HSM are the shipped twins; what a terminal makes of an answer is the shipped host client's. MACs of the pads
come from a foreign library. Time is counted in instructions of the interpreter: noise cannot hide what they tell.
"""

import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from psec import des

from device_profiles.twins.acquirer import Host
from device_profiles.twins.acquirer_ledger import Ledger
from hsm_sim.engine.key_types import key_type
from hsm_sim.engine.wrapping import VariantLmk
from protocols.acquirer.message import Message, decode, draft
from protocols.acquirer.mti import Mti, NetworkCode
from protocols.acquirer.response_codes import APPROVED
from protocols.acquirer.values import SessionKey
from protocols.hsm.codes import KeyScheme
from protocols.secret import ClearKey
from terminal_agent.host.client import Reply
from terminal_agent.host.port import HostGarbled
from tests.attacks.lane import FIRST_TERMINAL, SECOND_TERMINAL, bank
from tests.device_profiles import acquirer_bench as foreign
from tests.device_profiles.acquirer_bench import NOW, Hsm, test_key

MASTERS = {FIRST_TERMINAL: "TMK-MAC", SECOND_TERMINAL: "TMK-MAC of another pad"}
"""Names of the TEST master keys of two pads."""


class Pad(foreign.Pad):
    """A pad with a master key of its own for MAC session keys."""

    def __init__(self, master: str) -> None:
        super().__init__()
        self._master = test_key(master)

    def takes(self, key: SessionKey) -> bool:
        """Load a session key; whether it has its check value under this pad's master key."""
        session = des.decrypt_tdes_ecb(self._master, key.cryptogram)
        if des.generate_kcv(session, 3) != key.check_value:
            return False
        self._session = session
        return True


@dataclass(frozen=True, slots=True)
class Heard:
    """What a terminal made of an answer, and how long it took for that."""

    believed: bool
    instructions: int


class SignedLine:
    """A :class:`tests.attacks.harness.Target`."""

    def __init__(self, reply: type[Reply], *, shared: bool) -> None:
        """``reply``: how the first terminal reads answers; ``shared``: all pads have one master key."""
        names = dict.fromkeys(MASTERS, "TMK-MAC") if shared else MASTERS
        masters = {terminal: _under_lmk(name) for terminal, name in names.items()}
        plain = bank()
        keys = replace(plain.keys_under_test_lmk, terminals=masters)
        profile = replace(plain, keys_under_test_lmk=keys)
        self.dialect = profile.speech
        self._reply = reply
        self._host, self._hsm = Host(profile, Ledger()), Hsm()
        self.pads = {terminal: Pad(name) for terminal, name in names.items()}
        self.seen: dict[str, SessionKey] = {}
        """Session keys as the wire shows them, by terminal."""
        self._told: list[str] = []
        for terminal, pad in self.pads.items():
            self.seen[terminal] = self._sign_on(terminal)
            if not pad.takes(self.seen[terminal]):
                raise AssertionError("the bank gave a pad another key than its own")

    async def honest(self) -> bool:
        """The first terminal believes an answer that its bank MACed."""
        return self.hear(self.answered(self.pads[FIRST_TERMINAL].mac)).believed

    def alerts(self) -> list[str]:
        """What the terminal says at the till and, as host.refused, to head office."""
        return self._told

    def answered(self, mac: Callable[[bytes], bytes]) -> bytes:
        """An approval for the first terminal, with whatever MAC."""
        message = Message(
            mti=Mti.AUTHORISATION_RESPONSE,
            processing_code="000000",
            amount=4_200,
            transmitted="0607123456",
            stan=7,
            terminal=FIRST_TERMINAL,
            merchant="TILLGUARD-0001",
            currency="978",
            response_code=APPROVED,
        )
        waiting = draft(message, self.dialect)
        return waiting.with_mac(mac(waiting.octets_to_mac))

    def hear(self, octets: bytes) -> Heard:
        """Send the first terminal an answer."""
        found = decode(octets, self.dialect)
        reply = self._reply(found.message, found.octets_to_mac)
        computed = self.pads[FIRST_TERMINAL].mac(found.octets_to_mac)
        believed = True

        def judge() -> None:
            nonlocal believed
            try:
                reply.require_mac(computed)
            except HostGarbled as fault:
                believed = False
                self._told.append(fault.what)

        return Heard(instructions=instructions(judge), believed=believed)

    def _sign_on(self, terminal: str) -> SessionKey:
        request = Message(
            mti=Mti.NETWORK_REQUEST,
            transmitted="0607123456",
            stan=1,
            terminal=terminal,
            merchant="TILLGUARD-0001",
            network_code=NetworkCode.SIGN_ON,
        )
        handled = self._hsm.drive(self._host.handle(draft(request, self.dialect).without_mac(), NOW))
        key = decode(handled.sendings[0].octets, self.dialect).message.session_key
        assert key is not None
        return key


def instructions(work: Callable[[], None]) -> int:
    """How many instructions of the interpreter ``work`` takes: a clock without noise, so nothing is swept meanwhile."""
    count = 0

    def step(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return step

    before, sweeps = sys.gettrace(), gc.isenabled()
    gc.disable()
    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(before)
        if sweeps:
            gc.enable()
    return count


def _under_lmk(name: str) -> str:
    wrapped = VariantLmk.of_test_keys().wrap(ClearKey(test_key(name)), key_type("002"), KeyScheme.DOUBLE)
    return "U" + wrapped.cryptogram.hex().upper()


def signed_line(reply: type[Reply] = Reply, *, shared: bool = False) -> Callable[[Path], Any]:
    """An opener of a line: the shipped reading of answers, and a master key for each pad, unless others are given."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[SignedLine]:
        yield SignedLine(reply, shared=shared)

    return opened
