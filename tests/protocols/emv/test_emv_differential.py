# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""EMV cryptography against pyemv, an independent library: random keys, cards and transactions."""

import random
from collections.abc import Callable
from typing import Any

import pyemv
import pytest
from cryptography.utils import CryptographyDeprecationWarning

from protocols.emv import card_keys, cryptogram, issuer_script
from protocols.emv.cryptogram import CryptogramKey, Method, Option, Tail, Version
from protocols.emv.issuer import Issuer
from protocols.emv.issuer_script import Encipherment
from protocols.mac import Padding
from protocols.pan import Pan
from protocols.primitives import TdesKey
from protocols.secret import ClearKey, Pin
from tests.protocols.keys_evidence import RUNS, recorded

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{CryptographyDeprecationWarning.__module__}.CryptographyDeprecationWarning"
)
CASES, SEED = 10_000, 4_303


def digits(source: random.Random, least: int, most: int) -> str:
    return "".join(source.choices("0123456789", k=source.randint(least, most)))


def same(ours: ClearKey, theirs: bytes) -> None:
    assert bytes(ours.reveal()) == theirs


def functions(cases: int, seed: int) -> None:
    """Every function by itself; the tree, which is slow, for one case in twenty."""
    source = random.Random(seed)
    for number in range(cases):
        key, counter, made = source.randbytes(16), source.randbytes(2), source.randbytes(8)
        account, sequence = digits(source, 12, 19), source.randrange(100)
        pan, issuer = Pan(account), TdesKey(key)
        psn = f"{sequence:02}"
        same(
            card_keys.icc_master_key_a(issuer, card_keys.account_block(pan, sequence)),
            pyemv.kd.derive_icc_mk_a(key, account, psn),
        )
        same(card_keys.icc_master_key_b(issuer, pan, sequence), pyemv.kd.derive_icc_mk_b(key, account, psn))
        same(card_keys.session_key(key, made), pyemv.kd.derive_common_sk(key, made))
        same(card_keys.visa_script_key(key, counter), pyemv.kd.derive_visa_sm_sk(key, counter))
        data = source.randbytes(source.randrange(1, 80))
        session = CryptogramKey(key)
        assert session.cryptogram(data, Padding.ZEROS) == pyemv.ac.generate_ac(key, data, pyemv.ac.PaddingType.VISA)
        assert session.cryptogram(data, Padding.ONE_AND_ZEROS) == pyemv.ac.generate_ac(
            key, data, pyemv.ac.PaddingType.EMV
        )
        assert session.answer_1(made, counter) == pyemv.ac.generate_arpc_1(key, made, counter)
        update, more = source.randbytes(4), source.randbytes(source.randrange(9))
        assert session.answer_2(made, update, more) == pyemv.ac.generate_arpc_2(key, made, update, more)
        header, size = source.randbytes(5), source.randint(4, 8)
        assert issuer_script.command_mac(key, header, data, counter + made, size) == pyemv.sm.generate_command_mac(
            key, header + counter + made + data, size
        )
        how = source.choice(list(Encipherment))
        assert issuer_script.encipher_data(key, data, how) == pyemv.sm.encrypt_command_data(
            key, data, pyemv.sm.EncryptionType[how.name]
        )
        if number % 20 == 0:
            height, branches = source.choice(((8, 4), (16, 2)))
            start = source.randbytes(16)
            same(
                card_keys.tree_session_key(key, counter, height, branches, start),
                pyemv.kd.derive_emv2000_tree_sk(key, counter, height, branches, start),
            )


PYEMV_VERSIONS: list[tuple[str, Version, Any]] = [
    ("visa", cryptogram.CVN_10, pyemv.cvn.VisaCVN10),
    ("visa", cryptogram.CVN_18, pyemv.cvn.VisaCVN18),
    ("visa", cryptogram.CVN_22, pyemv.cvn.VisaCVN22),
    *(
        ("mastercard", version, getattr(pyemv.cvn, f"MasterCardCVN{number}"))
        for number, version in cryptogram.MASTERCARD_VERSIONS.items()
    ),
]
TERMINAL_SIZES = {0x9F02: 6, 0x9F03: 6, 0x9F1A: 2, 0x95: 5, 0x5F2A: 2, 0x9A: 3, 0x9C: 1, 0x9F37: 4, 0x82: 2, 0x9F36: 2}


def versions(cases: int, seed: int) -> None:
    """Whole transactions: cryptogram, answer, script MAC and PIN change of each version."""
    source = random.Random(seed)
    for number in range(cases):
        scheme, version, theirs_of = PYEMV_VERSIONS[number % len(PYEMV_VERSIONS)]
        one_transaction(source, scheme, version, theirs_of)


def one_transaction(source: random.Random, scheme: str, version: Version, theirs_of: Any) -> None:
    ac, smi, smc = (source.randbytes(16) for _ in range(3))
    account, sequence = digits(source, 13, 19), source.randrange(100)
    theirs = theirs_of(ac, smi, smc, account, f"{sequence:02}")
    objects = {tag: source.randbytes(size) for tag, size in TERMINAL_SIZES.items()}
    issuer_data = source.randbytes(18 if scheme == "mastercard" else 7)
    objects[0x9F10] = issuer_data

    pan = Pan(account)
    block = (card_keys.account_block_b if version.option is Option.B else card_keys.account_block)(pan, sequence)
    counter, unpredictable = objects[0x9F36], objects[0x9F37]
    keys = Issuer(ac).keys(version, block, counter, unpredictable)
    ours = keys.cryptogram.cryptogram(cryptogram.cryptogram_data(version, objects), version.padding)
    named = {f"tag_{tag:x}": value for tag, value in objects.items() if tag != 0x9F10}
    if version.tail is Tail.WHOLE:
        named["tag_9f10"] = issuer_data
    else:
        named["cvr"] = issuer_data[3:] if scheme == "visa" else issuer_data[2:8]
    if version.tail is Tail.MASTERCARD_CVR_COUNTERS:
        named["counters"] = issuer_data[10:18]
    assert ours == theirs.generate_ac(**named)

    about = {"tag_9f26": ours, "tag_9f36": counter}
    if version.answer is Method.ARPC_2:
        update = source.randbytes(4)
        assert keys.answer.answer_2(ours, update) == theirs.generate_arpc(csu=update, **about)
    else:
        code = source.randbytes(2)
        wanted = about if version.answer_under_session else {"tag_9f26": ours}
        assert keys.answer.answer_1(ours, code) == theirs.generate_arpc(arpc_rc=code, **wanted)

    script(source, scheme, version, theirs, (smi, smc, ac), block, about)


def script(
    source: random.Random, scheme: str, version: Version, theirs: Any, masters: tuple[bytes, ...], block: bytes,
    about: dict[str, bytes],
) -> None:  # fmt: skip
    kind = issuer_script.SCRIPT_KEYS[scheme][version.number]
    counter, made = about["tag_9f36"], about["tag_9f26"]
    cards = [card_keys.icc_master_key_a(TdesKey(master), block) for master in masters]
    integrity, confidentiality = (issuer_script.script_key(kind, card, counter, made) for card in cards[:2])
    header = b"\x84\x18\x00\x00\x08"
    assert issuer_script.command_mac(integrity, header, b"", counter + made) == theirs.generate_command_mac(
        command_header=header, **about
    )
    new, current = digits(source, 4, 12), digits(source, 4, 12)
    pin = Pin.from_text(new)
    if scheme == "mastercard":
        ours = issuer_script.iso_2_pin_change(integrity, confidentiality, counter, made, pin)
        assert ours == theirs.generate_pin_change_command(pin=new, **about)
        return
    with_current = issuer_script.visa_pin_change(
        integrity, confidentiality, cards[2], counter, made, pin, Pin.from_text(current)
    )
    assert with_current == theirs.generate_pin_change_command(pin=new, current_pin=current, **about)
    alone = (
        issuer_script.iso_2_pin_change(integrity, confidentiality, counter, made, pin, Encipherment.VISA)
        if version.number == 0x22
        else issuer_script.visa_pin_change(integrity, confidentiality, cards[2], counter, made, pin)
    )
    assert alone == theirs.generate_pin_change_command(pin=new, **about)


def test_functions() -> None:
    functions(CASES, SEED)


def test_versions() -> None:
    versions(1_400, SEED + 1)


RUNNERS: dict[str, Callable[[int, int], None]] = {
    "EMV functions against pyemv": functions,
    "EMV versions against pyemv": versions,
}


@pytest.mark.long
@pytest.mark.parametrize("name", RUNNERS)
def test_long(name: str) -> None:
    with recorded(name, SEED + 2):
        RUNNERS[name](RUNS[name], SEED + 2)
