# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""M0 M2 M4 HE HG, MA MC ME MQ MS GW, GM L0 LQ LS: values as OpenSSL, psec and pydukpt compute them; and refusals."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB, CFB8
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

from hsm_sim.engine.block_lmk import BlockLmk
from hsm_sim.engine.key_types import IN_BLOCK
from hsm_sim.engine.wrapping import WrappedKey
from protocols.dukpt import tdes
from protocols.dukpt.ksn import TdesKsn
from protocols.hsm.codes import KeyScheme
from protocols.mac import RetailMacKey
from tests.hsm_sim import oracle
from tests.hsm_sim.asking import Ask, asking

KEYS = {code: oracle.key() for code in ("00A", "00B", "30B", "003", "008", "009")}
FIELDS = {code: oracle.under_lmk(code, clear) for code, clear in KEYS.items()}
IV = bytes.fromhex("0011223344556677")
MODES = {"00": lambda: ECB(), "01": lambda: CBC(IV), "02": lambda: CFB8(IV), "03": lambda: CFB(IV)}
DATA = bytes(range(256))
KSN = "FFFF9876543210E00003"
DATA_VARIANT = bytes.fromhex("0000000000FF00000000000000FF0000")
MAC_VARIANT = bytes.fromhex("000000000000FF00000000000000FF00")


@pytest.fixture(scope="module")
def ask() -> Ask:
    return asking()


def in_hex(octets: bytes) -> str:
    return octets.hex().upper()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", ["00A", "00B", "30B"])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 24, 256])
def test_data_as_openssl_enciphers_it(mode: str, code: str, count: int, ask: Ask) -> None:
    clear = DATA[:count]
    iv = "" if mode == "00" else in_hex(IV)
    head = f"{code}{FIELDS[code]}{iv}"
    if mode in ("00", "01") and count % 8:
        assert ask(f"M0{mode}11{head}{2 * count:04X}{in_hex(clear)}") == "06"
        assert ask(f"M2{mode}11{head}{2 * count:04X}{in_hex(clear)}") == "06"
        return
    right = oracle.tdes(KEYS[code], MODES[mode](), clear)
    following = "" if mode == "00" else in_hex((IV + right)[-8:])
    length = f"{2 * count:04X}"
    assert ask(f"M0{mode}11{head}{length}{in_hex(clear)}") == f"00{following}{length}{in_hex(right)}"
    assert ask(f"M2{mode}11{head}{length}{in_hex(right)}") == f"00{following}{length}{in_hex(clear)}"
    binary = ask(f"M0{mode}00{head}{count:04X}".encode() + clear)
    assert binary.encode("latin-1") == f"00{following}{count:04X}".encode() + right
    text = b"seven or more characters"[:count].ljust(count, b".")
    spoken = ask(f"M0{mode}21{head}{count:04X}".encode() + text)
    assert ask(f"M2{mode}12{head}{length}{spoken[-2 * count :]}")[-count:].encode() == text


@pytest.mark.parametrize("mode", ["01", "02", "03"])
def test_a_chain_continues_with_the_value_that_came_back(mode: str, ask: Ask) -> None:
    head = f"00A{FIELDS['00A']}"
    whole = ask(f"M0{mode}11{head}{in_hex(IV)}0060{in_hex(DATA[:48])}")[22:]
    chain, pieces = in_hex(IV), ""
    for start in range(0, 48, 16):
        answer = ask(f"M0{mode}11{head}{chain}0020{in_hex(DATA[start : start + 16])}")
        chain, pieces = answer[2:18], pieces + answer[22:]
    assert pieces == whole


@pytest.mark.parametrize("source", ["00", "01", "03"])
@pytest.mark.parametrize("destination", ["00", "01", "02"])
def test_moving_data_between_keys_and_modes(source: str, destination: str, ask: Ask) -> None:
    clear, first, second = DATA[:40], KEYS["00A"], KEYS["30B"]
    before = oracle.tdes(first, MODES[source](), clear)
    after = oracle.tdes(second, MODES[destination](), clear)
    ivs = "".join(in_hex(IV) for mode in (source, destination) if mode != "00")
    command = f"M4{source}{destination}1100A{FIELDS['00A']}30B{FIELDS['30B']}{ivs}0050{in_hex(before)}"
    assert ask(command) == "000050" + in_hex(after)


def test_data_under_the_key_of_a_serial_number(ask: Ask) -> None:
    transaction = oracle.dukpt_keys(KEYS["009"], bytes.fromhex(KSN))
    varied = bytes(x ^ y for x, y in zip(transaction, DATA_VARIANT, strict=True))
    data_key = oracle.tdes(varied, ECB(), varied)
    head = f"009{FIELDS['009']}605{KSN}"
    right = in_hex(oracle.tdes(data_key, CBC(IV), DATA[:16]))
    assert ask(f"M00111{head}{in_hex(IV)}0020{in_hex(DATA[:16])}") == f"00{right[-16:]}0020{right}"
    assert ask(f"M20111{head}{in_hex(IV)}0020{right}")[22:] == in_hex(DATA[:16])
    assert ask(f"M00011009{FIELDS['009']}605{KSN[:-5]}000000010{in_hex(DATA[:8])}")[:2] == "15"


def test_single_blocks_under_a_tak(ask: Ask) -> None:
    right = oracle.tdes(KEYS["003"], ECB(), IV)
    assert ask(f"HE{FIELDS['003']}{in_hex(IV)}") == "00" + in_hex(right)
    assert ask(f"HG{FIELDS['003']}{in_hex(right)}") == "00" + in_hex(IV)


@pytest.mark.parametrize("code", ["001", "002", "003", "402", "109", "000"])
def test_keys_for_other_purposes_encipher_no_data(code: str, ask: Ask) -> None:
    other = oracle.under_lmk(code, oracle.key())
    assert ask(f"M00011{code}{other}0010{'0' * 16}") == "05"
    for claimed in ("00A", "00B", "30B"):
        assert ask(f"M00011{claimed}{other}0010{'0' * 16}") == "10"
        assert ask(f"M20011{claimed}{other}0010{'0' * 16}") == "10"


@pytest.mark.parametrize("octets", [8, 16, 24])
@pytest.mark.parametrize("count", [1, 8, 20, 200])
def test_macs_with_a_tak(octets: int, count: int, ask: Ask) -> None:
    clear, data = oracle.key(octets), (DATA * 2)[:count]
    field, right = oracle.under_lmk("003", clear), in_hex(oracle.cbc_mac(clear, data)[:4])
    assert ask(f"MA{field}".encode() + data) == "00" + right
    assert ask(f"MC{field}{right}".encode() + data) == "00"
    assert ask(f"MC{field}{right}".encode() + data + b"\x01") == "01"
    other = oracle.key()
    second = in_hex(oracle.cbc_mac(other, data)[:4])
    assert ask(f"ME{field}{oracle.under_lmk('003', other)}{right}".encode() + data) == "00" + second
    assert ask(f"ME{field}{oracle.under_lmk('003', other)}{second}".encode() + data) == "01"


def test_published_macs_under_a_key_wrapped_anew(ask: Ask) -> None:
    field = oracle.under_lmk("003", bytes.fromhex("E9CB01B93B20914F"))
    assert ask(f"MA{field}givemeSOMEMACing") == "00170C2BDB"
    assert ask(f"MC{field}170C2BDBgivemeSOMEMACing") == "00"


def test_long_messages_piece_by_piece(ask: Ask) -> None:
    field = FIELDS["008"]
    whole = in_hex(oracle.cbc_mac(KEYS["008"], DATA[:50]))
    assert ask(f"MQ0{field}032".encode() + DATA[:50]) == "00" + whole
    chain = ask(f"MQ1{field}010".encode() + DATA[:16])[2:]
    chain = ask(f"MQ2{field}{chain}018".encode() + DATA[16:40])[2:]
    assert ask(f"MQ3{field}{chain}00A".encode() + DATA[40:50]) == "00" + whole


@pytest.mark.parametrize(("code", "flag"), [("003", "0"), ("008", "1")])
def test_retail_macs_piece_by_piece(code: str, flag: str, ask: Ask) -> None:
    field, whole = FIELDS[code], in_hex(oracle.retail_mac(KEYS[code], DATA[:50]))
    assert ask(f"MS0{flag}10{field}0032".encode() + DATA[:50]) == "00" + whole
    assert ask(f"MS0{flag}11{field}0032{in_hex(DATA[:50])}") == "00" + whole
    chain = ask(f"MS1{flag}10{field}0010".encode() + DATA[:16])[2:]
    chain = ask(f"MS2{flag}11{field}{chain}0018{in_hex(DATA[16:40])}")[2:]
    assert ask(f"MS3{flag}10{field}{chain}000A".encode() + DATA[40:50]) == "00" + whole
    single = oracle.key(8)
    right = in_hex(oracle.cbc_mac(single, DATA[:20]))
    assert ask(f"MS0{flag}00{oracle.under_lmk(code, single)}0014".encode() + DATA[:20]) == "00" + right


def test_published_retail_macs_under_a_key_wrapped_anew(ask: Ask) -> None:
    field = oracle.under_lmk("003", bytes.fromhex("838652DF68A246046DAB6104583B201A"))
    for text, right in (("00000000", "3F431586CA33D99C"), ("000000001", "2FE7118F2074398E")):
        assert ask(f"MS0010{field}{len(text):04X}{text}") == "00" + right
    data, chain = "30" * 8 + "31" * 8, ""
    for piece, right in (
        ("1", "A9D4D96683B51333"),
        ("2", "DA46CEC9E61AF065"),
        ("2", "56A27E35442BD07D"),
        ("2", "B12874BED7137303"),
        ("3", "0D99127F7734AA58"),
    ):
        assert ask(f"MS{piece}011{field}{chain}0010{data}") == "00" + right
        chain = right


def dukpt_mac(data: bytes) -> str:
    transaction = oracle.dukpt_keys(KEYS["009"], bytes.fromhex(KSN))
    return in_hex(oracle.retail_mac(bytes(x ^ y for x, y in zip(transaction, MAC_VARIANT, strict=True)), data))


def test_macs_under_the_key_of_a_serial_number(ask: Ask) -> None:
    start, right = f"{FIELDS['009']}605{KSN}", dukpt_mac(DATA[:21])
    tail = b"0021" + DATA[:21]
    for mode, made in (("4", right), ("5", right[:8]), ("6", right[8:])):
        assert ask(f"GW{mode}1{start}".encode() + tail) == "00" + made
    for mode, given in (("1", right), ("2", right[:8]), ("3", right[8:])):
        assert ask(f"GW{mode}1{start}{given}".encode() + tail) == "00"
        assert ask(f"GW{mode}1{start}{'0' * len(given)}".encode() + tail) == "01"


def test_a_units_mac_whose_serial_number_has_counter_0(ask: Ask) -> None:
    bdk = "00072B0TN00E0001566678078B5337915F4860C92F3FF2D6A6B11E8786F22DC8032EB758"
    lmk = BlockLmk.of_tdes_test_key("01")
    clear = lmk.unwrap(WrappedKey(KeyScheme.KEY_BLOCK, bdk.encode()), IN_BLOCK)
    initial = tdes.initial_key(clear, TdesKsn.from_hex("FFFF0000000000000001"))
    working = tdes.working_key(initial, tdes.Purpose.MAC_REQUEST)
    assert RetailMacKey(working).mac(bytes.fromhex("ABCDEF1234")).hex() == "3e3dee3dc52e53ed"
    assert ask(f"GW41S{bdk}A05FFFF00000000000000000005".encode() + bytes.fromhex("ABCDEF1234") + b"%01") == "15"


@pytest.mark.parametrize(
    ("code", "name"),
    [("01", "sha1"), ("02", "md5"), ("05", "sha224"), ("06", "sha256"), ("07", "sha384"), ("08", "sha512")],
)
def test_digests(code: str, name: str, ask: Ask) -> None:
    for count in (0, 1, 200):
        right = hashlib.new(name, DATA[:count]).digest()
        assert ask(f"GM{code}{count:05}".encode() + DATA[:count]).encode("latin-1") == b"00" + right


@pytest.mark.parametrize(
    ("code", "name", "octets"),
    [("01", "sha1", 20), ("05", "sha224", 28), ("06", "sha256", 32), ("07", "sha384", 48), ("08", "sha512", 64)],
)
def test_hmacs_as_python_computes_them(code: str, name: str, octets: int) -> None:
    drawn: list[bytes] = []

    def random(count: int) -> bytes:
        drawn.append(bytes((7 * len(drawn) + place) & 0xFF for place in range(count)))
        return drawn[-1]

    ask = asking(random=random)
    key = ask(f"L0{code}00{octets:04}").encode("latin-1")[2:]
    right = hmac.digest(drawn[0], DATA[:100], name)
    for length in (4, octets):
        made = ask(f"LQ{code}{length:04}00".encode() + key + b";00100" + DATA[:100]).encode("latin-1")
        assert made == f"00{length:04}".encode() + right[:length]
        start = f"LS{code}{length:04}".encode() + right[:length] + b"00" + key
        assert ask(start + b";00100" + DATA[:100]) == "00"
        assert ask(start + b";00100" + DATA[1:101]) == "01"
    other = "06" if code != "06" else "08"
    assert ask(f"LQ{other}000400".encode() + key + b";00100" + DATA[:100]) == "49"
    assert ask(f"LQ{code}000400".encode() + key[:-1] + b"\x00;00100" + DATA[:100]) == "49"


def test_hmac_keys_of_one_lmk_are_none_under_another(ask: Ask) -> None:
    key = ask("L006000032").encode("latin-1")[2:]
    command = b"LQ06000400" + key + b";00003abc"
    assert ask(command)[:2] == "00"
    assert ask(command + b"%01") == "49"
