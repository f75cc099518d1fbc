# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that the acquirer tests share: a whole card request, its answer, a sign-on and a reversal. Tests nothing."""

from dataclasses import replace

from protocols.acquirer.account import EncipheredAccount
from protocols.acquirer.message import Message
from protocols.acquirer.mti import Mti, NetworkCode
from protocols.acquirer.values import OriginalData, PinAlgorithm, PinFormat, SecurityControl, SessionKey
from protocols.pan import Pan, Track2

TEST_PAN = "4000009999990016"
KSN = bytes.fromhex("FFFF9876543210E00001")

REQUEST = Message(
    mti=Mti.AUTHORISATION_REQUEST,
    pan=Pan(TEST_PAN),
    processing_code="000000",
    amount=4200,
    transmitted="0607123456",
    stan=7,
    local_time="143456",
    local_date="0607",
    expiry="2812",
    entry_mode="071",
    sequence_number=1,
    condition_code="00",
    pin_capture="12",
    track2=Track2.from_text(TEST_PAN + "D2812201000000001"),
    reference="615814000007",
    terminal="TG000001",
    merchant="TILLGUARD-0001",
    currency="978",
    pin_block=bytes.fromhex("0102030405060708"),
    security_control=SecurityControl(PinFormat.WITH_PAN, PinAlgorithm.TDES_DOUBLE_LENGTH),
    icc=bytes.fromhex("9F2608A1A2A3A4A5A6A7A89F3602000A"),
    ksn=KSN,
)
ENCIPHERED = replace(
    REQUEST,
    pan=None,
    expiry=None,
    track2=None,
    security_control=SecurityControl(PinFormat.WITH_PAN, PinAlgorithm.TDES_DOUBLE_LENGTH, track_enciphered=True),
    account=EncipheredAccount(bytes.fromhex("FFFFDA7A000002000001"), "400000******0016", bytes(range(64))),
)
ANSWER = Message(
    mti=Mti.AUTHORISATION_RESPONSE,
    amount=4200,
    transmitted="0607123456",
    stan=7,
    reference="615814000007",
    approval="A1B2C3",
    response_code="00",
    terminal="TG000001",
    currency="978",
)
SIGNED_ON = Message(
    mti=Mti.NETWORK_RESPONSE,
    transmitted="0607123456",
    stan=1,
    response_code="00",
    terminal="TG000001",
    network_code=NetworkCode.SIGN_ON,
    session_key=SessionKey(bytes(range(16)), bytes.fromhex("A1B2C3")),
)
REVERSAL = Message(
    mti=Mti.REVERSAL_REQUEST,
    processing_code="000000",
    amount=4200,
    transmitted="0607123500",
    stan=8,
    reference="615814000007",
    response_code="68",
    terminal="TG000001",
    merchant="TILLGUARD-0001",
    currency="978",
    original=OriginalData(Mti.AUTHORISATION_REQUEST, 7, "0607123456"),
)
ALL = {"request": REQUEST, "enciphered": ENCIPHERED, "answer": ANSWER, "signed-on": SIGNED_ON, "reversal": REVERSAL}
