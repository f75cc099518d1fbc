# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The hashes by which a policy names one device: usbguard's, and one whose parts cannot run together. Reads nothing.

Neither proves who a device is: whoever copies all its descriptors has its hash. It notices that a device is another
than before, or that it shows more than it did. Two alike devices without a serial number share one, and the hash of a
device differs between USB 2 and USB 3 ports, because its descriptors do.
"""

from base64 import b64encode
from hashlib import sha256

from protocols.usb.descriptors import split
from protocols.usb.matching import HASH_V2

_LINUX_ROOT_HUBS = frozenset({("1d6b", "0001"), ("1d6b", "0002"), ("1d6b", "0003")})
_RELEASE = slice(12, 14)  # bcdDevice, which in a root hub is the version of the kernel
_DOMAIN = b"tillguard usb device v2"


def device_hash(name: str, vendor: str, product: str, serial: str, descriptors: bytes) -> str:
    """usbguard's device hash: base64 of SHA-256 over all of it, one behind the other (usbguard 1.1.2).

    ``vendor`` and ``product`` as four small hexadecimal digits; ``descriptors`` as sysfs gives them.
    :class:`~protocols.errors.DecodeError` where they do not add up.
    """
    whole = sha256()
    for text in (name, vendor, product, serial):
        whole.update(_octets(text))
    whole.update(_stable(vendor, product, descriptors))
    return b64encode(whole.digest()).decode("ascii")


def device_hash_v2(name: str, vendor: str, product: str, serial: str, descriptors: bytes) -> str:
    """Ours: each part behind its length, so that ``AB`` and ``12`` are not ``A`` and ``B12``. Begins with ``v2:``."""
    whole = sha256(_DOMAIN)
    for part in (*map(_octets, (name, vendor, product, serial)), _stable(vendor, product, descriptors)):
        whole.update(len(part).to_bytes(4, "big"))
        whole.update(part)
    return HASH_V2 + b64encode(whole.digest()).decode("ascii")


def root_parent_hash(sysfs_path: str) -> str:
    """usbguard's parent hash of a root hub: that of its controller's path below sysfs, such as ``/devices/pci…``."""
    return b64encode(sha256(_octets(sysfs_path)).digest()).decode("ascii")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _stable(vendor: str, product: str, descriptors: bytes) -> bytes:
    parts = split(descriptors)
    if parts and len(parts[0]) == 18 and (vendor, product) in _LINUX_ROOT_HUBS:
        device = bytearray(parts[0])
        device[_RELEASE] = b"\0\0"
        parts = (bytes(device), *parts[1:])
    return b"".join(parts)
