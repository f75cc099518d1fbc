# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A13: the code on the counter is a thief's: a sticker over it, its content changed, or another genuine one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols import ed25519
from protocols.emv import qr
from protocols.emv.qr import Objects, Terms
from protocols.errors import IntegrityError
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.qr import anybody_signed, no_clock, whole_is_enough

NOW_S, MINUTE_S = 1_800_000_000, 60
ACQUIRER_TEST_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {"acquirer-1": ACQUIRER_TEST_KEY.public_key().public_bytes_raw()}
ACCOUNT = "26"


def _merchant(account: str, name: str) -> Objects:
    held = qr.template((("00", "com.example"), ("01", account)))
    return (
        (ACCOUNT, held),
        ("52", "5411"),
        ("53", "978"),
        ("54", "42.00"),
        ("58", "DE"),
        ("59", name),
        ("60", "BERLIN"),
    )


SHOP, THIEF = _merchant("TILLGUARD000001", "TEST SHOP"), _merchant("TILLGUARD000666", "THIEF")
BOUND = {ACCOUNT: SHOP[0][1]}


def _signed(merchant: Objects, until_s: int = NOW_S + MINUTE_S) -> str:
    return qr.sign(merchant, Terms("order-77", until_s, "acquirer-1"), ACQUIRER_TEST_KEY.sign)


class Customer:
    """Somebody who owes the shop and pays what the code on its counter says: a target."""

    def __init__(self, judge: Callable[..., object]) -> None:
        self._judge = judge
        self._told: list[str] = []

    async def honest(self) -> bool:
        """The shop's own code of this minute is paid."""
        return self.pays(_signed(SHOP))

    def alerts(self) -> list[str]:
        """What was said to the customer."""
        return self._told

    def pays(self, code: str) -> bool:
        """Whether the code is followed."""
        try:
            self._judge(code, KEYS, NOW_S, BOUND, ed25519.verify)
        except IntegrityError as fault:
            self._told.append(str(fault))
            return False
        return True


def _customer(judge: Callable[..., object]) -> Callable[[Path], Any]:
    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Customer]:
        yield Customer(judge)

    return opened


async def put_a_sticker_over_it(target: Customer) -> bool:
    """A printed code of the thief's own, as anybody can make one."""
    return target.pays(qr.encode(THIEF))


async def change_who_is_paid(target: Customer) -> bool:
    """The shop's signed code with the thief's account in it, its CRC made right again."""
    objects = dict(THIEF)
    kept = ((name, objects[ACCOUNT] if name == ACCOUNT else value) for name, value in qr.decode(_signed(SHOP)).objects)
    return target.pays(qr.encode(tuple(kept)))


async def show_ones_own_signed_code(target: Customer) -> bool:
    """The thief is a merchant of the same acquirer, too: the code is genuine, but not this shop's."""
    return target.pays(_signed(THIEF))


async def show_an_old_code(target: Customer) -> bool:
    """A code of the shop's own, of an order that somebody else has paid an hour ago."""
    return target.pays(_signed(SHOP, NOW_S - 60 * MINUTE_S))


def _case(name: str, soft: Callable[..., object], strike: Any, alert: str) -> Case[Any]:
    told = "who scans the code"
    return Case(name, soft=_customer(soft), hardened=_customer(qr.verify), strike=strike, alert=alert, told=told)


ATTACK = Attack(
    id="A13",
    title="Code on the counter exchanged",
    reference="Global Times 2017: stickers over merchants' QR codes",
    attacker="gets at the code that customers scan; wants to be paid in the shop's stead, or paid for twice",
    soft="a reader of codes that asks for no signature, for no merchant bound beforehand, or for no time",
    defence="a dynamic code that the acquirer signs with its order, its merchant and its end; who scans it knows whom "
    "they owe. The codec's side only: this terminal scans no codes",
    cases=(
        _case("a sticker over it", whole_is_enough, put_a_sticker_over_it, "the code is not signed"),
        _case(
            "another account in it",
            whole_is_enough,
            change_who_is_paid,
            "the code's signature is not that of its content",
        ),
        _case(
            "another merchant's genuine code",
            anybody_signed,
            show_ones_own_signed_code,
            f"the code pays somebody else: object {ACCOUNT} is not the bound merchant's",
        ),
        _case("an old code again", no_clock, show_an_old_code, "the code's time is over"),
    ),
)
