# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The payment application of an ABECS pad's twin: as much of EMV as a sale with an online PIN takes. Asks no person.

It selects by a list of names, reads the records, has the card decide, and hands the issuer's answer on. It
authenticates nothing offline, verifies no PIN offline, and says so in the verification results. What it tells the host
never has the account number or a track in it. Source: Pinpad Abecs, protocol 2.12, 6.9; EMV 4.4 Book 1, 12.3.3, and
Book 3, 10.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from device_profiles.twins.card_answer import CardTorn
from device_profiles.twins.card_t0 import ContactCard
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Response
from protocols.emv.bits import CryptogramType, Tvr
from protocols.emv.status import Status as CardStatus
from protocols.emv.tags import Tag
from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.serial.abecs_chip import ICC_EMV, Decision, Host, decode_tags
from protocols.serial.abecs_messages import Parameter, Status

NAMES = tuple(bytes.fromhex(name) for name in ("A000000003", "A000000004", "A000000333"))
KEPT_BACK = frozenset((Tag.PAN, Tag.TRACK_2_EQUIVALENT, 0x56, 0x9F1F, 0x9F20, 0x9F6B))
"""Objects that hold the account number or a track (3.7.1)."""
NO_RESPONSE, CARD_BLOCKED, CARD_TROUBLE, NO_APPLICATION = 60, 79, 68, 70
UNABLE, OFFLINE_DECLINED = b"Z3", b"Z1"  # EMV 4.4 Book 4, Annex A6
_ONLINE_PIN, _RULE, _CVM_HEAD = 0x02, 2, 8
_METHOD = 0x3F
_FIXED: Mapping[int, bytes] = MappingProxyType(
    {
        Tag.TERMINAL_CAPABILITIES: bytes.fromhex("E04000"),
        Tag.TERMINAL_COUNTRY: bytes.fromhex("0276"),
        Tag.AMOUNT_OTHER_NUMERIC: bytes(6),
        Tag.TRANSACTION_TYPE: b"\x00",
        Tag.TERMINAL_TYPE: b"\x22",
    }
)


class SaleFault(Exception):
    """The sale ends; the pad says ``status``."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ChipSale:
    """One card's sale, from GCX to FCX."""

    def __init__(self, card: ContactCard, random: Callable[[int], bytes]) -> None:
        self._card = card
        self._random = random
        self._objects: dict[int, bytes] = {}
        self._results = Tvr.ODA_NOT_PERFORMED
        self._asked_online = False

    def get(self, given: Mapping[int, bytes]) -> dict[Parameter, bytes]:
        """GCX: select, read, and tell who it is."""
        self._card.power_on()
        self._set_terms(given)
        self._objects[Tag.TRANSACTION_DATE] = _bcd(given, Parameter.DATE)
        self._objects[Tag.TRANSACTION_TIME] = _bcd(given, Parameter.TIME)
        self._select()
        self._read()
        return {
            Parameter.CARD_TYPE: ICC_EMV,
            Parameter.PAN: _masked(self.pan.digits, given.get(Parameter.PAN_MASK, b"0000")),
            Parameter.PAN_SEQUENCE: b"%02x" % self._objects.get(Tag.PAN_SEQUENCE, b"\x00")[0],
            Parameter.LABEL: self._objects.get(Tag.APPLICATION_LABEL, b""),
            **self._told(given),
        }

    @property
    def pan(self) -> Pan:
        """The account number, for the PIN block; it goes nowhere else."""
        return Pan(self._objects.get(Tag.PAN, b"").hex().rstrip("f"))

    @property
    def wants_pin(self) -> bool:
        """Whether the first method that card and pad share is the PIN that goes online (Book 3, 10.5)."""
        rules = self._objects.get(Tag.CVM_LIST, b"")[_CVM_HEAD:]
        return any(rules[place] & _METHOD == _ONLINE_PIN for place in range(0, len(rules) - 1, _RULE))

    def go(self, given: Mapping[int, bytes], *, pin: bool) -> dict[Parameter, bytes]:
        """GOX: the card's first cryptogram. ``pin``: whether one was entered."""
        self._set_terms(given)
        floor = int.from_bytes(given.get(Parameter.RISK, bytes(10))[:4], "big")
        if int(given.get(Parameter.AMOUNT, b"0")) > floor:
            self._results |= Tvr.OVER_FLOOR_LIMIT
        if pin:
            self._results |= Tvr.ONLINE_CVM_CAPTURED
        self._objects[Tag.CVM_RESULTS] = bytes((_ONLINE_PIN if pin else 0x1F, 0x03 if pin else 0x00, 0x00))
        wanted = CryptogramType.ARQC if Tvr.OVER_FLOOR_LIMIT in self._results else CryptogramType.TC
        decided = {CryptogramType.ARQC: Decision.ONLINE, CryptogramType.TC: Decision.APPROVED}.get(
            self._cryptogram(wanted, Tag.CDOL_1), Decision.DECLINED
        )
        self._asked_online = decided is Decision.ONLINE
        return {Parameter.GO_RESULT: b"%d0%d000" % (decided, 2 if pin else 0), **self._told(given)}

    def finish(self, given: Mapping[int, bytes]) -> dict[Parameter, bytes]:
        """FCX: the issuer's answer, and the card's last word."""
        if not self._asked_online:
            raise SaleFault(Status.BAD_CALL)
        said = given.get(Parameter.FINISH_OPTIONS, b"")[:1]
        if said not in (b"0", b"1", b"2"):
            raise SaleFault(Status.BAD_PARAMETER)
        host = Host(int(said))
        code = given.get(Parameter.RESPONSE_CODE, UNABLE)
        self._objects[Tag.AUTHORISATION_RESPONSE] = UNABLE if host is Host.UNREACHED else code
        proof = tlv.decode(given.get(Parameter.EMV_DATA, b"")).first(Tag.ISSUER_AUTHENTICATION_DATA)
        if proof is not None:
            self._objects[Tag.ISSUER_AUTHENTICATION_DATA] = proof
            lists = dol.decode(self._objects.get(Tag.CDOL_2, b""))
            if Tag.ISSUER_AUTHENTICATION_DATA not in {entry.tag for entry in lists}:
                answer = Response.decode(self._card.apdu(apdu.external_authenticate(proof).encode()))
                if answer.status == CardStatus.AUTHENTICATION_FAILED:
                    self._results |= Tvr.ISSUER_AUTHENTICATION_FAILED
        wanted = CryptogramType.TC if host is Host.APPROVED else CryptogramType.AAC
        approved = self._cryptogram(wanted, Tag.CDOL_2) is CryptogramType.TC
        self._asked_online = False
        self._card.power_off()
        return {Parameter.FINISH_RESULT: b"000" if approved else b"100", **self._told(given)}

    def _set_terms(self, given: Mapping[int, bytes]) -> None:
        self._objects |= _FIXED
        self._objects[Tag.AMOUNT_AUTHORISED_NUMERIC] = _bcd(given, Parameter.AMOUNT)
        if Parameter.CURRENCY in given:
            self._objects[Tag.TRANSACTION_CURRENCY] = _bcd(
                {Parameter.CURRENCY: b"0" + given[Parameter.CURRENCY]}, Parameter.CURRENCY
            )
        self._objects.setdefault(Tag.UNPREDICTABLE_NUMBER, self._random(4))
        self._objects[Tag.TVR] = self._results.encode()

    def _select(self) -> None:
        for name in NAMES:
            answer = self._ask(apdu.select(name), refusable=True)
            if answer.ok:
                found = tlv.decode(answer.data)
                proprietary = found.inside(Tag.FCI_TEMPLATE, Tag.FCI_PROPRIETARY)
                self._objects |= dict(proprietary.leaves()) if proprietary is not None else {}
                return
            if answer.status == CardStatus.FUNCTION_NOT_SUPPORTED:
                raise SaleFault(CARD_BLOCKED)
        raise SaleFault(NO_APPLICATION)

    def _read(self) -> None:
        values = dol.fill(dol.decode(self._objects.get(Tag.PDOL, b"")), self._objects)
        answer = tlv.decode(self._ask(apdu.get_processing_options(values)).data)
        plain = answer.first(Tag.RESPONSE_FORMAT_1)
        if plain is not None:
            self._objects |= {Tag.AIP: plain[:2], Tag.AFL: plain[2:]}
        else:
            self._objects |= dict(answer.leaves())
        files = self._objects.get(Tag.AFL, b"")
        for place in range(0, len(files) - 3, 4):
            for number in range(files[place + 1], files[place + 2] + 1):
                record = self._ask(apdu.read_record(files[place] >> 3, number)).data
                self._objects |= dict(tlv.decode(record).leaves())
        if Tag.PAN not in self._objects or not self._objects.get(Tag.CDOL_1):
            raise SaleFault(CARD_TROUBLE)

    def _cryptogram(self, wanted: CryptogramType, listed: Tag) -> CryptogramType:
        self._objects[Tag.TVR] = self._results.encode()
        values = dol.fill(dol.decode(self._objects.get(listed, b"")), self._objects)
        answer = tlv.decode(self._ask(apdu.generate_ac(wanted, values)).data)
        plain = answer.first(Tag.RESPONSE_FORMAT_1)
        if plain is not None:
            names = (Tag.CID, Tag.ATC, Tag.APPLICATION_CRYPTOGRAM, Tag.ISSUER_APPLICATION_DATA)
            self._objects |= dict(zip(names, (plain[:1], plain[1:3], plain[3:11], plain[11:]), strict=True))
        else:
            self._objects |= dict(answer.leaves())
        return CryptogramType(self._objects.get(Tag.CID, b"\x00")[0] >> 6)

    def _ask(self, command: apdu.Command, *, refusable: bool = False) -> Response:
        try:
            answer = Response.decode(self._card.apdu(command.encode()))
        except CardTorn:
            raise SaleFault(NO_RESPONSE) from None
        except (DecodeError, EncodeError):
            raise SaleFault(CARD_TROUBLE) from None
        if not answer.ok and not refusable:
            raise SaleFault(CARD_TROUBLE)
        return answer

    def _told(self, given: Mapping[int, bytes]) -> dict[Parameter, bytes]:
        wanted = decode_tags(given.get(Parameter.TAGS, b""), "ABECS tags")
        known = [(tag, self._objects[tag]) for tag in wanted if tag in self._objects and tag not in KEPT_BACK]
        return {Parameter.EMV_OBJECTS: tlv.encode(known)}


def amount_words(given: Mapping[int, bytes]) -> str:
    """The amount as the pad writes it itself."""
    digits = given.get(Parameter.AMOUNT, b"").decode("ascii", "replace")
    return f"{int(digits) // 100}.{int(digits) % 100:02d}" if digits.isascii() and digits.isdigit() else ""


def _bcd(given: Mapping[int, bytes], name: Parameter) -> bytes:
    digits = given.get(name, b"").decode("ascii", "replace")
    if not (digits.isascii() and digits.isdigit()) or len(digits) % 2:
        raise SaleFault(Status.MISSING_PARAMETER if not digits else Status.BAD_PARAMETER)
    return bytes.fromhex(digits)


def _masked(digits: str, mask: bytes) -> bytes:
    if len(mask) != 4 or not mask.isdigit():
        raise SaleFault(Status.BAD_PARAMETER)
    left, right = int(mask[:2]), int(mask[2:])
    if not left and not right:
        return digits.encode("ascii")
    return (digits[:left] + "*" * (len(digits) - left - right) + digits[max(left, len(digits) - right) :]).encode(
        "ascii"
    )
