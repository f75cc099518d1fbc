# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`terminal-agent usb` as it is typed: what each verb answers, and what it says when something is wrong."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from terminal_agent.cli import main
from terminal_agent.cli.usb_keep import _minutes
from tests.protocols.persons import private_pem, public_pem

DATA = Path(__file__).resolve().parents[2] / "device_profiles/data/usb"
TILL = str(DATA / "counter-till.toml")
GOOD = str(DATA / "trees/counter-till.umockdev")
ATTACKED = str(DATA / "trees/counter-till-attacked.umockdev")
DAY = ["--at", "2026-11-23T10:00:00+01:00"]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = main(["usb", *words])
    except SystemExit as stop:
        code = int(stop.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def data(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, _ = run(capsys, *words, "--json")
    assert code == 0, out
    found: dict[str, Any] = json.loads(out)
    return found


def test_list(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "list", "--tree", GOOD)
    assert code == 0
    assert '1-2.1: 11ca:0220 "PIN pad", serial "P0001", lives\n      02:02:01 (serial line (CDC ACM))' in out
    code, out, err = run(
        capsys, "list", "--tree", ATTACKED, "--policy", TILL, *DAY, "--record", str(tmp_path / "again")
    )
    assert "rejected by rule no network: one of its interfaces is named: e0:01:03 (network card (RNDIS))" in out
    assert "9 devices recorded" in err
    assert (tmp_path / "again").read_text() == Path(ATTACKED).read_text()
    found = {one["port"]: one for one in data(capsys, "list", "--tree", ATTACKED, "--policy", TILL, *DAY)["devices"]}
    assert (found["1-2.3"]["target"], found["1-2.3"]["rule"]) == ("reject", "nothing that types or stores by the pad")
    assert found["1-2.3"]["authorized"] is False
    assert found["1-2.1"]["role"] == "payment"


def test_list_where_there_is_no_usb(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "list", "--root", str(tmp_path))
    assert code == 3
    assert "hint: is there a USB host controller" in err


def test_lint(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, "lint", TILL) == (0, f"{TILL}: nothing found\n", "")
    bad = tmp_path / "bad.toml"
    bad.write_text("title = 'x'\nrules = '''\nallow label \"all\"\nblock id 0781:5567 label \"no\"\n'''\n")
    code, out, _ = run(capsys, "lint", str(bad))
    assert code == 1
    assert "rule no: error: rule all decides on every device that fits it: it never does what it says" in out
    found = run(capsys, "lint", str(bad), "--json")
    assert found[0] == 1
    assert {one["kind"] for one in json.loads(found[1])["findings"]} >= {"shadowed", "any-interface", "anybody"}
    warned = tmp_path / "warned.rules"
    warned.write_text(
        'allow id 1d6b:* with-interface 09:00:00 label "r"\nallow id 0781:5567 with-interface 08:06:50 label "s"\n'
    )
    assert run(capsys, "lint", str(warned))[0] == 0
    assert run(capsys, "lint", "--strict", str(warned))[0] == 1


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    stick = 'id 0781:5567 via-port "1-6" with-interface { 08:06:50 03:01:01 }'
    code, out, _ = run(capsys, "explain", TILL, "--device", stick, *DAY)
    assert code == 0
    assert "service stick                service-window(service) does not hold" in out
    assert out.endswith("blocked by rule service port: it is at a service port\n")
    code, out, _ = run(capsys, "explain", TILL, "--device", stick, *DAY, "--window", "service")
    assert "without a driver: 03:01:01 (keyboard)" in out
    found = data(capsys, "explain", TILL, "--port", "1-2.3", "--tree", ATTACKED, *DAY)
    assert found["rule"] == "nothing that types or stores by the pad"
    assert found["tried"][-1]["decided"] is True
    assert found["tried"][0]["lacks"] != []


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--device", "pad"], "--device: an attribute with its value expected"),
        (["--device", "id 0781:*"], "--device: a device has no *"),
        (["--device", 'serial { "a" "b" }'], "--device: serial: one value expected"),
        (["--port", "9-9", "--tree", GOOD], "no device at port 9-9"),
        (["--port", "1-1", "--tree", TILL], "recorded tree, line"),
        (["--port", "1-1", "--tree", "/nowhere"], "no such file"),
        (["--device", "id 0781:5567", "--at", "noon"], "--at: a moment with its zone"),
        (["--device", "id 0781:5567", "--at", "2026-11-23T10:00:00"], "--at: a moment with its zone"),
    ],
)
def test_explain_says_what_it_cannot(capsys: pytest.CaptureFixture[str], words: list[str], what: str) -> None:
    code, out, err = run(capsys, "explain", TILL, *words)
    assert code in (2, 3)
    assert out == ""
    assert f"terminal-agent: error: {what}" in err or what in err
    assert "hint: " in err


def test_simulate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = data(capsys, "simulate", TILL, GOOD, ATTACKED, *DAY)["verdicts"]
    assert len(found) == 6 + 9
    assert all(one["target"] == "allow" for one in found[:6])
    assert [one["port"] for one in found[6:] if one["target"] != "allow"] == ["1-6", "1-7", "1-2.3"]
    rules = tmp_path / "rules.conf"
    rules.write_text('allow serial match-all { "nobody" }\n')
    code, out, _ = run(capsys, "simulate", str(rules), GOOD, "--usbguard")
    assert code == 0
    assert out.count("usbguard 1.1.2 would say allow") == 6


def test_diff(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    new.write_text(
        Path(TILL).read_text().replace('allow id 05e0:1200 via-port "1-3"', 'allow id 05e0:1200 via-port "1-7"')
    )
    found = data(capsys, "diff", TILL, str(new), "--tree", GOOD, *DAY)
    assert [one["sign"] for one in found["rules"]] == ["-", "+"]
    assert [(one["port"], one["before"], one["after"]) for one in found["devices"]] == [("1-3", "allow", "block")]
    out = run(capsys, "diff", TILL, str(new), "--tree", GOOD, *DAY)[1]
    assert "before: allowed by rule scanner" in out
    assert run(capsys, "diff", TILL, TILL) == (0, "no difference\n", "")


def test_learn_gives_a_policy_that_allows_what_is_there_and_nothing_else(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for options in ([], ["--ports"], ["--hashes"]):
        code, out, err = run(capsys, "learn", "--tree", GOOD, "--title", 'a "till"', *options)
        assert code == 0
        assert "look at every rule" in err
        learned = tmp_path / "learned.toml"
        learned.write_text(out)
        assert run(capsys, "lint", "--strict", str(learned))[0] == 0
        found = data(capsys, "simulate", str(learned), ATTACKED)["verdicts"]
        assert {one["port"] for one in found if one["target"] != "allow"} == {"1-6", "1-7", "1-2.3"}


def test_learn_from_a_device_that_wants_out_of_its_quotes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.write_text(Path(GOOD).read_text().replace("Bar Code Scanner", "''' \"\nallow # \\x1b[2J".replace("\n", "\\n")))
    code, out, _ = run(capsys, "learn", "--tree", str(tree))
    assert (code, "\x1b" in out) == (0, False)
    learned = tmp_path / "learned.toml"
    learned.write_text(out)
    found = data(capsys, "simulate", str(learned), str(tree))["verdicts"]
    assert len(found) == 6
    assert all(one["target"] == "allow" for one in found)


def test_convert_there_and_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    theirs = tmp_path / "rules.conf"
    theirs.write_text(
        '# ours\nallow id 0781:5567 serial "x\'y"\nallow serial match-all { "a" } if localtime(08:00-09:00)\n'
    )
    code, out, err = run(capsys, "convert", str(theirs), "--to", "tillguard")
    assert code == 0
    assert "line 3: serial match-all: usbguard takes it for true" in err
    assert "line 3: localtime: usbguard takes the times for UTC" in err
    ours = tmp_path / "ours.toml"
    ours.write_text(out)
    code, out, err = run(capsys, "convert", str(ours), "--to", "usbguard")
    assert out == theirs.read_text().replace("# ours\n", "")
    assert "set ImplicitPolicyTarget=block" in err
    code, _, err = run(capsys, "convert", TILL, "--to", "usbguard")
    assert code == 2
    assert "rule nothing that types or stores by the pad: via-role is not a word of usbguard" in err
    theirs.write_text("match\n")
    assert "match decides nothing" in run(capsys, "convert", str(theirs), "--to", "tillguard")[2]
    theirs.write_text("allow if random(7)\n")
    assert "a probability of 0 to 1" in run(capsys, "convert", str(theirs), "--to", "tillguard")[2]


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """Two persons with keys, a policy, and a list of who may sign."""
    for name in ("anna", "ben", "mallory"):
        (tmp_path / f"{name}.key").write_bytes(private_pem(name))
        (tmp_path / f"{name}.pub").write_text(public_pem(name))
    (tmp_path / "trust.toml").write_text(
        "[thresholds]\nusb-policy = 2\nusb-exception = 2\n"
        + "".join(f'[[persons]]\nname = "{name.title()}"\nkey = "{name}.pub"\nmay = ["usb-policy", "usb-exception"]\n'
                  for name in ("anna", "ben"))
    )  # fmt: skip
    (tmp_path / "till.toml").write_text(Path(TILL).read_text())
    return tmp_path


def here(office: Path) -> list[str]:
    return ["--trust", str(office / "trust.toml"), "--terminal", "TG000001", "--state", str(office / "state")]


def signed(capsys: pytest.CaptureFixture[str], office: Path, file: str, version: int, *more: str) -> str:
    out = str(office / f"{file}.{version}.signed")
    words = ["sign", str(office / file), "--version", str(version), "--key", str(office / "anna.key"), "--out", out]
    assert run(capsys, *words, *more)[0] == 0
    assert run(capsys, "approve", out, "--key", str(office / "ben.key"))[0] == 0
    return out


@pytest.mark.parametrize("version", ["0", "-1", "99999999999999999999"])
def test_a_version_that_no_statement_takes_is_named(
    capsys: pytest.CaptureFixture[str], office: Path, version: str
) -> None:
    words = ["sign", str(office / "till.toml"), f"--version={version}", "--key", "no.key", "--out", "no.out"]
    code, _, error = run(capsys, *words)
    assert (code, "--version: 1 to 9007199254740991 expected" in error) == (2, True)


def test_from_signing_to_kept(capsys: pytest.CaptureFixture[str], office: Path) -> None:
    policy = signed(capsys, office, "till.toml", 7)
    code, out, _ = run(capsys, "verify", policy, "--trust", str(office / "trust.toml"))
    assert code == 0
    assert "usb-policy, version 7, for every terminal, for 365 days\nsigned by Anna and Ben" in out
    code, out, _ = run(capsys, "offer", policy, *here(office), "--tree", GOOD, "--confirm-within", "600")
    assert code == 0
    assert "on trial for 600 s: counter till" in out
    assert data(capsys, "status", *here(office))["state"] == "first-trial"
    assert "kept: version 7" in run(capsys, "confirm", *here(office))[1]
    found = data(capsys, "status", *here(office))
    assert (found["state"], found["version"], found["persons"]) == ("kept", 7, ["Anna", "Ben"])
    older = signed(capsys, office, "till.toml", 6)
    code, _, err = run(capsys, "offer", older, *here(office), "--tree", GOOD)
    assert code == 4
    assert "version 6, at least 7 expected" in err


def test_a_trial_is_taken_back(capsys: pytest.CaptureFixture[str], office: Path) -> None:
    run(capsys, "offer", signed(capsys, office, "till.toml", 7), *here(office), "--tree", GOOD)
    assert run(capsys, "take-back", *here(office))[0] == 0
    assert run(capsys, "take-back", *here(office))[0] == 4
    assert run(capsys, "confirm", *here(office))[0] == 4
    assert data(capsys, "status", *here(office))["title"] == "nothing is allowed: no policy can be believed"


def test_one_person_is_not_enough_and_a_stranger_nobody(capsys: pytest.CaptureFixture[str], office: Path) -> None:
    out = str(office / "one.signed")
    words = ["sign", str(office / "till.toml"), "--version", "1", "--out", out]
    assert run(capsys, *words, "--key", str(office / "mallory.key"))[0] == 0
    code, _, err = run(capsys, "verify", out, "--trust", str(office / "trust.toml"))
    assert (code, "no known key signed it" in err, "nobody who is known" in err) == (6, True, True)
    assert run(capsys, "approve", out, "--key", str(office / "anna.key"))[0] == 0
    code, _, err = run(capsys, "verify", out, "--trust", str(office / "trust.toml"))
    assert (code, "too few persons" in err, "signed by: Anna" in err) == (6, True, True)
    assert run(capsys, "offer", out, *here(office), "--tree", GOOD)[0] == 4


def test_a_policy_that_locks_out_is_refused_unless_forced(capsys: pytest.CaptureFixture[str], office: Path) -> None:
    policy = signed(capsys, office, "till.toml", 7)
    moved = office / "moved.umockdev"
    moved.write_text(
        Path(GOOD).read_text().replace("\nA: idProduct=0608", "\nA: idProduct=0610").replace("E3050806", "E3051006")
    )
    code, _, err = run(capsys, "offer", policy, *here(office), "--tree", str(moved))
    assert code == 4
    assert "would lock this terminal out: PIN pad: its hub at port 1-2 would be blocked (by no rule)" in err
    assert run(capsys, "offer", policy, *here(office), "--tree", str(moved), "--force")[0] == 0


def test_nobody_signs_what_lint_calls_an_error(capsys: pytest.CaptureFixture[str], office: Path) -> None:
    (office / "bad.toml").write_text("title = 'x'\nrules = 'allow label \"all\"'\n")
    words = [
        "sign",
        str(office / "bad.toml"),
        "--version",
        "1",
        "--key",
        str(office / "anna.key"),
        "--out",
        str(office / "o"),
    ]
    code, _, err = run(capsys, *words)
    assert code == 4
    assert "rule all" in err
    assert not (office / "o").exists()


def test_an_exception_is_granted_and_withdrawn(capsys: pytest.CaptureFixture[str], office: Path) -> None:
    run(capsys, "offer", signed(capsys, office, "till.toml", 7), *here(office), "--tree", GOOD)
    run(capsys, "confirm", *here(office))
    (office / "ticket.toml").write_text("reason = 'ticket 4711'\nwindows = ['service']\n")
    out = signed(capsys, office, "ticket.toml", 1, "--kind", "exception", "--minutes", "30")
    assert "granted for 30 minutes: ticket-4711" in run(capsys, "grant", "ticket-4711", out, *here(office))[1]
    assert data(capsys, "status", *here(office))["exceptions"][0]["reason"] == "ticket 4711"
    code, out, _ = run(capsys, "status", *here(office))
    assert "exception ticket-4711: ticket 4711; ends in 30 minutes" in out
    assert run(capsys, "withdraw", "ticket-4711", *here(office))[0] == 0
    assert run(capsys, "withdraw", "ticket-4711", *here(office))[0] == 4
    code, _, err = run(
        capsys, "sign", str(office / "ticket.toml"), "--kind", "exception", "--version", "1", "--days", "4",
        "--key", str(office / "anna.key"), "--out", str(office / "long"),
    )  # fmt: skip
    assert (code, "more than 72 hours" in err) == (2, True)


def test_a_minute_that_has_begun_is_told_whole() -> None:
    assert [_minutes(seconds) for seconds in (1800, 1799, 1741, 1740)] == [30, 30, 30, 29]


def test_a_damaged_folder_is_told_and_allows_nothing(capsys: pytest.CaptureFixture[str], office: Path) -> None:
    run(capsys, "offer", signed(capsys, office, "till.toml", 7), *here(office), "--tree", GOOD)
    run(capsys, "confirm", *here(office))
    (office / "state/kept.signed").write_text("nonsense")
    code, out, _ = run(capsys, "status", *here(office))
    assert code == 6
    assert "in force: nothing is allowed" in out
    assert "alarm: kept.signed cannot be read" in out


def test_keys_under_a_passphrase(capsys: pytest.CaptureFixture[str], office: Path) -> None:
    (office / "word").write_text("well-known TEST word\n")
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", str(office / "anna.key"), "-out", str(office / "locked.key"),
         "-passout", f"file:{office / 'word'}"], check=True, capture_output=True,
    )  # fmt: skip
    words = [
        "sign",
        str(office / "till.toml"),
        "--version",
        "1",
        "--out",
        str(office / "o"),
        "--key",
        str(office / "locked.key"),
    ]
    assert "give --passphrase-file" in run(capsys, *words)[2]
    assert run(capsys, *words, "--passphrase-file", str(office / "word"))[0] == 0
    (office / "word").write_text("another")
    code, _, err = run(capsys, *words, "--passphrase-file", str(office / "word"))
    assert (code, "the passphrase is wrong" in err, "another" in err) == (2, True, False)


@pytest.mark.parametrize(
    "words",
    [
        ["lint", "/nowhere.toml"],
        ["lint", "/etc"],
        ["lint", "/dev/zero"],
        ["verify", TILL, "--trust", TILL],
        ["status", "--trust", "/nowhere", "--terminal", "X"],
        ["simulate", TILL, "/dev/null/x"],
        ["diff", TILL, "/nowhere"],
        ["convert", "/nowhere", "--to", "usbguard"],
        ["approve", TILL, "--key", "/nowhere"],
        ["sign", TILL, "--version", "0", "--key", "/nowhere", "--out", "/nowhere"],
        ["grant", "x", TILL, "--trust", TILL, "--terminal", "X"],
        ["dance"],
        [],
    ],
)
def test_what_is_wrong_is_said_with_a_cure(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "hint: " in err or "usage: " in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "octets", [b"\xff\xfe", b"title = 'x'\nrules = '''allow name \"\xff\"'''", b"\0", b"[" * 5_000]
)
def test_garbage_for_a_policy(capsys: pytest.CaptureFixture[str], tmp_path: Path, octets: bytes) -> None:
    for name in ("x.toml", "x.rules"):
        path = tmp_path / name
        path.write_bytes(octets)
        code, _, err = run(capsys, "lint", str(path))
        assert code in (0, 1, 2)
        assert "Traceback" not in err


def test_the_state_folder_of_another_user(capsys: pytest.CaptureFixture[str], office: Path) -> None:
    policy = signed(capsys, office, "till.toml", 7)
    (office / "state").write_text("a file, no folder")
    code, _, err = run(capsys, "offer", policy, *here(office), "--tree", GOOD)
    assert code == 4
    assert f"{office}{os.sep}state" in err
