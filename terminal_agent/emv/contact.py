# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contact card transaction from the directory to the second cryptogram, sans-IO. It owns no reader, pad or host.

After EMV 4.4 Books 1 to 4, not certified by anybody. The transaction has two phases, between which the acquirer is
asked. :data:`TRANSITIONS` says which step follows which, :data:`WORK` what each does.

=========================================  =======================================================================
capability                                 here
=========================================  =======================================================================
directory, list of applications            done; the cardholder chooses where the terminal asks, else priority does
offline data authentication                SDA, DDA, CDA; what SDA proves is never enough to approve offline
cardholder verification                    online PIN, offline PIN plain and enciphered, signature, none
risk management                            floor limit, random selection, velocity, exception file, forced online
issuer authentication, scripts 71 and 72   done
referrals, advice messages                 not done: a reserved cryptogram type ends the transaction
=========================================  =======================================================================
"""

from collections.abc import Callable, Generator, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import TypeAlias

from protocols.emv import tlv
from protocols.emv.apdu import Command, Ins
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from terminal_agent.emv import contact_completion, contact_oda, contact_selection, contact_steps
from terminal_agent.emv.authorities import Authorities
from terminal_agent.emv.contact_application import ROLLS
from terminal_agent.emv.contact_run import Ask, ContactRun, Said, Turn
from terminal_agent.emv.exception_file import ExceptionFile
from terminal_agent.emv.issuer_answer import IssuerAnswer
from terminal_agent.emv.outcome import Alert, Decision, EmvOutcome
from terminal_agent.emv.request import TransactionRequest
from terminal_agent.emv.terminal import EmvTerminal


class Step(Enum):
    """Where a transaction stands: the step that comes next."""

    SELECTION = auto()
    OPTIONS = auto()
    RECORDS = auto()
    AUTHENTICATION = auto()
    RESTRICTIONS = auto()
    VERIFICATION = auto()
    RISK = auto()
    ANALYSIS = auto()
    FIRST_CRYPTOGRAM = auto()
    ONLINE = auto()
    """Phase one is over, the acquirer is to be asked."""
    ISSUER_AUTHENTICATION = auto()
    SCRIPTS_BEFORE = auto()
    SECOND_CRYPTOGRAM = auto()
    SCRIPTS_AFTER = auto()
    COMPLETED = auto()
    STOPPED = auto()


TRANSITIONS: Mapping[tuple[Step, Turn], Step] = MappingProxyType(
    {
        (Step.SELECTION, Turn.DONE): Step.OPTIONS,
        (Step.SELECTION, Turn.STOPPED): Step.STOPPED,
        (Step.OPTIONS, Turn.DONE): Step.RECORDS,
        (Step.OPTIONS, Turn.ANOTHER): Step.SELECTION,
        (Step.OPTIONS, Turn.STOPPED): Step.STOPPED,
        (Step.RECORDS, Turn.DONE): Step.AUTHENTICATION,
        (Step.RECORDS, Turn.STOPPED): Step.STOPPED,
        (Step.AUTHENTICATION, Turn.DONE): Step.RESTRICTIONS,
        (Step.RESTRICTIONS, Turn.DONE): Step.VERIFICATION,
        (Step.VERIFICATION, Turn.DONE): Step.RISK,
        (Step.RISK, Turn.DONE): Step.ANALYSIS,
        (Step.ANALYSIS, Turn.DONE): Step.FIRST_CRYPTOGRAM,
        (Step.FIRST_CRYPTOGRAM, Turn.ONLINE): Step.ONLINE,
        (Step.FIRST_CRYPTOGRAM, Turn.REFUSED): Step.SECOND_CRYPTOGRAM,
        (Step.FIRST_CRYPTOGRAM, Turn.DECIDED): Step.COMPLETED,
        (Step.FIRST_CRYPTOGRAM, Turn.STOPPED): Step.STOPPED,
        (Step.ONLINE, Turn.DONE): Step.ISSUER_AUTHENTICATION,
        (Step.ISSUER_AUTHENTICATION, Turn.DONE): Step.SCRIPTS_BEFORE,
        (Step.SCRIPTS_BEFORE, Turn.DONE): Step.SECOND_CRYPTOGRAM,
        (Step.SECOND_CRYPTOGRAM, Turn.DECIDED): Step.SCRIPTS_AFTER,
        (Step.SECOND_CRYPTOGRAM, Turn.STOPPED): Step.STOPPED,
        (Step.SCRIPTS_AFTER, Turn.DONE): Step.COMPLETED,
    }
)
"""Which step follows when one ends how. COMPLETED and STOPPED are ends; ONLINE waits for the acquirer."""

ENDS = frozenset({Step.ONLINE, Step.COMPLETED, Step.STOPPED})

Done: TypeAlias = "Turn | Generator[bytes, bytes, Turn] | Generator[Ask, Said, Turn]"
"""How a step ends: at once, or after talking to the card or the cardholder."""

WORK: Mapping[Step, Callable[[ContactRun], Done]] = MappingProxyType(
    {
        Step.SELECTION: contact_selection.select_application,
        Step.OPTIONS: contact_steps.processing_options,
        Step.RECORDS: contact_steps.application_records,
        Step.AUTHENTICATION: contact_oda.offline_authentication,
        Step.RESTRICTIONS: contact_steps.processing_restrictions,
        Step.VERIFICATION: contact_steps.cardholder_verification,
        Step.RISK: contact_steps.risk_management,
        Step.ANALYSIS: contact_steps.action_analysis,
        Step.FIRST_CRYPTOGRAM: contact_steps.first_cryptogram,
        Step.ONLINE: contact_completion.take_answer,
        Step.ISSUER_AUTHENTICATION: contact_completion.issuer_authentication,
        Step.SCRIPTS_BEFORE: contact_completion.scripts_before,
        Step.SECOND_CRYPTOGRAM: contact_completion.second_cryptogram,
        Step.SCRIPTS_AFTER: contact_completion.scripts_after,
    }
)
"""What is done in each step."""


class ContactTransaction:
    """One payment with one card.

    Run :meth:`first` to its end; if its outcome is ONLINE, ask the acquirer and run :meth:`second` with the answer. The
    generators yield commands and are sent responses; the first may also yield :class:`AskPin` and is then sent a
    :class:`PinAnswer`. No answer of a card makes them raise. When the card is torn out, close the generator: nothing
    has been decided, unless :attr:`concluded` says so.
    """

    def __init__(
        self,
        terminal: EmvTerminal,
        request: TransactionRequest,
        roll: int,
        authorities: Authorities | None = None,
        exceptions: ExceptionFile | None = None,
        work: Mapping[Step, Callable[[ContactRun], Done]] | None = None,
    ) -> None:
        """``roll``: a fresh random number from 1 to 99, which selects payments under the floor limit (10.6.2).

        ``authorities``: the payment systems' keys; without any, offline data authentication fails. ``exceptions``: the
        acquirer's list of cards that go online or are declined, as the action codes say. ``work``: what each step
        does, :data:`WORK` unless another composition is given.
        """
        if roll not in ROLLS:
            raise ValueError("roll: 1 to 99 expected")
        self._run = ContactRun(terminal, request, roll, authorities or Authorities(), exceptions)
        self._work = work
        self.step = Step.SELECTION

    @property
    def concluded(self) -> EmvOutcome | None:
        """The outcome once the second cryptogram is there: scripts that follow cannot change it."""
        return self._run.outcome() if self.step in (Step.SCRIPTS_AFTER, Step.COMPLETED) else None

    def first(self) -> Generator[Ask, Said, EmvOutcome]:
        """From selection to the first cryptogram: ONLINE, or an end. It may end before the first command."""
        if self.step is not Step.SELECTION:
            raise ValueError("a transaction runs once: begin a new one")
        if not self._run.terminal.contact:
            self._run.stop(Decision.ENDED, "this terminal takes no contact cards: its profile lists no application")
            self.step = Step.STOPPED
            return self._run.outcome()
        return (yield from self._phase())

    def second(self, answer: IssuerAnswer | None, *, failed: bool = False) -> Generator[Ask, Said, EmvOutcome]:
        """From the acquirer's answer to the end; None where it could not be reached, so that card and terminal decide.

        ``failed``: it may have been asked, and no answer can be used. Then the card is asked to decline: an approval
        that a late answer may still contradict, or that is taken back, must not exist.
        """
        if self.step is not Step.ONLINE:
            raise ValueError("nothing is waiting for the acquirer")
        self._run.issuer, self._run.authorisation_failed = answer, failed
        return (yield from self._phase())

    def was_sent(self, command: Command) -> None:
        """In a replay: what the recorded terminal sent instead of this machine's last command, with other values.

        A combined signature covers what was sent.
        """
        run = self._run
        if command.ins == Ins.GENERATE_AC and run.cdol_data:
            run.cdol_data = (*run.cdol_data[:-1], command.data)
        elif command.ins == Ins.GET_PROCESSING_OPTIONS:
            run.pdol_data = tlv.decode(command.data, where="recorded options").first(Tag.COMMAND_TEMPLATE) or b""

    def _phase(self) -> Generator[Ask, Said, EmvOutcome]:
        try:
            while True:
                done = (self._work or WORK)[self.step](self._run)
                turn = done if isinstance(done, Turn) else (yield from done)
                self.step = TRANSITIONS[self.step, turn]
                if self.step in ENDS:
                    return self._run.outcome()
        except DecodeError as fault:
            concluded = self.concluded
            self._run.trail.alert(Alert.MALFORMED)
            self._run.trail.note("fault", str(fault))
            if concluded is None:
                self._run.stop(Decision.ENDED, "the card's answer cannot be read", "Book 3, 7.5")
                self.step = Step.STOPPED
            return self._run.outcome()
