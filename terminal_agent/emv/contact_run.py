# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One contact transaction under way: what its steps share. It takes no step and sends no command."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from protocols.emv import card_results
from protocols.emv.bits import Aip, CryptogramType, Tsi, Tvr
from protocols.emv.oda import IssuerKey, PublicKey
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from protocols.pan import Pan, Track2
from terminal_agent.emv import de55
from terminal_agent.emv.authorities import Authorities
from terminal_agent.emv.card_data import CardData
from terminal_agent.emv.contact_application import ContactApplication
from terminal_agent.emv.exception_file import ExceptionFile
from terminal_agent.emv.issuer_answer import IssuerAnswer
from terminal_agent.emv.outcome import Alert, Cvm, Decision, EmvOutcome, Note, Trail
from terminal_agent.emv.request import TransactionRequest
from terminal_agent.emv.terminal import EmvTerminal


@dataclass(frozen=True, slots=True)
class AskPin:
    """The machine needs an online PIN for this account before it can go on."""

    pan: Pan


@dataclass(frozen=True, slots=True)
class PinAtReader:
    """The card wants the PIN in clear: the reader takes it on its own keys and sends it (PIN_DIRECT).

    The answer is the card's status word, two octets. No digit of the PIN enters this process.
    """

    template: bytes
    tries: int | None
    """How many tries are left, where the card says so."""


@dataclass(frozen=True, slots=True)
class PinToEncipher:
    """The card wants the PIN enciphered under its own key: the vault takes it and gives the octets (Book 2, 7.2).

    They are 7F, PIN block of format 2, ``challenge`` and random octets up to the key's length, raised to its exponent.
    """

    key: PublicKey
    challenge: bytes
    pan: Pan
    tries: int | None


@dataclass(frozen=True, slots=True)
class AskApplication:
    """The cardholder is to choose one of several applications, or to confirm a single one (Book 1, 12.4).

    The answer is the place in ``labels``, or :attr:`PinAnswer.BYPASSED` for none of them.
    """

    labels: tuple[str, ...]


class PinAnswer(Enum):
    """What became of it. Somebody who cancels ends the payment: close the machine instead."""

    ENTERED = auto()
    """The pad holds it, enciphered."""
    BYPASSED = auto()
    UNAVAILABLE = auto()
    """There is no pad, or it does not work."""


Ask: TypeAlias = "bytes | AskPin | PinAtReader | PinToEncipher | AskApplication"
"""What the machine yields: a command for the card, or the need of a person."""
Said: TypeAlias = "bytes | PinAnswer | int"
"""What it is sent: the card's response or the vault's octets, what became of the PIN, or the chosen place."""


class Proof(Enum):
    """What offline data authentication has proven so far."""

    NONE = auto()
    STATIC = auto()
    """The issuer signed these records; the card may be a copy."""
    DYNAMIC = auto()
    """A genuine card answered; who makes the cryptogram is not proven."""
    COMBINED = auto()
    """The genuine card signs the cryptogram: what it has given so far, it signed; what comes will be checked."""


class Turn(Enum):
    """How a step ends; together with the step it names the next one."""

    DONE = auto()
    ANOTHER = auto()
    """The next application of the list is to be tried."""
    ONLINE = auto()
    REFUSED = auto()
    """The card's first cryptogram is not believed: the card is to decline at once."""
    DECIDED = auto()
    STOPPED = auto()


@dataclass(frozen=True, slots=True)
class Candidate:
    """An application of the card that the terminal takes."""

    name: bytes
    application: ContactApplication
    priority: int
    label: str
    confirmation: bool
    """It may not be selected unless the cardholder says so."""


class Selected(NamedTuple):
    """The application that is selected, with what its answer to SELECT says."""

    candidate: Candidate
    df_name: bytes
    label: str
    pdol: bytes


class Cryptogram(NamedTuple):
    """What GENERATE AC gave."""

    kind: CryptogramType
    cid: int
    atc: bytes
    value: bytes
    issuer_data: bytes
    body: bytes = b""
    """The content of template 77, whose objects a combined signature covers."""
    signed: bytes = b""
    """Signed dynamic application data, where the card gave them."""


class Ending(NamedTuple):
    """Why the transaction ends where it does."""

    decision: Decision
    words: str
    source: str


@dataclass(slots=True)
class ContactRun:
    """Everything that a transaction knows so far."""

    terminal: EmvTerminal
    request: TransactionRequest
    roll: int
    authorities: Authorities = field(default_factory=Authorities)
    exceptions: ExceptionFile | None = None
    trail: Trail = field(default_factory=Trail)
    waiting: list[Candidate] | None = None
    """What may still be selected; None before the card was asked."""
    selected: Selected | None = None
    card: CardData = field(default_factory=CardData)
    given: dict[int, bytes] = field(default_factory=dict, repr=False)
    tvr: Tvr = field(default_factory=lambda: Tvr(0))
    tsi: Tsi = field(default_factory=lambda: Tsi(0))
    cvm: Cvm = Cvm.NONE
    proof: Proof = Proof.NONE
    signed_tags: frozenset[int] = frozenset()
    """What the issuer's signature is proven to cover."""
    issuer_key: IssuerKey | None = None
    card_key: PublicKey | None = None
    pdol_data: bytes = b""
    cdol_data: tuple[bytes, ...] = ()
    """What the lists were filled with, as sent: a combined signature covers them."""
    wanted: CryptogramType = CryptogramType.AAC
    cryptogram: Cryptogram | None = None
    disbelief: str = ""
    """Why the card's cryptogram is not believed, where it is not: the payment is declined."""
    issuer: IssuerAnswer | None = None
    authorisation_failed: bool = False
    """The acquirer may have been asked, and its answer cannot be used: nothing is approved any more."""
    script_results: bytes = b""
    ending: Ending | None = None

    @property
    def application(self) -> ContactApplication:
        """The terminal's settings for the selected application."""
        return self.chosen.candidate.application

    @property
    def chosen(self) -> Selected:
        """The selected application."""
        if self.selected is None:
            raise RuntimeError("no application is selected")
        return self.selected

    @property
    def authenticated(self) -> bool:
        """Whether the card is proven well enough to be approved without its issuer."""
        return self.proof is Proof.COMBINED or (self.proof is Proof.DYNAMIC and self.application.dda_is_enough)

    @property
    def list_proven(self) -> bool:
        """Whether the issuer signed the list of verification methods."""
        return int(Tag.CVM_LIST) in self.signed_tags

    @property
    def aip(self) -> Aip:
        """Application Interchange Profile."""
        return Aip.decode(self.card.sized(Tag.AIP) or b"")

    def stop(self, decision: Decision, words: str, source: str = "", alert: Alert | None = None) -> Turn:
        """End here, without another command."""
        if alert is not None:
            self.trail.alert(alert)
        self.ending = Ending(decision, words, source)
        return Turn.STOPPED

    def decided(self, decision: Decision, words: str, source: str) -> Turn:
        """Card and terminal have come to a decision."""
        self.ending = Ending(decision, words, source)
        return Turn.DECIDED

    def values(self) -> dict[int, bytes]:
        """What a list of the card's may ask for: its own objects, and the terminal's, which prevail."""
        return {**self.card.all(), **self.given, Tag.TVR: self.tvr.encode(), Tag.TSI: self.tsi.encode()}

    def note_results(self) -> None:
        """Say TVR and TSI in words."""
        for name, field_, table in (("TVR", self.tvr, "C5"), ("TSI", self.tsi, "C6")):
            said = "; ".join(field_.words()) or "nothing set"
            self.trail.note(name, f"{field_.hex}: {said}", f"EMV 4.4 Book 3, Annex {table}")
        results = card_results.read(self.chosen.df_name, self.cryptogram.issuer_data) if self.cryptogram else None
        if results is not None:
            self.trail.note("CVR", "; ".join(results.words), "the payment system's layout of 9F10")

    def icc_data(self) -> bytes:
        """Data element 55 as it stands, empty before there is a cryptogram."""
        made = self.cryptogram
        if made is None or not made.value:
            return b""
        values = self.values()
        values |= {
            Tag.APPLICATION_CRYPTOGRAM: made.value,
            Tag.CID: bytes((made.cid,)),
            Tag.ATC: made.atc,
            Tag.DF_NAME: self.chosen.df_name,
        }
        values.pop(Tag.ISSUER_APPLICATION_DATA, None)
        if made.issuer_data:
            values[Tag.ISSUER_APPLICATION_DATA] = made.issuer_data
        return de55.assemble(values, values, de55.CONTACT_OBJECTS)

    def outcome(self) -> EmvOutcome:
        """The end, or the request to go online, as a value that explains itself."""
        if self.ending is None:
            raise RuntimeError("the transaction has not come to an end")
        pan, track2, expiry, sequence = _account(self.card)
        made = self.cryptogram
        return EmvOutcome(
            self.ending.decision,
            self.cvm,
            pan=pan,
            track2=track2,
            expiry=expiry,
            sequence_number=sequence,
            icc_data=self.icc_data(),
            label=self.selected.label if self.selected else "",
            aid=self.selected.df_name if self.selected else b"",
            atc=int.from_bytes(made.atc, "big") if made else None,
            alerts=tuple(self.trail.alerts),
            notes=(*self.trail.notes, Note("decision", self.ending.words, self.ending.source)),
            tvr=self.tvr,
            tsi=self.tsi,
            cryptogram=made.value if made else b"",
            script_results=self.script_results,
        )


def _account(card: CardData) -> tuple[Pan | None, Track2 | None, str, int | None]:
    """What the card says of the account, as far as it can be read."""
    try:
        return card.pan, card.track2_if_any, card.expiry[:4], card.sequence_number
    except DecodeError:
        return None, None, "", None
