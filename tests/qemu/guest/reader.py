# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""From a card reader's plug to an APDU: a twin on vhci_hcd, the warden's verdict, pcscd, a card. Tells findings."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_profiles.serve.card_choice import chosen
from device_profiles.serve.usbip import Plug, free_port
from device_profiles.twins.ccid_reader import CcidReader, Kind
from device_profiles.twins.usb_function import UsbCcid, UsbFunction, ccid_model
from tests.qemu.guest import stage
from tests.qemu.guest.stage import PATIENCE_S, Host, by_id, guarded, until

IDS = ("08e6", "3437")
RULE = 'allow id 08e6:3437 serial "R0001" with-interface 0b:00:00 label "reader"\n'
SELECT = "00A404000E315041592E5359532E4444463031"


def to_an_apdu(host: Host) -> Mapping[str, Any]:
    """Plug, verdict, driver, SELECT of the payment system environment."""
    stage.load("vhci_hcd")
    Path("/run/pcscd").mkdir(exist_ok=True)
    Path("/run/no-readers").mkdir(exist_ok=True)
    with guarded(RULE) as warden:
        reader = CcidReader(Kind.TWIN)
        reader.insert(chosen("test-visa-contact", transmission="t0"))
        function = UsbCcid(reader)
        began = time.monotonic()
        plug = Plug(UsbFunction(ccid_model(*IDS, "USB SmartCard Reader", "R0001"), function), free_port())
        try:
            port = until(lambda: by_id(*IDS))[0]
            until(lambda: warden.verdicts(port))
            judged_s = time.monotonic() - began
            said = until(_answered)
            return {
                "verdict": warden.verdicts(port), "judged_s": round(judged_s, 2), "said": said,
                "exchanges": function.exchanges, "seconds": round(time.monotonic() - began, 2),
            }  # fmt: skip
        finally:
            plug.pull()


def _answered() -> str:
    """What an independent PC/SC program gets for SELECT of a service that was just started; nothing without a card."""
    service = subprocess.Popen(["/usr/sbin/pcscd", "--foreground", "--config", "/run/no-readers"])
    try:
        time.sleep(2)
        asked = ["/usr/bin/opensc-tool", "--send-apdu", SELECT]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        print(done.stdout, done.stderr, flush=True)
        return done.stdout if "Received" in done.stdout else ""
    finally:
        service.terminate()
        service.wait(PATIENCE_S)
