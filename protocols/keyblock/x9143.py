# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Wrapping and unwrapping of key blocks, versions A to E. Decides nothing about use: see :mod:`.policy`.

A key block binds a key to the header that says what it is (ANSI X9.143:2021, 7; TR-31:2018, 5.3; ISO 20038:2017, A.3).
From the protection key (KBPK) come two others: one enciphers the key (KBEK), one authenticates header and key (KBMK).

* A and C, variant binding: the two are the protection key with 45 or 4D added to every octet. The key is enciphered
  first, the header's first 8 octets being the initialisation vector; 4 octets of a CBC-MAC over header and cipher text
  follow. C changes what header fields mean, not the arithmetic.
* B and D, derivation binding: the two are CMACs of counters under the protection key. The CMAC over header and clear
  key is the authenticator and the initialisation vector at once.
* E is D with counter mode instead of CBC, so that nothing has to be filled up.

The clear text is the key's length in bits, two octets, the key, and random fill. X9.143:2021 fills to the longest key
of the algorithm, which hides the length; TR-31 asked only for whole cipher blocks, and payment HSMs still write that.

B, D and E must be deciphered before they can be checked. Nothing of the result is looked at until the authenticator is
found right, and every failure is one error with one text, so nobody learns from refusals.
"""

import hmac
from typing import NamedTuple, NoReturn, Self

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.keyblock import header as header_text
from protocols.keyblock.codes import FORMS, HIDDEN_OCTETS, KEY_OCTETS, Binding, Cipher, Form
from protocols.keyblock.header import Header
from protocols.keyblock.optional import Reading
from protocols.primitives import AesKey, BlockKey, KeyOctets, TdesKey, Use
from protocols.secret import ClearKey, Secret

LARGEST_KEY = 4_096  # octets: a PKCS#1 RSA key of 4096 bits has 2,400; more does not fit into a block's length field
LENGTH_OCTETS = 2
NOT_AUTHENTIC = "the key block is not authentic: it was made under another protection key, or changed"
_LOWER = frozenset("abcdef")
_VARIANTS = (0x45, 0x4D)  # "E" for encipherment, "M" for MAC (X9.143:2021, 7.2.1)
_ENCIPHERMENT, _AUTHENTICATION, _COUNTER_MODE = 0, 1, 2  # key usage in the derivation input (7.3.2, table 27)
_ALGORITHM = {("TDES", 16): 0, ("TDES", 24): 1, ("AES", 16): 2, ("AES", 24): 3, ("AES", 32): 4}  # ibid.
_KEY_LENGTHS = {Cipher.TDES: (16, 24), Cipher.AES: (16, 24, 32)}
_MAKERS: dict[Cipher, type[BlockKey]] = {Cipher.TDES: TdesKey, Cipher.AES: AesKey}


class Unwrapped(NamedTuple):
    """What a key block held: its header, the clear key, and what a lenient reader forgave, in words."""

    header: Header
    key: ClearKey
    forgiven: tuple[str, ...]


class ProtectionKey:
    """A key block protection key. The keys derived from it are made once per binding and kept. Bound to one thread."""

    __slots__ = ("_kept", "_octets", "cipher")

    def __init__(self, cipher: Cipher, key: KeyOctets) -> None:
        """Copy ``key``: TDES of 16 or 24 octets for versions A to C, AES of 16, 24 or 32 for D and E."""
        octets = bytearray(key.reveal() if isinstance(key, Secret) else key)
        if len(octets) not in _KEY_LENGTHS[cipher]:
            found = len(octets)
            octets[:] = bytes(found)
            raise EncodeError(
                f"{cipher.value} protection key of {found} octets, expected one of {_KEY_LENGTHS[cipher]}"
            )
        self.cipher = cipher
        self._octets = ClearKey(octets)
        self._kept: dict[tuple[Binding, Use], BlockKey] = {}

    @classmethod
    def tdes(cls, key: KeyOctets) -> Self:
        """For versions A, B and C."""
        return cls(Cipher.TDES, key)

    @classmethod
    def aes(cls, key: KeyOctets) -> Self:
        """For versions D and E."""
        return cls(Cipher.AES, key)

    @property
    def octets(self) -> int:
        """Length of the protection key."""
        return len(self._octets)

    def unwrap(self, text: str, *, strict: bool = True) -> Unwrapped:
        """The key in a block (X9.143:2021, 7). Receiving side.

        :class:`DecodeError` for what is not a key block of this key's cipher, :class:`IntegrityError` with one constant
        text for whatever does not authenticate. ``strict`` demands X9.143:2021; without it, what TR-31 (2005 to 2018)
        and its implementations allow is taken, and ``forgiven`` says what that was.
        """
        reading = Reading(strict=strict)
        header, start = header_text.decode(text, reading)
        form = self._form(header.version)
        binary = _binary(text, start)
        payload, received = binary[: -form.mac_octets], binary[-form.mac_octets :]
        _judge_payload(len(payload), header, form, reading)
        clear = self._open(form, text[:start].encode("ascii"), payload, received)
        return Unwrapped(header, _key_of(clear, header, form, reading), tuple(reading.forgiven))

    def wrap(self, header: Header, key: KeyOctets, randomness: bytes, *, hide_length: bool = True) -> str:
        """A block of ``key`` with ``header`` (X9.143:2021, 7). Sending side.

        ``randomness`` is fresh octets for fill and padding block; :func:`randomness_needed` says how many at most.
        ``hide_length`` pads as X9.143:2021 does; without it only to whole cipher blocks, as TR-31 and payShield do.
        """
        form = self._form(header.version)
        octets = bytearray(key.reveal() if isinstance(key, Secret) else key)
        size = len(octets)
        if size not in KEY_OCTETS.get(header.algorithm, range(1, LARGEST_KEY + 1)):
            octets[:] = bytes(size)
            raise EncodeError(f"a key of {size} octets is none of algorithm {header.algorithm}")
        held = LENGTH_OCTETS + (HIDDEN_OCTETS.get(header.algorithm, size) if hide_length else size)
        if form.binding != Binding.DERIVATION_CTR:
            held += -held % form.block_octets
        fill = held - LENGTH_OCTETS - size
        if len(randomness) < fill:
            octets[:] = bytes(size)
            raise EncodeError(f"{len(randomness)} octets of randomness, {fill} needed")
        clear = bytearray((8 * size).to_bytes(LENGTH_OCTETS, "big")) + octets + randomness[:fill]
        octets[:] = bytes(size)
        front = header_text.encode(header, held + form.mac_octets, randomness[fill:])
        sealed = self._seal(form, front.encode("ascii"), clear)
        clear[:] = bytes(len(clear))
        return front + sealed.hex().upper()

    def wipe(self) -> None:
        """Overwrite the protection key and drop what was derived from it."""
        self._octets.wipe()
        for key in self._kept.values():
            key.wipe()
        self._kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return f"ProtectionKey({self.cipher.value}, redacted)"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("ProtectionKey refuses to be copied or serialised")

    __copy__ = __deepcopy__ = __reduce_ex__ = __reduce__ = __getstate__ = _refuse

    def _form(self, version: str) -> Form:
        form = FORMS.get(version)
        if form is None or form.cipher is not self.cipher:
            raise EncodeError(f"version {version} is not protected by a {self.cipher.value} key")
        return form

    def _open(self, form: Form, front: bytes, payload: bytes, received: bytes) -> bytes:
        if form.binding is Binding.VARIANT:
            chain = self._derived(form.binding, Use.CHAIN)
            mac = chain.cbc_encipher(bytes(form.block_octets), front + payload)[-form.block_octets :]
            _authenticate(mac[: form.mac_octets], received)
            return self._derived(form.binding, Use.DECIPHER).cbc_decipher(front[: form.block_octets], payload)
        if form.binding is Binding.DERIVATION_CBC:
            clear = self._derived(form.binding, Use.DECIPHER).cbc_decipher(received, payload)
        else:
            clear = _counter_mode(self._derived(form.binding, Use.ENCIPHER), received, payload)
        _authenticate(self._derived(form.binding, Use.CMAC).cmac(front + clear), received)
        return clear

    def _seal(self, form: Form, front: bytes, clear: bytearray) -> bytes:
        if form.binding is Binding.VARIANT:
            payload = self._derived(form.binding, Use.ENCIPHER).cbc_encipher(front[: form.block_octets], clear)
            chain = self._derived(form.binding, Use.CHAIN)
            mac = chain.cbc_encipher(bytes(form.block_octets), front + payload)[-form.block_octets :]
            return payload + mac[: form.mac_octets]
        mac = self._derived(form.binding, Use.CMAC).cmac(front + clear)
        cipher = self._derived(form.binding, Use.ENCIPHER)
        if form.binding is Binding.DERIVATION_CBC:
            return cipher.cbc_encipher(mac, clear) + mac
        return _counter_mode(cipher, mac, bytes(clear)) + mac

    def _derived(self, binding: Binding, use: Use) -> BlockKey:
        """KBMK for CHAIN and CMAC, KBEK for the rest: ENCIPHER means CBC but for version E."""
        key = self._kept.get((binding, use))
        if key is None:
            authenticates = use is Use.CHAIN or use is Use.CMAC
            if binding is Binding.VARIANT:
                variant = _VARIANTS[authenticates]
                octets = bytearray(octet ^ variant for octet in self._octets.reveal())
            else:
                octets = self._derive(binding, _AUTHENTICATION if authenticates else _ENCIPHERMENT)
            if use is Use.ENCIPHER and binding is not Binding.DERIVATION_CTR:
                key = _MAKERS[self.cipher](octets, Use.CHAIN)
            else:
                key = _MAKERS[self.cipher](octets, use)
            octets[:] = bytes(len(octets))
            self._kept[(binding, use)] = key
        return key

    def _derive(self, binding: Binding, purpose: int) -> bytearray:
        """CMACs of counted inputs under the protection key (X9.143:2021, 7.3.2; ISO 20038:2017, A.3 for usage 2)."""
        size = len(self._octets)
        if binding is Binding.DERIVATION_CTR and purpose == _ENCIPHERMENT:
            purpose = _COUNTER_MODE
        tail = b"".join(
            (purpose.to_bytes(2, "big"), b"\x00", _ALGORITHM[self.cipher.value, size].to_bytes(2, "big"),
             (8 * size).to_bytes(2, "big"))
        )  # fmt: skip
        derived = bytearray()
        with _MAKERS[self.cipher](self._octets, Use.CMAC) as key:
            counter = 0
            while len(derived) < size:
                counter += 1
                derived += key.cmac(bytes((counter,)) + tail)
        del derived[size:]
        return derived


def randomness_needed(header: Header, key_octets: int) -> int:
    """Octets of randomness that wrapping such a key can take: fill, and the characters of a padding block."""
    return max(HIDDEN_OCTETS.get(header.algorithm, 0) - key_octets, 0) + 2 * header.form.block_octets


def _binary(text: str, start: int) -> bytes:
    digits = text[start:]
    try:
        octets = bytes.fromhex(digits)
    except ValueError:
        octets = b""
    # Upper case only (X9.143:2021, 4): else one block would have many texts. fromhex also skips white space.
    if 2 * len(octets) != len(digits) or not _LOWER.isdisjoint(digits):
        raise DecodeError(f"key block, from character {start}", "not an even number of upper-case hexadecimal digits")
    return octets


def _judge_payload(size: int, header: Header, form: Form, reading: Reading) -> None:
    where = "enciphered key"
    streaming = form.binding is Binding.DERIVATION_CTR
    least = LENGTH_OCTETS + 1 if streaming else form.block_octets
    if size < least or (not streaming and size % form.block_octets):
        raise DecodeError(where, f"{size} octets, whole cipher blocks expected")
    hidden = HIDDEN_OCTETS.get(header.algorithm)
    if hidden is not None:
        expected = LENGTH_OCTETS + hidden
        expected += 0 if streaming else -expected % form.block_octets
        if size != expected:
            reading.fault(where, f"{size} octets, {expected} expected: the length of the key is not hidden")


def _authenticate(calculated: bytes, received: bytes) -> None:
    if not hmac.compare_digest(calculated, received):
        raise IntegrityError(NOT_AUTHENTIC)


def _key_of(clear: bytes, header: Header, form: Form, reading: Reading) -> ClearKey:
    """The key in an authentic clear text. What is wrong here was wrapped so by someone who holds the protection key."""
    where = "wrapped key"
    bits = clear[0] << 8 | clear[1]
    size = bits >> 3
    if bits & 7 or not 1 <= size <= len(clear) - LENGTH_OCTETS:
        raise DecodeError(where, "its length field does not fit the block")
    lengths = KEY_OCTETS.get(header.algorithm)
    if lengths is None:
        fill = len(clear) - LENGTH_OCTETS - size
        if fill >= form.block_octets or (fill and form.binding is Binding.DERIVATION_CTR):
            reading.fault(where, f"{fill} octets of fill, none that could be left out expected")
    elif size not in lengths:
        if size == 8 and header.algorithm == "T":
            reading.fault(where, "a single DES key under the algorithm triple DES")
        else:
            raise DecodeError(where, f"{size} octets, one of {lengths} expected for algorithm {header.algorithm}")
    return ClearKey(memoryview(clear)[LENGTH_OCTETS : LENGTH_OCTETS + size])


def _counter_mode(cipher: BlockKey, counter: bytes, data: bytes) -> bytes:
    """CTR mode from ``counter``, a whole block counted up (ISO/IEC 10116:2017, 10)."""
    size = cipher.block_octets
    start, top = int.from_bytes(counter, "big"), 1 << 8 * size
    blocks = -(-len(data) // size)
    stream = cipher.encipher(b"".join(((start + step) % top).to_bytes(size, "big") for step in range(blocks)))
    mixed = int.from_bytes(stream[: len(data)], "big") ^ int.from_bytes(data, "big")
    return mixed.to_bytes(len(data), "big")
