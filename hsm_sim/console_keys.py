# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders on keys and master keys: list, form from components, keep, move on, load. Knows no socket and no terminal."""

from collections.abc import Generator, Mapping, Sequence

from hsm_sim.console_talk import Action, Ask, Talk, said
from hsm_sim.engine.ceremony import FormFromClear
from hsm_sim.engine.key_types import IN_BLOCK, key_type
from hsm_sim.engine.key_usages import MODES
from hsm_sim.engine.master_keys import KINDS, LMK_IDS, kind_of
from hsm_sim.engine.states import Doing
from hsm_sim.engine.vault import About, Life, Vault, VaultError
from hsm_sim.engine.wrapping import WrappedKey
from hsm_sim.simulator import Simulator, stored_at
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.hsm.key_field import KeyField
from protocols.keyblock.codes import Cipher
from protocols.keyblock.component import MOST_COMPONENTS, join, key_check_value
from protocols.secret import ClearKey, Secret


def _keys_list(simulator: Simulator, words: Sequence[str]) -> Talk:
    entries = [_entry(entry.reference, entry.about) for entry in _vault(simulator).entries()]
    return (yield from said("\n".join(_line(entry) for entry in entries) or "no keys", keys=entries))


def _keys_show(simulator: Simulator, words: Sequence[str]) -> Talk:
    entry, cryptogram = _vault(simulator).get(stored_at(words[1] if len(words) > 1 else LMK_IDS[0], words[0]))
    document = {**_entry(entry.reference, entry.about), "key": cryptogram.decode("ascii")}
    return (yield from said(f"{_line(document)}\n{document['key']}", **document))


def _keys_form(simulator: Simulator, words: Sequence[str]) -> Talk:
    what, index, lmk_id = words[0], words[1], words[2] if len(words) > 2 else LMK_IDS[0]
    reference = stored_at(lmk_id, index)
    vault = _vault(simulator)
    engine = simulator.under(lmk_id)
    header = _header(what)
    components = yield from _components(Cipher.AES if header is not None and header.algorithm == "A" else Cipher.TDES)
    try:
        size = len(components[0])
        scheme = KeyScheme.KEY_BLOCK if header is not None else _SCHEMES.get(size, KeyScheme.SINGLE)
        kind = IN_BLOCK if header is not None else key_type(what.upper())
        request = FormFromClear(kind, scheme, tuple(components), header)
        formed = engine.perform(request)
    finally:
        for component in components:
            component.wipe()
    key = KeyField(formed.under_lmk.scheme, formed.under_lmk.cryptogram)
    check_value = formed.check_value.hex().upper()
    about = About(
        what.upper() if header is None else header.usage,
        lmk_id,
        check_value,
        header.mode if header is not None else "N",
        header.exportability if header is not None else "S",
    )
    simulator.record(
        "key.formed", key=reference, usage=about.usage, components=len(components), check_value=check_value
    )
    vault.put(reference, about, key.text.encode("ascii"))
    document = {"reference": reference, "key": key.text, "check_value": check_value}
    return (yield from said(f"{key.text}\ncheck value {check_value}, kept as {reference}", **document))


def _keys_keep(simulator: Simulator, words: Sequence[str]) -> Talk:
    what, text, index, lmk_id = words[0].upper(), words[1].upper(), words[2], words[3] if len(words) > 3 else LMK_IDS[0]
    reference = stored_at(lmk_id, index)
    key = KeyField.from_text(text)
    kind = IN_BLOCK if key.scheme is KeyScheme.KEY_BLOCK else key_type(what)
    check_value = simulator.check_value(lmk_id, kind, WrappedKey(key.scheme, key.cryptogram)).hex().upper()
    simulator.record("key.kept", key=reference, usage=what, check_value=check_value)
    _vault(simulator).put(reference, About(what, lmk_id, check_value), key.text.encode("ascii"))
    return (yield from said(f"check value {check_value}, kept as {reference}", reference=reference))


def _keys_move(simulator: Simulator, words: Sequence[str]) -> Talk:
    lmk_id = words[2] if len(words) > 2 else LMK_IDS[0]
    reference, life = stored_at(lmk_id, words[0]), words[1]
    if life not in list(Life):
        raise ValueError(f"one of {', '.join(Life)} expected")
    simulator.record("key.moved", key=reference, life=life)
    entry = _vault(simulator).move(reference, Life(life))
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


def _header(what: str) -> BlockHeader | None:
    """``P0/B/S`` or ``P0/B/S/A``: usage, mode of use, exportability, algorithm (TDES where it is left out)."""
    parts = what.upper().split("/")
    if len(parts) == 1:
        return None
    if len(parts) not in (3, 4) or len(parts[0]) != 2 or parts[1] not in MODES:
        raise ValueError("usage/mode/exportability, as in P0/B/S, expected")
    return BlockHeader(parts[0], parts[3] if len(parts) == 4 else "T", parts[1], exportability=parts[2])


def _vault(simulator: Simulator) -> Vault:
    if simulator.vault is None:
        raise VaultError("this unit has no vault; start it with a state folder and [vault]")
    return simulator.vault


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
        "form a key from components; TYPE is 002 and the like, or P0/B/S for key blocks",
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
