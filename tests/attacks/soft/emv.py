# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Contact terminals that lack one defence each, put together from the shipped steps: nothing of them is changed."""

import dataclasses
from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType

from protocols.emv.tags import Tag
from terminal_agent.emv import contact_completion, contact_oda, contact_steps
from terminal_agent.emv.contact import WORK, Done, Step
from terminal_agent.emv.contact_run import Ask, ContactRun, Proof, Said, Turn
from terminal_agent.emv.fallback import Fallback, FallbackGuard, Interface
from terminal_agent.emv.outcome import Cvm

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
