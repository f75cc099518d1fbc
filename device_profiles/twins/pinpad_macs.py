# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The MAC machine of a PIN pad's twin: pieces in order, one chain at a time. Holds no key."""

from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.serial.ipp import BLOCK_OCTETS, NEXT_PIECE, NO_ERROR, MacResult, RequestMac

OUT_OF_ORDER, NO_KEY, BROKEN = "2", "3", "8"


class MacMachine:
    """One pad's."""

    def __init__(self, keys: PinpadKeys) -> None:
        self._keys = keys
        self._next, self._chaining = 0, bytes(BLOCK_OCTETS)

    def piece(self, slot: str, request: RequestMac) -> MacResult:
        """The reply to one piece."""
        if not self._keys.has_slot(slot):
            return MacResult(NO_KEY)
        if request.sequence == 0:
            self._begin()
        if request.sequence != self._next:
            return MacResult(OUT_OF_ORDER)
        self._next += 1
        value = self._keys.mac_piece(slot, request.session_key, self._chaining, request.data, last=request.last)
        if not request.last:
            self._chaining = value
            return MacResult(NEXT_PIECE)
        self._begin()
        return MacResult(NO_ERROR, value)

    def _begin(self) -> None:
        self._next, self._chaining = 0, bytes(BLOCK_OCTETS)
