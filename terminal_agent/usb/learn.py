# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A first policy from what is plugged in: one rule a device, as narrow as what the device shows. Writes no file.

It allows what is there, so whoever uses it looks at it first: a device that should not be there is in it too. A device
without a serial number is bound to its port. Wherever a device types, its cadence is watched, except for scanners,
which cannot be told from a fast keyboard here: the comment says so.
"""

from collections import Counter
from collections.abc import Sequence

from protocols.usb.classes import HID, interface_name
from protocols.usb.device import Device
from protocols.usb.rules import printable, quoted
from terminal_agent.usb.describe import Unreadable

_KEYBOARD = "keyboard"


def learn(devices: Sequence[Device | Unreadable], *, title: str, bind_ports: bool = False, hashes: bool = False) -> str:
    """The text of a policy file. ``bind_ports``: every device to its port; ``hashes``: also to its descriptors."""
    good = [one for one in devices if isinstance(one, Device)]
    rules = ['allow id 1d6b:* with-interface 09:00:00 with-connect-type "" label "root hub"']
    names = _names(good)
    for one in good:
        if not one.is_root:
            rules += [
                f"# {_seen(one)}",
                _rule(one, names[one.port], bind_port=bind_ports or not one.serial, hashed=hashes),
            ]
    for bad in devices:
        if isinstance(bad, Unreadable):
            rules.append(f"# {printable(bad.port)}: its descriptors do not add up; no rule can allow it")
    body = "\n".join(rules)
    return f"title = {_toml(title)}\nimplicit = \"block\"\n\nrules = '''\n{body}\n'''\n{_needs(good, names)}"


def _rule(device: Device, name: str, *, bind_port: bool, hashed: bool) -> str:
    said = [f"allow id {device.vendor}:{device.product}"]
    if device.serial:
        said.append(f"serial {_text(device.serial)}")
    if device.name:
        said.append(f"name {_text(device.name)}")
    if hashed:
        said.append(f"hash {quoted(device.hash2)}")
    if bind_port:
        said.append(f"via-port {quoted(device.port)}")
    shown = " ".join(map(str, device.interfaces))
    said.append(f"with-interface {{ {shown} }}" if len(device.interfaces) != 1 else f"with-interface {shown}")
    if device.connect_type:
        said.append(f"with-connect-type {_text(device.connect_type)}")
    if any(interface_name(one) == _KEYBOARD for one in device.interfaces):
        said.append("if keystroke-rate(30,8)")
    said.append(f'label "{name}"')
    return " ".join(said)


def _seen(device: Device) -> str:
    kinds = ", ".join(dict.fromkeys(interface_name(one) for one in device.interfaces))
    types = "; if it is a scanner, take its keystroke-rate away" if _KEYBOARD in kinds else ""
    words = device.words().replace("'", "\\x27")  # three of them would end the TOML literal that the rules stand in
    return f"{words}: {kinds}{types}"


def _text(text: str) -> str:
    """A text in a rule in a TOML literal, where three apostrophes would end it."""
    return quoted(text).replace("'", "\\x27")


def _names(devices: Sequence[Device]) -> dict[str, str]:
    """A label for each, from what it is and where."""
    kinds = {one.port: interface_name(one.interfaces[0]) if one.interfaces else "device" for one in devices}
    counted = Counter(kinds.values())
    return {port: kind if counted[kind] == 1 and kind != "hub" else f"{kind} at {port}" for port, kind in kinds.items()}


def _needs(devices: Sequence[Device], names: dict[str, str]) -> str:
    """Input devices that are there now are what an operator would miss."""
    said = ""
    for one in devices:
        if any(shown.base == HID for shown in one.interfaces):
            match = f'id {one.vendor}:{one.product} via-port "{one.port}"'
            said += f"\n[[needs]]\nwhat = {_toml(names[one.port])}\nmatch = '{match}'\noperator-input = true\n"
    return said


def _toml(text: str) -> str:
    escaped = printable(text).replace("\\x", "\\u00")
    return f'"{escaped}"'
