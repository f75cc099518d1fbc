# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One tap under way: what a contactless kernel's steps share, and how they follow one another. No kernel's rule."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from protocols.emv.bits import Aip, CryptogramType, Ctq, Ttq, Tvr
from protocols.emv.oda import PublicKey
from protocols.emv.tags import Tag, words
from protocols.errors import DecodeError
from protocols.pan import Pan
from terminal_agent.emv import brands, de55, key_chain
from terminal_agent.emv.authorities import Authorities
from terminal_agent.emv.card_data import CardData
from terminal_agent.emv.combination import Combination
from terminal_agent.emv.entry_point import Limits, Selected
from terminal_agent.emv.exception_file import ExceptionFile
from terminal_agent.emv.outcome import Alert, Cvm, Decision, EmvOutcome, Trail
from terminal_agent.emv.relay import Exchanged
from terminal_agent.emv.request import TransactionRequest
from terminal_agent.emv.terminal import EmvTerminal
from terminal_agent.emv.torn import TornLog

NO_AIP, NO_TTQ, NO_TVR = Aip(0), Ttq(0), Tvr(0)


@dataclass(frozen=True, slots=True)
class Means:
    """What a contactless machine is given besides profile and payment. Without any it approves nothing offline."""

    authorities: Authorities = field(default_factory=Authorities)
    exceptions: ExceptionFile | None = None
    torn: TornLog | None = None
    clock: Callable[[], float] | None = None
    """Steady time in microseconds; without it no relay resistance is tried and no torn payment recovered."""
    numbers: Callable[[], bytes] | None = None
    """A fresh unpredictable number, where a relay exchange has to be made again."""
    offline: bool = True
    """Whether the acquirer books a payment of this amount that it was not asked about."""


class Go(Enum):
    """How a step ends that decides nothing."""

    ON = auto()
    ANOTHER = auto()
    """The next application of the card is to be tried."""


@dataclass(slots=True)
class TapRun:
    """The state of one kernel's run."""

    terminal: EmvTerminal
    request: TransactionRequest
    selected: Selected
    trail: Trail
    means: Means
    given: dict[int, bytes]
    card: CardData = field(default_factory=CardData)
    pdol_data: bytes = b""
    cdol_data: bytes = b""
    aip: Aip = NO_AIP
    qualifiers: Ttq = NO_TTQ
    ctq: Ctq | None = None
    kind: CryptogramType = CryptogramType.AAC
    """Which cryptogram the card gave."""
    wanted: CryptogramType = CryptogramType.AAC
    """Which one it is asked for; kernel 2."""
    proven: bool = False
    """The card's own signature over this payment was verified."""
    covers: bool = False
    """That signature covers amount and qualifiers too."""
    key: PublicKey | None = None
    """The card's key out of its certificate; kernel 2."""
    signing: bool = False
    """The card is asked to sign its cryptogram; kernel 2."""
    exchanged: Exchanged | None = None
    interaction: int = 0
    """What the device wants of its holder; kernel 2."""
    tvr: Tvr = NO_TVR
    cvm: Cvm = Cvm.NONE
    online: bool = False
    """The issuer must be asked, whatever the card says."""

    @property
    def combination(self) -> Combination:
        """The terminal's settings for the application."""
        return self.selected.candidate.combination

    @property
    def limits(self) -> Limits:
        """What the amount means to them."""
        return self.selected.candidate.limits

    @property
    def rid(self) -> bytes:
        """Whose application it is."""
        return self.selected.df_name[: key_chain.RID_OCTETS]

    @property
    def account(self) -> Pan | None:
        """The account number, from a record or the track."""
        track2 = self.card.track2_if_any
        return self.card.pan or (track2.pan if track2 else None)

    @property
    def aip_signed(self) -> bool:
        """Whether the issuer signed the AIP: the list of signed tags names it."""
        return self.card.get(Tag.SDA_TAG_LIST) == bytes((Tag.AIP,))

    @property
    def listed(self) -> bool:
        """Whether the card is on the terminal's list of stolen ones."""
        exceptions, pan = self.means.exceptions, self.account
        return exceptions is not None and pan is not None and exceptions.lists(pan, self.card.sequence_number)

    def card_key(self) -> PublicKey:
        """The card's key out of its certificates; :class:`ProtocolError` says what is wrong with them."""
        pan = self.account
        if pan is None:
            raise DecodeError(words(Tag.PAN), "missing")
        today = self.request.date
        issuer = key_chain.issuer_key(self.means.authorities, self.rid, self.card, pan, today)
        return key_chain.card_key(issuer, self.card, pan, today)

    def stop(self, decision: Decision, said: str, source: str, icc_data: bytes = b"") -> EmvOutcome:
        """An outcome that knows the card."""
        self.trail.note("decision", said, source)
        card, track2, atc = self.card, self.card.track2_if_any, self.card.get(Tag.ATC)
        return EmvOutcome(
            decision,
            self.cvm if decision in (Decision.ONLINE, Decision.APPROVED) else Cvm.NONE,
            pan=self.account,
            track2=track2,
            expiry=card.expiry[:4] or (track2.expiry if track2 else ""),
            sequence_number=card.sequence_number,
            icc_data=icc_data,
            label=self.selected.label,
            aid=self.selected.df_name,
            atc=None if atc is None else int.from_bytes(atc, "big"),
            alerts=tuple(self.trail.alerts),
            notes=tuple(self.trail.notes),
            tvr=self.tvr,
            cryptogram=card.get(Tag.APPLICATION_CRYPTOGRAM) or b"",
        )

    def settled(self, decision: Decision, said: str, source: str) -> EmvOutcome:
        """Online, or approved offline: an outcome with everything that the issuer needs."""
        self.given[Tag.CID] = bytes((self.kind << 6,))
        self.given[Tag.DF_NAME] = self.selected.df_name
        self.given[Tag.TVR] = self.tvr.encode()
        listed = de55.CONTACTLESS_OBJECTS[self.combination.kernel]
        return self.stop(decision, said, source, de55.assemble(self.given, self.card, listed))


Done: TypeAlias = "EmvOutcome | Go"
Step: TypeAlias = Callable[[TapRun], "Done | Generator[bytes, bytes, Done]"]
Kernel: TypeAlias = Mapping[str, Step]
"""A kernel is its steps by name, in their order; the last one decides."""


def follow(run: TapRun, kernel: Kernel) -> Generator[bytes, bytes, EmvOutcome | None]:
    """Take the steps in their order until one decides; None where the next application is to be tried."""
    for step in kernel.values():
        done = step(run)
        if isinstance(done, Generator):
            done = yield from done
        if done is Go.ANOTHER:
            return None
        if isinstance(done, EmvOutcome):
            return done
    raise RuntimeError("the last step of a kernel decides")


def same_account(run: TapRun) -> Done:
    """The account number of the records is the track's; else somebody put two cards together."""
    track2 = run.card.track2_if_any
    if track2 is not None and run.card.pan not in (None, track2.pan):
        run.trail.alert(Alert.PAN_MISMATCH)
        raise DecodeError(words(Tag.PAN), "not the number of track 2")
    return Go.ON


def same_brand(run: TapRun) -> Done:
    """Application and account number are of one brand (Basin, Sasse, Toro-Pozo, USENIX Security 2021)."""
    pan = run.account
    brand = "" if pan is None else brands.mismatch(run.selected.df_name, pan)
    if not brand:
        return Go.ON
    run.trail.alert(Alert.BRAND_MISMATCH)
    run.trail.note("brand", f"the application is {brand}'s, the account number is not", "house rule")
    said = "declined: application and account number are of different brands"
    return run.stop(Decision.DECLINED, said, "house rule")
