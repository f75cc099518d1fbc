# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""With account data enciphered as they are read, the acquirer's wire carries no account number in any field at all.

The wire is tapped inside where TLS would be. Nothing is allowed there; the same search finds the number in two fields
of the same wire where the terminal does not encipher (test_wires.py), so it would find it here.
"""

import pytest

from protocols.acquirer.dialects import ASCII_1987
from protocols.acquirer.frame import Framer
from protocols.acquirer.message import Message, decode
from protocols.acquirer.mti import Mti
from tests.flows.vault_stage import VaultStage
from tests.secrets.planted import DATA_KSN, PAN, PLANTED
from tests.secrets.scanner import Scanner
from tests.secrets.tapped import tapped
from tests.secrets.taps import TO_SERVER, Recording
from tests.secrets.wires import Search, read_allowed

NEEDED = ("GET PROCESSING OPTIONS 57", "READ RECORD 5A", "Z60 PAN")
"""What remains: the card gives its number to the reader, and the pad needs it for its PIN block."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    """One approved payment with PIN at a pad, beside a vault."""
    with VaultStage(tmp_path_factory.mktemp("tapped"), beside=True, enciphers=True) as stage:
        stage.load()
        return tapped(stage)


def request(recordings: dict[str, Recording]) -> Message:
    frames = Framer(ASCII_1987).feed(recordings["acquirer"].said(TO_SERVER))
    messages = [decode(one.message, ASCII_1987).message for one in frames]
    (found,) = (one for one in messages if one.mti is Mti.AUTHORISATION_REQUEST)
    return found


def test_no_field_to_the_acquirer_needs_an_allowance(recordings: dict[str, Recording]) -> None:
    heard = {name: recording for name, recording in recordings.items() if name != "hsm"}  # the acquirer's secure room
    allowed = tuple(row for row in read_allowed() if row.field in NEEDED)
    assert Search(Scanner(PLANTED), allowed).findings(heard) == []


def test_the_request_has_the_cryptogram_in_place_of_each_clear_element(recordings: dict[str, Recording]) -> None:
    message = request(recordings)
    assert (message.pan, message.track2, message.expiry) == (None, None, None)
    assert message.account is not None
    assert message.account.ksn.hex().upper()[:14] == DATA_KSN[:14]
    assert message.account.masked == PAN[:6] + "******" + PAN[-4:]
    assert message.pin_block is not None
