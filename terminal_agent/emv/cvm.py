# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How kernel 3 verifies the cardholder, as a table of rules: the first that fits decides. It asks nobody for a PIN.

EMV Contactless Book C-3 2.10, 5.7, with stricter rules of ours marked "house rule". Nothing that a card says in CTQ is
authenticated towards the terminal unless fDDA covers it: a relay can set "consumer device CVM performed" and clear
"online PIN required" (Basin, Sasse, Toro-Pozo, IEEE S&P 2021). So from the CVM limit on, a bare CTQ never spares a PIN.
"""

from collections.abc import Callable
from typing import NamedTuple

from protocols.emv.bits import Ctq
from terminal_agent.emv.outcome import Alert, Cvm


class Facts(NamedTuple):
    """All that the choice depends on."""

    required: bool
    """The amount is at or above the CVM limit (TTQ byte 2, bit 7)."""
    ctq: Ctq | None
    online_pin: bool
    signature: bool
    trusts_device: bool
    """The profile's trust-unproven-cdcvm."""
    copy_differs: bool = False
    """Card Authentication Related Data hold another CTQ."""
    proven: bool = False
    """The card signed its qualifiers, and the signature was verified."""

    @property
    def wants_pin(self) -> bool:
        """The card asks for an online PIN."""
        return self.ctq is not None and Ctq.ONLINE_PIN_REQUIRED in self.ctq

    @property
    def claims_device(self) -> bool:
        """The card says that its device verified the holder."""
        return self.ctq is not None and Ctq.CONSUMER_DEVICE_CVM_PERFORMED in self.ctq

    @property
    def wants_signature(self) -> bool:
        """The card asks for a signature."""
        return self.ctq is not None and Ctq.SIGNATURE_REQUIRED in self.ctq


class Rule(NamedTuple):
    """A line of the table. ``cvm`` None declines."""

    name: str
    fits: Callable[[Facts], bool]
    cvm: Cvm | None
    words: str
    source: str
    alert: Alert | None = None


_HOUSE = "house rule, stricter than Book C-3 5.7"

RULES: tuple[Rule, ...] = (
    Rule(
        "qualifiers-differ",
        lambda facts: facts.claims_device and facts.copy_differs,
        None,
        "declined: the device's claim of verification differs from its copy in the authentication data",
        "Book C-3 5.7.1.2",
        Alert.QUALIFIERS_DIFFER,
    ),
    Rule(
        "card-wants-pin",
        lambda facts: facts.wants_pin and facts.online_pin,
        Cvm.ONLINE_PIN,
        "online PIN: the card requires it (CTQ byte 1, bit 8) and the terminal has a PIN pad",
        "Book C-3 5.7.1.2",
    ),
    Rule(
        "device-proven",
        lambda facts: facts.claims_device and facts.proven,
        Cvm.CDCVM,
        "verified on the consumer's device: the card's signature covers its word",
        "Book C-3 5.7.1.2",
    ),
    Rule(
        "device-below-limit",
        lambda facts: facts.claims_device and not facts.required,
        Cvm.CDCVM,
        "verified on the consumer's device, by its own word; under the CVM limit nothing more is asked",
        "Book C-3 5.7.1.2",
    ),
    Rule(
        "device-trusted",
        lambda facts: facts.claims_device and facts.trusts_device,
        Cvm.CDCVM,
        "verified on the consumer's device, by its own word, which this profile trusts above the CVM limit",
        "Book C-3 5.7.1.2",
        Alert.CDCVM_UNPROVEN,
    ),
    Rule(
        "device-unproven",
        lambda facts: facts.claims_device and facts.online_pin,
        Cvm.ONLINE_PIN,
        "online PIN: the device's word that it verified its holder is not authenticated, above the CVM limit",
        _HOUSE,
        Alert.CDCVM_UNPROVEN,
    ),
    Rule(
        "device-unproven-no-pad",
        lambda facts: facts.claims_device,
        None,
        "declined: the device's word that it verified its holder is not authenticated, and there is no PIN pad",
        _HOUSE,
        Alert.CDCVM_UNPROVEN,
    ),
    Rule(
        "no-qualifiers-pin",
        lambda facts: facts.required and facts.ctq is None and facts.online_pin,
        Cvm.ONLINE_PIN,
        "online PIN: at or above the CVM limit, and the card returned no qualifiers",
        "Book C-3 5.7.1.1, PIN before signature by house rule",
    ),
    Rule(
        "no-qualifiers-signature",
        lambda facts: facts.required and facts.ctq is None and facts.signature,
        Cvm.SIGNATURE,
        "signature: at or above the CVM limit, and the card returned no qualifiers",
        "Book C-3 5.7.1.1",
    ),
    Rule(
        "card-wants-signature",
        lambda facts: facts.wants_signature and facts.signature,
        Cvm.SIGNATURE,
        "signature: the card requires it (CTQ byte 1, bit 7) and the terminal takes one",
        "Book C-3 5.7.1.2",
    ),
    Rule(
        "missing-pin",
        lambda facts: facts.required and facts.online_pin,
        Cvm.ONLINE_PIN,
        "online PIN: at or above the CVM limit, although the card names no method that fits",
        _HOUSE,
        Alert.CVM_MISSING,
    ),
    Rule(
        "missing",
        lambda facts: facts.required,
        None,
        "declined: at or above the CVM limit, and card and terminal share no method",
        "Book C-3 5.7.1.3",
        Alert.CVM_MISSING,
    ),
    Rule(
        "none",
        lambda facts: True,
        Cvm.NONE,
        "none: under the CVM limit, and the card requires none that the terminal has",
        "Book C-3 5.7.1.3",
    ),
)
"""In order of precedence. The last one always fits."""


def choose(facts: Facts) -> Rule:
    """The rule that decides how the cardholder is verified."""
    return next(rule for rule in RULES if rule.fits(facts))
