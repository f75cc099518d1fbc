# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The calculator's frame: help, examples that run, faults that quote nothing, no option for a secret, what it loads."""

import argparse
import importlib
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hsm_sim.cli import main
from hsm_sim.tool import NOUNS
from hsm_sim.tool.command import Parser, _parser
from hsm_sim.tool.verb import Noun
from tests.hsm_sim.tool.calculator import EXAMPLE_FILES, TEST_KEY, WARNING, calculate
from tests.patience import PATIENCE_S

SECRET = "8F1D"  # what a person might type in the wrong place; it must not come back


def noun(name: str) -> Noun:
    module: Noun = importlib.import_module(NOUNS[name][0])  # type: ignore[assignment]  # a module of the table
    return module


def verbs() -> list[tuple[str, str]]:
    return [(name, verb) for name in NOUNS for verb in noun(name).VERBS]


def options_of(name: str, verb: str) -> list[argparse.Action]:
    actions = _parser(name, noun(name))._actions
    choices = next(action for action in actions if isinstance(action, argparse._SubParsersAction)).choices
    return list(choices[verb]._actions)


def test_help_begins_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], *([name] for name in NOUNS), *([name, verb] for name, verb in verbs())):
        with pytest.raises(SystemExit) as ended:
            main(["tool", *words, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert "\n\nexamples:\n  hsm-sim tool " in shown, words
        assert shown.index("examples:") < shown.index("  -h, --help"), words
        if len(words) == 2:
            first = shown.split("examples:\n")[1].split("\n")[0]
            assert first.startswith(f"  hsm-sim tool {words[0]} {words[1]}"), "each verb has an example"


def test_the_table_is_listed_and_the_calculator_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["tool", "--help"]):
        with pytest.raises(SystemExit):
            main(words)
    shown = capsys.readouterr().out
    assert "hsm-sim tool --help" in shown
    for name, (_, summary) in NOUNS.items():
        assert f"  {name:<10}{summary}\n" in shown


def test_help_loads_no_cryptography() -> None:
    loaded = (
        "import sys, contextlib, io, hsm_sim.cli\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    hsm_sim.cli.main(['tool', '-h'])\n"
        "print([name for name in sys.modules if 'crypto' in name or name.startswith('protocols')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", NOUNS)
def test_every_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file, content in EXAMPLE_FILES.items():
        Path(file).write_bytes(content)
    examples = [line.strip() for line in noun(name).EXAMPLES.splitlines() if line.startswith("  hsm-sim tool ")]
    assert examples
    for example in examples:
        command, _, source = example.partition(" < ")
        words = shlex.split(command)[2:]
        given = sum(word.endswith("-file") and word != "--data-file" for word in words)
        ran = calculate(*words, stdin=Path(source).read_text() if source else "")
        if ran.code == 2 and given < len(noun(name).VERBS[words[1]].secrets):
            # The example leaves a secret to be asked for, and here is no terminal.
            assert "not given, and no terminal to ask at" in ran.err, example
        else:
            assert ran.code == 0, f"{example}\n{ran.err}"


@pytest.mark.parametrize(("name", "verb"), verbs())
def test_no_option_takes_a_secret(name: str, verb: str) -> None:
    declared = {secret.name for secret in noun(name).VERBS[verb].secrets}
    taken = {option for action in options_of(name, verb) for option in action.option_strings}
    for secret in declared:
        assert f"--{secret}" not in taken
        assert f"--{secret}-file" in taken
    assert not taken & {"--key", "--pin", "--bdk", "--pvk", "--cvk", "--clear-block", "--component"}
    assert all(action.option_strings for action in options_of(name, verb)), "no bare argument, where a key might land"
    assert {"--explain", "--json"} <= taken


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"mac make --algorithm retail --text a --key {SECRET}", "an argument that is not known here"),
        (f"mac make --algorithm retail --text a {SECRET}", "an argument that is not known here"),
        (f"mac make --algorithm {SECRET} --text a", "argument --algorithm: not one of the known values"),
        (f"mac {SECRET}", "argument VERB: not one of the known values"),
        (f"{SECRET}", "argument NOUN: not one of the known values"),
        (f"pvv make --pan 4000009999990016 --pvki {SECRET}", "argument --pvki: a whole number expected"),
        (f"mac make --algorithm retail --text a --json={SECRET}", "arguments not understood"),
        (f"dukpt derive --ksn {SECRET}", "KSN: 4 characters"),
        (f"pinblock encode --format 0 --pan {SECRET}", "PAN: 4 characters found"),
        (f"pinblock decipher --format 0 --pan 4000009999990016 --block {SECRET}G", "--block: not an even number"),
        (f"cvv make --kind cvv2 --pan 4000009999990016 --expiry {SECRET}", "no terminal to ask at"),
        ("", "the following arguments are required: NOUN"),
    ],
)
def test_faults_quote_nothing(words: str, said: str) -> None:
    ran = calculate(*words.split())
    assert ran.code == 2
    assert said in ran.err
    assert "\nhint: " in ran.err
    assert SECRET not in ran.err + ran.out
    as_data = calculate(*words.split(), "--json")
    assert as_data.code == 2
    if "--json=" not in words and words:
        assert as_data.document["exit"] == 2
    assert SECRET not in as_data.err + as_data.out


def test_choices_are_named() -> None:
    assert "hint: one of: make, verify\n" in calculate("mac", "fake").err
    assert "hint: one of: pinblock, dukpt, mac" in calculate("fake").err
    assert "hint: one of: 0, 1, 2, 3, 4, 35," in calculate("pinblock", "encode", "--format", "9").err
    assert Parser(prog="p")._choices("argument --none") == "run: p --help"


def test_the_warning_comes_before_anything_else_and_never_on_stdout() -> None:
    words = ["dukpt", "next", "--ksn", "FFFF9876543210E00001"]
    for extra in ([], ["--json"], ["--explain"]):
        ran = calculate(*words, *extra)
        assert ran.err == WARNING
        assert "TEST keys" not in ran.out


def test_as_a_process() -> None:
    command = [sys.executable, "-m", "hsm_sim.cli", "tool", "mac", "verify", "--algorithm", "cbc-mac"]
    command += ["--text", "Now is the time for all ", "--key-file", "-", "--json", "--mac"]
    for mac, code in (("70A30640CC76DD8B", 0), ("70A30640CC76DD8C", 6)):
        done = subprocess.run(
            [*command, mac], input=TEST_KEY[:16], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == code
        assert json.loads(done.stdout) == {
            "noun": "mac",
            "verb": "verify",
            "test_data_only": True,
            "result": {"agrees": code == 0},
        }
        assert done.stderr == WARNING
