# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""From a card reader's plug to an APDU: a twin on vhci_hcd, the warden's verdict, pcscd, a card. Tells findings."""

import os
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from device_profiles.serve.card_choice import chosen
from device_profiles.serve.usbip import Plug, free_port
from device_profiles.twins.ccid_reader import CcidReader, Kind
from device_profiles.twins.usb_function import UsbCcid, UsbFunction, ccid_model
from tests.qemu.guest import stage
from tests.qemu.guest.stage import Host, by_id, guarded, until

IDS = ("08e6", "3437")
RULE = 'allow id 08e6:3437 serial "R0001" with-interface 0b:00:00 label "reader"\n'
SELECT = "00A404000E315041592E5359532E4444463031"


def to_an_apdu(host: Host) -> Mapping[str, Any]:
    """Plug, verdict, driver, SELECT of the payment system environment."""
    stage.load("vhci_hcd")
    with guarded(RULE) as warden:
        service = subprocess.Popen(
            ["/usr/sbin/pcscd", "--foreground", "--disable-polkit"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            reader = CcidReader(Kind.TWIN)
            reader.insert(chosen("test-visa-contact", transmission="t0"))
            began = time.monotonic()
            model = ccid_model("08e6", "3437", "USB SmartCard Reader", "R0001")
            plug = Plug(UsbFunction(model, ccid := UsbCcid(reader)), free_port())
            port = until(lambda: by_id(*IDS))[0]
            until(lambda: warden.verdicts(port))
            judged = time.monotonic() - began
            said = until(_answered, 60)
            found = {
                "verdict": warden.verdicts(port), "judged_s": round(judged, 2), "said": said,
                "exchanges": ccid.exchanges,
                "seconds": round(time.monotonic() - began, 2),
            }  # fmt: skip
            plug.pull()
            return found
        finally:
            service.terminate()
            service.wait(10)


def _answered() -> str:
    """What an independent PC/SC program gets for SELECT; nothing while there is no card for it."""
    done = subprocess.run(
        ["/usr/bin/opensc-tool", "--wait", "--send-apdu", SELECT], capture_output=True, text=True, check=False,
        env=os.environ, timeout=30,
    )  # fmt: skip
    return done.stdout if "Received" in done.stdout else ""
