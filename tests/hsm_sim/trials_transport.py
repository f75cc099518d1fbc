# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Trials of the commands that carry keys between LMK and ZMK, and of those that wrap them anew. No test."""

from hsm_sim.engine.wrapping import VariantLmk
from tests.hsm_sim import oracle
from tests.hsm_sim.asking import asking
from tests.hsm_sim.trials import VARIANT_ONLY, Case, Expected, trial
from tests.hsm_sim.trials_keys import field_in_front
from tests.hsm_sim.world import KINDS, VARIANT, World

Asked = tuple[str | bytes, Expected]
PSEC = "psec"
BEFORE = asking(lmks={"00": VariantLmk.of_old_test_keys()}, clear_pins=True)
"""A unit under the LMK from before a change."""
CARRIED = ("ZPK", "TPK", "TAK", "ZAK", "BDK", "CVK", "MK-AC", "ZEK", "DEK", "TEK")
STANDARD = {"72": "P0", "71": "P0", "51": "K0", "13": "C0", "21": "D0", "22": "D0", "23": "D0"}
"""X9.143's letters for the usages that are Thales's own."""
LENGTHS = {"BDK": (16,), "CVK": (16,), "MK-AC": (16,)}


def _key(world: World, kind: str) -> tuple[bytes, str]:
    """A key of a length that its type has, and a scheme for it."""
    octets = world.draw.choice(LENGTHS.get(kind, (16, 24)))
    return world.key(octets), world.draw.choice({16: "UX", 24: "TY"}[octets])


@trial("A6", PSEC)
def a6(world: World) -> Asked:
    """A key of any type taken."""
    kind, zmk = world.draw.choice(CARRIED), world.key()
    code, usage, mode = KINDS[kind]
    if world.form.in_blocks or world.draw.random() < 0.3:
        clear = world.key()
        travelling = "R" + oracle.x9143(zmk, clear, STANDARD.get(usage, usage), mode)
        wanted = "S" if world.form.in_blocks else "U"
    else:
        clear, scheme = _key(world, kind)
        travelling = oracle.under(zmk, clear, scheme)
        wanted = world.draw.choice({16: "UX", 24: "TY"}[len(clear)])

    def judge(answer: str) -> bool:
        kept, rest = field_in_front(answer[2:])
        made = world.clear(code, kept)
        return answer[:3] == "00" + wanted and made == clear and rest == oracle.check_value(clear)

    return f"A6{world.code(kind)}{world.held('ZMK', zmk)}{travelling}{wanted}{world.tail}", judge


@trial("A8", PSEC)
def a8(world: World) -> Asked:
    """A key of any type given."""
    kind, zmk = world.draw.choice(CARRIED), world.key()
    clear, scheme = _key(world, kind)
    lead = world.draw.choice(("", ";0"))
    start = f"A8{world.code(kind)}{lead}{world.held('ZMK', zmk)}{world.held(kind, clear)}"
    value = oracle.check_value(clear)
    if not world.form.in_blocks:
        return f"{start}{scheme}{world.draw.choice(('', ';0'))}", f"00{oracle.under(zmk, clear, scheme)}{value}"

    return f"{start}R{world.tail}", _in_block(zmk, clear, value)


IMPORTS = {"DW": ("BDK",), "FA": ("ZPK",), "FC": ("TPK", "TMK", "PVK"), "FK": ("ZEK", "ZAK"), "MI": ("TAK",)}
EXPORTS = {"DY": ("BDK",), "GC": ("ZPK",), "FE": ("TPK", "TMK", "PVK"), "FM": ("ZEK", "ZAK"), "MG": ("TAK",)}
FLAGS = {"ZEK": "0", "ZAK": "1"}


def _taken(code: str) -> Case:
    def case(world: World) -> Asked:
        kind, zmk = world.draw.choice(IMPORTS[code]), world.key()
        if world.form.in_blocks or world.draw.random() < 0.2:
            return _taken_block(world, code, kind, zmk)
        clear, scheme = _key(world, kind)
        start = f"{code}{FLAGS.get(kind, '')}{world.held('ZMK', zmk)}{oracle.under(zmk, clear, scheme)}"
        lmk = oracle.lmk(KINDS[kind][0])
        if world.draw.random() < 0.5:
            return start, f"00{oracle.under(lmk, clear, scheme)}{oracle.check_value(clear, 8)}"
        wanted = world.draw.choice({16: "UX", 24: "TY"}[len(clear)])
        return f"{start};0{wanted}1", f"00{oracle.under(lmk, clear, wanted)}{oracle.check_value(clear)}"

    return case


def _taken_block(world: World, code: str, kind: str, zmk: bytes) -> Asked:
    """An X9.143 block that psec made."""
    type_code, usage, mode = KINDS[kind]
    clear = world.key(16 if kind in LENGTHS else world.draw.choice((16, 24)))
    block = "R" + oracle.x9143(zmk, clear, STANDARD.get(usage, usage), mode)

    def judge(answer: str) -> bool:
        kept, rest = field_in_front(answer[2:])
        fits = kept[0] == ("S" if world.form.in_blocks else "U" if len(clear) == 16 else "T")
        made = world.clear(type_code, kept)
        return answer[:2] == "00" and fits and made == clear and rest == oracle.check_value(clear, 8)

    return f"{code}{FLAGS.get(kind, '')}{world.held('ZMK', zmk)}{block}{world.tail}", judge


def _in_block(wrapping: bytes, clear: bytes, behind: str) -> Expected:
    """The answer with a key in an X9.143 block, which psec opens."""

    def judge(answer: str) -> bool:
        sent, rest = field_in_front(answer[2:])
        return answer[:3] == "00R" and oracle.x9143_key(wrapping, sent) == clear and rest == behind

    return judge


def _given(code: str) -> Case:
    def case(world: World) -> Asked:
        kind, zmk = world.draw.choice(EXPORTS[code]), world.key()
        clear, scheme = _key(world, kind)
        start = f"{code}{FLAGS.get(kind, '')}{world.held('ZMK', zmk)}{world.held(kind, clear)}"
        if world.form.in_blocks:
            return f"{start};R01{world.tail}", _in_block(zmk, clear, oracle.check_value(clear))
        return f"{start};{scheme}01", f"00{oracle.under(zmk, clear, scheme)}{oracle.check_value(clear)}"

    return case


for _code in IMPORTS:
    trial(_code, PSEC)(_taken(_code))
for _code in EXPORTS:
    trial(_code, PSEC)(_given(_code))


@trial("AE", PSEC)
def ae(world: World) -> Asked:
    """A TMK under another."""
    current = world.key()
    stored, scheme = _key(world, "TMK")
    start = f"AE{world.held('TMK', current)}{world.held('TMK', stored)}"
    if world.form.in_blocks:
        return f"{start};R00{world.tail}", _in_block(current, stored, "")
    command = f"{start};{scheme}00"
    return command, "00" + oracle.under(current, stored, scheme)


@trial("AG", PSEC)
def ag(world: World) -> Asked:
    """A TAK under a TMK."""
    tmk = world.key()
    tak, scheme = _key(world, "TAK")
    start = f"AG{world.held('TMK', tmk)}{world.held('TAK', tak)}"
    if world.form.in_blocks:
        return f"{start};R00{world.tail}", _in_block(tmk, tak, oracle.check_value(tak, 8))
    command = f"{start};{scheme}00"
    return command, "00" + oracle.under(tmk, tak, scheme) + oracle.check_value(tak, 8)


@trial("B0", PSEC, VARIANT_ONLY)
def b0(world: World) -> Asked:
    """Another scheme."""
    kind = world.draw.choice(CARRIED)
    clear, scheme = _key(world, kind)
    command = f"B0{world.code(kind)}{world.held(kind, clear)}{scheme}"
    return command, "00" + oracle.under(oracle.lmk(KINDS[kind][0]), clear, scheme)


@trial("BW", PSEC, (VARIANT,))
def bw(world: World) -> Asked:
    """A key from under the LMK before."""
    kind = world.draw.choice(CARRIED)
    clear, scheme = _key(world, kind)
    code = KINDS[kind][0]
    field = oracle.under(oracle.old_lmk(code), clear, world.draw.choice({16: "UX", 24: "TY"}[len(clear)]))
    check, value = world.draw.choice(
        (("", ""), ("!01", ""), ("!11", oracle.check_value(clear)), ("%00!10", oracle.check_value(clear, 8)))
    )
    command = f"BWFF{len(clear) // 8 - 1}{field};{code};0{scheme}0{check}"
    return command, "00" + oracle.under(oracle.lmk(code), clear, scheme) + value
