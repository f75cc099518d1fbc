# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""DUKPT, originating side: what a PIN pad keeps between transactions, TDES and AES. Stores nothing by itself.

ANSI X9.24-1:2009, Annex A.3 and X9.24-3:2017, 6. The device holds one future key for each counter bit, and the
counter. Using a counter value takes the key in the register of its lowest one-bit, fills the registers below it with
that key's children, and erases it: a device opened later cannot tell the keys it has used. The initial key is gone as
soon as the state is made.

Order matters: ``advance`` returns the key only after the state has moved on. Save ``state`` before sending anything
made with the key, else a crash uses one key twice.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Generic, NoReturn, Self, TypeVar

from protocols.dukpt import aes, tdes
from protocols.dukpt.ksn import AesKsn, Ksn, TdesKsn, next_counter
from protocols.errors import DecodeError, EncodeError
from protocols.primitives import KeyOctets, OneTimeKeys, one_time_aes, one_time_tdes
from protocols.secret import ClearKey, Secret

MARK_OCTETS: Final = 4

K = TypeVar("K", bound=Ksn)


class OriginatorState(Secret):
    """A device's DUKPT state as octets, for storage under a key of the device. Holds future keys."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TdesTransaction:
    """One KSN and its transaction key, for one transaction. Leaving ``with`` wipes the key."""

    ksn: TdesKsn
    key: ClearKey

    def working_key(self, purpose: tdes.Purpose) -> ClearKey:
        """The key of one purpose (X9.24-1:2009, A.4.1)."""
        return tdes.working_key(self.key, purpose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.key.wipe()


@dataclass(frozen=True, slots=True)
class AesTransaction:
    """One KSN and its transaction key, for one transaction. Leaving ``with`` wipes the key."""

    ksn: AesKsn
    key: ClearKey

    def working_key(self, usage: aes.Usage, key_type: aes.KeyType) -> ClearKey:
        """The key of one usage (X9.24-3:2017, 6.3)."""
        return aes.working_key(self.key, self.ksn, usage, key_type)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.key.wipe()


class _Originator(Generic[K]):
    """The machine that both kinds share: counter, future keys, their order of use."""

    __slots__ = ("_counter", "_ksn", "_registers")

    _kind: ClassVar[type[Ksn]]
    _mark: ClassVar[bytes]
    _key_sizes: ClassVar[tuple[int, ...]]
    _extra_registers: ClassVar[int] = 0

    _ksn: K
    _counter: int | None

    def __init__(self, initial: KeyOctets, ksn: K) -> None:
        """Load an initial key: the counter of ``ksn`` must be 0, and 1 is the first to be used."""
        octets = bytearray(initial.reveal() if isinstance(initial, Secret) else initial)
        if len(octets) not in self._key_sizes:
            raise EncodeError(f"initial key of {len(octets)} octets, expected one of {self._key_sizes}")
        if ksn.counter:
            raise EncodeError("an initial key is loaded with the counter at 0")
        self._ksn = ksn
        bits = self._kind.counter_bits
        self._registers = [bytearray(len(octets)) for _ in range(bits + self._extra_registers)]
        self._fill(bits, octets, 0)
        self._keep_extra(octets)
        octets[:] = bytes(len(octets))
        self._counter = next_counter(0, self._kind)

    @property
    def next_ksn(self) -> K | None:
        """The KSN that the next transaction will use; None at the end of the device's life."""
        return None if self._counter is None else self._ksn.with_counter(self._counter)

    def _take(self) -> tuple[K, ClearKey] | None:
        counter = self._counter
        if counter is None:
            return None
        place = (counter & -counter).bit_length() - 1
        register = self._registers[place]
        key = ClearKey(bytearray(register))
        if counter.bit_count() < self._kind.most_one_bits:
            self._fill(place, register, counter)
        register[:] = bytes(len(register))
        self._counter = next_counter(counter, self._kind)
        return self._ksn.with_counter(counter), key

    def state(self) -> OriginatorState:
        """Everything needed to go on later: mark (4 octets), next KSN, 1 if life has ended, key size, registers."""
        ended = self._counter is None
        octets = bytearray(self._mark + self._ksn.with_counter(self._counter or 0).octets)
        octets += bytes([ended, len(self._registers[0])])
        for register in self._registers:
            octets += register
        return OriginatorState(octets)

    @classmethod
    def restore(cls, state: OriginatorState) -> Self:
        """Go on from a saved state; :class:`DecodeError` if it is not one of this kind."""
        view = state.reveal()
        kind, count = cls._kind, cls._kind.counter_bits + cls._extra_registers
        flag = MARK_OCTETS + kind.size
        start = flag + 2
        size = view[flag + 1] if len(view) > start else 0
        if size not in cls._key_sizes or len(view) != start + size * count or bytes(view[:MARK_OCTETS]) != cls._mark:
            raise DecodeError("DUKPT state", "another length or mark than this kind of device saves")
        ksn = kind(bytes(view[MARK_OCTETS:flag]))
        ended = view[flag]
        if ended > 1 or (ended == 0 and not 0 < ksn.counter.bit_count() <= kind.most_one_bits):
            raise DecodeError("DUKPT state", "a counter that no transaction can have, or a wrong end mark")
        made = cls.__new__(cls)
        made._adopt(ksn, None if ended else ksn.counter)
        made._registers = [bytearray(view[place : place + size]) for place in range(start, len(view), size)]
        return made

    def wipe(self) -> None:
        """Erase all keys: the device has no further transactions."""
        for register in self._registers:
            register[:] = bytes(len(register))
        self._counter = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(next {self.next_ksn}, redacted)"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} refuses to be copied or serialised: save its state()")

    __copy__ = __deepcopy__ = __reduce_ex__ = __reduce__ = __getstate__ = _refuse

    def _adopt(self, ksn: Ksn, counter: int | None) -> None:
        self._ksn = ksn.with_counter(0)  # type: ignore[assignment]  # restore() made it of the class's own kind
        self._counter = counter

    def _fill(self, below: int, parent: bytearray, counter: int) -> None:
        base = self._ksn.number | counter
        once = self._one_time(len(parent))
        for place in range(below):
            self._registers[place][:] = self._child(once, parent, base | 1 << place)
        once.wipe()

    def _keep_extra(self, initial: bytearray) -> None:
        """Nothing more is kept, unless a kind says so."""

    @staticmethod
    def _one_time(key_octets: int) -> OneTimeKeys:
        raise TypeError("make a TdesOriginator or an AesOriginator")

    @staticmethod
    def _child(once: OneTimeKeys, parent: bytearray, number: int) -> bytes:
        raise TypeError("make a TdesOriginator or an AesOriginator")


class TdesOriginator(_Originator[TdesKsn]):
    """TDES DUKPT of one device: 21 future keys of 16 octets, 1 048 575 transactions. Bound to one thread."""

    __slots__ = ()
    _kind = TdesKsn
    _mark = b"TDO1"
    _key_sizes = (tdes.KEY_OCTETS,)

    def advance(self) -> TdesTransaction | None:
        """The next KSN and key, the state already moved on; None at the end of life, which no call can undo."""
        taken = self._take()
        return None if taken is None else TdesTransaction(*taken)

    @staticmethod
    def _one_time(key_octets: int) -> OneTimeKeys:
        return one_time_tdes()

    @staticmethod
    def _child(once: OneTimeKeys, parent: bytearray, number: int) -> bytes:
        return tdes.derive(once, int.from_bytes(parent, "big"), number).to_bytes(tdes.KEY_OCTETS, "big")


class AesOriginator(_Originator[AesKsn]):
    """AES DUKPT of one device: 32 future keys and one for updates, 2 448 023 842 transactions. Bound to one thread."""

    __slots__ = ()
    _kind = AesKsn
    _mark = b"ADO1"
    _key_sizes = tuple(aes.DERIVATION_TYPES)
    _extra_registers = 1

    def advance(self) -> AesTransaction | None:
        """The next KSN and key, the state already moved on; None at the end of life, which no call can undo."""
        taken = self._take()
        return None if taken is None else AesTransaction(*taken)

    def update_key(self, key_type: aes.KeyType) -> ClearKey:
        """The key under which the next initial key arrives (X9.24-3:2017, 6.3); the same until it has arrived."""
        ending = self._ksn.with_counter(aes.UPDATE_COUNTER)
        return aes.working_key(self._registers[-1], ending, aes.Usage.KEY_ENCRYPTION, key_type)

    def _keep_extra(self, initial: bytearray) -> None:
        with aes.walk(initial, self._ksn.with_counter(aes.UPDATE_COUNTER).number) as key:
            self._registers[-1][:] = key.reveal()

    @staticmethod
    def _one_time(key_octets: int) -> OneTimeKeys:
        return one_time_aes(key_octets)

    @staticmethod
    def _child(once: OneTimeKeys, parent: bytearray, number: int) -> bytes:
        return aes.derive(once, parent, number)
