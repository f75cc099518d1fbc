# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The M/Chip-like twin: its cryptogram against another implementation, its states and refusals; nothing breaks it."""

import pyemv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.card_profile import load_card
from device_profiles.serve.card_choice import chosen as chosen_card
from device_profiles.twins.card import CardTwin, State
from device_profiles.twins.card_answer import CardTorn
from device_profiles.twins.contactless_card import contactless_card
from device_profiles.twins.mchip_card import ALLOWED, MOST_EXCHANGES, MChipTwin
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins, Response

PROFILE = load_card("test-mastercard-like")
AID = bytes.fromhex("A0000000041010")
TERMINAL = {
    0x9F02: "000000004200",
    0x9F03: "000000000000",
    0x9F1A: "0276",
    0x95: "0000008002",
    0x5F2A: "0978",
    0x9A: "251122",
    0x9C: "00",
    0x9F37: "1A2B3C4D",
    0x9F35: "22",
    0x9F34: "020300",
    0x9F15: "5411",
}
GIVEN = {tag: bytes.fromhex(text) for tag, text in TERMINAL.items()}
CDOL = dol.decode(bytes.fromhex(PROFILE.application.objects["8C"]))
OPTIONS = apdu.get_processing_options(bytes(8) + b"\x22")


def card(atc: int = 0) -> MChipTwin:
    twin = MChipTwin(PROFILE, lambda count: b"\xa5" * count, atc)
    twin.power_on()
    return twin


def ask(twin: MChipTwin, command: Command | bytes) -> Response:
    return Response.decode(twin.apdu(command if isinstance(command, bytes) else command.encode()))


def chosen(atc: int = 0) -> MChipTwin:
    """A card that has given its processing options."""
    twin = card(atc)
    assert ask(twin, apdu.select(AID)).ok
    assert ask(twin, OPTIONS).ok
    return twin


def objects(response: Response) -> dict[int, bytes]:
    assert response.ok
    return dict(tlv.decode(response.data).leaves())


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # pyemv's own imports
@pytest.mark.parametrize("atc", [0, 1, 0x1233])
def test_the_cryptogram_is_what_another_implementation_makes(atc: int) -> None:
    made = objects(ask(chosen(atc), apdu.generate_ac(2, dol.fill(CDOL, GIVEN))))
    key = pyemv.kd.derive_icc_mk_a(bytes.fromhex(PROFILE.keys.test_mk_ac), PROFILE.application.pan, "01")
    counter, number = made[0x9F36], GIVEN[0x9F37]
    # M/Chip's session key: counter, F0 or 0F, and the unpredictable number
    session = pyemv.kd.derive_common_sk(key, counter + b"\x00\x00" + number)
    covered = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37)
    data = b"".join(GIVEN[tag] for tag in covered) + bytes.fromhex("1981") + counter + made[0x9F10][2:8]
    assert made[0x9F26] == pyemv.ac.generate_ac(session, data, pyemv.ac.PaddingType.EMV)
    assert int.from_bytes(counter, "big") == atc + 1


def test_a_signed_cryptogram_is_not_shown_in_clear() -> None:
    made = objects(ask(chosen(), apdu.generate_ac(1, dol.fill(CDOL, GIVEN), signed=True)))
    assert made.keys() == {0x9F27, 0x9F36, 0x9F4B, 0x9F10}
    assert made[0x9F27] == b"\x40"


def test_relay_resistance_is_exchanged_a_few_times_and_only_within_a_payment() -> None:
    twin = card()
    exchange = apdu.exchange_relay_resistance_data(bytes(4))
    assert ask(twin, exchange).status == 0x6985
    twin = chosen()
    answers = [ask(twin, exchange) for _ in range(MOST_EXCHANGES + 1)]
    assert [answer.status for answer in answers] == [0x9000] * MOST_EXCHANGES + [0x6985]
    assert answers[0].data == bytes.fromhex("800AA5A5A5A5000500140018")


def test_an_answer_is_given_again_only_for_its_own_payment() -> None:
    twin = chosen()
    first = ask(twin, apdu.generate_ac(2, dol.fill(CDOL, GIVEN), signed=True))
    twin.power_off()
    twin.power_on()
    ask(twin, apdu.select(AID))
    ask(twin, OPTIONS)
    assert ask(twin, apdu.recover_ac(bytes.fromhex("1A2B3C4E"))).status == 0x6A88
    assert ask(twin, apdu.recover_ac(GIVEN[0x9F37])) == first
    assert twin.atc == 1


def test_its_counter_ends() -> None:
    twin = card(0xFFFF)
    ask(twin, apdu.select(AID))
    assert ask(twin, OPTIONS).status == 0x6985


def test_a_card_without_power() -> None:
    twin = card()
    twin.power_off()
    with pytest.raises(CardTorn):
        twin.apdu(apdu.select(AID).encode())


def test_which_twin_a_profile_is_of() -> None:
    assert isinstance(contactless_card(PROFILE, bytes), MChipTwin)
    assert isinstance(contactless_card(load_card("test-visa-fdda"), bytes), CardTwin)


@pytest.mark.parametrize("state", [State.IDLE, State.DIRECTORY, State.APPLICATION, State.PROCESSED])
@pytest.mark.parametrize("ins", [*ALLOWED, Ins.GET_DATA, Ins.PUT_DATA, Ins.COMPUTE_CRYPTOGRAPHIC_CHECKSUM])
def test_every_command_in_every_state(state: State, ins: int) -> None:
    twin = card()
    twin.state = state
    cla, states = ALLOWED.get(ins, (0x80, frozenset()))
    status = ask(twin, bytes((cla, ins, 0, 0))).status
    if ins not in ALLOWED:
        assert status == 0x6D00
    elif state not in states:
        assert status == 0x6985
    else:
        assert status not in (0x6985, 0x6D00, 0x6E00)
    assert ask(twin, bytes((cla ^ 0x40, ins, 0, 0))).status in (0x6E00, 0x6D00)


@given(st.lists(st.binary(max_size=60), max_size=6), st.sampled_from(sorted(ALLOWED)))
@settings(max_examples=150, deadline=None)
def test_nothing_breaks_it(commands: list[bytes], ins: int) -> None:
    twin = chosen()
    for body in commands:
        for octets in (body, bytes((ALLOWED[ins][0], ins)) + body):
            assert len(twin.apdu(octets)) >= 2


def test_a_reader_with_contacts_shows_it_too() -> None:
    shown = chosen_card("test-mastercard-like")
    assert shown.power_on()[:3] == bytes.fromhex("3B8080")
    assert Response.decode(shown.apdu(apdu.select(AID).encode())).ok
