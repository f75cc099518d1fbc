# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders on keys and master keys: list, form from components, keep, move on, load. Knows no socket and no terminal."""

from collections.abc import Generator, Mapping, Sequence

from hsm_sim.console_talk import Action, Ask, Talk, said
from hsm_sim.engine.ceremony import FormFromClear
from hsm_sim.engine.key_types import IN_BLOCK, key_type
from hsm_sim.engine.key_usages import EXPORTABILITIES, MODES
from hsm_sim.engine.master_keys import KINDS, LMK_IDS, kind_of
from hsm_sim.engine.purpose import AES, TDES
from hsm_sim.engine.states import Doing
from hsm_sim.engine.vault import About, Life
from hsm_sim.engine.wrapping import WrappedKey
from hsm_sim.simulator import Simulator, stored_at
from protocols.errors import DecodeError
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.hsm.key_field import KeyField
from protocols.keyblock.codes import Cipher
from protocols.keyblock.component import MOST_COMPONENTS, join, key_check_value
from protocols.secret import ClearKey, Secret


def _keys_list(simulator: Simulator, words: Sequence[str]) -> Talk:
    entries = [_entry(entry.reference, entry.about) for entry in simulator.open_vault.entries()]
    return (yield from said("\n".join(_line(entry) for entry in entries) or "no keys", keys=entries))


def _keys_show(simulator: Simulator, words: Sequence[str]) -> Talk:
    entry, cryptogram = simulator.open_vault.get(stored_at(words[1] if len(words) > 1 else LMK_IDS[0], words[0]))
    document = {**_entry(entry.reference, entry.about), "key": cryptogram.decode("ascii")}
    return (yield from said(f"{_line(document)}\n{document['key']}", **document))


def _keys_form(simulator: Simulator, words: Sequence[str]) -> Talk:
    what, index, lmk_id = words[0], words[1], words[2] if len(words) > 2 else LMK_IDS[0]
    reference = stored_at(lmk_id, index)
    simulator.open_vault.expect_none(reference)
    engine = simulator.under(lmk_id)
    usage, mode, exportability, algorithm = _said_of(what)
    header = BlockHeader(usage, algorithm, mode, exportability=exportability) if len(usage) == USAGE_LETTERS else None
    components = yield from _components(Cipher.AES if header is not None and header.algorithm == "A" else Cipher.TDES)
    try:
        size = len(components[0])
        scheme = KeyScheme.KEY_BLOCK if header is not None else _SCHEMES.get(size, KeyScheme.SINGLE)
        kind = IN_BLOCK if header is not None else key_type(usage)
        request = FormFromClear(kind, scheme, tuple(components), header)
        formed = engine.perform(request)
    finally:
        for component in components:
            component.wipe()
    key = KeyField(formed.under_lmk.scheme, formed.under_lmk.cryptogram)
    check_value = formed.check_value.hex().upper()
    about = About(usage, lmk_id, check_value, mode, exportability)
    simulator.keep_key("key.formed", reference, about, key.text, components=len(components))
    document = {"reference": reference, "key": key.text, "check_value": check_value}
    return (yield from said(f"{key.text}\ncheck value {check_value}, kept as {reference}", **document))


def _keys_keep(simulator: Simulator, words: Sequence[str]) -> Talk:
    text, index, lmk_id = words[1].upper(), words[2], words[3] if len(words) > 3 else LMK_IDS[0]
    reference = stored_at(lmk_id, index)
    usage, mode, exportability, _ = _said_of(words[0])
    key = KeyField.from_text(text)
    if key.scheme is KeyScheme.STORED:
        raise DecodeError("KEY", "a key itself expected, not the place of one")
    wrapped = WrappedKey(key.scheme, key.cryptogram)
    header = simulator.lmk(lmk_id).header(wrapped)
    if header is not None:
        if usage != header.usage:
            raise DecodeError("TYPE", "what the key block says of its key expected: its usage")
        mode, exportability = header.mode, header.exportability
    kind = IN_BLOCK if header is not None else key_type(usage)
    check_value = simulator.check_value(lmk_id, kind, wrapped).hex().upper()
    simulator.keep_key("key.kept", reference, About(usage, lmk_id, check_value, mode, exportability), key.text)
    return (yield from said(f"check value {check_value}, kept as {reference}", reference=reference))


def _keys_move(simulator: Simulator, words: Sequence[str]) -> Talk:
    lmk_id = words[2] if len(words) > 2 else LMK_IDS[0]
    reference, life = stored_at(lmk_id, words[0]), words[1]
    if life not in list(Life):
        raise ValueError(f"one of {', '.join(Life)} expected")
    entry = simulator.move_key(reference, Life(life))
    return (yield from said(_line(_entry(reference, entry.about)), **_entry(reference, entry.about)))


def _lmk_load(simulator: Simulator, words: Sequence[str]) -> Talk:
    lmk_id, kind = words
    octets = kind_of(kind).octets
    components = yield from _components(Cipher.AES if kind == "aes-blocks" else Cipher.TDES, octets)
    try:
        lmk = simulator.take_master_key(lmk_id, kind, join(components))
    finally:
        for component in components:
            component.wipe()
    return (yield from _loaded(lmk_id, lmk.check_value()))


def _lmk_make(simulator: Simulator, words: Sequence[str]) -> Talk:
    lmk_id, kind = words
    lmk = simulator.make_master_key(lmk_id, kind)
    return (yield from _loaded(lmk_id, lmk.check_value()))


def _loaded(lmk_id: str, check_value: bytes) -> Talk:
    text = check_value.hex().upper()
    return (yield from said(f"LMK {lmk_id} in use, check value {text}", lmk=lmk_id, check_value=text))


USAGE_LETTERS, TYPE_DIGITS = 2, 3
_SCHEMES = {16: KeyScheme.DOUBLE, 24: KeyScheme.TRIPLE}


def _components(cipher: Cipher, octets: int | None = None) -> Generator[Ask, Secret, list[ClearKey]]:
    """Ask for components until an empty one; each is told its check value with the next question."""
    digits = "hexadecimal digits" if octets is None else f"{2 * octets} hexadecimal digits"
    found: list[ClearKey] = []
    told = ""
    try:
        while len(found) < MOST_COMPONENTS:
            end = ", empty to end" if len(found) > 1 else ""
            with (yield Ask(f"{told}component {len(found) + 1} ({digits}{end})")) as brought:
                if not len(brought):
                    break
                component = ClearKey.from_hex(bytes(brought.reveal()))
            found.append(component)
            if len(component) not in ((octets,) if octets is not None else (8, 16, 24, 32)):
                raise ValueError(f"component {len(found)}: {digits} expected")
            part = component if octets in (None, 24, 32) else ClearKey(bytearray(component.reveal()[:16]))
            told = f"component {len(found)} has check value {key_check_value(cipher, part).hex().upper()}; "
        if len(found) < 2:
            raise ValueError("two components or more expected")
    except BaseException:
        for component in found:
            component.wipe()
        raise
    return found


def _said_of(what: str) -> tuple[str, str, str, str]:
    """``002``, ``002/N/N`` or ``P0/B/S/A``: usage, mode of use, exportability, algorithm (left out: TDES)."""
    usage, *rest = what.upper().split("/")
    in_block = len(usage) == USAGE_LETTERS
    mode, exportability, algorithm = (*rest, *("N", "S", "T")[len(rest) :]) if len(rest) < 4 else ("", "", "")
    if len(usage) not in (USAGE_LETTERS, TYPE_DIGITS) or (in_block and len(rest) < 2):
        raise DecodeError("TYPE", "a key type as 002, or usage/mode/exportability as P0/B/S, expected")
    if (
        mode not in MODES
        or exportability not in EXPORTABILITIES
        or algorithm not in ((TDES, AES) if in_block else TDES)
    ):
        raise DecodeError(
            "TYPE",
            f"mode of use {' '.join(sorted(MODES))}, exportability {' '.join(sorted(EXPORTABILITIES))}, and for key"
            f" blocks algorithm {TDES} or {AES} expected",
        )
    return usage, mode, exportability, algorithm


def _entry(reference: str, about: About) -> dict[str, object]:
    return {
        "reference": reference,
        "usage": about.usage,
        "mode": about.mode,
        "exportability": about.exportability,
        "life": about.life.value,
        "check_value": about.check_value,
    }


def _line(entry: Mapping[str, object]) -> str:
    return "{reference}  {usage:4} {mode} {exportability}  {check_value:10}  {life}".format(**entry)


KEY_ROWS = (
    Action("keys list", "the keys of the vault", Doing.LOOK, _keys_list),
    Action("keys show INDEX [LMK]", "a key as hosts would hold it", Doing.LOOK, _keys_show, range(1, 3)),
    Action(
        "keys form TYPE INDEX [LMK]",
        "form a key from components; TYPE is 002, 002/N/N (mode, exportability), or P0/B/S for key blocks",
        Doing.FORM_KEYS,
        _keys_form,
        range(2, 4),
    ),
    Action("keys keep TYPE KEY INDEX [LMK]", "keep a key that a host holds", Doing.FORM_KEYS, _keys_keep, range(3, 5)),
    Action(
        "keys move INDEX LIFE [LMK]",
        f"move a key on in its life: {', '.join(Life)}",
        Doing.FORM_KEYS,
        _keys_move,
        range(2, 4),
    ),
    Action(
        "lmk load LMK KIND",
        f"a master key from components: {', '.join(KINDS)}",
        Doing.LOAD_MASTER_KEYS,
        _lmk_load,
        range(2, 3),
    ),
    Action("lmk make LMK KIND", "a random master key", Doing.LOAD_MASTER_KEYS, _lmk_make, range(2, 3)),
)
"""The rows of these orders."""
