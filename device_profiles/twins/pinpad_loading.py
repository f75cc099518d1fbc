# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How keys come into a PIN pad's twin: packets 02, 90 and 94. Holds no key itself, hears no line.

In a key block under the loading key at any time; in clear only while two officers hold the injection mode open, and
then the first key erases the master keys of before: whoever can put keys in cannot mix theirs with others'.
"""

from collections.abc import Callable

from device_profiles.twins.pinpad_injection import Injection
from device_profiles.twins.pinpad_keys import PinpadKeys
from device_profiles.twins.pinpad_slots import LoadFault, LoadRefusedError
from protocols.dukpt.ksn import TdesKsn
from protocols.errors import DecodeError, EncodeError, ProtocolError
from protocols.keyblock.header import Header
from protocols.keyblock.optional import serial_number
from protocols.serial.ipp import Dialect
from protocols.serial.ipp_keys import InitialKeyResult, LoadInitialKey, LoadMasterKey, MasterKeyEcho, MasterKeyRefusal

INITIAL_KEY = "B1"
_CLEAR_MODE = "B"


class KeyLoader:
    """The loading of one pad."""

    def __init__(self, keys: PinpadKeys, injection: Injection, dialect: Dialect) -> None:
        self._keys = keys
        self._injection = injection
        self._dialect = dialect

    def master_key(
        self, request: LoadMasterKey, now: float
    ) -> tuple[MasterKeyEcho | MasterKeyRefusal, Callable[[], None] | None]:
        """The reply, and what the host's ACK to it commits."""
        masters, clear = self._keys.masters, request.test_clear_key
        try:
            if clear is None:
                header, key = masters.unwrap(request.block)
                usage, mode = header.usage, header.mode
                _must_be_tdes(header)
            else:
                self._must_be_open()
                key = clear
                usage, mode = (request.attributes[:2] or masters.usage_of(request.slot)), request.attributes[2:]
            wipes = clear is not None and not self._injection.wiped
            masters.check(request.slot, usage, mode or _CLEAR_MODE, key, alone=wipes)
        except LoadRefusedError as refused:
            return MasterKeyRefusal(refused.code.value), None

        def commit() -> None:
            if wipes:
                self._keys.wipe_masters()
                self._injection.wiped = True
            masters.put(request.slot, usage, mode or _CLEAR_MODE, key)
            self._injection.loaded(now)

        return MasterKeyEcho(request.text(self._dialect)), commit

    def initial_key(self, request: LoadInitialKey, now: float) -> InitialKeyResult:
        """Take a DUKPT key, and say so."""
        try:
            if request.test_clear_key is None:
                header, key = self._keys.masters.unwrap(request.block)
                _must_be_tdes(header)
                if header.usage != INITIAL_KEY:
                    raise LoadRefusedError(LoadFault.USAGE)
                ksn = _ksn_of(header)
            else:
                self._must_be_open()
                key, ksn = request.test_clear_key, request.ksn
            self._keys.load_engine(request.engine, key, _ksn(ksn))
        except LoadRefusedError as refused:
            return InitialKeyResult(request.engine, refused.code.value)
        self._injection.loaded(now)
        return InitialKeyResult(request.engine)

    def _must_be_open(self) -> None:
        if not self._injection.open:
            raise LoadRefusedError(LoadFault.NOT_AUTHENTICATED)


def _must_be_tdes(header: Header) -> None:
    if header.algorithm != "T":
        raise LoadRefusedError(LoadFault.USAGE)


def _ksn_of(header: Header) -> bytes:
    block = header.first("KS")
    if block is None:
        raise LoadRefusedError(LoadFault.BLOCK)
    try:
        return serial_number(block)
    except DecodeError:
        raise LoadRefusedError(LoadFault.BLOCK) from None


def _ksn(octets: bytes) -> TdesKsn:
    try:
        return TdesKsn(octets)
    except (ProtocolError, EncodeError, ValueError):
        raise LoadRefusedError(LoadFault.BLOCK) from None
