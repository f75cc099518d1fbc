# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The issuers of the virtual cards, by pyemv alone: proofs and scripts as a bank makes them. Tests nothing itself."""

import warnings

import pyemv
from cryptography.utils import CryptographyDeprecationWarning
from pyemv.sm import EncryptionType

from device_profiles.card_profile import Application, CardProfile, Scheme
from protocols.emv import tlv
from terminal_agent.emv import EmvOutcome, IssuerAnswer

APPROVE_FLAGS = b"\x00\x10"  # M/Chip's response code: bit 5 of the second octet approves


class CardIssuer:
    """The issuer of one application of a card."""

    def __init__(self, profile: CardProfile, application: Application | None = None) -> None:
        self.application = application or profile.application
        keys = profile.keys
        self._mastercard = self.application.scheme is Scheme.MASTERCARD
        with _quiet():
            pan, sequence = self.application.pan, f"{self.application.sequence_number:02d}"
            self._ac, self._smi, self._smc = (
                pyemv.kd.derive_icc_mk_a(bytes.fromhex(text or keys.test_mk_ac), pan, sequence)
                for text in (keys.test_mk_ac, keys.test_mk_smi, keys.test_mk_smc)
            )
        self._commands = 0

    def key(self, atc: bytes) -> bytes:
        """The key that answers: the card's, or a session key of the counter."""
        if self.application.cryptogram_version == 18:
            with _quiet():
                key: bytes = pyemv.kd.derive_common_sk(self._ac, atc + bytes(6))
                return key
        found: bytes = self._ac
        return found

    def answer(self, outcome: EmvOutcome, code: str = "00", scripts: bytes = b"") -> IssuerAnswer:
        """The answer with the right proof: method 2 for version 18, else method 1."""
        approves = code == "00"
        atc = (outcome.atc or 0).to_bytes(2, "big")
        with _quiet():
            if self.application.cryptogram_version == 18:
                update = b"\x00\x80\x00\x00" if approves else bytes(4)
                proof = pyemv.ac.generate_arpc_2(self.key(atc), outcome.cryptogram, update) + update
            else:
                said = (APPROVE_FLAGS if approves else b"\0\0") if self._mastercard else code.encode()
                proof = pyemv.ac.generate_arpc_1(self.key(atc), outcome.cryptogram, said) + said
        return IssuerAnswer.from_message(code, approved=approves, icc=tlv.encode([(0x91, proof)]) + scripts)

    def script(self, outcome: EmvOutcome, template: int, *commands: tuple[str, bytes]) -> bytes:
        """A script of commands, each a header (CLA INS P1 P2) and data, with their MACs."""
        made = [(0x86, self._command(outcome, bytes.fromhex(header), data)) for header, data in commands]
        return tlv.encode([tlv.template(template, (0x9F18, b"\0\0\0\1"), *made)])

    def new_pin(self, outcome: EmvOutcome, pin: str) -> bytes:
        """A new PIN for the next command, enciphered as the scheme does."""
        with _quiet():
            if self._mastercard:
                block = pyemv.sm.format_iso9564_2_pin_block(pin)
                kind = EncryptionType.MASTERCARD
            else:
                block = pyemv.sm.format_vis_pin_block(self._ac, pin)
                kind = EncryptionType.VISA
            data: bytes = pyemv.sm.encrypt_command_data(self._session(self._smc, outcome), block, kind)
        return data

    def _command(self, outcome: EmvOutcome, header: bytes, data: bytes) -> bytes:
        whole = header + bytes((len(data) + 8,))
        atc = (outcome.atc or 0).to_bytes(2, "big")
        with _quiet():
            key = self._session(self._smi, outcome)
            mac = pyemv.sm.generate_command_mac(key, whole + atc + self._random(outcome) + data)
        self._commands += 1
        return whole + data + mac

    def _random(self, outcome: EmvOutcome) -> bytes:
        """The cryptogram, which a Mastercard-like card counts up for every command."""
        number = int.from_bytes(outcome.cryptogram, "big") + (self._commands if self._mastercard else 0)
        return (number % (1 << 64)).to_bytes(8, "big")

    def _session(self, key: bytes, outcome: EmvOutcome) -> bytes:
        atc = (outcome.atc or 0).to_bytes(2, "big")
        if self._mastercard:
            made: bytes = pyemv.kd.derive_common_sk(key, self._random(outcome))
        else:
            made = pyemv.kd.derive_visa_sm_sk(key, atc)
        return made


def _quiet() -> warnings.catch_warnings:  # type: ignore[type-arg]
    """pyemv's way to TripleDES warns."""
    return warnings.catch_warnings(action="ignore", category=CryptographyDeprecationWarning)
