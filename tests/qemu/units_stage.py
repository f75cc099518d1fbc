# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal that was set up by docs/usb.md and docs/vault.md, as files, for the boot under systemd. Starts nothing.

Made on this machine, where it takes a second; tests/qemu/guest/units.sh puts it where it belongs.
"""

import subprocess
from pathlib import Path

from scripts.lib.stations import command
from tests.cli.test_keys import PROFILE, Desk, components
from tests.terminal_agent.wardens import PEOPLE, TERMINAL, Shop

HOME = "/var/lib/tillguard"
SETTINGS = f'terminal = "{TERMINAL}"\ntrust = "trust.toml"\nlisteners = ["tillguard"]\n'
PLACES = {
    '"agent.sock"': '"/run/tillguard/agent.sock"', '"state"': f'"{HOME}/state"', '"passphrase"': f'"{HOME}/passphrase"',
    '"vault/store"': f'"{HOME}/vault/store"', '"elsewhere/counter"': f'"{HOME}/elsewhere/counter"',
    'ca = "file"': 'ca = "pki/ca.pem"', 'certificate = "file"': f'certificate = "pki/{TERMINAL}.pem"',
    'key = "file"': f'key = "pki/{TERMINAL}.key"',
    '"keypad"': '"/dev/ttyACM0"', "[terminal]": 'warden = "/run/tillguard-warden/warden.sock"\n[terminal]',
}  # fmt: skip
"""What stands in the profile on a bench, and on a terminal."""


def set_up(folder: Path) -> None:
    """``etc``, ``agent`` with a vault that has its keys, ``warden`` with a policy that is kept."""
    etc, agent, warden = (folder / name for name in ("etc", "agent", "warden"))
    for one in (etc, agent, warden):
        one.mkdir(parents=True)
    desk = Desk(agent)
    desk.said("init")
    desk.said("load", "transport", *components(desk))
    subprocess.run([command("device-twin"), "pki", "--dir", etc / "pki", "--terminal", TERMINAL], check=True,
                   capture_output=True)  # fmt: skip
    text = PROFILE
    for bench, terminal in PLACES.items():
        text = text.replace(bench, terminal)
    (etc / "terminal.toml").write_text(text)
    shop = Shop(warden)
    shop.keep('allow id 0525:a4a7 with-interface { 02:02:01 0a:00:00 } label "keypad"\n')
    (etc / "warden.toml").write_text(SETTINGS)
    for name in ("trust.toml", *(f"{one}.pub" for one in PEOPLE)):
        (warden / name).rename(etc / name)
