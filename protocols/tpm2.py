# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The few commands of a TPM 2.0 that a sealed store needs, as octets. Opens no device and keeps no handle.

TCG TPM 2.0 Library, part 3 (commands) and part 2 (structures), revision 1.59. A storage key is made anew each time from
the owner's seed: the template is always the same, so is the key, and nothing of it has to be stored. Under it one
object of data is sealed. A counter lives in non-volatile memory: it goes up by one and nobody can set it back, and one
that is defined again begins above every counter that the TPM ever had (part 3, 31.8).

Authorisations are passwords (part 1, 19.4): no session is encrypted, so who listens on the wires between processor and
TPM sees what is unsealed.
"""

import struct
from dataclasses import dataclass
from typing import Final

from protocols.errors import DecodeError

LARGEST_RESPONSE: Final = 4_096
HEADER: Final = 10
RC_SUCCESS: Final = 0
RC_INITIALIZE: Final = 0x100
RC_RETRY: Final = 0x922
RC_NV_DEFINED: Final = 0x14C
RC_HANDLE: Final = 0x18B  # of the first handle: no such NV index

_NO_SESSIONS, _SESSIONS = 0x8001, 0x8002
_OWNER: Final = 0x40000001
_PASSWORD: Final = 0x40000009
_CREATE_PRIMARY, _CREATE, _LOAD, _UNSEAL, _FLUSH, _STARTUP = 0x131, 0x153, 0x157, 0x15E, 0x165, 0x144
_NV_DEFINE, _NV_INCREMENT, _NV_READ, _NV_UNDEFINE = 0x12A, 0x134, 0x14E, 0x122
_SHA256, _ECC, _KEYEDHASH, _AES, _CFB, _NULL, _P256 = 0x000B, 0x0023, 0x0008, 0x0006, 0x0043, 0x0010, 0x0003
# TPMA_OBJECT (part 2, 8.3): fixedTPM, fixedParent, userWithAuth, noDA; of the storage key also
# sensitiveDataOrigin, restricted, decrypt
_SEALED_ATTRIBUTES: Final = 1 << 1 | 1 << 4 | 1 << 6 | 1 << 10
_STORAGE_ATTRIBUTES: Final = _SEALED_ATTRIBUTES | 1 << 5 | 1 << 16 | 1 << 17
# TPMA_NV (part 2, 13.4): AUTHWRITE, type counter, AUTHREAD, NO_DA
_COUNTER_ATTRIBUTES: Final = 1 << 2 | 1 << 4 | 1 << 18 | 1 << 25
_COUNTER_OCTETS: Final = 8

_STORAGE_KEY: Final = struct.pack(
    ">HHIHHHHHHHHH", _ECC, _SHA256, _STORAGE_ATTRIBUTES, 0, _AES, 128, _CFB, _NULL, _P256, _NULL, 0, 0
)
_SEALED_DATA: Final = struct.pack(">HHIHHH", _KEYEDHASH, _SHA256, _SEALED_ATTRIBUTES, 0, _NULL, 0)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What Create gives and Load takes: TPM2B_PRIVATE and TPM2B_PUBLIC, one behind the other. Only its TPM opens it."""

    octets: bytes


def startup() -> bytes:
    """Startup(CLEAR): firmware does it on a real machine (part 3, 9.3)."""
    return struct.pack(">HIIH", _NO_SESSIONS, HEADER + 2, _STARTUP, 0)


def create_storage_key() -> bytes:
    """CreatePrimary under the owner (part 3, 24.1)."""
    return _command(
        _CREATE_PRIMARY, (_OWNER,), b"", _sized(_sized(b"") + _sized(b"")) + _sized(_STORAGE_KEY) + bytes(6)
    )


def create_sealed(parent: int, secret: bytes | memoryview) -> bytes:
    """Create an object that holds ``secret`` (part 3, 12.1)."""
    sensitive = _sized(_sized(b"") + _sized(bytes(secret)))
    return _command(_CREATE, (parent,), b"", sensitive + _sized(_SEALED_DATA) + bytes(6))


def load(parent: int, sealed: Sealed) -> bytes:
    """Load (part 3, 12.2)."""
    return _command(_LOAD, (parent,), b"", sealed.octets)


def unseal(item: int) -> bytes:
    """Unseal (part 3, 12.7)."""
    return _command(_UNSEAL, (item,), b"", b"")


def flush(handle: int) -> bytes:
    """FlushContext (part 3, 28.4)."""
    return struct.pack(">HIII", _NO_SESSIONS, HEADER + 4, _FLUSH, handle)


def define_counter(index: int, auth: bytes) -> bytes:
    """NV_DefineSpace of a counter (part 3, 31.3); ``auth`` is needed to read it and to count."""
    public = struct.pack(">IHIHH", index, _SHA256, _COUNTER_ATTRIBUTES, 0, _COUNTER_OCTETS)
    return _command(_NV_DEFINE, (_OWNER,), b"", _sized(auth) + _sized(public))


def undefine(index: int) -> bytes:
    """NV_UndefineSpace (part 3, 31.4)."""
    return _command(_NV_UNDEFINE, (_OWNER, index), b"", b"")


def increment(index: int, auth: bytes) -> bytes:
    """NV_Increment (part 3, 31.8)."""
    return _command(_NV_INCREMENT, (index, index), auth, b"")


def read_counter(index: int, auth: bytes) -> bytes:
    """NV_Read of the eight octets (part 3, 31.13)."""
    return _command(_NV_READ, (index, index), auth, struct.pack(">HH", _COUNTER_OCTETS, 0))


def response_code(response: memoryview) -> int:
    """The response's code; :class:`DecodeError` where it is no whole response (part 1, 18.6)."""
    if len(response) < HEADER or int.from_bytes(response[2:6], "big") != len(response):
        raise DecodeError("TPM response", f"{len(response)} octets, which is not what its header says")
    return int.from_bytes(response[6:10], "big")


def handle_of(response: memoryview) -> int:
    """The handle that CreatePrimary and Load give."""
    return int.from_bytes(response[HEADER : HEADER + 4], "big")


def sealed_of(response: memoryview) -> Sealed:
    """What Create gives: the first two fields of its parameters."""
    start = HEADER + 4
    middle = start + 2 + int.from_bytes(response[start : start + 2], "big")
    end = middle + 2 + int.from_bytes(response[middle : middle + 2], "big")
    if end > len(response):
        raise DecodeError("TPM response", "cut short")
    return Sealed(bytes(response[start:end]))


def data_of(response: memoryview) -> memoryview:
    """The octets that Unseal and NV_Read give, not copied."""
    start = HEADER + 4 + 2
    end = start + int.from_bytes(response[start - 2 : start], "big")
    if end > len(response):
        raise DecodeError("TPM response", "cut short")
    return response[start:end]


def _sized(octets: bytes) -> bytes:
    return len(octets).to_bytes(2, "big") + octets


def _command(code: int, handles: tuple[int, ...], auth: bytes, parameters: bytes) -> bytes:
    """With one password authorisation; an NV command names its index twice and authorises the first."""
    session = struct.pack(">IHB", _PASSWORD, 0, 0) + _sized(auth)
    body = b"".join(handle.to_bytes(4, "big") for handle in handles)
    body += len(session).to_bytes(4, "big") + session + parameters
    return struct.pack(">HII", _SESSIONS, HEADER + len(body), code) + body
