# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Trials of the commands that make keys or tell about them: psec opens what comes out. No test."""

from tests.hsm_sim import oracle
from tests.hsm_sim.trials import VARIANT_ONLY, Case, Expected, trial
from tests.hsm_sim.world import KINDS, World

Asked = tuple[str | bytes, Expected]
PSEC = "psec"
DOUBLE_ONLY = {"CVK", "BDK", "MK-AC"}
DIGITS = {"U": 32, "X": 32, "T": 48, "Y": 48}


def field_in_front(text: str) -> tuple[str, str]:
    """A key field and what is behind it."""
    if text[0] in "SR":
        end = 1 + int(text[2:6])
    elif text[0] in DIGITS:
        end = 1 + DIGITS[text[0]]
    else:
        end = 16
    return text[:end], text[end:]


def whole(clear: bytes) -> bool:
    """A key as one should be: odd parity, no two parts equal."""
    parts = {clear[start : start + 8] for start in range(0, len(clear), 8)}
    return oracle.odd(clear) == clear and len(parts) == len(clear) // 8


@trial("A0", PSEC)
def a0(world: World) -> Asked:
    """A key, also under a ZMK."""
    kind = world.draw.choice(sorted(KINDS))
    code, usage, _ = KINDS[kind]
    zmk = world.key()
    export = world.draw.random() < 0.5 and kind != "ZMK"
    if world.form.in_blocks:
        scheme, attributes = "S", f"{world.tail}#{usage}T2N00E00"
        above = f"{world.draw.choice((';0', '0', ''))}{world.held('ZMK', zmk)}R" if export else ""
        attributes += world.draw.choice(("", "&E")) if export else ""
    else:
        scheme = world.draw.choice("UX" if kind in DOUBLE_ONLY else "UXTY")
        above = f";0{world.held('ZMK', zmk)}{world.draw.choice('UX' if scheme in 'UX' else 'TY')}" if export else ""
        attributes = ""

    def judge(answer: str) -> bool:
        kept, rest = field_in_front(answer[2:])
        clear = world.clear(code, kept)
        right = answer[:2] == "00" and whole(clear)
        if export:
            sent, rest = field_in_front(rest)
            found = oracle.x9143_key(zmk, sent) if world.form.in_blocks else oracle.clear_of(zmk, sent)
            right = right and found == clear
        return right and rest == oracle.check_value(clear)

    return f"A0{'1' if export else '0'}{world.code(kind)}{scheme}{above}{attributes}", judge


def _summed(parts: list[bytes]) -> bytes:
    total = bytes(len(parts[0]))
    for part in parts:
        total = bytes(x ^ y for x, y in zip(total, part, strict=True))
    return oracle.odd(total)


@trial("A4", PSEC)
def a4(world: World) -> Asked:
    """A key of components."""
    kind, octets = world.draw.choice(("ZPK", "TAK", "ZEK")), world.draw.choice((16, 24))
    parts = [world.key(octets) for _ in range(world.draw.randint(2, 9))]
    clear = _summed(parts)
    scheme = "S" if world.form.in_blocks else {16: "U", 24: "T"}[octets]
    fields = "".join(world.held(kind, part) for part in parts)
    attributes = f"{world.tail}#0000" if world.form.in_blocks else ""

    def judge(answer: str) -> bool:
        kept, rest = field_in_front(answer[2:])
        made = world.clear(KINDS[kind][0], kept)
        return answer[:3] == "00" + scheme and made == clear and rest == oracle.check_value(clear)

    return f"A4{len(parts)}{world.code(kind)}{scheme}{fields}{attributes}", judge


@trial("GY", PSEC, VARIANT_ONLY)
def gy(world: World) -> Asked:
    """A ZMK of components."""
    parts = [world.key() for _ in range(world.draw.randint(2, 9))]
    clear = _summed(parts)
    command = f"GY{len(parts)}{''.join(world.held('ZMK', part) for part in parts)};0U1"
    return command, "00" + oracle.under_lmk("000", clear) + oracle.check_value(clear)


@trial("BU", PSEC)
def bu(world: World) -> Asked:
    """A check value."""
    kind = world.draw.choice(sorted(KINDS))
    octets = world.draw.choice((16,) if kind in DOUBLE_ONLY or world.form.in_blocks else (8, 16, 24))
    clear, short = world.key(octets), world.draw.random() < 0.5
    length = "F" if world.form.in_blocks or world.form.stored else str(octets // 8 - 1)
    command = f"BUFF{length}{world.held(kind, clear)};{world.code(kind)};00{'1' if short else '0'}{world.tail}"
    return command, "00" + oracle.check_value(clear, 3 if short else 8)


@trial("KA", PSEC)
def ka(world: World) -> Asked:
    """A check value, old form."""
    code, kind = world.draw.choice((("00", "ZMK"), ("01", "ZPK"), ("02", "TMK"), ("03", "TAK")))
    octets = world.draw.choice((16, 24) if world.form.in_blocks else (8, 16, 24))
    clear, short = world.key(octets), world.draw.random() < 0.5
    options = ";001" if short else world.draw.choice(("", ";000"))
    return f"KA{world.held(kind, clear)}{code}{options}{world.tail}", "00" + oracle.check_value(
        clear, 3 if short else 8
    )


def _under_tmk(code: str, made: str) -> Case:
    def case(world: World) -> Asked:
        tmk = world.key(world.draw.choice((16, 24)))
        above, below = world.draw.choice((("X", "U"), ("U", "U"), ("Y", "T"), ("T", "T")))

        def judge(answer: str) -> bool:
            sent, rest = field_in_front(answer[2:])
            kept, rest = field_in_front(rest)
            clear = oracle.clear_of(oracle.lmk(made), kept)
            fits = (sent[0], kept[0], rest) == (above, below, "")
            return answer[:2] == "00" and fits and whole(clear) and oracle.clear_of(tmk, sent) == clear

        return f"{code}{world.held('TMK', tmk)};{above}{below}0", judge

    return case


trial("HA", PSEC, VARIANT_ONLY)(_under_tmk("HA", "003"))
trial("HC", PSEC, VARIANT_ONLY)(_under_tmk("HC", "002"))


def _under_zmk(code: str) -> Case:
    def case(world: World) -> Asked:
        zmk = world.key(world.draw.choice((16, 24)))
        above, below = world.draw.choice((("X", "U"), ("U", "U"), ("Y", "T"), ("T", "T")))
        flag, made = ("", "001") if code == "IA" else world.draw.choice((("0", "00A"), ("1", "008")))
        short = world.draw.random() < 0.5

        def judge(answer: str) -> bool:
            sent, rest = field_in_front(answer[2:])
            kept, rest = field_in_front(rest)
            clear = oracle.clear_of(oracle.lmk(made), kept)
            fits = (sent[0], kept[0]) == (above, below) and rest == oracle.check_value(clear, 3 if short else 8)
            return answer[:2] == "00" and fits and whole(clear) and oracle.clear_of(zmk, sent) == clear

        return f"{code}{flag}{world.held('ZMK', zmk)};{above}{below}{'1' if short else '0'}", judge

    return case


trial("IA", PSEC, VARIANT_ONLY)(_under_zmk("IA"))
trial("FI", PSEC, VARIANT_ONLY)(_under_zmk("FI"))
