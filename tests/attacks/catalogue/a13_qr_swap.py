# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A13: a sticker over the till's QR code, or a payload changed on its way to the screen, sends the money elsewhere."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocols.emv.qr import NAME, Objects, Terms, Verify, decode, encode, sign, template, verify
from protocols.errors import ProtocolError
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.wallet import any_code

ACCOUNT, AMOUNT = "26", "54"
ACQUIRER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW_S, UNTIL_S = 1_780_000_000, 1_780_000_120

Believe = Callable[[str, Mapping[str, bytes], int, Mapping[str, str], Verify], Terms]


def code_of(name: str, account: str, amount: str = "42.00") -> Objects:
    """What a shop's code says."""
    place = (("52", "5411"), ("53", "978"), (AMOUNT, amount), ("58", "DE"), (NAME, name), ("60", "BERLIN"))
    return ((ACCOUNT, template((("00", "com.example"), ("01", account)))), *place)


SHOP, THIEF = code_of("TEST SHOP", "TILLGUARD000001"), code_of("TEST SHOP", "SOMEBODYELSE001")
OTHER_SHOP = code_of("ANOTHER SHOP", "TILLGUARD000002")
BOUND = {name: value for name, value in SHOP if name in (ACCOUNT, NAME)}


def signed(objects: Objects, until_s: int = UNTIL_S) -> str:
    """A code that the acquirer signed for a till of its own."""
    return sign(objects, Terms("order-77", until_s, "acquirer"), ACQUIRER.sign)


class Phone:
    """A customer's phone: it scans a code and pays the account in it, once it believes the code."""

    def __init__(self, believe: Believe) -> None:
        self._believe = believe
        self.now_s = NOW_S
        self.paid: list[tuple[str, str]] = []
        self._told: list[str] = []

    def scan(self, payload: str) -> None:
        """Look at a code, and pay or say why not."""
        keys = {"acquirer": ACQUIRER.public_key().public_bytes_raw()}
        try:
            self._believe(payload, keys, self.now_s, BOUND, _fits)
        except ProtocolError as refused:
            self._told.append(str(refused))
            return
        code = decode(payload)
        self.paid.append((dict(code.template(ACCOUNT))["01"], code.value(AMOUNT) or ""))

    async def honest(self) -> bool:
        """The shop's own code, in time."""
        self.scan(signed(SHOP))
        return self.paid.pop() == ("TILLGUARD000001", "42.00")

    def alerts(self) -> list[str]:
        """What stands on the phone instead of a payment."""
        return self._told


def _fits(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


async def sticker(phone: Phone) -> bool:
    """A printed code of the thief's over the till's, in the shop's name."""
    phone.scan(encode(THIEF))
    return bool(phone.paid)


async def hijacked(phone: Phone) -> bool:
    """The till's signed code with another account in it, its CRC made right again."""
    changed = dict(THIEF)
    phone.scan(encode(tuple((name, changed.get(name, value)) for name, value in decode(signed(SHOP)).objects)))
    return bool(phone.paid)


async def another_shop(phone: Phone) -> bool:
    """A code that the acquirer did sign, for a shop of the thief's."""
    phone.scan(signed(OTHER_SHOP))
    return bool(phone.paid)


async def yesterdays(phone: Phone) -> bool:
    """The shop's code of a payment long over: the customer pays an order that nobody waits for."""
    phone.now_s = UNTIL_S + 1
    phone.scan(signed(SHOP))
    return bool(phone.paid)


def _case(name: str, strike: Callable[[Phone], Awaitable[bool]], alert: str) -> Case[Phone]:
    @asynccontextmanager
    async def soft(folder: Path) -> AsyncIterator[Phone]:
        yield Phone(any_code)

    @asynccontextmanager
    async def hardened(folder: Path) -> AsyncIterator[Phone]:
        yield Phone(verify)

    return Case(name, soft=soft, hardened=hardened, strike=strike, alert=alert, told="the customer, on the phone")


ATTACK = Attack(
    id="A13",
    title="QR code exchanged",
    reference="Global Times, March 2017: stickers over the codes of shops and bicycles in Guangdong",
    attacker="reaches the printed code, or the way of a code to the screen; wants payments to go to another account",
    soft="a phone that pays whom a code names once its CRC is right",
    defence="a code is made for one payment, signed by the acquirer with its order and its end, and names the merchant "
    "that is bound to the till; whatever lacks one of these is not paid",
    cases=(
        _case("a sticker", sticker, "the code is not signed"),
        _case("another account in a signed code", hijacked, "the code's signature is not that of its content"),
        _case(
            "another shop's code", another_shop,
            f"the code pays somebody else: object {ACCOUNT} is not the bound merchant's",
        ),
        _case("a code of yesterday", yesterdays, "the code's time is over"),
    ),
)  # fmt: skip
