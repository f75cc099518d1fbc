# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN that the card checks, typed at the vault's keypad, enciphered by the vault: every part its own process.

Invariant: the card says whether the PIN is right, and the agent's memory, the wires and whatever is stored hold it
nowhere. One card has a key of its own for PINs, the other deciphers with the key that it signs with.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.lab_stage import ServiceStage
from tests.flows.test_vault_payment import PIN_ALONE, memory_of
from tests.flows.vault_stage import VaultStage

OFFLINE = 'capabilities = "E058C8"\nenciphered-pin = true\n'


class CardPinStage(VaultStage, ServiceStage):
    """A card with contacts, a keypad, and a vault that may encipher PINs for cards."""

    def profile(self) -> Path:
        """Both kinds of PIN."""
        path = super().profile()
        text = path.read_text().replace("[[emv.aids]]", f"{OFFLINE}\n[[emv.aids]]", 1)
        path.write_text(f"{text}card-pin = true\n")
        return path

    def everything(self, *keypad: str) -> None:
        """All but head office."""
        self.load()
        self.reader()
        self.keypad(*keypad)
        self.acquirer()
        self.agent()

    def steps(self) -> list[str]:
        """What the payment said."""
        events: list[dict[str, Any]] = self.stations["agent"].lines
        return [event["fields"].get("words", "") for event in events if event.get("name") == "payment.step"]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[CardPinStage]:
    with CardPinStage(tmp_path) as built:
        yield built


@pytest.mark.parametrize("like", ["test-visa-dda", "test-visa-cda"])
def test_the_card_takes_the_pin_and_the_agent_never_has_it(stage: CardPinStage, like: str) -> None:
    stage.like = like
    stage.everything()
    assert stage.pay()["outcome"] == "approved"
    said = stage.steps()
    assert "asks for the PIN, enciphered for the card, 3 left" in said
    assert "offline PIN: the card says that the PIN is right" in said
    assert any(words.startswith("CVM: enciphered PIN, checked by the card") for words in said)
    assert not any("format 0" in words for words in said), "the issuer is sent none"
    for process in stage.processes():
        assert PIN_ALONE.scan(memory_of(process)) == []


def test_a_wrong_pin_is_the_cards_to_refuse_until_it_is_blocked(stage: CardPinStage) -> None:
    """Then the list's next method: the PIN for the issuer, which is wrong as well."""
    stage.like = "test-visa-dda"
    stage.everything("--behaviour", "wrong-pin")
    fields = stage.pay()
    said = stage.steps()
    assert [words for words in said if words.startswith("offline PIN")] == [
        "offline PIN: wrong PIN, 2 tries left",
        "offline PIN: wrong PIN, 1 try left",
        "offline PIN: wrong PIN, and the last try",
    ]
    assert (fields["outcome"], fields["response_code"]) == ("declined", "55")


def test_nobody_types(stage: CardPinStage) -> None:
    stage.like = "test-visa-dda"
    stage.everything("--behaviour", "cancel")
    fields = stage.pay()
    assert (fields["outcome"], fields["reason"]) == ("cancelled", "the cardholder cancelled PIN entry")
