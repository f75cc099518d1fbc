# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a program on nfcpy does with a PN532 on a serial line: LINE APDU…, and one JSON object on what it found.

nfcpy is unmodified. Its own search for devices looks below /dev only, so the line is given to its driver by name.
"""

import json
import sys

import nfc.clf.pn532
import nfc.clf.transport
import nfc.tag


def main(line: str, *apdus: str) -> None:
    """Find a card of type A or B, activate it, send the APDUs, read its NDEF message, ask whether it is still there."""
    frontend = nfc.ContactlessFrontend()
    frontend.device = nfc.clf.pn532.init(nfc.clf.transport.TTY(line))
    kinds = (nfc.clf.RemoteTarget("106A"), nfc.clf.RemoteTarget("106B"))
    target = frontend.sense(*kinds, iterations=20, interval=0.05)
    found = {"kind": target and target.brty}
    if target is not None:
        tag = nfc.tag.activate(frontend, target)
        found["type"] = tag.type
        found["answers"] = [tag.transceive(bytes.fromhex(apdu)).hex().upper() for apdu in apdus]
        found["addresses"] = [record.uri for record in tag.ndef.records] if tag.ndef else []
        found["present"] = tag.is_present
    frontend.close()
    print(json.dumps(found))


main(*sys.argv[1:])
