# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the demonstration can be made with, and its terminal's profile. Starts nothing."""

TERMINAL = "TG000001"
SOFTWARE = "software"
CARDS = ("test-visa-like", "test-mastercard-like", "test-visa-fdda", "test-mobile-visa", "test-mobile-mastercard")
READERS = {"pn532": "PN532", "vivotech2": "ViVOtech2 reader"}
PADS = ("ipp-uic", "ipp-verifone", "abecs", SOFTWARE)

ABECS_IDENTITY = "97A54285930C027A97C2C291D8E91F09BDE9442B2957A35F49C3DFC401DF06C3"  # of the TEST key in that load
PHONE_TEXT = "consumer-device-cvm = true\nsigned-online = true\n"


def profile_text(models: tuple[str, str], reader: str, pad: str, acquirer: str, broker: str, *, phone: bool) -> str:
    """The terminal profile of the demonstration, as a person would write it."""
    identity = f'identity = "{ABECS_IDENTITY}"\n' if models[1] == "abecs" else ""
    return f"""\
# Made by scripts/demo. Real hardware: change the two lines below to /dev/ttyUSB0 and so on.
[terminal]
id = "{TERMINAL}"
merchant = "TILLGUARD000001"
state = "state"
socket = "agent.sock"

[reader]
model = "{models[0]}"
line = "{reader}"

[pad]
model = "{models[1]}"
line = "{pad}"
{identity}
[emv]
country = "276"
currency = "978"
serial-number = "{TERMINAL}"
{PHONE_TEXT if phone else ""}
[[emv.aids]]
aid = "A0000000031010"
kernel = 3
application-version = "0096"
transaction-limit = 500000
cvm-limit = 2500
floor-limit = 0

[[emv.aids]]
aid = "A0000000041010"
kernel = 2
application-version = "0002"
transaction-limit = 500000
cvm-limit = 2500
floor-limit = 0

{wires(acquirer, broker)}"""


def wires(acquirer: str, broker: str) -> str:
    """A profile's sections for both far ends, with the files that `device-twin pki` makes."""
    return f"""\
[acquirer]
address = "{acquirer}"
dialect = "ascii-1987"
[acquirer.tls]
ca = "pki/ca.pem"
certificate = "pki/{TERMINAL}.pem"
key = "pki/{TERMINAL}.key"
server-name = "localhost"

[report]
broker = "{broker}"
ca = "pki/ca.pem"
certificate = "pki/{TERMINAL}.pem"
key = "pki/{TERMINAL}.key"
"""
