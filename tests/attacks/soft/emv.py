# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Contact terminals that lack one defence each, put together from the shipped steps: nothing of them is changed."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType

from protocols.emv import apdu, tlv
from protocols.emv.apdu import Response
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from terminal_agent.emv import contact_completion, contact_oda, contact_steps
from terminal_agent.emv.contact import WORK, Done, Step
from terminal_agent.emv.contact_run import Ask, ContactRun, Proof, Said, Turn
from terminal_agent.emv.fallback import Fallback, FallbackGuard, Interface
from terminal_agent.emv.outcome import Cvm, Decision
from tests.terminal_agent.flows.contact_bench import BenchReader

PATIENCE = 1_000
"""Commands: more than any payment needs, and where nobody waits any longer."""
Steps = Mapping[Step, Callable[[ContactRun], Done]]


def _with(**steps: Callable[[ContactRun], Done]) -> Steps:
    return MappingProxyType({**WORK, **{Step[name.upper()]: work for name, work in steps.items()}})


def _believing(
    step: Callable[[ContactRun], Generator[bytes, bytes, Turn]],
) -> Callable[[ContactRun], Generator[bytes, bytes, Turn]]:
    """Takes 9000 for a verified PIN, whatever the card tells its issuer."""

    def blind(run: ContactRun) -> Generator[bytes, bytes, Turn]:
        verified, run.cvm = run.cvm, Cvm.NONE
        turn = yield from step(run)
        run.cvm = verified
        return turn

    return blind


def _trusting_lists(run: ContactRun) -> Done:
    """Takes every list of methods for the issuer's."""
    run.signed_tags |= {int(Tag.CVM_LIST)}
    return (yield from contact_steps.cardholder_verification(run))


def _going_on(run: ContactRun) -> Turn:
    """Goes on where authentication failed, as if the list of methods were proven."""
    run.signed_tags |= {int(Tag.CVM_LIST)}
    return contact_steps.action_analysis(run)


def _static_is_enough(run: ContactRun) -> Generator[Ask, Said, Turn]:
    """Approves offline whoever has an issuer's signature, or another card's answer to a challenge."""
    turn = yield from _bytes(contact_oda.offline_authentication(run))
    if run.proof is not Proof.NONE:
        run.proof = Proof.DYNAMIC
        assert run.selected is not None
        application = dataclasses.replace(run.application, dda_is_enough=True)
        candidate = dataclasses.replace(run.selected.candidate, application=application)
        run.selected = run.selected._replace(candidate=candidate)
    return turn


def _bytes(steps: Generator[bytes, bytes, Turn]) -> Generator[Ask, Said, Turn]:
    try:
        wanted = next(steps)
        while True:
            said = yield wanted
            assert isinstance(said, bytes)
            wanted = steps.send(said)
    except StopIteration as end:
        turn: Turn = end.value
        return turn


def _at_home(work: Callable[[ContactRun], Done]) -> Callable[[ContactRun], Done]:
    """Compares an amount with limits without a look at its currency."""

    def blind(run: ContactRun) -> Done:
        request = run.request
        run.request = dataclasses.replace(request, currency=run.terminal.currency)
        done = work(run)
        turn = done if isinstance(done, Turn) else (yield from done)
        run.request = request
        return turn

    return blind


def _reading_on(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """Reads whatever the locator names, however much and however long."""
    locator = run.card.get(Tag.AFL) or b""
    for place in range(0, len(locator), 4):
        lead, first, last, _ = locator[place : place + 4]
        for record in range(first, last + 1):
            response = Response.decode((yield apdu.read_record(lead >> 3, record).encode()))
            inside = tlv.decode(response.data).inside(Tag.RECORD_TEMPLATE)
            if inside is None:
                continue
            with contextlib.suppress(DecodeError):  # the same object twice
                run.card.add(inside.leaves(), "record")
    return run.stop(Decision.ENDED, "at last")


READS_ON = _with(records=_reading_on)
BELIEVES_VERIFY = _with(
    first_cryptogram=_believing(contact_steps.first_cryptogram),
    second_cryptogram=_believing(contact_completion.second_cryptogram),
)
TRUSTS_LISTS = _with(verification=_trusting_lists)
GOES_ON_UNPROVEN = _with(analysis=_going_on)
STATIC_IS_ENOUGH = _with(authentication=_static_is_enough)
BLIND_TO_CURRENCY = _with(
    risk=_at_home(contact_steps.risk_management), analysis=_at_home(contact_steps.action_analysis)
)


class PatientGuard(FallbackGuard):
    """Lets every failed chip be followed by another interface, however many fail."""

    def presented(self, interface: Interface) -> Fallback:
        """See :class:`FallbackGuard`."""
        found = super().presented(interface)
        return Fallback.ALLOWED if found is Fallback.REFUSED else found

    def ended(self, interface: Interface, *, chip_failed: bool) -> bool:
        """See :class:`FallbackGuard`."""
        super().ended(interface, chip_failed=chip_failed)
        return False


class UntestedNumbers:
    """Gives what its source gives."""

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source

    def next(self) -> bytes:
        """See :class:`terminal_agent.emv.unpredictable.UnpredictableNumbers`."""
        return self._source(4)


def soft_depth(data: bytes, depth: int = 0) -> int:
    """How deep templates are nested, by a decoder that follows them wherever they lead."""
    place, deepest = 0, depth
    while place + 2 <= len(data):
        tag, size = data[place], data[place + 1]
        place += 2
        if size == 0x82:
            size, place = int.from_bytes(data[place : place + 2], "big"), place + 2
        elif size == 0x81:
            size, place = data[place], place + 1
        if tag & 0x20:
            deepest = max(deepest, soft_depth(data[place : place + size], depth + 1))
        place += size
    return deepest


class FetchingReader(BenchReader):
    """A reader whose firmware fetches 61xx and 6Cxx by itself, until there is nothing more to fetch."""

    async def transmit(self, command: bytes) -> bytes:
        """The whole answer, if it ends before nobody waits any longer."""
        answer = await super().transmit(command)
        while answer[-2] in (0x61, 0x6C) and len(self.commands) < PATIENCE:
            more = bytes((*command[:4], answer[-1])) if answer[-2] == 0x6C else bytes.fromhex("00C00000") + answer[-1:]
            answer = answer[:-2] + await super().transmit(more)
        return answer
