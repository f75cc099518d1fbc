# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Terminal action analysis: which cryptogram is asked for, by findings and action codes. It asks no card and no host.

EMV 4.4 Book 3, 10.7. Three rules of ours are stricter. A card that offline data authentication has not proven genuine
approves nothing offline: a copied card would approve itself ("yes card"; Ferradi and others 2015). From the profile's
CVM limit on, the cardholder must have been verified unless the issuer signed the list of methods: it can be edited on
its way (Barisani and Bianco 2011), and whoever empties it could pay with a stolen card and no PIN. And in another
currency nothing is approved offline, because floor limits are in the terminal's (Emms and others, CCS 2014).
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from protocols.emv.bits import CryptogramType, Tvr
from protocols.emv.tags import Tag
from terminal_agent.emv.card_data import CardData

ALL = Tvr(0xFF_FF_FF_FF_FF)


class Acquirer(Protocol):
    """The acquirer's codes for one application of the terminal."""

    @property
    def denial(self) -> Tvr:
        """Findings that decline at once."""
        ...

    @property
    def online(self) -> Tvr:
        """Findings that go online."""
        ...

    @property
    def default(self) -> Tvr:
        """Findings that decline what cannot go online."""
        ...


class ActionCodes(NamedTuple):
    """Findings that decline at once, that go online, and that decline what cannot go online."""

    denial: Tvr
    online: Tvr
    default: Tvr

    @classmethod
    def of(cls, application: Acquirer, card: CardData) -> "ActionCodes":
        """The terminal's and the issuer's together; an issuer's missing ones are 0, all and all (Book 3, 10.7)."""
        return cls(
            application.denial | _issuers(card, Tag.IAC_DENIAL, Tvr(0)),
            application.online | _issuers(card, Tag.IAC_ONLINE, ALL),
            application.default | _issuers(card, Tag.IAC_DEFAULT, ALL),
        )


def _issuers(card: CardData, tag: Tag, absent: Tvr) -> Tvr:
    value = card.sized(tag)
    return absent if value is None else Tvr.decode(value)


class Facts(NamedTuple):
    """All that the choice depends on."""

    tvr: Tvr
    codes: ActionCodes
    line: bool
    """Whether the acquirer can be asked; False also after it was asked in vain."""
    authenticated: bool
    unverified: bool = False
    """At or above the CVM limit, and no method of verification was carried out."""
    list_proven: bool = False
    """The issuer signed the list of methods, so that it is known to allow that."""
    foreign: bool = False
    """Another currency than the limits are in."""


class Rule(NamedTuple):
    """A line of the table."""

    name: str
    fits: Callable[[Facts], bool]
    wanted: CryptogramType
    words: Callable[[Facts], str]
    source: str


def _why(facts: Facts, codes: Tvr) -> str:
    return "; ".join((facts.tvr & codes).words())


RULES: tuple[Rule, ...] = (
    Rule(
        "denial",
        lambda facts: bool(facts.tvr & facts.codes.denial),
        CryptogramType.AAC,
        lambda facts: f"declined, by the action codes for denial: {_why(facts, facts.codes.denial)}",
        "Book 3, 10.7",
    ),
    Rule(
        "unverified",
        lambda facts: facts.unverified and not facts.list_proven,
        CryptogramType.AAC,
        lambda facts: "declined: at or above the CVM limit, and the cardholder is not verified",
        "house rule",
    ),
    Rule(
        "online",
        lambda facts: facts.line and bool(facts.tvr & facts.codes.online),
        CryptogramType.ARQC,
        lambda facts: f"online, by the action codes: {_why(facts, facts.codes.online)}",
        "Book 3, 10.7",
    ),
    Rule(
        "unproven-online",
        lambda facts: facts.line and not facts.authenticated,
        CryptogramType.ARQC,
        lambda facts: "online: the card is not proven genuine offline",
        "house rule",
    ),
    Rule(
        "foreign-online",
        lambda facts: facts.line and facts.foreign,
        CryptogramType.ARQC,
        lambda facts: "online: in another currency the limits for offline payments say nothing",
        "house rule",
    ),
    Rule(
        "offline",
        lambda facts: facts.line,
        CryptogramType.TC,
        lambda facts: "offline approval is asked for: nothing found that the action codes send online",
        "Book 3, 10.7",
    ),
    Rule(
        "default",
        lambda facts: bool(facts.tvr & facts.codes.default),
        CryptogramType.AAC,
        lambda facts: f"declined without the issuer, by the action codes: {_why(facts, facts.codes.default)}",
        "Book 3, 10.7",
    ),
    Rule(
        "unproven-offline",
        lambda facts: not facts.authenticated,
        CryptogramType.AAC,
        lambda facts: "declined without the issuer: the card is not proven genuine offline",
        "house rule",
    ),
    Rule(
        "foreign-offline",
        lambda facts: facts.foreign,
        CryptogramType.AAC,
        lambda facts: "declined without the issuer: in another currency nothing is approved offline",
        "house rule",
    ),
    Rule(
        "offline-without-line",
        lambda facts: True,
        CryptogramType.TC,
        lambda facts: "offline approval is asked for, without the issuer",
        "Book 3, 10.7",
    ),
)
"""In order of precedence. The last one always fits."""


def choose(facts: Facts) -> Rule:
    """The rule that decides what the card is asked for."""
    return next(rule for rule in RULES if rule.fits(facts))
