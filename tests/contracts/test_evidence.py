# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""All evidence is of this code; and the recorder: what it covers, what it drops, what it finds wanting."""

import json
import subprocess
from pathlib import Path

import pytest

from tests import evidence
from tests.evidence import FOLDER, faults, fingerprint, record


def test_all_evidence_is_of_this_code_and_passed() -> None:
    areas = sorted(path.stem for path in FOLDER.glob("*.json"))
    assert areas
    assert [fault for area in areas for fault in faults(area)] == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "one.py").write_text("A = 1\n")
    (tmp_path / "alone.py").write_text("B = 2\n")
    return tmp_path


COVERS = ["room", "alone.py"]


def written(tree: Path, name: str, cases: int, result: str = "passed") -> None:
    record("area", COVERS, 7, {name: cases}, result, folder=tree / "evidence", root=tree)


def found(tree: Path, needed: dict[str, int] | None = None) -> list[str]:
    return faults("area", needed, folder=tree / "evidence", root=tree)


def test_a_whole_record(tree: Path) -> None:
    assert found(tree) == ["area.json: not there"]
    written(tree, "first", 10)
    written(tree, "second", 20)
    assert found(tree, {"first": 10, "second": 5}) == []
    assert found(tree, {"second": 21, "third": 1}) == [
        "area.json: second: 20 cases, 21 expected",
        "area.json: third: did not run",
    ]
    document = json.loads((tree / "evidence" / "area.json").read_text())
    assert document["runs"]["second"] == {"cases": 20, "seed": 7, "result": "passed"}
    assert document["covers"] == ["alone.py", "room"]
    assert document["commit"] == "none"
    assert document["with"]["openssl"].startswith("OpenSSL")


def test_other_code_makes_it_stale_and_the_next_run_starts_anew(tree: Path) -> None:
    written(tree, "first", 10)
    for change in (
        lambda: (tree / "room" / "one.py").write_text("A = 2\n"),
        lambda: (tree / "room" / "two.py").write_text(""),
        lambda: (tree / "room" / "two.py").rename(tree / "room" / "three.py"),
    ):
        change()
        assert found(tree) == ["area.json: of other code than this; run scripts/test --long"]
        written(tree, "second", 1)
        assert found(tree, {"first": 10}) == ["area.json: first: did not run"]
    (tree / "room" / "notes.txt").write_text("not code")
    assert found(tree) == []


def test_a_failed_run_is_told_and_a_new_one_replaces_it(tree: Path) -> None:
    written(tree, "first", 10, "failed")
    assert found(tree) == ["area.json: first: failed"]
    written(tree, "first", 10)
    assert found(tree) == []


def test_a_run_records_its_end(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(evidence, "record", lambda area, packages, seed, counts, result: kept.append((counts, result)))
    states = iter(["one", "one", "two", "three", "four"])
    monkeypatch.setattr(evidence, "fingerprint", lambda packages: next(states))
    with evidence.run("area", COVERS, "good", cases=3, seed=1):
        pass
    with pytest.raises(AssertionError), evidence.run("area", COVERS, "bad", cases=3, seed=1):
        raise AssertionError
    with pytest.raises(AssertionError, match="changed during"), evidence.run("area", COVERS, "mixed", cases=3, seed=1):
        pass
    assert kept == [({"good": 3}, "passed"), ({"bad": 3}, "failed")]


def test_a_cover_that_is_not_there(tree: Path) -> None:
    with pytest.raises(FileNotFoundError, match="covers nowhere"):
        fingerprint(["nowhere"], tree)


def test_the_commit_says_whether_the_code_was_changed(tree: Path) -> None:
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    written(tree, "first", 1)
    clean = json.loads((tree / "evidence" / "area.json").read_text())["commit"]
    assert len(clean) == 12
    (tree / "alone.py").write_text("B = 3\n")
    written(tree, "first", 1)
    assert json.loads((tree / "evidence" / "area.json").read_text())["commit"] == clean + "+"
