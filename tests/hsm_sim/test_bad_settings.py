# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Settings, scripts and state folders that cannot be: each ends in a fault with its cure, never in a bug."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hsm_sim.cli import main
from hsm_sim.console import LONGEST_SOCKET
from tests.hsm_sim.running import running
from tests.patience import PATIENCE_S

WORDS = "TEST passphrase of a unit"

SETTINGS = [
    ("prot = 3", "prot: unknown key", "did you mean 'port'?"),
    ('port = "x"', "port: text in quotes found", "a whole number expected"),
    ("port = 65536", "port: 0 to 65535 expected", ""),
    ("header-octets = 256", "header_octets: 0 to 255 expected", ""),
    ("x = [", "not valid TOML: syntax error at end of document", "mend that line"),
    ('listen = "here"', "listen: an IP address expected", ""),
    ('state = ""', "state: a path expected", ""),
    ('event-loop = "fast"', "event-loop: not one of the known values", "one of: auto, asyncio, uvloop"),
    ('[policy]\npreset = "soft"', "policy.preset: not one of the known values", "one of: usual, hardened"),
    ('[policy.settings]\npin-length = "4"', "policy: settings: pin-length: no setting of this name; did you mean", ""),
    ('[policy.settings]\n"policy.pin-length" = "3"', "settings: policy.pin-length: PIN length 3, 4 to 12 expected", ""),
    ('[policy.settings]\n"policy.excluded-pins" = "8642 x"', "policy.excluded-pins: excluded PINs: 4 to 12 digits", ""),
    ('[policy.settings]\n"policy.pin-formats" = "9"', "policy.pin-formats: numbers of PIN block formats expected", ""),
    ('[policy.settings]\n"policy.pin-formats" = "2"', "only 0, 1, 3 and 4 are for interchange", ""),
    ('[policy.settings]\n"policy.clear-pins" = "maybe"', "policy.clear-pins: true or false expected", ""),
    ("[fraud]\nminute = -1", "fraud: minute: 0 or more expected", ""),
    ('[commands]\ndisabled = ["ZZ"]', "disabled: ZZ is no command of this unit; see: hsm-sim commands", ""),
    ('[commands]\naudited = ["A0", "C"]', "audited: C is no command of this unit", ""),
    ('test-lmks = {"01" = "variant"}', "test_lmks: 00, which commands mean that name none, expected", ""),
    ('test-lmks = {"00" = "wooden"}', "each with one of variant, tdes-blocks, aes-blocks, expected", ""),
    ('test-lmks = {"00" = "variant", "7" = "variant"}', "test_lmks: identifiers of two digits", ""),
    ("[vault]", "vault: either passphrase-file or token expected", ""),
    ('[vault]\npassphrase-file = "p"', "vault: state, the folder that it lies in, expected too", ""),
    (
        'state = "s"\n[vault.token]\nmodule = "/nowhere.so"\ntoken = "x"\npin-file = "p"',
        "/nowhere.so: no such file",
        "install the token's library",
    ),
    ('[tls]\ncertificate = "c"', "tls.key: missing", "add it (a path)"),
]


@pytest.mark.parametrize(("text", "what", "hint"), SETTINGS, ids=[text[:30] for text, _, _ in SETTINGS])
def test_settings(text: str, what: str, hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hsm.toml"
    path.write_text(text + "\n")
    assert main(["serve", "--port", "0", "--config", str(path)]) in (2, 3)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2, said
    assert said[0].startswith("hsm-sim: error: ")
    assert what in said[0]
    assert said[1].startswith("hint: ")
    assert hint in said[1]
    assert "8642" not in "".join(said)


SCRIPTS = [
    ('faults = "x"', "faults: a list expected"),
    ("[[faults]]", "faults[0].action: missing"),
    ('[[faults]]\naction = "explode"', "faults[0].action: not one of the known values"),
    ('[[faults]]\naction = "delay"\nms = -4', "faults[0]: ms: 0 to 600000 expected, and only with"),
    ('[[faults]]\naction = "drop"\nms = 4', "faults[0]: ms: 0 to 600000 expected, and only with"),
    ('[[faults]]\naction = "drop"\nwhen = 4', "faults[0].when: unknown key"),
    ('[[faults]]\naction = "drop"\ncommand = "CAT"', "faults[0]: command: two letters or digits, or *, expected"),
    ('[[faults]]\naction = "error"\nerror = "XX"', "faults[0]: error: a listed error code expected"),
    ("\x00", "not valid TOML"),
]


@pytest.mark.parametrize(("text", "what"), SCRIPTS, ids=[text[:40] for text, _ in SCRIPTS])
def test_scripts_of_faults(text: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text + "\n")
    assert main(["serve", "--port", "0", "--faults", str(path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert what in said[0]
    assert said[1].startswith("hint: ")


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return _words(tmp_path)


def _words(folder: Path) -> Path:
    path = folder / "words"
    path.write_text(WORDS)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def a_life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a unit that ran once, and its passphrase beside it; not to be changed."""
    folder = tmp_path_factory.mktemp("life")
    with running("--state", str(folder / "state"), "--passphrase-file", str(_words(folder))) as unit:
        unit.process.terminate()
        assert unit.process.wait(PATIENCE_S) == 0
    return folder / "state"


@pytest.fixture
def lived(a_life: Path, tmp_path: Path, words: Path) -> Path:
    """A copy of it, to be changed."""
    return shutil.copytree(a_life, tmp_path / "state")


def _other_words(folder: Path, words: Path) -> None:
    words.write_text("another TEST passphrase")


def _short_words(folder: Path, words: Path) -> None:
    words.write_text("short\n")


def _no_words(folder: Path, words: Path) -> None:
    words.unlink()


def _open_words(folder: Path, words: Path) -> None:
    words.chmod(0o640)


def _open_folder(folder: Path, words: Path) -> None:
    folder.chmod(0o755)


def _no_vault(folder: Path, words: Path) -> None:
    (folder / "vault.db").write_bytes(b"no vault")


def _folder_for_vault(folder: Path, words: Path) -> None:
    (folder / "vault.db").unlink()
    (folder / "vault.db").mkdir()


def _changed_audit(folder: Path, words: Path) -> None:
    path = folder / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"unit.started", b"unit.Started"))


def _folder_for_audit(folder: Path, words: Path) -> None:
    (folder / "audit.jsonl").unlink()
    (folder / "audit.jsonl").mkdir()


def _folder_for_console(folder: Path, words: Path) -> None:
    (folder / "console.sock").mkdir()


@pytest.mark.parametrize(
    ("spoil", "code", "what", "hint"),
    [
        (_other_words, 6, "vault key: does not open", "is this the passphrase"),
        (_short_words, 2, "too short or too long a passphrase", "choose one of 12 to 1024 octets"),
        (_no_words, 2, "words: No such file or directory", "check the path"),
        (_open_words, 4, "words can be read by others", "chmod 600"),
        (_open_folder, 4, "state is open to others", "chmod 700"),
        (_no_vault, 1, "not a vault of this program", "restored from a copy"),
        (_folder_for_vault, 1, "vault.db is no file", "check [vault]"),
        (_changed_audit, 6, "audit.jsonl: record 1: changed", "keep the file as it is for the inquiry"),
        (_folder_for_audit, 1, "audit.jsonl: Is a directory", "check the state folder"),
        (_folder_for_console, 1, "console.sock: Is a directory", "remove what is there"),
    ],
)
def test_state_folders(
    spoil: Callable[[Path, Path], None],
    code: int,
    what: str,
    hint: str,
    lived: Path,
    words: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(lived, words)
    assert main(["serve", "--port", "0", "--state", str(lived), "--passphrase-file", str(words)]) == code
    said = capsys.readouterr().err
    assert what in said
    assert hint in said
    assert WORDS not in said


def test_a_vault_and_nothing_to_open_it_with(lived: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--state", str(lived)]) == 2
    assert "vault.db is there, and nothing to open it with" in capsys.readouterr().err


@pytest.mark.parametrize("with_vault", [True, False])
def test_two_units_in_one_folder(
    tmp_path: Path, words: Path, with_vault: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--state", str(tmp_path / "state"), *(["--passphrase-file", str(words)] if with_vault else [])]
    with running(*line):
        assert main(["serve", "--port", "0", *line]) == 1
    said = capsys.readouterr().err
    assert "is open in another process" in said
    assert "stop the unit that runs in this folder" in said


def test_a_path_too_long_for_a_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / ("d" * LONGEST_SOCKET)
    for line in (["serve", "--port", "0", "--state", str(folder)], ["console", "--state", str(folder), "status"]):
        assert main(line) == 2
        said = capsys.readouterr().err
        assert "too long a path for the console's socket" in said
        assert "choose a shorter one with --state" in said


def test_no_unit_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["console", "--state", str(tmp_path), "status"]) == 5
    assert "start one: hsm-sim serve --state FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rest", "code", "what"),
    [
        (["nowhere"], 2, "nowhere: No such file or directory"),
        (["state"], 2, "state: Is a directory"),
        (["state/vault.db"], 6, "vault.db: record 1: changed: not the form of a record"),
        (["state/audit.jsonl", "--remembered", "x"], 2, "name:records:hash expected"),
        (["state/audit.jsonl", "--remembered", f"hsm-sim:9:{'0' * 64}"], 6, "truncated"),
        (["state/audit.jsonl", "--remembered", f"other:1:{'0' * 64}"], 6, "foreign"),
    ],
)
def test_audits_that_do_not_verify(
    lived: Path,
    rest: list[str],
    code: int,
    what: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(lived.parent)
    assert main(["audit", *rest]) == code
    said = capsys.readouterr().err
    assert what in said
    assert "hint: " in said


def test_an_audit_that_holds(lived: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(lived / "audit.jsonl")]) == 0
    head = capsys.readouterr().out.rstrip().rpartition(" ")[2]
    assert main(["audit", str(lived / "audit.jsonl"), "--remembered", head, "--json"]) == 0
    assert f'"head":"{head}"' in capsys.readouterr().out
