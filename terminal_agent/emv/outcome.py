# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a card transaction ends in, as a value that explains itself. Decides nothing and is never an exception."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from protocols.emv.bits import Tsi, Tvr
from protocols.pan import Pan, Track2

NOTHING_SHARED = "Book B 3.3.2.7"
"""The rule by which a contactless card without any usable application ends."""


class Decision(StrEnum):
    """What is to happen now (EMV Contactless Book A 2.10, 6.2)."""

    ONLINE = "online"
    DECLINED = "declined"
    APPROVED = "approved"
    OTHER_INTERFACE = "other-interface"
    TRY_AGAIN = "try-again"
    """The cardholder is to look at the device, or to present the card once more, for this very payment."""
    ENDED = "ended"
    """Nothing can be decided: the card answered nonsense, or went away."""


class Cvm(StrEnum):
    """How the cardholder is to be verified (EMV Contactless Book A 2.10, 6.2)."""

    NONE = "none"
    ONLINE_PIN = "online-pin"
    SIGNATURE = "signature"
    OFFLINE_PIN = "offline-pin"
    """The card has verified it."""
    OFFLINE_PIN_AND_SIGNATURE = "offline-pin-and-signature"
    CDCVM = "consumer-device"


class Alert(StrEnum):
    """What head office must hear of, whatever the decision: each is a sign of an attack, not proof of one."""

    if TYPE_CHECKING:
        words: str

    def __new__(cls, name: str, words: str) -> "Alert":
        """A row of the table: the name that head office sees, and what was noticed."""
        alert = str.__new__(cls, name)
        alert._value_ = name
        alert.words = words
        return alert

    MALFORMED = "card.malformed", "the card answered what cannot be read"
    PAN_MISMATCH = "card.pan-mismatch", "the account number of a record is not the track's: two cards were put together"
    BRAND_MISMATCH = "card.brand-mismatch", "application and account number are of different brands"
    CDCVM_UNPROVEN = (
        "card.cdcvm-unproven",
        "a device says that it verified its holder, above the CVM limit, and nobody signed that",
    )
    CVM_MISSING = "card.cvm-missing", "from the CVM limit on the card asked for no verification"
    QUALIFIERS_DIFFER = "card.qualifiers-differ", "the card's qualifiers differ from their copy in what it signed"
    CRYPTOGRAM_TYPE = (
        "card.cryptogram-type",
        "the card gave more than it was asked for, such as an approval where the issuer was to decide",
    )
    AUTHENTICATION_FAILED = (
        "card.authentication-failed",
        "the card's data, key or signature are not what an issuer certified",
    )
    PLAIN_PIN_REFUSED = "card.plain-pin-refused", "a list that nobody signed wanted the PIN in clear at the card"
    PIN_CONTRADICTED = (
        "card.pin-contradicted",
        "the card was said to have verified a PIN, and says itself that it did not: a wedge",
    )
    FOREIGN_OFFLINE = (
        "card.foreign-currency-offline",
        "without the rule for other currencies this payment would have been approved offline",
    )
    MODE_DOWNGRADED = (
        "card.mode-downgraded",
        "the card, or who stands in for it, offers only the magnetic stripe's rules",
    )
    RELAY_SUSPECTED = (
        "card.relay-suspected",
        "the card answered later than it can, or earlier: somebody may stand between",
    )
    WEAK_NUMBERS = (
        "terminal.weak-numbers",
        "the source of unpredictable numbers fails its health tests: no more payments",
    )
    FALLBACK_RATE = "terminal.fallback-rate", "more chips fail here than chance makes fail"
    ISSUER_REFUSED = "card.issuer-authentication-failed", "the card does not believe the issuer's answer"


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the explanation: what about, what, and by which document's rule. Holds no account data."""

    subject: str
    words: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.words}" + (f" ({self.source})" if self.source else "")


@dataclass(frozen=True, slots=True)
class EmvOutcome:
    """The end of a card transaction. ``icc_data`` are the octets for data element 55: contactless only
    when online or approved."""

    decision: Decision
    cvm: Cvm = Cvm.NONE
    pan: Pan | None = None
    track2: Track2 | None = None
    expiry: str = ""
    """YYMM, empty where the card did not say."""
    sequence_number: int | None = None
    icc_data: bytes = field(default=b"", repr=False)
    label: str = ""
    aid: bytes = b""
    atc: int | None = None
    alerts: tuple[Alert, ...] = ()
    notes: tuple[Note, ...] = ()
    tvr: Tvr | None = None
    """Terminal Verification Results, as far as a card was read."""
    tsi: Tsi | None = None
    cryptogram: bytes = field(default=b"", repr=False)
    """The last one that the card made."""
    script_results: bytes = b""
    """Five octets for each issuer script (EMV 4.4 Book 4, Annex A5)."""

    @property
    def chip_failed(self) -> bool:
        """Whether the chip gave nothing that a payment can be made of, as opposed to deciding something."""
        nothing_shared = self.decision is Decision.OTHER_INTERFACE and self.notes[-1].source == NOTHING_SHARED
        return self.decision is Decision.ENDED or nothing_shared

    @property
    def words(self) -> str:
        """The decision's reason: the words of the last note."""
        return self.notes[-1].words if self.notes else self.decision.value


@dataclass(slots=True)
class Trail:
    """The notes and alerts of a transaction that is under way."""

    notes: list[Note] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    def note(self, subject: str, words: str, source: str = "") -> None:
        """Add a line to the explanation."""
        self.notes.append(Note(subject, words, source))

    def alert(self, alert: Alert) -> None:
        """Raise an alert once."""
        if alert not in self.alerts:
            self.alerts.append(alert)

    def end(self, decision: Decision, words: str, source: str = "") -> EmvOutcome:
        """The outcome of a transaction that stops before there is anything to send."""
        self.note("decision", words, source)
        return EmvOutcome(decision, alerts=tuple(self.alerts), notes=tuple(self.notes))
