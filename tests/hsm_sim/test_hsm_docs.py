# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/hsm.md as its reader lives it: every file written, every unit started, every command run, every output compared.

In the page's output ``…`` stands for whatever differs each time. Tables between markers are made of the program's own
tables. Run as a program it writes outputs and tables anew where they are not what the page shows.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from hsm_sim.console_actions import ACTIONS
from hsm_sim.engine.key_types import KEY_TYPES, Use
from hsm_sim.engine.key_usages import USAGES
from hsm_sim.engine.settings import Operating, shown
from hsm_sim.engine.states import PERMITTED, TRANSITIONS, Doing, State
from hsm_sim.faults import TIMED, Action
from hsm_sim.payshield.unit import DIAGNOSTICS
from hsm_sim.simulator import ACTIVITIES
from protocols.hsm.commands import COMMANDS
from tests.hsm_sim.engine.test_vault_token import MODULE
from tests.patience import PATIENCE_S

PAGE = Path(__file__).parents[2] / "docs" / "hsm.md"
BLOCK = re.compile(r"^```(\w+)(?: ([\w.]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(?<=<!-- )(\w+)(: written by [^\n]*-->\n)(.*?)(?=<!-- end -->)", re.DOTALL)
PORTS = ("1500", "2500", "9150")
LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |\n"


def _head(*cells: str) -> str:
    return "\n" + _row(*cells) + "|" + "---|" * len(cells) + "\n"


def states() -> str:
    """What each state permits, and where the switch turns from it."""
    rows = [_head("", *(state.value for state in State))]
    names = {
        Doing.DIAGNOSE: f"host commands {', '.join(f'`{code}`' for code in sorted(DIAGNOSTICS))}",
        Doing.SERVE: "all other host commands",
    }
    for doing in Doing:
        orders = ", ".join(f"`{' '.join(action.name)}`" for action in ACTIONS.values() if action.doing is doing)
        rows.append(_row(names.get(doing) or orders, *("yes" if doing in PERMITTED[state] else "" for state in State)))
    turns = [", ".join(after.value for (before, _), after in TRANSITIONS.items() if before is state) for state in State]
    return "".join(rows) + _row("turns to", *turns) + "\n"


def activities() -> str:
    """Which host commands need which activity."""
    rows = [_head("activity", "host commands")]
    for activity in ACTIVITIES:
        found = [f"`{code}` {row.title}" for code, row in sorted(COMMANDS.items()) if row.activity == activity]
        rows.append(_row(f"`{activity}`", "; ".join(found)))
    return "".join(rows) + "\n"


def settings() -> str:
    """Every setting and its default; what it is for is said in the code beside the field, and here in short."""
    rows = [_head("setting", "default", "what it does")]
    rows += [_row(f"`{name}`", f"`{text}`" if text else "none", WORDS[name]) for name, text in _defaults().items()]
    return "".join(rows) + "\n"


def _defaults() -> dict[str, str]:
    return {name: "" if name.endswith("excluded-pins") else text for name, text in shown(Operating()).items()}


WORDS = {
    "policy.pin-length": "digits of the longest PIN under the master key (4 to 12)",
    "policy.pin-formats": "ISO 9564 formats that are taken and given: 0, 1, 3, 4",
    "policy.excluded-pins": "PINs that no cardholder may have; shown by their number only",
    "policy.encrypted-tables": "take decimalisation tables only as `LO` enciphered them",
    "policy.table-checks": "refuse decimalisation tables with too few different digits",
    "policy.clear-pins": "let clear PINs in and out (`BA`, `NG`), where authorised",
    "policy.account-change": "let a PIN under the master key move to another account (`QK`)",
    "policy.single-length-transport": "take transport keys of single length",
    "policy.single-length-posing": "take keys of double or triple length whose parts are equal",
    "policy.x917-import": "import keys in schemes X and Y",
    "policy.x917-export": "export keys in schemes X and Y",
    "policy.unauthenticated-transport": "carry keys otherwise than in key blocks at all",
    "policy.transport-key-import": "take a ZMK under another ZMK",
    "policy.correct-parity": "correct an imported key's parity (answer `01`) instead of refusing it",
    "policy.short-check-values": "give no check value of more than 6 digits",
    "policy.largest-rsa": "bits of the largest RSA key that is made",
    "fraud.minute": "failed verifications that a minute takes",
    "fraud.hour": "that an hour takes",
    "fraud.day": "that a day takes",
    "fraud.enabled": "whether passing a limit closes the unit to verifications",
    "commands.disabled": "host commands answered as if they did not exist",
}


def types() -> str:
    """Key types of variant master keys, and usages of key blocks, with what such keys may do."""
    rows = [_head("TYPE", "key", "for")]
    rows += [_row(f"`{kind.code}`", kind.name, _uses(kind.uses)) for _, kind in sorted(KEY_TYPES.items())]
    rows.append(_head("usage", "for"))
    rows += [_row(f"`{usage}`", _uses(uses)) for usage, uses in sorted(USAGES.items())]
    return "".join(rows) + "\n"


def _uses(uses: Use) -> str:
    words = ", ".join(str(use.name).lower().replace("_", " ") for use in uses)
    return re.sub(r"\b(pin|pvv|c?mac|cbc|ibm|dukpt)\b", lambda found: found[0].upper(), words)


TABLES = {"states": states, "activities": activities, "settings": settings, "types": types}


class Reader:
    """Somebody who follows the page in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[str] | None = None
        with ExitStack() as taken:
            free = [taken.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in PORTS]
        self._ports = dict(zip(PORTS, map(str, free), strict=True))
        own = str(Path(sys.executable).parent)
        self._environment = {**os.environ, "PATH": f"{own}:{os.environ['PATH']}", "PYTHONWARNINGS": "error"}

    def follow(self, kind: str, word: str, text: str) -> str:
        """One block; gives it as it comes out here."""
        if kind != "console":
            (self._folder / word).write_text(self._here(text).replace(LIBRARY, str(MODULE)))
            return text
        if word in ("server", "stopped"):
            self.stop()
        found = ""
        for command in (line[2:] for line in text.splitlines() if line.startswith("$ ")):
            output = self._start(command) if word == "server" else self._run(command)
            found += f"$ {command}\n{output}"
        return found

    def stop(self) -> None:
        """End the unit, which takes that well."""
        if self._server is not None:
            self._server.terminate()
            rest, _ = self._server.communicate(timeout=PATIENCE_S)
            assert self._server.returncode == 0, rest
            self._server = None

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.communicate()

    def _here(self, text: str) -> str:
        for port, free in self._ports.items():
            text = re.sub(rf"\b{port}\b", free, text)
        return text

    def _there(self, text: str) -> str:
        for port, free in self._ports.items():
            text = re.sub(rf"\b{free}\b", port, text)
        return text

    def _run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", self._here(command)],
            cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return self._there(done.stderr + done.stdout)

    def _start(self, command: str) -> str:
        variables, _, words = command.rpartition("hsm-sim")
        self._server = subprocess.Popen(
            ["bash", "-c", f"{variables} exec hsm-sim {self._here(words)}"],
            cwd=self._folder, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self._server.stdout is not None
        said = ""
        while "\nready " not in said:
            line = self._server.stdout.readline()
            assert line, said
            said += line
        return self._there(said)


def blocks(page: str) -> list[tuple[str, str, str]]:
    return [(kind, word or "", text) for kind, word, text in BLOCK.findall(page)]


def like(shown_text: str, found: str) -> bool:
    """Whether the page's output is what came out, ``…`` being anything within a line."""
    pattern = ".*".join(re.escape(part) for part in shown_text.split("…"))
    return re.fullmatch(pattern, found) is not None


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    made.kill()


def test_the_page_as_its_reader_lives_it(reader: Reader) -> None:
    followed = 0
    for kind, word, text in blocks(PAGE.read_text()):
        found = reader.follow(kind, word, text)
        assert like(text, found), f"the page shows\n{text}\nand it is\n{found}"
        followed += text.count("\n$ ") + text.startswith("$ ")
    reader.stop()
    assert followed > 30


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_tables_are_those_of_the_program(name: str) -> None:
    found = {name: text for name, _, text in TABLE.findall(PAGE.read_text())}
    assert set(found) == set(TABLES)
    assert found[name] == TABLES[name](), "run: .venv/bin/python -m tests.hsm_sim.test_hsm_docs"


def test_every_setting_and_every_action_has_its_words() -> None:
    assert set(WORDS) == set(_defaults())
    page = PAGE.read_text()
    rows: Mapping[str, str] = dict(re.findall(r"^\| `([a-z-]+)` \|[^|]*\| ([^|]*)\|$", page, re.MULTILINE))
    for action in Action:
        assert action.value in rows
        if action in TIMED:
            assert f"`ms` ({TIMED[action]})" in rows[action.value]


def written(page: str, folder: Path) -> str:
    """The page with every output and table as it is here, where it was not so."""
    reader = Reader(folder)

    def block(found: re.Match[str]) -> str:
        kind, word, text = found[1], found[2] or "", found[3]
        output = reader.follow(kind, word, text)
        return found[0] if like(text, output) else found[0].replace(text, output)

    try:
        page = BLOCK.sub(block, page)
        reader.stop()
    finally:
        reader.kill()
    return TABLE.sub(lambda found: found[1] + found[2] + TABLES[found[1]](), page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(written(PAGE.read_text(), Path(folder)))
