# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a person can order at the console, as a table: words, the doing that a state must permit, and what it does.

Orders on keys are in :mod:`hsm_sim.console_keys`. Nothing here reads a terminal or a socket.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hsm_sim.audit import AuditError
from hsm_sim.console_delivery import DELIVERY_ROWS
from hsm_sim.console_keys import KEY_ROWS
from hsm_sim.console_talk import Action, Declined, Done, Talk, number, said
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.settings import shown
from hsm_sim.engine.states import PERMITTED, TRANSITIONS, Doing, Turn
from hsm_sim.engine.vault import Kind, VaultError
from hsm_sim.faults import Script
from hsm_sim.simulator import ACTIVITIES, Simulator
from protocols.audit_chain import Record
from protocols.errors import IntegrityError, ProtocolError
from protocols.hsm.commands import COMMANDS
from tillguard.settings import load
from tillguard.voice import Fault

USUAL_MINUTES = 15
MOST_RECORDS = 1000
CURES = {
    Reason.WEAK_KEY: "a component is wrong, or they cancel each other out: check each against its check value",
    Reason.SINGLE_LENGTH_POSING: "components of one length posing as another: check each against its check value",
    Reason.INPUT: "all components are as long as one another and none is there twice",
    Reason.KEY_LENGTH: "16, 32 or 48 hexadecimal digits in each component, as long as keys of that type are",
    Reason.KEY_TYPE: "see which types there are: docs/hsm.md",
    Reason.SOURCE_KEY_PARITY: "is it a key of that type, under that master key? check TYPE, KEY and LMK",
    Reason.LMK_SCHEME: "name the LMK that it is for: key types go with variant LMKs, P0/B/S with those of key blocks",
}
"""What a person can do about a refusal."""


def perform(simulator: Simulator, words: Sequence[str]) -> Talk:
    """Carry out an order; :class:`Declined` where there is none of these words, or it is not permitted now."""
    action, rest = _chosen(words)
    if len(rest) not in action.arguments:
        raise Declined(f"{' '.join(action.name)}: other words expected", f"write: {action.usage}")
    try:
        return (yield from _permitted(simulator, action, rest))
    except Refused as refused:
        if refused.reason is Reason.NOT_AUTHORISED:
            simulator.audit.soon("order.refused", order=" ".join(action.name), state=simulator.states.state.value)
        raise Declined(f"{' '.join(action.name)}: {refused}", _cure(simulator, action, refused.reason)) from None
    except AuditError:
        raise
    except Fault as fault:
        raise Declined(fault.what, fault.hint) from None
    except VaultError as fault:
        raise Declined(f"{' '.join(action.name)}: {fault}", fault.hint or f"write: {action.usage}") from None
    except IntegrityError as fault:
        hint = "stop the unit and restore its vault from a copy"
        raise Declined(f"{' '.join(action.name)}: {fault}", hint) from None
    except (ProtocolError, ValueError) as fault:
        raise Declined(f"{' '.join(action.name)}: {fault}", f"write: {action.usage}") from None


def _permitted(simulator: Simulator, action: Action, words: Sequence[str]) -> Talk:
    """The action, as long as the state permits it: somebody may turn the key switch while a person looks for a part."""
    simulator.states.demand(action.doing)
    talk = action.run(simulator, words)
    try:
        ask = next(talk)
        while True:
            brought = yield ask
            try:
                simulator.states.demand(action.doing)
            except Refused:
                brought.wipe()
                raise
            ask = talk.send(brought)
    except StopIteration as ended:
        done: Done = ended.value
        return done
    finally:
        talk.close()


def _cure(simulator: Simulator, action: Action, reason: Reason) -> str:
    if reason is Reason.NOT_AUTHORISED and action.name == ("state",):
        ways = ", ".join(after.value for (before, _), after in TRANSITIONS.items() if before is simulator.states.state)
        return f"from {simulator.states.state.value} it turns to: {ways}"
    if reason is Reason.NOT_AUTHORISED:
        return f"the unit is {simulator.states.state.value}; turn it with: state {_where(action.doing)}"
    return CURES.get(reason, f"write: {action.usage}")


def _where(doing: Doing) -> str:
    """The states that permit a doing."""
    return " or ".join(state.value for state, doings in PERMITTED.items() if doing in doings)


def _chosen(words: Sequence[str]) -> tuple[Action, Sequence[str]]:
    for count in (2, 1):
        found = ACTIONS.get(tuple(words[:count]))
        if found is not None:
            return found, words[count:]
    raise Declined("no such order", "see: help")


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
        "keys": simulator.vault.count(Kind.KEY) if simulator.vault is not None else None,
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
    return (yield from said("\n".join(lines), **document))


def _settings(simulator: Simulator, words: Sequence[str]) -> Talk:
    found = {name: text for name, text in shown(simulator.operating).items() if not words or name.startswith(words[0])}
    if not found:
        raise ValueError("no setting begins so; see: settings")
    return (yield from said("\n".join(f"{name} = {text}" for name, text in found.items()), settings=found))


def _help(simulator: Simulator, words: Sequence[str]) -> Talk:
    width = max(len(action.usage) for action in ACTIONS.values())
    lines = [f"{action.usage:{width}}  {action.summary}" for action in ACTIONS.values()]
    return (yield from said("\n".join(lines), orders=[action.usage for action in ACTIONS.values()]))


# State and activities


def _state(simulator: Simulator, words: Sequence[str]) -> Talk:
    turn = Turn(words[0]) if words[0] in list(Turn) else None
    if turn is None:
        raise ValueError(f"one of {', '.join(Turn)} expected")
    state = simulator.turn(turn)
    return (yield from said(f"the unit is {state.value}", state=state.value))


def _authorise(simulator: Simulator, words: Sequence[str]) -> Talk:
    minutes = number(words[1], 1, 720) if len(words) > 1 else USUAL_MINUTES
    simulator.authorise(words[0], minutes * 60)
    return (yield from said(f"{words[0]} for {minutes} minutes", activity=words[0], minutes=minutes))


def _cancel(simulator: Simulator, words: Sequence[str]) -> Talk:
    if words and words[0] not in ACTIVITIES:
        raise ValueError(f"one of {', '.join(ACTIVITIES)} expected")
    ended = simulator.cancel(words[0] if words else None)
    return (yield from said(f"ended: {', '.join(ended) or 'nothing was authorised'}", ended=list(ended)))


# Settings, counters, faults


def _set(simulator: Simulator, words: Sequence[str]) -> Talk:
    simulator.set(words[0], " ".join(words[1:]))
    value = shown(simulator.operating)[words[0]]
    return (yield from said(f"{words[0]} = {value}", setting=words[0], value=value))


def _enable(simulator: Simulator, words: Sequence[str]) -> Talk:
    return (yield from _switch(simulator, simulator.operating.commands.disabled - _codes(words)))


def _disable(simulator: Simulator, words: Sequence[str]) -> Talk:
    return (yield from _switch(simulator, simulator.operating.commands.disabled | _codes(words)))


def _switch(simulator: Simulator, disabled: frozenset[str]) -> Talk:
    simulator.set("commands.disabled", " ".join(sorted(disabled)))
    return (yield from said(f"disabled: {' '.join(sorted(disabled)) or 'none'}", disabled=sorted(disabled)))


def _fraud_reset(simulator: Simulator, words: Sequence[str]) -> Talk:
    simulator.reset_counters()
    return (yield from said("open to PIN verifications, counters at zero"))


def _faults_load(simulator: Simulator, words: Sequence[str]) -> Talk:
    path = Path(words[0])
    if not path.is_absolute():
        raise ValueError("the script's whole path expected, since the unit reads it")
    if path.exists() and not path.is_file():
        raise ValueError("a file expected; the unit does not wait for a device or a pipe")
    rules = load(path, Script).faults
    simulator.inject(rules)
    return (yield from said(f"{len(rules)} rules, from the next connection on", rules=len(rules)))


def _faults_clear(simulator: Simulator, words: Sequence[str]) -> Talk:
    simulator.inject(())
    return (yield from said("no faults, from the next connection on", rules=0))


# Audit


def _audit_last(simulator: Simulator, words: Sequence[str]) -> Talk:
    records = simulator.audit.last(number(words[0], 1, MOST_RECORDS) if words else 20)
    lines = [f"{record.seq} {_moment(record.at_ms)} {record.name}{_fields(record)}" for record in records]
    documents = [
        {"seq": record.seq, "at_ms": record.at_ms, "name": record.name, "fields": dict(record.fields)}
        for record in records
    ]
    return (yield from said("\n".join(lines), records=documents))


def _audit_verify(simulator: Simulator, words: Sequence[str]) -> Talk:
    summary = simulator.audit.verify()
    text = f"{summary.records} records hold; remember the head: {summary.head.text()}"
    return (yield from said(text, records=summary.records, head=summary.head.text()))


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: Record) -> str:
    return "".join(f" {name}={value}" for name, value in record.fields.items())


def _codes(words: Sequence[str]) -> frozenset[str]:
    codes = frozenset(word.upper() for word in words)
    unknown = sorted(codes - COMMANDS.keys())
    if unknown:
        raise Fault(f"{unknown[0]} is no command of this unit", "see: hsm-sim commands")
    return codes


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
    *KEY_ROWS,
    *DELIVERY_ROWS,
    Action("audit last [COUNT]", "the last records", Doing.LOOK, _audit_last, range(2)),
    Action("audit verify", "verify the whole chain and show its head", Doing.LOOK, _audit_verify),
)

ACTIONS: Mapping[tuple[str, ...], Action] = {action.name: action for action in _ROWS}
"""Every order by the words that choose it."""
