# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Trials of the commands on MACs, data, digests and HMACs. No test."""

import hashlib
import hmac

from cryptography.hazmat.decrepit.ciphers.modes import CFB, CFB8
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from tests.hsm_sim import oracle
from tests.hsm_sim.trials import NO_KEYS, NO_TAIL, VARIANT_ONLY, Case, Expected, trial
from tests.hsm_sim.world import World

Asked = tuple[str | bytes, Expected]
DATA_KINDS = ("ZEK", "DEK", "TEK")
HASHES = {"01": "sha1", "02": "md5", "05": "sha224", "06": "sha256", "07": "sha384", "08": "sha512"}
SEPARATED = b"%;\x19~"


def data_of(world: World, most: int = 200) -> bytes:
    """Octets in which everything that separates fields is likely."""
    return bytes(
        world.draw.choice(SEPARATED) if world.draw.random() < 0.2 else world.draw.randrange(256)
        for _ in range(world.draw.randint(1, most))
    )


def upper(octets: bytes) -> str:
    """In hexadecimal."""
    return octets.hex().upper()


def _spoiled(world: World, mac: str) -> str:
    place = world.draw.randrange(len(mac))
    return mac[:place] + f"{int(mac[place], 16) ^ 1:X}" + mac[place + 1 :]


def _m(code: str) -> Case:
    def case(world: World) -> Asked:
        owner, algorithm, padding = world.draw.choice(("TAK", "ZAK")), world.draw.choice("13"), world.draw.choice("12")
        size, form = world.draw.choice("01"), world.draw.choice("01")
        clear = world.key() if algorithm == "3" else world.key(world.draw.choice((16, 24)))
        kind = owner if algorithm == "3" else f"CBC {owner}"
        data = data_of(world)
        mac = upper((oracle.retail_mac if algorithm == "3" else oracle.cbc_mac)(clear, data, int(padding)))
        given = mac[: 16 if size == "1" else 8]
        sent = data if form == "0" else upper(data).encode()
        head = f"{code}0{form}{size}{algorithm}{padding}{world.code(kind)}{world.held(kind, clear)}{len(sent):04X}"
        if code == "M6":
            return head.encode() + sent + world.tail.encode(), "00" + given
        right = world.draw.random() < 0.5
        received = given if right else _spoiled(world, given)
        return head.encode() + sent + received.encode() + world.tail.encode(), "00" if right else "01"

    return case


trial("M6", "psec")(_m("M6"))
trial("M8", "psec")(_m("M8"))


@trial("MA", "psec", NO_TAIL)
def ma(world: World) -> Asked:
    """The left half of a CBC-MAC."""
    clear, data = world.key(world.draw.choice((16, 24))), data_of(world)
    return f"MA{world.held('CBC TAK', clear)}".encode() + data, "00" + upper(oracle.cbc_mac(clear, data)[:4])


@trial("MC", "psec", NO_TAIL)
def mc(world: World) -> Asked:
    """The same verified."""
    clear, data = world.key(world.draw.choice((16, 24))), data_of(world)
    mac, right = upper(oracle.cbc_mac(clear, data)[:4]), world.draw.random() < 0.5
    given = mac if right else _spoiled(world, mac)
    return f"MC{world.held('CBC TAK', clear)}{given}".encode() + data, "00" if right else "01"


@trial("ME", "psec", NO_TAIL)
def me(world: World) -> Asked:
    """One verified, another made."""
    first, second, data = world.key(), world.key(), data_of(world)
    mac, right = upper(oracle.cbc_mac(first, data)[:4]), world.draw.random() < 0.5
    keys = world.held("CBC TAK", first) + world.held("CBC TAK", second)
    command = f"ME{keys}{mac if right else _spoiled(world, mac)}".encode() + data
    return command, "00" + upper(oracle.cbc_mac(second, data)[:4]) if right else "01"


def _pieces(world: World, data: bytes) -> list[bytes]:
    """A message cut at blocks of 8."""
    cuts = sorted(world.draw.sample(range(8, len(data), 8), min(2, (len(data) - 1) // 8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@trial("MQ", "psec")
def mq(world: World) -> Asked:
    """A CBC-MAC over pieces."""
    clear, data = world.key(), data_of(world) + bytes(20)
    field, chain = world.held("CBC ZAK", clear), ""
    pieces = _pieces(world, data)
    for number, piece in enumerate(pieces[:-1]):
        head = f"MQ{'1' if number == 0 else '2'}{field}{chain}{len(piece):03X}"
        chain = world.ask(head.encode() + piece + world.tail.encode())[2:]
    head = f"MQ3{field}{chain}{len(pieces[-1]):03X}"
    return head.encode() + pieces[-1] + world.tail.encode(), "00" + upper(oracle.cbc_mac(clear, data))


@trial("MS", "psec")
def ms(world: World) -> Asked:
    """A retail MAC over pieces, with a TAK or a ZAK."""
    owner, flag = world.draw.choice((("TAK", "0"), ("ZAK", "1")))
    clear, data = world.key(), data_of(world) + bytes(20)
    field, chain = world.held(owner, clear), ""
    pieces = _pieces(world, data)
    for number, piece in enumerate(pieces[:-1]):
        head = f"MS{'1' if number == 0 else '2'}{flag}10{field}{chain}{len(piece):04X}"
        chain = world.ask(head.encode() + piece + world.tail.encode())[2:]
    head = f"MS3{flag}11{field}{chain}{len(pieces[-1]):04X}{upper(pieces[-1])}{world.tail}"
    return head, "00" + upper(oracle.retail_mac(clear, data))


MAC_VARIANT = bytes.fromhex("000000000000FF00000000000000FF00")
DATA_VARIANT = bytes.fromhex("0000000000FF00000000000000FF0000")


def _varied(clear: bytes, variant: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(clear, variant, strict=True))


@trial("GW", "pydukpt, psec")
def gw(world: World) -> Asked:
    """A MAC under the key of a serial number, made or verified."""
    bdk, ksn, data, mode = world.key(), world.ksn(), data_of(world), world.draw.choice("123456")
    key = _varied(oracle.dukpt_keys(bdk, bytes.fromhex(ksn)), MAC_VARIANT)
    whole = upper(oracle.retail_mac(key, data))
    part = {"1": whole, "2": whole[:8], "3": whole[8:]}[str((int(mode) - 1) % 3 + 1)]
    right = world.draw.random() < 0.5
    given = "" if mode in "456" else part if right else _spoiled(world, part)
    head = f"GW{mode}1{world.held('BDK', bdk)}605{ksn}{given}{len(data):04}"
    expected = "00" + part if mode in "456" else "00" if right else "01"
    return head.encode() + data + world.tail.encode(), expected


def _modes(iv: bytes) -> dict[str, object]:
    return {"00": ECB(), "01": CBC(iv), "02": CFB8(iv), "03": CFB(iv)}


def _algorithm(world: World) -> tuple[str, int, int]:
    """An algorithm, the octets of its block, those of a key."""
    if world.form.in_blocks and world.draw.random() < 0.5:
        return "A", 16, world.draw.choice((16, 24, 32))
    return "T", 8, world.draw.choice((16, 24))


def _enciphered(algorithm: str, clear: bytes, mode: object, data: bytes) -> bytes:
    return (oracle.aes if algorithm == "A" else oracle.tdes)(clear, mode, data)


def _m0_m2(code: str) -> Case:
    def case(world: World) -> Asked:
        kind, mode, dukpt = world.draw.choice(DATA_KINDS), world.draw.choice(("00", "01", "02", "03")), ""
        algorithm, block, octets = _algorithm(world)
        iv = world.draw.randbytes(block)
        if world.draw.random() < 0.2:
            bdk, ksn, kind, algorithm, block, iv = world.key(), world.ksn(), "BDK", "T", 8, iv[:8]
            varied = _varied(oracle.dukpt_keys(bdk, bytes.fromhex(ksn)), DATA_VARIANT)
            clear = oracle.tdes(varied, ECB(), varied)
            field = world.held("BDK", bdk)
            dukpt = "605" + ksn
            if world.form.in_blocks and world.form.stored:
                return _m0_m2(code)(world)  # behind a place in storage nothing says that a serial number follows
        else:
            clear = world.key(octets) if algorithm == "T" else world.draw.randbytes(octets)
            field = world.held(kind, clear, algorithm)
            if world.form.stored and algorithm == "A" and mode != "00":
                mode, iv = "00", iv  # nor how long the initial value is
        data = data_of(world)
        if mode in ("00", "01"):
            data += bytes(-len(data) % block)
        closed = _enciphered(algorithm, clear, _modes(iv)[mode], data)
        following = "" if mode == "00" else upper((iv + closed)[-block:])
        sent, came = (data, closed) if code == "M0" else (closed, data)
        head = f"{code}{mode}01{world.code(kind)}{field}{dukpt}{'' if mode == '00' else upper(iv)}{len(sent):04X}"
        return head.encode() + sent + world.tail.encode(), f"00{following}{2 * len(came):04X}{upper(came)}"

    return case


trial("M0", "OpenSSL, pydukpt")(_m0_m2("M0"))
trial("M2", "OpenSSL, pydukpt")(_m0_m2("M2"))


@trial("M4", "OpenSSL")
def m4(world: World) -> Asked:
    """Data from one key to another."""
    modes = world.draw.choices(("00", "01", "02", "03"), k=2)
    sides = []
    for mode in modes:
        algorithm, block, octets = _algorithm(world)
        if world.form.stored:
            algorithm, block, octets = "T", 8, 16
        clear = world.key(octets) if algorithm == "T" else world.draw.randbytes(octets)
        sides.append((mode, algorithm, block, clear, world.draw.randbytes(block), world.draw.choice(DATA_KINDS)))
    data = data_of(world)
    data += bytes(-len(data) % 16)
    before, after = (_enciphered(side[1], side[3], _modes(side[4])[side[0]], data) for side in sides)
    keys = "".join(world.code(side[5]) + world.held(side[5], side[3], side[1]) for side in sides)
    ivs = "".join(upper(side[4]) for side in sides if side[0] != "00")
    command = f"M4{modes[0]}{modes[1]}11{keys}{ivs}{2 * len(before):04X}{upper(before)}{world.tail}"
    return command, f"00{2 * len(after):04X}{upper(after)}"


@trial("HE", "OpenSSL", VARIANT_ONLY)
def he(world: World) -> Asked:
    """One block enciphered."""
    tak, block = world.key(world.draw.choice((8, 16, 24))), world.draw.randbytes(8)
    return f"HE{world.held('TAK', tak)}{upper(block)}", "00" + upper(oracle.tdes(_long(tak), ECB(), block))


@trial("HG", "OpenSSL", VARIANT_ONLY)
def hg(world: World) -> Asked:
    """One block deciphered."""
    tak, block = world.key(world.draw.choice((8, 16, 24))), world.draw.randbytes(8)
    clear = oracle.tdes(_long(tak), ECB(), block, decipher=True)
    return f"HG{world.held('TAK', tak)}{upper(block)}", "00" + upper(clear)


def _long(key: bytes) -> bytes:
    return key * 2 if len(key) == 8 else key


@trial("GM", "OpenSSL", NO_KEYS)
def gm(world: World) -> Asked:
    """A digest."""
    code, data = world.draw.choice(sorted(HASHES)), data_of(world)
    digest = hashlib.new(HASHES[code], data, usedforsecurity=False).digest()
    return f"GM{code}{len(data):05}".encode() + data, "00" + digest.decode("latin-1")


HMACS = sorted(set(HASHES) - {"02"})


def _hmac_key(world: World, code: str) -> tuple[bytes, bytes]:
    """A key that the unit drew: in clear, and counted as it came."""
    size = hashlib.new(HASHES[code]).digest_size
    came = world.ask(f"L0{code}00{size:04}").encode("latin-1")
    return next(octets for octets in reversed(world.drawn) if len(octets) == size), came[2:]


@trial("L0", "OpenSSL (what is made with the key; its form is own)", NO_KEYS)
def l0(world: World) -> Asked:
    """A key: the HMAC that is made with it is that of what the unit drew."""
    code, data = world.draw.choice(HMACS), data_of(world)
    size = hashlib.new(HASHES[code]).digest_size

    def judge(answer: str) -> bool:
        clear = next(octets for octets in reversed(world.drawn) if len(octets) == size)
        counted = answer.encode("latin-1")[2:]
        made = world.ask(f"LQ{code}{size:04}00".encode() + counted + b";%05d" % len(data) + data)
        right = hmac.digest(clear, data, HASHES[code])
        return made.encode("latin-1") == b"00%04d" % size + right

    return f"L0{code}00{size:04}", judge


@trial("LQ", "OpenSSL (the key is in an own form)", NO_KEYS)
def lq(world: World) -> Asked:
    """An HMAC."""
    code, data = world.draw.choice(HMACS), data_of(world)
    clear, counted = _hmac_key(world, code)
    length = world.draw.choice((4, hashlib.new(HASHES[code]).digest_size))
    right = hmac.digest(clear, data, HASHES[code])[:length]
    command = f"LQ{code}{length:04}00".encode() + counted + b";%05d" % len(data) + data
    return command, f"00{length:04}" + right.decode("latin-1")


@trial("LS", "OpenSSL (the key is in an own form)", NO_KEYS)
def ls(world: World) -> Asked:
    """The same verified."""
    code, data = world.draw.choice(HMACS), data_of(world)
    clear, counted = _hmac_key(world, code)
    made, right = hmac.digest(clear, data, HASHES[code]), world.draw.random() < 0.5
    given = made if right else bytes((made[0] ^ 1,)) + made[1:]
    head = f"LS{code}{len(given):04}".encode() + given + b"00" + counted
    return head + b";%05d" % len(data) + data, "00" if right else "01"
