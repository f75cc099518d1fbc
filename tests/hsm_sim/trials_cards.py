# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Trials of the commands of card issuers and on RSA. No test."""

from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.hsm_sim import oracle
from tests.hsm_sim.asking import asking
from tests.hsm_sim.trials import NO_KEYS, Expected, trial
from tests.hsm_sim.world import World

Asked = tuple[str | bytes, Expected]
HASHES = {"01": hashes.SHA1, "05": hashes.SHA224, "06": hashes.SHA256, "07": hashes.SHA384, "08": hashes.SHA512}
_DIGITS_OF_PAN = (12, 13, 15, 16, 19)


def _card(world: World) -> tuple[bytes, str, str, str, str]:
    """A CVK, a PAN, an expiry, a service code, and their value.

    Where the last block has fewer than three decimal digits psec 1.3.0 gives a value of two: another card is drawn.
    """
    while True:
        cvk, pan = world.key(), world.digits(world.draw.choice(_DIGITS_OF_PAN))
        expiry, service = world.digits(4), world.digits(3)
        value = oracle.cvv(cvk, pan, expiry, service)
        if len(value) == 3:
            return cvk, pan, expiry, service, value


@trial("CW", "psec")
def cw(world: World) -> Asked:
    """A card verification value."""
    cvk, pan, expiry, service, value = _card(world)
    return f"CW{world.held('CVK', cvk)}{pan};{expiry}{service}{world.tail}", "00" + value


@trial("CY", "psec")
def cy(world: World) -> Asked:
    """The same verified."""
    cvk, pan, expiry, service, value = _card(world)
    right = world.draw.random() < 0.5
    given = value if right else world.wrong(value)
    return f"CY{world.held('CVK', cvk)}{given}{pan};{expiry}{service}{world.tail}", "00" if right else "01"


@trial("RY", "psec's DES by one program's description; no public value confirms it")
def ry(world: World) -> Asked:
    """American Express codes made or verified."""
    csck, pan = world.key(), "3" + world.draw.choice("47") + world.digits(13)
    expiry = world.digits(4)
    codes, mode = oracle.security_codes(csck, pan, expiry), world.draw.choice("34")
    right = world.draw.random() < 0.5
    given = "" if mode == "3" else codes if right else world.wrong(codes)
    command = f"RY{mode}0{world.held('CVK', csck)}{pan:0>19}{expiry}{given}{world.tail}"
    return command, "00" + codes if mode == "3" else "00" if right else "01"


@trial("KQ", "pyemv")
def kq(world: World) -> Asked:
    """A cryptogram verified, answered, or both; under the card's key or an M/Chip session key."""
    issuer, pan, number = world.key(), world.digits(world.draw.choice((13, 16, 19))), world.digits(2)
    data, mode, arc = world.draw.randbytes(world.draw.randint(1, 255)), world.draw.choice("012"), b"00"
    right, scheme = world.draw.random() < 0.6, world.draw.choice("01")
    counter, drawn = world.draw.randbytes(2), world.draw.randbytes(4)
    arqc = oracle.arqc(issuer, pan, number, data)
    if scheme == "1":
        arqc = oracle.session_arqc(issuer, pan, number, counter, drawn, data)
    given = arqc if right else bytes(octet ^ 0x55 for octet in arqc)
    head = f"KQ{mode}{scheme}{world.held('MK-AC', issuer)}".encode()
    middle = _account(pan, number) + counter + drawn
    if mode != "2":
        middle += b"%02X" % len(data) + data + b";"
    command = head + middle + given + (b"" if mode == "0" else arc) + world.tail.encode()
    if mode != "2" and not right:
        return command, "01"
    answer = b"" if mode == "0" else oracle.arpc_1(issuer, pan, number, given, arc)
    return command, "00" + answer.decode("latin-1")


@trial("KW", "pyemv")
def kw(world: World) -> Asked:
    """The same under the common session key, with either answer."""
    issuer, pan, number = world.key(), world.digits(world.draw.choice((13, 16))), world.digits(2)
    data, mode, counter = (
        world.draw.randbytes(world.draw.randint(1, 255)),
        world.draw.choice("01234"),
        world.draw.randbytes(2),
    )
    update, own = world.draw.randbytes(4), world.draw.randbytes(world.draw.randint(0, 8))
    right = world.draw.random() < 0.6
    arqc = oracle.session_arqc(issuer, pan, number, counter, bytes(4), data)
    given = arqc if right else bytes(octet ^ 0x55 for octet in arqc)
    command = f"KW{mode}2{world.held('MK-AC', issuer)}".encode() + _account(pan, number) + counter
    if mode in "012":
        command += b"%02X" % len(data) + data + b";"
    told = {"0": b"", "1": b"00", "3": b"00"}.get(mode, update + b"%d" % len(own) + own)
    command += given + told + world.tail.encode()
    if mode in "012" and not right:
        return command, "01"
    answers: dict[str, tuple[bytes, ...]] = {"1": (b"00",), "3": (b"00",), "2": (update, own), "4": (update, own)}
    answer = oracle.session_arpc(issuer, pan, number, counter, given, *answers[mode]) if mode != "0" else b""
    return command, "00" + answer.decode("latin-1")


def _account(pan: str, number: str) -> bytes:
    return bytes.fromhex((pan + number)[-16:].rjust(16, "0"))


@cache
def _pair(number: int) -> rsa.RSAPrivateKey:
    """One of a few key pairs: making one takes long."""
    return rsa.generate_private_key(65_537, 1024 + 256 * number)


def _public(world: World) -> tuple[rsa.RSAPrivateKey, bytes]:
    pair = _pair(world.draw.randrange(2))
    return pair, pair.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


@cache
def _unit_pair() -> tuple[rsa.RSAPublicKey, bytes]:
    """A pair that a unit made: its public key as OpenSSL reads it, and the private key under the TEST LMK."""
    answer = asking()("EI0102402").encode("latin-1")
    return _taken_apart(answer)


def _taken_apart(answer: bytes) -> tuple[rsa.RSAPublicKey, bytes]:
    """What EI answers, read by hand."""
    if answer[:4] != b"00\x30\x81":
        raise AssertionError("a DER sequence of 128 to 255 octets expected")
    end = 5 + answer[4]
    public = serialization.load_der_public_key(answer[2:end])
    private = answer[end + 4 :]
    if not isinstance(public, rsa.RSAPublicKey) or int(answer[end : end + 4]) != len(private):
        raise AssertionError("an RSA public key and a counted private key expected")
    return public, private


def _counted(octets: bytes) -> bytes:
    return b"%04d%b" % (len(octets), octets)


def _verifies(public: rsa.RSAPublicKey, signature: bytes, data: bytes, code: str) -> bool:
    try:
        public.verify(signature, data, padding.PKCS1v15(), HASHES[code]())
    except InvalidSignature:
        return False
    return True


@trial("EI", "OpenSSL", NO_KEYS)
def ei(world: World) -> Asked:
    """A key pair: what the unit signs with the private half, OpenSSL verifies with the public one."""
    data = world.draw.randbytes(40)

    def judge(answer: str) -> bool:
        public, private = _taken_apart(answer.encode("latin-1"))
        signed = world.ask(b"EW060101" + _counted(data) + b";99" + _counted(private)).encode("latin-1")
        made = public.key_size == 1024 and public.public_numbers().e == 65_537
        return made and signed[:6] == b"000128" and _verifies(public, signed[6:], data, "06")

    return "EI2102402", judge


@trial("EW", "OpenSSL", NO_KEYS)
def ew(world: World) -> Asked:
    """A signature."""
    public, private = _unit_pair()
    code, data = world.draw.choice(sorted(HASHES)), world.draw.randbytes(world.draw.randint(0, 400))

    def judge(answer: str) -> bool:
        signature = answer.encode("latin-1")[6:]
        return answer[:6] == "000128" and _verifies(public, signature, data, code)

    return f"EW{code}0101".encode() + _counted(data) + b";99" + _counted(private), judge


def _signed(world: World) -> tuple[bytes, bytes, str, bytes, bytes]:
    """Data, what OpenSSL signed it with, and the public key as the unit vouches for it."""
    pair, der = _public(world)
    code, data = world.draw.choice(sorted(HASHES)), world.draw.randbytes(world.draw.randint(0, 400))
    signature = pair.sign(data, padding.PKCS1v15(), HASHES[code]())
    return data, signature, code, der, world.ask(b"EO02" + der).encode("latin-1")[2:6]


@trial("EY", "OpenSSL", NO_KEYS)
def ey(world: World) -> Asked:
    """A signature that OpenSSL made, verified."""
    data, signature, code, der, mac = _signed(world)
    right = world.draw.random() < 0.5
    given = signature if right else signature[:-1] + bytes((signature[-1] ^ 1,))
    head = f"EY{code}0101".encode() + _counted(given) + b";" + _counted(data) + b";"
    return head + mac + der, "00" if right else "02"


@trial("EO", "OpenSSL (the key that is vouched for verifies its signatures; the MAC is own)", NO_KEYS)
def eo(world: World) -> Asked:
    """A public key taken in: EY takes it with the MAC that came, and with no other."""
    pair, der = _public(world)
    data = world.draw.randbytes(30)
    signature = pair.sign(data, padding.PKCS1v15(), hashes.SHA256())
    head = b"EY060101" + _counted(signature) + b";" + _counted(data) + b";"

    def judge(answer: str) -> bool:
        octets = answer.encode("latin-1")
        mac = octets[2:6]
        other = bytes((mac[0] ^ 1,)) + mac[1:]
        taken = world.ask(head + mac + der), world.ask(head + other + der)
        return octets[:2] == b"00" and octets[6:] == der and taken == ("00", "01")

    return b"EO02" + der, judge
