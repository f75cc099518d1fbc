# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a person can order at the console, as a table: words, the doing that a state must permit, and what it does.

An action is a generator: it yields what it must ask a person for, is sent the answer as a secret, and gives a document
with its text. It reads no terminal and no socket; whoever runs it brings the answers and wipes nothing, since every
secret that was sent is wiped here.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hsm_sim.audit import AuditError
from hsm_sim.engine.ceremony import FormFromClear
from hsm_sim.engine.key_types import IN_BLOCK, key_type
from hsm_sim.engine.key_usages import MODES
from hsm_sim.engine.master_keys import KINDS, LMK_IDS, kind_of
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.settings import shown
from hsm_sim.engine.states import PERMITTED, Doing, Turn
from hsm_sim.engine.vault import About, Kind, Life, Vault, VaultError
from hsm_sim.engine.wrapping import WrappedKey
from hsm_sim.faults import Script
from hsm_sim.simulator import ACTIVITIES, Simulator
from protocols.audit_chain import Record
from protocols.errors import ProtocolError
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.hsm.key_field import KeyField
from protocols.keyblock.codes import Cipher
from protocols.keyblock.component import MOST_COMPONENTS, join, key_check_value
from protocols.secret import ClearKey, Secret
from tillguard.settings import load
from tillguard.voice import Fault

USUAL_MINUTES = 15
MOST_RECORDS = 1000
STORED_INDEX = "three hexadecimal digits"


@dataclass(frozen=True, slots=True)
class Ask:
    """A secret that a person must bring; an empty answer ends a list of them."""

    words: str


@dataclass(frozen=True, slots=True)
class Done:
    """What an action came to."""

    document: Mapping[str, object]
    text: str


class Declined(Exception):
    """The console does not do it: what, and the cure. Quotes no secret."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


Talk = Generator[Ask, Secret, Done]


@dataclass(frozen=True, slots=True)
class Action:
    """One order: how it is written, what it is for, what the state must permit, and how it is carried out."""

    usage: str
    summary: str
    doing: Doing
    run: Callable[[Simulator, Sequence[str]], Talk]
    arguments: range = field(default=range(1))

    @property
    def name(self) -> tuple[str, ...]:
        """The words that choose it."""
        return tuple(word for word in self.usage.split() if word.islower())


def perform(simulator: Simulator, words: Sequence[str]) -> Talk:
    """Carry out an order; :class:`Declined` where there is none of these words, or it is not permitted now."""
    action, rest = _chosen(words)
    if len(rest) not in action.arguments:
        raise Declined(f"{' '.join(action.name)}: other words expected", f"write: {action.usage}")
    try:
        simulator.states.demand(action.doing)
        return (yield from action.run(simulator, rest))
    except Refused as refused:
        hint = "see: help"
        if refused.reason is Reason.NOT_AUTHORISED:
            hint = f"the unit is {simulator.states.state.value}; turn it with: state {_where(action.doing)}"
        raise Declined(f"{' '.join(action.name)}: {refused}", hint) from None
    except AuditError:
        raise
    except Fault as fault:
        raise Declined(fault.what, fault.hint) from None
    except (ProtocolError, ValueError) as fault:
        raise Declined(f"{' '.join(action.name)}: {fault}", f"write: {action.usage}") from None


def _where(doing: Doing) -> str:
    """The states that permit a doing."""
    return " or ".join(state.value for state, doings in PERMITTED.items() if doing in doings)


def _chosen(words: Sequence[str]) -> tuple[Action, Sequence[str]]:
    for count in (2, 1):
        found = ACTIONS.get(tuple(words[:count]))
        if found is not None:
            return found, words[count:]
    raise Declined("no such order", "see: help")


def _said(text: str, **document: object) -> Talk:
    yield from ()  # it asks nothing
    return Done(document or {"done": text}, text)


# Looking


def _status(simulator: Simulator, words: Sequence[str]) -> Talk:
    counts = simulator.counters.counts
    document: dict[str, Any] = {
        "state": simulator.states.state.value,
        "lmks": {
            name: {"check_value": lmk.check_value().hex().upper(), "test": lmk.test}
            for name, lmk in simulator.lmks.items()
        },
        "authorised": {name: round(left) for name, left in simulator.states.authorised().items()},
        "failed_verifications": counts.total,
        "closed_to_verifications": counts.tripped,
        "keys": len(simulator.vault.names(Kind.KEY)) if simulator.vault is not None else None,
        "audit_records": simulator.audit.head.seq,
        "faults": sum(simulator.injector.hits.values()) if simulator.injector is not None else None,
    }
    lines = [f"state       {document['state']}"]
    lines += [
        f"LMK {name}      {lmk['check_value']}{'  TEST' if lmk['test'] else ''}"
        for name, lmk in document["lmks"].items()
    ]
    running = [f"{name} for {left} s" for name, left in document["authorised"].items()]
    lines.append(f"authorised  {', '.join(running) or 'nothing'}")
    closed = ", closed to PIN verifications" if counts.tripped else ""
    lines.append(f"failures    {counts.total} PIN verifications{closed}")
    kept = "no vault" if document["keys"] is None else f"{document['keys']} in the vault"
    lines.append(f"keys        {kept}")
    lines.append(f"audit       {document['audit_records']} records")
    return (yield from _said("\n".join(lines), **document))


def _settings(simulator: Simulator, words: Sequence[str]) -> Talk:
    found = {
        name: text for name, text in shown(simulator.operating).items() if not words or name.startswith(words[0])
    }
    return (yield from _said("\n".join(f"{name} = {text}" for name, text in found.items()), settings=found))


def _help(simulator: Simulator, words: Sequence[str]) -> Talk:
    width = max(len(action.usage) for action in ACTIONS.values())
    lines = [f"{action.usage:{width}}  {action.summary}" for action in ACTIONS.values()]
    return (yield from _said("\n".join(lines), orders=[action.usage for action in ACTIONS.values()]))


# State and activities


def _state(simulator: Simulator, words: Sequence[str]) -> Talk:
    turn = Turn(words[0]) if words[0] in list(Turn) else None
    if turn is None:
        raise ValueError(f"one of {', '.join(Turn)} expected")
    state = simulator.turn(turn)
    return (yield from _said(f"the unit is {state.value}", state=state.value))


def _authorise(simulator: Simulator, words: Sequence[str]) -> Talk:
    minutes = _number(words[1], 1, 720) if len(words) > 1 else USUAL_MINUTES
    simulator.authorise(words[0], minutes * 60)
    return (yield from _said(f"{words[0]} for {minutes} minutes", activity=words[0], minutes=minutes))


def _cancel(simulator: Simulator, words: Sequence[str]) -> Talk:
    if words and words[0] not in ACTIVITIES:
        raise ValueError(f"one of {', '.join(ACTIVITIES)} expected")
    ended = simulator.cancel(words[0] if words else None)
    return (yield from _said(f"ended: {', '.join(ended) or 'nothing was authorised'}", ended=list(ended)))


# Settings, counters, faults


def _set(simulator: Simulator, words: Sequence[str]) -> Talk:
    simulator.set(words[0], " ".join(words[1:]))
    value = shown(simulator.operating)[words[0]]
    return (yield from _said(f"{words[0]} = {value}", setting=words[0], value=value))


def _enable(simulator: Simulator, words: Sequence[str]) -> Talk:
    return (yield from _switch(simulator, simulator.operating.commands.disabled - _codes(words)))


def _disable(simulator: Simulator, words: Sequence[str]) -> Talk:
    return (yield from _switch(simulator, simulator.operating.commands.disabled | _codes(words)))


def _switch(simulator: Simulator, disabled: frozenset[str]) -> Talk:
    simulator.set("commands.disabled", " ".join(sorted(disabled)))
    return (yield from _said(f"disabled: {' '.join(sorted(disabled)) or 'none'}", disabled=sorted(disabled)))


def _fraud_reset(simulator: Simulator, words: Sequence[str]) -> Talk:
    simulator.reset_counters()
    return (yield from _said("open to PIN verifications, counters at zero"))


def _faults_load(simulator: Simulator, words: Sequence[str]) -> Talk:
    path = Path(words[0])
    if not path.is_absolute():
        raise ValueError("the script's whole path expected, since the unit reads it")
    rules = load(path, Script).faults
    simulator.inject(rules)
    return (yield from _said(f"{len(rules)} rules, from the next connection on", rules=len(rules)))


def _faults_clear(simulator: Simulator, words: Sequence[str]) -> Talk:
    simulator.inject(())
    return (yield from _said("no faults, from the next connection on", rules=0))


# Keys


def _keys_list(simulator: Simulator, words: Sequence[str]) -> Talk:
    entries = [_entry(entry.reference, entry.about) for entry in _vault(simulator).keys()]
    return (yield from _said("\n".join(_line(entry) for entry in entries) or "no keys", keys=entries))


def _keys_show(simulator: Simulator, words: Sequence[str]) -> Talk:
    entry, cryptogram = _vault(simulator).get(_reference(words[0], words[1] if len(words) > 1 else LMK_IDS[0]))
    document = {**_entry(entry.reference, entry.about), "key": cryptogram.decode("ascii")}
    return (yield from _said(f"{_line(document)}\n{document['key']}", **document))


def _keys_form(simulator: Simulator, words: Sequence[str]) -> Talk:
    what, index, lmk_id = words[0], words[1], words[2] if len(words) > 2 else LMK_IDS[0]
    reference = _reference(index, lmk_id)
    vault = _vault(simulator)
    engine = simulator.under(lmk_id)
    header = _header(what)
    components = yield from _components(Cipher.AES if header is not None and header.algorithm == "A" else Cipher.TDES)
    try:
        size = len(components[0])
        scheme = KeyScheme.KEY_BLOCK if header is not None else _SCHEMES.get(size, KeyScheme.SINGLE)
        kind = IN_BLOCK if header is not None else key_type(what.upper())
        request = FormFromClear(kind, scheme, tuple(components), header)
        simulator.record("key.formed", key=reference, usage=what.upper(), components=len(components))
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
    vault.put(reference, about, key.text.encode("ascii"))
    document = {"reference": reference, "key": key.text, "check_value": check_value}
    return (yield from _said(f"{key.text}\ncheck value {check_value}, kept as {reference}", **document))


def _keys_keep(simulator: Simulator, words: Sequence[str]) -> Talk:
    what, text, index, lmk_id = words[0].upper(), words[1].upper(), words[2], words[3] if len(words) > 3 else LMK_IDS[0]
    reference = _reference(index, lmk_id)
    key = KeyField.from_text(text)
    kind = IN_BLOCK if key.scheme is KeyScheme.KEY_BLOCK else key_type(what)
    check_value = simulator.check_value(lmk_id, kind, WrappedKey(key.scheme, key.cryptogram)).hex().upper()
    simulator.record("key.kept", key=reference, usage=what, check_value=check_value)
    _vault(simulator).put(reference, About(what, lmk_id, check_value), key.text.encode("ascii"))
    return (yield from _said(f"check value {check_value}, kept as {reference}", reference=reference))


def _keys_move(simulator: Simulator, words: Sequence[str]) -> Talk:
    lmk_id = words[2] if len(words) > 2 else LMK_IDS[0]
    reference, life = _reference(words[0], lmk_id), words[1]
    if life not in list(Life):
        raise ValueError(f"one of {', '.join(Life)} expected")
    simulator.record("key.moved", key=reference, life=life)
    entry = _vault(simulator).move(reference, Life(life))
    return (yield from _said(_line(_entry(reference, entry.about)), **_entry(reference, entry.about)))


# Master keys


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
    return (yield from _said(f"LMK {lmk_id} in use, check value {text}", lmk=lmk_id, check_value=text))


# Audit


def _audit_last(simulator: Simulator, words: Sequence[str]) -> Talk:
    records = simulator.audit.last(_number(words[0], 1, MOST_RECORDS) if words else 20)
    lines = [f"{record.seq} {record.at_ms} {record.name}{_fields(record)}" for record in records]
    documents = [
        {"seq": record.seq, "at_ms": record.at_ms, "name": record.name, "fields": dict(record.fields)}
        for record in records
    ]
    return (yield from _said("\n".join(lines), records=documents))


def _audit_verify(simulator: Simulator, words: Sequence[str]) -> Talk:
    summary = simulator.audit.verify()
    text = f"{summary.records} records hold; remember the head: {summary.head.text()}"
    return (yield from _said(text, records=summary.records, head=summary.head.text()))


# Parts


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


def _reference(index: str, lmk_id: str) -> str:
    """The name of a place in user storage: what hosts write as K and the index."""
    text = index.upper().removeprefix("K")
    if len(text) != 3 or any(digit not in "0123456789ABCDEF" for digit in text) or lmk_id not in LMK_IDS:
        raise ValueError(f"{STORED_INDEX} and an LMK identifier of two digits expected")
    return f"{lmk_id}/K{text}"


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


def _fields(record: Record) -> str:
    return "".join(f" {name}={value}" for name, value in record.fields.items())


def _codes(words: Sequence[str]) -> frozenset[str]:
    return frozenset(word.upper() for word in words)


def _number(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or len(text) > 6 or not least <= int(text) <= most:
        raise ValueError(f"a number from {least} to {most} expected")
    return int(text)


_ROWS = (
    Action("help", "this list", Doing.LOOK, _help),
    Action("status", "state, master keys, what is authorised, counters", Doing.LOOK, _status),
    Action("state STATE", f"turn the key switch: {', '.join(Turn)}", Doing.LOOK, _state, range(1, 2)),
    Action("authorise ACTIVITY [MINUTES]", ", ".join(ACTIVITIES), Doing.AUTHORISE, _authorise, range(1, 3)),
    Action("cancel [ACTIVITY]", "end one authorisation, or all", Doing.AUTHORISE, _cancel, range(2)),
    Action("settings [PREFIX]", "show settings", Doing.LOOK, _settings, range(2)),
    Action("set NAME VALUE…", "change a setting", Doing.SET, _set, range(1, 1000)),
    Action("commands enable CODE…", "answer these again", Doing.SET, _enable, range(1, 1000)),
    Action("commands disable CODE…", "answer these 68", Doing.SET, _disable, range(1, 1000)),
    Action("fraud reset", "open the unit to PIN verifications again", Doing.SET, _fraud_reset),
    Action("faults load PATH", "meet new connections by the faults of a script", Doing.LOOK, _faults_load, range(1, 2)),
    Action("faults clear", "no faults for new connections", Doing.LOOK, _faults_clear),
    Action("keys list", "the keys of the vault", Doing.LOOK, _keys_list),
    Action("keys show INDEX [LMK]", "a key as hosts would hold it", Doing.LOOK, _keys_show, range(1, 3)),
    Action(
        "keys form TYPE INDEX [LMK]",
        "form a key from components; TYPE is 002 and the like, or P0/B/S for key blocks",
        Doing.FORM_KEYS,
        _keys_form,
        range(2, 4),
    ),
    Action(
        "keys keep TYPE KEY INDEX [LMK]", "keep a key that a host holds", Doing.FORM_KEYS, _keys_keep, range(3, 5)
    ),
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
    Action("audit last [COUNT]", "the last records", Doing.LOOK, _audit_last, range(2)),
    Action("audit verify", "verify the whole chain and show its head", Doing.LOOK, _audit_verify),
)

ACTIONS: Mapping[tuple[str, ...], Action] = {action.name: action for action in _ROWS}
"""Every order by the words that choose it."""
