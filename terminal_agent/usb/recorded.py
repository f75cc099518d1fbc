# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A tree of devices as a text file, in the format of umockdev: read and written. Asks no sysfs.

The same file can be played by ``umockdev-run``, also to ``usbguard generate-policy``. A device is a block of lines:
``P:`` its path below sysfs, ``E:`` a property, ``A:`` an attribute with ``\\n`` and ``\\\\`` escaped, ``H:`` one in
hexadecimal, ``L:`` a link, ``N:`` a device node. A blank line ends the block.
"""

from collections.abc import Iterator, Sequence

from protocols.errors import DecodeError
from protocols.octets import unhex
from protocols.usb.descriptors import LARGEST as LARGEST_DESCRIPTORS
from terminal_agent.usb.describe import Raw
from terminal_agent.usb.document import PORT

LARGEST = 32 << 20  # some thousand devices with all their descriptors in hexadecimal
MOST_DEVICES = 4_096
_CONTROLLER = "/devices/pci0000:00/0000:00:14.0"  # of a device that does not say what it hangs from
_ESCAPES = {"n": "\n", "\\": "\\", "t": "\t", "r": "\r"}


def read_tree(text: str) -> list[Raw]:
    """The USB devices of a recorded tree; others are passed over. :class:`DecodeError` names the line."""
    if len(text) > LARGEST:
        raise DecodeError("recorded tree", f"more than {LARGEST} characters")
    found: list[Raw] = []
    seen: set[str] = set()
    for number, block in _blocks(text):
        raw = _device(number, block)
        if raw is None:
            continue
        if raw.port in seen:
            raise DecodeError(f"recorded tree, line {number}", "a port that stood there before")
        seen.add(raw.port)
        found.append(raw)
        if len(found) > MOST_DEVICES:
            raise DecodeError(f"recorded tree, line {number}", f"more than {MOST_DEVICES} devices")
    return found


def write_tree(raws: Sequence[Raw]) -> str:
    """A tree in that format, hubs first."""
    blocks = [f"P: {path}\nE: SUBSYSTEM=pci\n" for path in sorted({raw.controller_path or _CONTROLLER for raw in raws})]
    for raw in sorted(raws, key=lambda one: (not one.port.startswith("usb"), len(one.port), one.port)):
        lines = [f"P: {_path(raw)}", "E: DEVTYPE=usb_device", "E: SUBSYSTEM=usb"]
        texts = {"idVendor": raw.vendor, "idProduct": raw.product, "product": raw.name, "serial": raw.serial}
        texts |= {"port/connect_type": raw.connect_type}
        if raw.authorized is not None:
            texts["authorized"] = "1" if raw.authorized else "0"
        lines += [f"A: {name}={_escaped(text)}\\n" for name, text in texts.items() if text]
        lines.append(f"H: descriptors={raw.descriptors.hex().upper()}")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    block: list[str] = []
    begins = 1
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            continue
        if line.strip():
            if not block:
                begins = number
            block.append(line)
        elif block:
            yield begins, block
            block = []
    if block:
        yield begins, block


def _device(number: int, block: list[str]) -> Raw | None:
    path, properties, attributes = "", {}, {}
    for place, line in enumerate(block):
        letter, colon, rest = line.partition(": ")
        where = f"recorded tree, line {number + place}"
        if not colon or letter not in ("P", "E", "A", "H", "L", "N", "S", "I"):
            raise DecodeError(where, "P:, E:, A:, H:, L: or N: expected")
        name, equals, value = rest.partition("=")
        if letter == "P":
            path = rest
        elif letter in ("E", "A", "H") and not equals:
            raise DecodeError(where, "NAME=VALUE expected")
        elif letter == "E":
            properties[name] = value
        elif letter == "A":
            attributes[name] = _unescaped(value).encode("utf-8", "surrogateescape")
        elif letter == "H":
            attributes[name] = unhex(value, where)
    if properties.get("DEVTYPE") != "usb_device":
        return None
    where = f"recorded tree, line {number}"
    port = path.rpartition("/")[2]
    if not path.startswith("/devices/") or not PORT.fullmatch(port):
        raise DecodeError(where, "P: the path of a USB device below sysfs expected")
    octets = attributes.get("descriptors")
    if octets is None or len(octets) > LARGEST_DESCRIPTORS or not {"idVendor", "idProduct"} <= attributes.keys():
        raise DecodeError(where, "idVendor, idProduct and descriptors expected")

    def text(name: str) -> str:
        return attributes.get(name, b"").decode("utf-8", "surrogateescape").rstrip("\n")

    return Raw(
        port=port,
        vendor=text("idVendor"),
        product=text("idProduct"),
        descriptors=octets,
        name=text("product"),
        serial=text("serial"),
        connect_type=text("port/connect_type"),
        controller_path=_controller(path),
        authorized=None if "authorized" not in attributes else text("authorized") == "1",
    )


def _controller(path: str) -> str:
    """The path of what the root hub on the way hangs from."""
    steps = path.split("/")
    for place, step in enumerate(steps):
        if step.startswith("usb") and step[3:].isdecimal():
            return "/".join(steps[:place])
    return ""


def _path(raw: Raw) -> str:
    controller = raw.controller_path or _CONTROLLER
    if raw.port.startswith("usb"):
        return f"{controller}/{raw.port}"
    bus, _, chain = raw.port.partition("-")
    steps = chain.split(".")
    names = [f"{bus}-{'.'.join(steps[: place + 1])}" for place in range(len(steps))]
    return "/".join((controller, f"usb{bus}", *names))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _unescaped(text: str) -> str:
    parts = text.split("\\")
    said = [parts[0]]
    skip = False
    for part in parts[1:]:
        if skip:
            said.append(part)
            skip = False
        elif not part:
            said.append("\\")
            skip = True
        else:
            said.append(_ESCAPES.get(part[0], part[0]) + part[1:])
    return "".join(said)
