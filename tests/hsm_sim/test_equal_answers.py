# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One answer for every cause of one kind: no padding, format or key oracle by code in any command that opens PINs.

A host that could tell a wrong length digit from a wrong fill digit could find a PIN by asking (Clulow, 2003).
"""

import warnings
from collections.abc import Iterator

import psec
import pytest

from protocols.hsm.commands import COMMANDS
from protocols.hsm.layout import layout_of
from tests.hsm_sim import oracle
from tests.hsm_sim.key_fields import Path, Sample, sample
from tests.hsm_sim.trials import TRIALS, load
from tests.hsm_sim.world import VARIANT, Form

load()
BLOCKS = ("block", "new_block")
OPENERS = [
    pytest.param(code, name, id=f"{code}-{name}")
    for code in sorted(TRIALS)
    for name in BLOCKS
    if any(slot.name == name for slot in layout_of(COMMANDS[code].request).slots) and code not in ("HE", "HG")
]
FORMS_OF_KEYS = {form.name: form for form in TRIALS["CC"].forms if not form.stored}


def bad_blocks(account: str) -> Iterator[tuple[str, bytes]]:
    """Clear blocks that are no PIN of the account in formats 0 or 3, each by one cause."""
    good = psec.pinblock.encode_pinblock_iso_0("1234", account + "0")
    other = bytes.fromhex("0000" + account)

    def spoiled(field: str) -> bytes:
        return bytes(x ^ y for x, y in zip(bytes.fromhex(field), other, strict=True))

    yield "control 1", bytes((good[0] ^ 0x10,)) + good[1:]
    yield "control 2", bytes((good[0] ^ 0x20,)) + good[1:]
    yield "control F", bytes((good[0] | 0xF0,)) + good[1:]
    for length in (0, 1, 2, 3, 13, 14, 15):
        yield f"length {length}", spoiled(f"0{length:X}1234FFFFFFFFFF")
    for place in range(4):
        digits = "1234"[:place] + "A" + "1234"[place + 1 :]
        yield f"letter in place {place}", spoiled(f"04{digits}FFFFFFFFFF")
    for place in range(10):
        fill = "F" * place + "0" + "F" * (9 - place)
        yield f"fill digit {place}", spoiled(f"041234{fill}")
    yield "another account", psec.pinblock.encode_pinblock_iso_0("1234", account[1:] + "55")
    yield "zeros", bytes(8)
    yield "ones", b"\xff" * 8


def key_of_block(found: Sample, form: Form) -> bytes:
    """The key under which a sample's PIN block lies."""
    fields = found.request.fields
    if hasattr(fields, "bdk"):
        bdk = found.world.clear("009", found.key(("bdk",)).text)
        key = bytearray(oracle.dukpt_keys(bdk, fields.ksn))
        key[7] ^= 0xFF
        key[15] ^= 0xFF
        return bytes(key)
    name = next(name for name in ("tpk", "source_zpk", "zpk", "key") if hasattr(fields, name))
    kind = {"tpk": "002", "source_zpk": "001", "zpk": "001"}.get(name) or getattr(fields, "key_type", "001")
    return found.world.clear(kind, found.key((name,)).text)


@pytest.mark.parametrize(("code", "name"), OPENERS)
@pytest.mark.parametrize("form", FORMS_OF_KEYS.values(), ids=FORMS_OF_KEYS)
def test_every_bad_pin_block_is_answered_alike(code: str, name: str, form: Form) -> None:
    if form not in TRIALS[code].forms:
        form = VARIANT
    found = sample(code, form, ())
    clear = key_of_block(found, form)
    account = found.request.fields.account  # type: ignore[attr-defined]  # every command with a PIN block has one
    answers = {}
    for code_of_format in ("01", "47"):
        for cause, block in bad_blocks(account):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sealed = psec.des.encrypt_tdes_ecb(clear, block)
            changes: dict[Path, object] = {(name,): sealed}
            for field in ("format", "source_format"):
                if hasattr(found.request.fields, field):
                    changes[(field,)] = code_of_format
            if name == "new_block":
                changes = {(name,): sealed}
            command = found.with_fields(changes)
            assert command is not None
            answers[cause, code_of_format] = found.world.ask(command)
    assert set(answers.values()) == {"20"}, {cause: answer for cause, answer in answers.items() if answer != "20"}


@pytest.mark.parametrize("code", ["BC", "BE", "NG", "JG", "DE", "DG", "QK"])
def test_a_pin_under_the_lmk_is_wrong_in_one_way_only(code: str) -> None:
    found = sample(code, VARIANT, ())
    answers = set()
    for _ in range(200):
        command = found.with_fields({("pin",): f"{found.world.draw.randrange(10**13):013}"})
        assert command is not None
        answers.add(found.world.ask(command)[:2])
    # Another valid PIN is one too (00), or not the one of the block (01): texts have no more check than their length.
    assert answers <= {"14", "00", "01"} | ({"81"} if code == "DE" else set())


VERIFIERS = {
    "DC": "pvv", "EC": "pvv", "CM": "pvv", "GQ": "pvv", "CU": "pvv",
    "DA": "offset", "EA": "offset", "CK": "offset", "GO": "offset", "DU": "offset",
    "CY": "cvv", "KQ": "arqc", "KW": "arqc", "M8": "mac", "MC": "mac", "ME": "mac", "LS": "hmac",
}  # fmt: skip


@pytest.mark.parametrize(("code", "name"), sorted(VERIFIERS.items()))
def test_a_wrong_reference_is_wrong_alike_wherever_it_differs(code: str, name: str) -> None:
    found = sample(code, VARIANT, (), {"mode": "1"} if code in ("KQ", "KW") else {})
    right = getattr(found.request.fields, name)
    digits = right.rstrip("F") if isinstance(right, str) else right
    for place in range(len(digits)):
        if isinstance(digits, str):
            other = f"{(int(digits[place]) + 1) % 10}"
            changed = digits[:place] + other + digits[place + 1 :]
            value: object = changed.ljust(len(right), "F")
        else:
            value = digits[:place] + bytes((digits[place] ^ 0x80,)) + digits[place + 1 :]
        command = found.with_fields({(name,): value})
        assert command is not None
        said = found.world.ask(command)
        checked = name != "offset" or place < int(found.request.fields.check_length)  # type: ignore[attr-defined]
        assert said == ("01" if checked else "00"), place
