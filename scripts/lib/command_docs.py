# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/hsm-commands.md from the command tables; with ``--check`` says whether it is up to date. Runs no command.

Layout, evidence and error codes come from :mod:`protocols.hsm.commands`, who checks the values from the trials in
`tests/hsm_sim/trials.py`, the examples from the published vectors.
"""

import argparse
import inspect
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from protocols.hsm.commands import COMMANDS, Command  # noqa: E402  # the line above finds it
from protocols.hsm.evidence import SOURCES  # noqa: E402
from protocols.hsm.fields import Key  # noqa: E402
from protocols.hsm.layout import Fields, Part, Slot, layout_of  # noqa: E402
from tests.hsm_sim.trials import UNCHECKED, load  # noqa: E402

PAGE = ROOT / "docs" / "hsm-commands.md"
VECTORS = ROOT / "tests" / "vectors" / "host_commands.json"
FAMILIES = (
    ("Diagnostics", ("diagnostics",)),
    ("Keys made, and told about", ("keys",)),
    ("Keys between LMK and ZMK", ("transport",)),
    ("Keys wrapped anew", ("key_changes",)),
    ("PIN blocks translated", ("pins",)),
    ("PINs verified", ("pin_checks",)),
    ("PINs under the LMK", ("pin_issue",)),
    ("Offsets, PVVs, decimalisation tables", ("pin_references",)),
    ("Cards", ("cards",)),
    ("MACs", ("macs", "legacy_macs")),
    ("Data", ("data",)),
    ("Digests and HMACs", ("hashes",)),
    ("RSA", ("rsa",)),
)
SETTINGS = {
    "bare_tables": "a unit with `policy.encrypted-tables` false",
    "single_length_transport": "a unit with `policy.single-length-transport` true",
    "single_length_posing": "a unit with `policy.single-length-posing` true",
    "old_lmk": "a unit with the old TEST LMK",
}
_CONDITIONS = {
    "derivation number": "the (destination) key is a BDK",
    "source_derivation number": "the source key is a BDK",
    "chaining TDES": "the (destination) mode has an initial value, TDES",
    "chaining AES": "the (destination) mode has an initial value, AES",
    "source_chaining TDES": "the source mode has an initial value, TDES",
    "source_chaining AES": "the source mode has an initial value, AES",
}
"""Conditions that the tables say in their own terms, in words."""
CHAINED = "each command in it is checked as if it came alone"
HEAD = """\
# Host commands of hsm-sim

Written by `scripts/lib/command_docs.py` from the command tables; do not edit. `hsm-sim commands` prints the same
layouts, `hsm-sim commands CA` one of them, `hsm-sim commands --json` all of them for a program.

Nobody here has seen a vendor's manual. Every layout is put together from public programs that speak this protocol, so
each command says how well it is attested:

| evidence | means | commands |
|---|---|---|
| vector | our answers equal published requests and answers, to the character | {vector} |
| n sources | so many public programs define or implement this layout, and they agree | {several} |
| single source | one public program does; take it as a hint | {single} |
| own | made up here: nothing is public; **not compatible with any unit**, not counted as a command | {own} |

Where sources differ, the note of the command says what was left out. What a real unit does in cases that no source
shows is not known here.

## A message

On the wire: two octets with the length of what follows; a header of 0 to 255 octets (`--header-octets`, default 4),
which comes back as it was; the two characters of the command; its fields. The answer has the same header, the response
code (second character one up: `CA` is answered by `CB`), two characters of error code, and behind `00` its fields. Any
other error code ends the answer; `01` of `A6` is advice, and its fields follow.

Behind the last field may stand `%` and two digits, the LMK identifier, and then X'19' and up to 32 octets of trailer,
which come back behind the answer. All fields are read before the tail is looked for, so binary data may hold both.
`MA`, `MC` and `ME` take everything to the end as data and have no tail.

## Notation

| written | is |
|---|---|
| nN, nH, nA, nB | n decimal digits, hexadecimal digits, characters, octets |
| L | length of a PIN under the LMK: longest PIN of the unit and one more, 13 unless set otherwise |
| key | a key in one of the forms below |
| key (or 32H pair) | also 32H without a tag, an old form of double length |
| \\|, [ ] | one of; only where the condition holds |
| account 12N | the last 12 digits of the account number without its check digit |
| descriptor 3H | what the key serial number is made of; `605` is usual |

| key | is |
|---|---|
| 16H, `Z` 16H | single length |
| `U` 32H, `T` 48H | double, triple length, by the variant method |
| `X` 32H, `Y` 48H | double, triple length, by ANSI X9.17 |
| `S` and a block | Thales key block |
| `R` and a block | X9.143 (TR-31) key block |
| `K` 3H | a place in user storage |

PIN block formats: `01` ISO 0, `05` ISO 1, `47` ISO 3, `48` ISO 4; `34`, `35`, `41`, `42`, `02`, `03`, `04` are known
and answered 69.

Under a variant LMK (identifier 00 as it comes) keys come with the tags `U T X Y Z`, or none. Under a key block LMK (01
TDES, 02 AES as it comes) they come as `S` blocks, the key type is written `FFF`, and what a key may do is what its
block says. Keys that travel under a ZMK may be `R` blocks under either.

## Errors that any command may answer

| code | means |
|---|---|
| 10, 11 | first, second key: wrong parity, so it is not of this type or not under this LMK |
| 12 | nothing in user storage there |
| 13 | no such LMK |
| 15 | a field is not as the layout says |
| 17 | not authorised, or the unit is not online |
| 20 | the PIN block holds no PIN; the same for every cause |
| 23, 69 | no such PIN block format; not enabled, or not permitted in this translation |
| 26, 27, 28, 29 | key scheme, key length, key type do not fit; a key of this type must not be used so |
| 39 | too many PIN verifications failed |
| 41 | a fault of the simulator; please report it |
| 68 | no such command, or disabled |
| 75 | a key whose parts are equal |
| 83, A1-B2 | key blocks: form, LMK, authenticity, usage, algorithm, mode of use, exportability |

What a command answers beyond that, or by another cause, stands with the command. The tests in `tests/hsm_sim` provoke
every code: those of this table for every command that can answer them (`test_general_refusals.py`,
`test_field_refusals.py`, `test_key_separation.py`, `test_unit.py`), those of the commands one by one
(`test_refused_commands.py`).

"""


def page() -> str:
    """The whole page."""
    labels = Counter(_label(command) for command in COMMANDS.values())
    text = HEAD.format(
        vector=labels["vector"], several=labels["sources"], single=labels["single source"], own=labels["own"]
    )
    return text + "".join(_lines())


def _label(command: Command[Any, Any]) -> str:
    return "sources" if command.evidence.label.endswith("sources") else command.evidence.label


def _lines() -> Iterator[str]:
    vectors: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))["vectors"]
    yield "## All commands\n\n| code | answer | does | evidence | values checked by |\n|---|---|---|---|---|\n"
    for _, commands in _families():
        for command in commands:
            link = f"[{command.code}](#{_anchor(command)})"
            yield f"| {link} | {command.response.__name__} | {command.title} | {command.evidence.label} | "
            yield f"{_checked(command.code)} |\n"
    yield "\nNot checked by anybody else's code, and why:\n\n"
    yield from (f"- `{code}`: {UNCHECKED[code]}.\n" for code in sorted(UNCHECKED))
    yield "\n## Sources\n\n| short | what it is |\n|---|---|\n"
    yield from (f"| {short} | {words} |\n" for short, words in SOURCES.items())
    for title, commands in _families():
        yield f"\n## {title}\n"
        for command in commands:
            yield from _section(command, [vector for vector in vectors if vector["command"] == command.code])


def _families() -> Iterator[tuple[str, list[Command[Any, Any]]]]:
    for title, modules in FAMILIES:
        names = {f"protocols.hsm.commands.{module}" for module in modules}
        yield title, [command for command in COMMANDS.values() if command.request.__module__ in names]


def _anchor(command: Command[Any, Any]) -> str:
    kept = "".join(character for character in command.title.lower() if character.isalnum() or character in " -")
    return f"{command.code.lower()}-{kept.replace(' ', '-')}"


def _checked(code: str) -> str:
    if code in UNCHECKED:
        return "nobody"
    return CHAINED if code == "NK" else load()[code].by


def _forms(code: str) -> str:
    """The forms of key fields in which the command is tried; nothing where it takes no keys."""
    if code not in load() or not _has_keys(COMMANDS[code].request):
        return ""
    in_blocks = any(form.in_blocks for form in load()[code].forms)
    return "`U T X Y Z`, user storage" + (", key blocks" if in_blocks else "; no key blocks")


def _has_keys(shape: type[Fields]) -> bool:
    kinds = [slot.kind for slot in layout_of(shape).slots]
    return any(isinstance(kind, Key) or (isinstance(kind, Part) and _has_keys(kind.shape)) for kind in kinds)


def _section(command: Command[Any, Any], vectors: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"\n### {command.code}: {command.title}\n\n"
    yield f"{_described(command.request)}\n\n"
    label, sources = command.evidence.label, ", ".join(command.evidence.sources)
    count = command.evidence.vectors
    yield f"- **Evidence**: {label}"
    yield f" ({count} published answer{'s' if count > 1 else ''})" if count else ""
    yield f"; sources {sources}.\n" if sources else "; no source: not compatible with anything.\n"
    yield f"- **Values checked by**: {_checked(command.code)}.\n"
    if forms := _forms(command.code):
        yield f"- **Keys come as**: {forms}.\n"
    if command.activity:
        yield f"- **Must be authorised** at the console: `authorise {command.activity}`.\n"
    if command.note:
        yield f"- **Note**: {command.note}.\n"
    yield f"\n{_table(command.request, 'request')}"
    answered = layout_of(command.response).slots
    yield f"\n{_table(command.response, command.response.__name__)}" if answered else "\nThe answer has no fields.\n"
    if command.errors:
        yield "\n| error | means here |\n|---|---|\n"
        yield from (f"| {code} | {words} |\n" for code, words in sorted(command.errors.items()))
    yield from _example(command, vectors)


def _described(shape: type[Fields]) -> str:
    return (inspect.getdoc(shape) or "").replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")


def _table(shape: type[Fields], name: str) -> str:
    rows = list(_rows(shape, ""))
    if not rows:
        return "The request has no fields.\n"
    body = "".join(f"| {field} | {form} | {when} |\n" for field, form, when in rows)
    return f"| {name} | form | only where |\n|---|---|---|\n{body}"


def _rows(shape: type[Fields], indent: str) -> Iterator[tuple[str, str, str]]:
    for slot in layout_of(shape).slots:
        name = f"{indent}{slot.name.replace('_', ' ')}"
        if isinstance(slot.kind, Part):
            yield f"{name}:", "", _condition(slot)
            yield from _rows(slot.kind.shape, indent + "&nbsp;&nbsp;")
        else:
            yield name, slot.kind.words().replace("|", "\\|"), _condition(slot)


def _condition(slot: Slot) -> str:
    return _CONDITIONS.get(slot.condition, slot.condition.replace("_", " "))


def _example(command: Command[Any, Any], vectors: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The longest published answer without error that a page can take."""
    for vector in sorted(vectors, key=lambda vector: len(vector["request"] + vector["response"]), reverse=True):
        hexadecimal = vector.get("encoding") == "hex"
        answer = bytes.fromhex(vector["response"]).decode("latin-1") if hexadecimal else vector["response"]
        if answer[:2] != "00" or len(vector["request"]) > 400:
            continue
        units = [SETTINGS[name] for name in vector.get("settings", ())]
        yield "\nPublished example" + (f", for {' and '.join(units)}" if units else "")
        yield ", fields in hexadecimal" if hexadecimal else ""
        yield f":\n\n```\n{command.code} {vector['request']}\n"
        yield f"{command.response.__name__} {vector['response']}\n```\n"
        return


def main() -> int:
    """Exit code 1 where the page is not what it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 where it is out of date")
    options = parser.parse_args()
    wanted = page()
    if PAGE.exists() and PAGE.read_text("utf-8") == wanted:
        return 0
    if options.check:
        print(f"{PAGE.relative_to(ROOT)} is out of date; run: scripts/lib/command_docs.py", file=sys.stderr)
        return 1
    PAGE.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
