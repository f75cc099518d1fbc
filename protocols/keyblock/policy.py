# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a key block may be taken, and whether a key may be sent on: rules as data, and verdicts that say why.

A key block that authenticates is genuine; that does not make it welcome. A policy judges what the header promises: the
version's binding, whether usage, algorithm and mode belong together, whether the key is weaker than it looks, how old
the block is, and on the way out whether the key may leave and whether its new header promises no more than the old one.

Nothing here deciphers, and no rule is silent: every finding names its rule, and a verdict lists all of them, those that
refuse and those that only deserve a look. What no rule knows is refused.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from protocols.errors import DecodeError
from protocols.keyblock import optional
from protocols.keyblock.codes import (
    FORMS,
    USAGES,
    Algorithm,
    Cipher,
    Context,
    Exportability,
    Mode,
    is_own,
    mode_words,
    usage_words,
)
from protocols.keyblock.header import Header
from protocols.primitives import is_single_strength, with_odd_parity
from protocols.secret import ClearKey

EFFECTIVE_BITS: Mapping[tuple[Cipher, int], int] = MappingProxyType(
    {
        (Cipher.TDES, 8): 56,
        (Cipher.TDES, 16): 80,
        (Cipher.TDES, 24): 112,
        (Cipher.AES, 16): 128,
        (Cipher.AES, 24): 192,
        (Cipher.AES, 32): 256,
    }
)
"""Strength by cipher and octets (NIST SP 800-57 part 1 rev. 5, table 2; two-key TDES as rev. 3 put it)."""

_CIPHERS: Mapping[str, Cipher] = {
    Algorithm.TDES.value: Cipher.TDES,
    Algorithm.DES.value: Cipher.TDES,
    Algorithm.AES.value: Cipher.AES,
}
_EXPORTABILITIES = frozenset(member.value for member in Exportability)

NARROWER_MODES: Mapping[str, str] = MappingProxyType({"B": "DE", "C": "GV", "N": "BCDEGVXYST", "T": "SD"})
"""What a mode may be narrowed to: part of what it allows."""
NARROWER_USAGES: Mapping[str, str] = MappingProxyType({"D0": "D2 D3", "K0": "K1 K4", "V0": "V1 V2 V3 V4 V5"})
"""What a usage may be narrowed to: the general ones to a special one of the same kind, and no other."""
NARROWER_EXPORTS: Mapping[str, str] = MappingProxyType({"S": "EN", "E": "N"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found."""

    rule: str
    words: str
    refuses: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of all rules: permitted unless a finding refuses."""

    findings: tuple[Finding, ...]

    @property
    def permitted(self) -> bool:
        """Whether no rule refuses."""
        return not any(finding.refuses for finding in self.findings)

    def explain(self) -> str:
        """One line per finding, refusals first."""
        lines = ["permitted" if self.permitted else "refused"]
        for finding in sorted(self.findings, key=lambda finding: not finding.refuses):
            lines.append(f"{'refused' if finding.refuses else 'noted'}: {finding.rule}: {finding.words}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one place. The defaults are what PCI PIN v3.1 and X9.143:2021 ask for today."""

    least_version: str = "B"
    """The floor: A and C bind less well (see :data:`FORMS`)."""
    usages: frozenset[str] = field(default_factory=lambda: frozenset(USAGES))
    """Usages that are wanted here. Owners' own codes only if they are listed."""
    least_bits: int = 80
    """Effective strength that the wrapped key must have, where its algorithm tells; 80 takes TDES of double length."""
    weaker_protection: bool = False
    """Whether a key may be wrapped under a weaker one (PCI PIN v3.1, Annex C forbids it)."""
    longest_life: timedelta | None = None
    """How old a key (TC) or its block (TS) may be. If set, a block must say one of them."""
    single_strength: bool = False
    """Whether TDES keys with equal parts are taken: a double length that is worth single DES."""
    components: bool = False
    """Whether the block may hold a component instead of a key."""
    storage_blocks: bool = False
    """Whether a block made for storage (context 1) is taken from outside."""
    export_forms: frozenset[str] = frozenset({"B", "D", "E"})
    """Versions that count as a trusted key block for keys of exportability E."""

    def judge_import(
        self, header: Header, key: ClearKey, protection_octets: int, now: datetime, forgiven: tuple[str, ...] = ()
    ) -> Verdict:
        """Judge an unwrapped block: ``key`` is looked at for length and equal parts only.

        ``forgiven`` is what a lenient reader let pass; it is noted, not refused: strictness is the reader's.
        """
        found = [Finding("edition", words, refuses=False) for words in forgiven]
        found += self._version(header)
        found += self._purpose(header)
        found += self._strength(header, _octets_that_count(header, key), protection_octets)
        found += self._single(header, key)
        found += self._life(header, now)
        if header.is_component and not self.components:
            found.append(Finding("component", "the block holds a component of a key, not a key"))
        if header.context == Context.STORAGE and not self.storage_blocks:
            found.append(Finding("context", "the block was made for storage, not for exchange"))
        return Verdict(tuple(found))

    def judge_export(
        self, before: Header, after: Header, key_octets: int, protection_octets: int, *, other_form: bool = False
    ) -> Verdict:
        """Judge sending a key that came or was made as ``before``, in a block that says ``after``.

        ``other_form`` says that it leaves in something else than a key block (X9.17, a variant scheme).
        """
        found: list[Finding] = []
        if before.exportability == Exportability.NONE:
            found.append(Finding("export", "the key is not exportable"))
        elif before.exportability == Exportability.TRUSTED and other_form:
            found.append(Finding("export", "the key may leave in a key block only"))
        elif before.exportability not in (Exportability.TRUSTED, Exportability.SENSITIVE):
            found.append(Finding("export", "its exportability is no code of the standard's"))
        if not other_form:
            if after.version not in self.export_forms:
                found.append(Finding("export", f"version {after.version} is no trusted key block here"))
            found += self._strength(after, key_octets, protection_octets)
        found += narrowing(before, after)
        return Verdict(tuple(found))

    def _version(self, header: Header) -> list[Finding]:
        form, floor = FORMS.get(header.version), FORMS[self.least_version]
        if form is None:
            return [Finding("version", f"version {header.version} is not known, {floor.version} or better expected")]
        if form.seniority < floor.seniority:
            return [Finding("version", f"version {header.version} ({form.words}), {floor.version} or better expected")]
        return []

    def _purpose(self, header: Header) -> list[Finding]:
        usage, found = USAGES.get(header.usage), []
        if header.usage not in self.usages:
            words = usage_words(header.usage)
            found.append(Finding("usage", f"usage {header.usage} ({words}) is not wanted here"))
        if usage is None:
            if not is_own(header.usage):
                found.append(Finding("usage", f"usage {header.usage} is no code of the standard's"))
            return found
        if header.algorithm not in usage.algorithms:
            found.append(Finding("algorithm", f"a {usage.words} is never of algorithm {header.algorithm}"))
        if header.mode not in usage.modes:
            words = mode_words(header.mode)
            found.append(Finding("mode", f"a {usage.words} is never used in mode {header.mode} ({words})"))
        elif header.mode == Mode.UNRESTRICTED and len(usage.modes) > 1:
            found.append(Finding("mode", "mode N leaves open what the key may do", refuses=False))
        if header.exportability not in _EXPORTABILITIES:
            found.append(Finding("exportability", f"{header.exportability} is no code of the standard's"))
        return found

    def _strength(self, header: Header, octets: int, protection_octets: int) -> list[Finding]:
        cipher = _CIPHERS.get(header.algorithm)
        bits = EFFECTIVE_BITS.get((cipher, octets)) if cipher is not None else None
        if bits is None:
            return []
        form = FORMS.get(header.version)
        found, over = [], EFFECTIVE_BITS.get((form.cipher, protection_octets), 0) if form is not None else 0
        if bits < self.least_bits:
            found.append(Finding("strength", f"the key is worth {bits} bits, {self.least_bits} expected"))
        if bits > over:
            words = f"the key is worth {bits} bits, its protection only {over}"
            found.append(Finding("strength", words, refuses=not self.weaker_protection))
        return found

    def _single(self, header: Header, key: ClearKey) -> list[Finding]:
        if header.algorithm != Algorithm.TDES or len(key) < 16 or not is_single_strength(key):
            return []
        words = "two parts of the TDES key are equal, so it is worth one DES key"
        return [Finding("equal parts", words, refuses=not self.single_strength)]

    def _life(self, header: Header, now: datetime) -> list[Finding]:
        found = []
        try:
            moments = [optional.time_of(block) for block in header.optional if block.identifier in ("TC", "TS")]
            ends = [_not_after(block) for block in header.optional if block.identifier == "CT"]
        except DecodeError:
            return [Finding("age", "a time or certificate in the block cannot be read")]
        if any(end < now for end in ends):
            found.append(Finding("certificate", "the certificate in the block has expired"))
        if any(moment > now for moment in moments):
            found.append(Finding("age", "the block says that it was made later than now"))
        if self.longest_life is None:
            return found
        if not moments:
            found.append(Finding("age", "the block does not say when it or its key was made"))
        elif now - min(moments) > self.longest_life:
            found.append(Finding("age", f"older than {self.longest_life.days} days"))
        return found


def narrowing(before: Header, after: Header) -> list[Finding]:
    """What ``after`` promises more than ``before``: a key may lose rights on its way and never gain one."""
    found = []
    for name, old, new, narrower in (
        ("usage", before.usage, after.usage, NARROWER_USAGES.get(before.usage, "").split()),
        ("mode", before.mode, after.mode, NARROWER_MODES.get(before.mode, "")),
        ("exportability", before.exportability, after.exportability, NARROWER_EXPORTS.get(before.exportability, "")),
    ):
        if new != old and new not in narrower:
            found.append(Finding(name, f"{new} does not narrow {old}"))
    for name, old, new in (
        ("algorithm", before.algorithm, after.algorithm),
        ("key version", before.key_version, after.key_version),
    ):
        if new != old:
            found.append(Finding(name, f"{new} instead of {old}"))
    kept = {block.identifier: block.data for block in after.optional}
    for identifier in ("KS", "IK", "BI", "DA"):
        block = before.first(identifier)
        if block is not None and kept.get(identifier) != block.data:
            found.append(Finding("optional block", f"{identifier}, {block.words}, is lost or changed"))
    return found


def _octets_that_count(header: Header, key: ClearKey) -> int:
    """Length of the key, but a TDES key of triple length whose outer parts are equal is one of double length."""
    if header.algorithm != Algorithm.TDES or len(key) != 24:
        return len(key)
    octets = with_odd_parity(key)
    equal = octets[:8] == octets[16:]
    octets[:] = bytes(24)
    return 16 if equal else 24


def _not_after(block: optional.OptionalBlock) -> datetime:
    certificates = optional.certificates_of(block)
    try:
        with warnings.catch_warnings(action="error", category=CryptographyDeprecationWarning):
            return min(x509.load_der_x509_certificate(octets).not_valid_after_utc for octets in certificates)
    except (ValueError, x509.InvalidVersion, CryptographyDeprecationWarning):
        raise DecodeError("optional block CT", "it holds what is no X.509 certificate") from None
