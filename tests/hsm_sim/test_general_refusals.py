# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What any command answers to a bad key field, tail, PIN block or length, in every form of key field that it takes."""

import pytest

from hsm_sim.engine.engine import Engine
from protocols.hsm.codes import KeyScheme
from protocols.hsm.commands import COMMANDS
from protocols.hsm.fields import KeyField
from protocols.hsm.frame import response_code
from tests.hsm_sim import live, oracle
from tests.hsm_sim.key_fields import UNDER_A_TRANSPORT_KEY, Path, as_block, key_paths, sample
from tests.hsm_sim.key_matrix import ELSEWHERE, MATRIX
from tests.hsm_sim.trials import TRIALS, load
from tests.hsm_sim.units import unit
from tests.hsm_sim.world import FORMS, VARIANT, Form, World

load()
FIELDS = [(code, tuple(field.split("."))) for code, field in MATRIX]
BLOCK_FIELDS = [(code, path) for code, path in FIELDS if any(form.in_blocks for form in TRIALS[code].forms)]
IN_BLOCKS = {form.name: form for form in FORMS if form.in_blocks and not form.stored}
NO_BLOCKS = {
    "B0": "A1", "GY": "26", "HA": "A1", "HC": "A1", "IA": "A1", "FI": "A1", "HE": "A6", "HG": "A6", "BW": "A1"
}  # fmt: skip
"""Commands that take no key blocks, and what they answer: A0 and A4 make and form keys there, and no usage of a key
block lets a MAC key encipher blocks."""
every_field = pytest.mark.parametrize(("code", "path"), FIELDS)


def block_form(code: str) -> Form:
    """The first form of a command in which keys lie in blocks."""
    return next(form for form in TRIALS[code].forms if form.in_blocks and not form.stored)


def answer(code: str, form: Form, path: Path, text: str) -> str:
    """What a command answers with another text in a key field."""
    found = sample(code, form, path)
    command = found.with_fields({path: KeyField.from_text(text)})
    assert command is not None
    return found.world.ask(command)


@every_field
def test_noise_is_no_key(code: str, path: Path) -> None:
    assert answer(code, VARIANT, path, "U" + "0123456789ABCDEF" * 2) in {"10", "11"}


@every_field
def test_an_empty_place_in_user_storage(code: str, path: Path) -> None:
    assert answer(code, VARIANT, path, "KFFF") == "12"
    for form in [form for form in TRIALS[code].forms if form.stored]:
        found = sample(code, form, path)
        whole = found.with_fields({})
        assert whole is not None
        kept = found.world.storage.pop(found.key(path).text[1:])
        assert found.world.ask(whole) == "12"
        found.world.storage[found.key(path).text[1:]] = kept
        assert found.world.ask(whole)[:2] in ("00", "01")


@every_field
def test_a_key_with_equal_halves(code: str, path: Path) -> None:
    found = sample(code, VARIANT, path)
    kinds = [row.types for row in MATRIX[code, ".".join(path)]]
    half = oracle.key(8)
    answers = set()
    for kind in {found_type for types in kinds for found_type in types.split()}:
        command = found.with_fields({path: KeyField.from_text(oracle.under_lmk(kind, half * 2))})
        assert command is not None
        answers.add(found.world.ask(command))
    assert "75" in answers
    assert answers <= {"75", "10", "11"}


@every_field
def test_key_blocks_under_a_variant_lmk(code: str, path: Path) -> None:
    # 26 where the scheme that is wanted for the key is judged first
    block = oracle.key_block("tdes", "00", oracle.key(), "D0")
    assert answer(code, VARIANT, path, block) in ("A1", "26")
    assert answer(code, VARIANT, path, "R" + oracle.x9143(oracle.key(), oracle.key(), "P0", "N")) in ("A1", "26")


@pytest.mark.parametrize(("code", "path"), BLOCK_FIELDS)
def test_other_keys_under_a_key_block_lmk(code: str, path: Path) -> None:
    form = block_form(code)
    found = sample(code, form, path)
    whole = found.key(path)
    text = whole.text
    clear = oracle.key_in_block(form.kind, text)
    other_lmk = KeyField.from_text(oracle.key_block(form.kind, "77", clear, whole.usage, text[9], whole.algorithm))
    spoiled = KeyField.from_text(text[:-1] + ("0" if text[-1] != "0" else "1"))
    version = KeyField.from_text(text[0] + ("1" if text[1] == "0" else "0") + text[2:])
    for key, error in (
        (KeyField.from_text(oracle.under_lmk("001", oracle.key())), "A1"),
        (other_lmk, "A2"),
        (spoiled, "A4"),
        (version, "A1"),
        (
            KeyField(KeyScheme.KEY_BLOCK, whole.cryptogram[:20].replace(b"0072", b"0020").replace(b"0096", b"0020")),
            "83",
        ),
    ):
        command = found.with_fields({path: key})
        if command is None:
            assert whole.usage in {"B0"}, "only a serial number behind a BDK makes another layout"
            continue
        length_flag = code == "BU" and key.scheme is not KeyScheme.KEY_BLOCK
        assert found.world.ask(command) == ("05" if length_flag else error), key


@pytest.mark.parametrize(("code", "path"), BLOCK_FIELDS)
def test_every_character_of_a_key_block_counts(code: str, path: Path) -> None:
    form = block_form(code)
    found = sample(code, form, path)
    whole = found.key(path)
    for place in range(len(whole.cryptogram)):
        for other in b"0ANX":
            changed = whole.cryptogram[:place] + bytes((other,)) + whole.cryptogram[place + 1 :]
            length = changed[1:5]
            if changed == whole.cryptogram or not length.isdigit() or int(length) != len(changed):
                continue
            command = found.with_fields({path: KeyField(KeyScheme.KEY_BLOCK, changed)})
            if command is not None:
                said = found.world.ask(command)
                assert said in {"83", "A1", "A2", "A4", "A6", "A7", "A8", "B2", "29", "AA"}, (place, said)


@pytest.mark.parametrize("code", sorted(NO_BLOCKS))
def test_commands_that_take_no_key_blocks_say_so(code: str) -> None:
    assert not any(form.in_blocks for form in TRIALS[code].forms)
    found = sample(code, VARIANT, key_paths(code, VARIANT)[0])
    for name, form in IN_BLOCKS.items():
        if form.lmk == "00":
            continue
        usage = {"HA": "51", "HC": "51", "IA": "52", "FI": "52", "GY": "52"}.get(code, "M3")
        block = as_block(form, oracle.key(), usage, "N")
        changes = dict.fromkeys(found.key_fields(), block)
        command = found.with_fields(changes)
        assert command is not None
        assert found.world.ask(command + f"%{form.lmk}".encode()) in (NO_BLOCKS[code], "33"), name


def test_every_command_with_keys_takes_key_blocks_or_is_named_here() -> None:
    for code, tried in TRIALS.items():
        if key_paths(code, tried.forms[0]):
            assert any(form.in_blocks for form in tried.forms) != (code in NO_BLOCKS), code
    assert set(ELSEWHERE) <= set(NO_BLOCKS)
    assert {code for code, _ in UNDER_A_TRANSPORT_KEY} <= set(TRIALS)


WITH_TAIL = sorted(code for code in TRIALS if not COMMANDS[code].open_ended)


@pytest.mark.parametrize("code", WITH_TAIL)
@pytest.mark.parametrize("header_octets", [0, 1, 4, 255])
def test_tails_and_headers_in_every_form(code: str, header_octets: int) -> None:
    trial = TRIALS[code]
    for form in trial.forms:
        world = World(form, f"tail {code} {header_octets}")
        command, expected = trial.case(world)
        octets = command.encode("latin-1") if isinstance(command, str) else command
        header = bytes(world.draw.choice(b"\x19%;\x00") for _ in range(header_octets))
        asked = unit(world.engine, header_octets)
        if COMMANDS[code].activity:
            asked.states.authorise(str(COMMANDS[code].activity), 60)
        trailer = b"\x19" + bytes(world.draw.choice(b"\x19%0;") for _ in range(32))
        whole = asked.answer(header + octets + trailer)
        front = header + response_code(code).encode()
        assert whole.startswith(front)
        assert whole.endswith(trailer)
        body = whole[len(front) : -len(trailer)].decode("latin-1")
        assert body == expected if isinstance(expected, str) else expected(body), (form.name, body)
        assert asked.answer(header + octets + trailer + b"x") == front + b"15"
        if form.lmk == "00" and not (code in ("A0", "A4") and form.in_blocks):
            assert asked.answer(header + octets + b"%99\x19t") == front + b"13\x19t"


@pytest.mark.parametrize("code", sorted(code for code in TRIALS if COMMANDS[code].open_ended))
@pytest.mark.parametrize("header_octets", [0, 255])
def test_what_looks_like_a_tail_is_data_where_data_goes_to_the_end(code: str, header_octets: int) -> None:
    for form in TRIALS[code].forms:
        world = World(form, f"end {code} {header_octets}")
        command, expected = TRIALS[code].case(world)
        octets = command.encode("latin-1") if isinstance(command, str) else command
        whole = unit(world.engine, header_octets).answer(bytes(header_octets) + octets)
        assert whole[header_octets + 2 :].decode("latin-1") == expected
        longer = unit(world.engine, header_octets).answer(bytes(header_octets) + octets + b"%99\x19t")
        assert longer[header_octets + 2 :] != whole[header_octets + 2 :] or expected in ("00", "01")


@pytest.mark.parametrize("own_headers", [False, True])
def test_chains_of_random_commands_answer_as_each_alone(own_headers: bool) -> None:
    for number in range(30):
        world = World(VARIANT, f"chain {number}")
        codes = world.draw.sample(sorted(set(TRIALS) - {"EI", "L0", "LQ", "LS", "BG"}), 8)
        cases = [TRIALS[code].case(world) for code in codes]
        pieces = [case[0].encode("latin-1") if isinstance(case[0], str) else case[0] for case in cases]
        headers = [b"%04d" % place if own_headers else b"" for place in range(len(pieces))]
        asked = unit(world.engine, 4)
        for activity in {str(COMMANDS[code].activity) for code in codes} - {""}:
            asked.states.authorise(activity, 60)
        body = b"".join(b"%04d" % len(head + piece) + head + piece for head, piece in zip(headers, pieces, strict=True))
        answered = asked.answer(
            b"headNK" + (b"1" if own_headers else b"0") + b"%02d" % len(pieces) + body + b"\x19tail"
        )
        assert answered[:10] == b"headNL00" + b"%02d" % len(pieces)
        assert answered.endswith(b"\x19tail")
        place = 10
        for code, head, (_, expected) in zip(codes, headers, cases, strict=True):
            length = int(answered[place : place + 4])
            piece = answered[place + 4 : place + 4 + length]
            place += 4 + length
            front = head + response_code(code).encode()
            assert piece.startswith(front)
            said = piece[len(front) :].decode("latin-1")
            assert said == expected if isinstance(expected, str) else expected(said), code
        assert answered[place:] == b"\x19tail"


def test_chains_that_are_none() -> None:
    asked = unit(Engine(VARIANT.lmks, bytes), 4)
    for chain, error in (
        (b"NK0", b"15"), (b"NK001", b"15"), (b"NK2010002NC", b"15"), (b"NK0010003NC", b"15"), (b"NK0010001N", b"15"),
        (b"NK0000", b"52"), (b"NK000", b"52"), (b"NK1010002NC", b"15"), (b"NK0XX0002NC", b"52"),
    ):  # fmt: skip
        assert asked.answer(b"head" + chain) == b"headNL" + error, chain
    nested = b"NK0010002NC"
    assert asked.answer(b"headNK001%04d%b" % (len(nested), nested)) == b"headNL00010004NL68"


TRUNCATED = sorted(set(TRIALS) | {"NC", "NO", "B2", "N0"})


@pytest.mark.parametrize("code", TRUNCATED)
def test_no_truncation_in_any_form_is_taken_for_the_whole(code: str) -> None:
    if code not in TRIALS:
        world, octets = World(VARIANT, code), live.COMMANDS[code]
        cuts = [(world, octets)]
    else:
        cuts = []
        for form in TRIALS[code].forms:
            found = sample(code, form)
            command = found.with_fields({})
            assert command is not None
            cuts.append((found.world, command))
    for world, octets in cuts:
        end = octets.rindex(b"%") if world.tail and octets.endswith(world.tail.encode()) else len(octets)
        for length in range(2, end):
            said = world.ask(octets[:length])
            assert said[:2] != "00" or code in live.OPTIONAL_ENDS or length in whole_ends(code, octets, length), length
            assert said[:2] == "00" or len(said) == 2


def whole_ends(code: str, octets: bytes, length: int) -> tuple[int, ...]:
    """Where a command may end before its optional fields."""
    rest = octets[length:]
    return (length,) if rest[:1] in b";%#" or (code in ("A8", "A6") and rest[:1].isdigit()) else ()
