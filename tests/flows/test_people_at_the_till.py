# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent pay`` asks the people at the till, every part its own process: application, signature, wishes."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device_profiles import catalog
from scripts.lib.stations import command
from terminal_agent.cli.client import AgentClient
from tests.flows.lab_stage import ServiceStage

SETTINGS = 'capabilities = "E068C8"\nsignature = true\ncardholder-choice = true\n'
APPLICATIONS = "1 TEST MASTERCARD; 2 TEST VISA; 3 TEST DEBIT"


class AskingStage(ServiceStage):
    """A terminal whose people can be asked."""

    def profile(self) -> Path:
        """With what the people can be asked."""
        path = super().profile()
        text = path.read_text().replace("[[emv.aids]]", f"{SETTINGS}\n[[emv.aids]]", 1)
        mastercard = '[[emv.contact]]\naid = "A0000000041010"\napplication-version = "0002"\n\n[acquirer]\n'
        path.write_text(text.replace("[acquirer]\n", mastercard, 1).replace("[timeouts]", "[timeouts]\nanswer = 20"))
        return path

    def ready(self) -> None:
        """All but head office."""
        self.reader()
        self.pad()
        self.acquirer()
        self.agent()

    def words(self, *options: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """One payment with these options: the fields of its end, and all events."""
        done = self.run("pay", "--amount", "42.00", "--currency", "EUR", *options)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert events[-1]["name"] == "payment.finished", done.stdout + done.stderr
        return events[-1]["fields"], events


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[AskingStage]:
    with AskingStage(tmp_path) as built:
        yield built


def test_an_application_is_chosen_by_number_by_label_and_refused(stage: AskingStage) -> None:
    stage.like = "test-multi-application"
    stage.ready()
    for choice in ("3", "test debit"):
        fields, events = stage.words("--choose", choice)
        assert fields["outcome"] == "approved"
        (question,) = [event["fields"] for event in events if event["name"] == "payment.question"]
        assert (question["about"], question["options"]) == ("application", APPLICATIONS)
    fields, _ = stage.words("--choose", "0")
    assert (fields["outcome"], fields["reason"]) == (
        "cancelled",
        "the cardholder chose none of the card's applications",
    )


def test_another_program_answers(stage: AskingStage) -> None:
    """As a till with a display of its own does: it starts the payment, is told the question, and answers."""
    stage.like = "test-multi-application"
    stage.ready()
    with AgentClient(stage.folder / "agent.sock") as agent:
        agent.call("events.subscribe")
        payment = agent.call("payment.start", amount=4200, currency="EUR", online=True)["payment"]
        for event in agent.events(20):
            if event["name"] == "payment.question":
                status = agent.call("payment.status", payment=payment)
                assert (status["state"], status["about"]) == ("asking", "application")
                assert status["options"] == ["TEST MASTERCARD", "TEST VISA", "TEST DEBIT"]
                assert agent.call("payment.answer", payment=payment, answer=3) == {"answered": 3}
            if event["name"] == "payment.finished":
                break
        assert event["fields"]["outcome"] == "approved"


def test_a_person_types_the_number(stage: AskingStage) -> None:
    """On a terminal the command asks; what is no number of the list is asked for again."""
    stage.like = "test-multi-application"
    stage.ready()
    keys, seat = pty.openpty()
    argv = [command("terminal-agent"), "pay", "--amount", "42.00", "--currency", "EUR"]
    argv += ["--socket", str(stage.folder / "agent.sock")]
    os.write(keys, b"nine\n9\n3\n")
    try:
        done = subprocess.run(argv, stdin=seat, capture_output=True, text=True, timeout=60, check=False)
    finally:
        os.close(keys)
        os.close(seat)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("1 to 3, or 0 for none: ") == 3
    assert f"asks about the application, {APPLICATIONS}" in done.stdout


@pytest.mark.parametrize(("answer", "outcome"), [("accept", "approved"), ("reject", "declined")])
def test_the_cashier_looks_at_a_signature(stage: AskingStage, answer: str, outcome: str) -> None:
    shipped = catalog.find("cards", "test-visa-contact").read_text()
    paper = stage.folder / "paper.toml"
    paper.write_text(shipped.replace('"000000000000000042031F03"', '"00000000000000001E031F03"'))
    stage.like = str(paper)
    stage.ready()
    fields, events = stage.words("--signature", answer)
    assert fields["outcome"] == outcome
    receipt = [event["fields"].get("words", "") for event in events if event["fields"].get("step") == "receipt"]
    assert receipt[0].startswith("approved, signature needed: EUR 42.00, card ")
    assert [event["name"] for event in events if event["name"] == "reversal.owed"] == (
        [] if outcome == "approved" else ["reversal.owed"]
    )
