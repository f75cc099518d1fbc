# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Units whose LMK wraps in key blocks: keys made, carried and used by what their blocks say; psec opens X9.143."""

import itertools

import psec
import pytest

from hsm_sim.engine.block_lmk import TEST_AES_LMK, TEST_TDES_LMK
from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.hsm.key_block import BlockHeader, BlockKey, header_of
from protocols.secret import ClearKey
from tests.hsm_sim import oracle
from tests.hsm_sim.asking import Ask, asking

LMKS = {"01": (TEST_TDES_LMK, BlockKey.tdes), "02": (TEST_AES_LMK, BlockKey.aes)}
ACCOUNT = "550000025321"
PAN = "5500000253219"
every_lmk = pytest.mark.parametrize("lmk", ["01", "02"])


@pytest.fixture(scope="module")
def ask() -> Ask:
    return asking(clear_pins=True)


def block(lmk: str, clear: bytes, usage: str, mode: str = "N", exportability: str = "E", algorithm: str = "T") -> str:
    """A key field with a block under a TEST LMK."""
    octets, make = LMKS[lmk]
    header = BlockHeader(usage, algorithm, mode, exportability=exportability, lmk=lmk)
    key = make(ClearKey.from_hex(octets))
    return "S" + key.wrap(header, ClearKey(bytearray(clear)), bytes).decode("ascii")


def opened(lmk: str, field: str) -> tuple[BlockHeader, bytes]:
    octets, make = LMKS[lmk]
    header, clear = make(ClearKey.from_hex(octets)).unwrap(field[1:].encode("ascii"))
    return header, bytes(clear.reveal())


# Published blocks: FelipeRodriguezFonte/CryptoCarver ThalesKeyBlockTest, ThalesKeyBlockAesTest (restated as facts).
PUBLISHED = [
    (
        "01",
        "00072B0TN00E000256A37F894FD49E61DD3FA27FDE8919D07F7AA966F8BF39AB31D00034",
        "735B3125EFF2E04ABFBFA1670180A168",
    ),
    (
        "02",
        "10096B0TN00E0002F21247ABCAF1AAB60415020B95858FA2D3D35DCE0B9CA675739A1C6EC367061107D66472D5097626",
        "000102030405060708090A0B0C0D0E0F",
    ),
    (
        "02",
        "10096B0AN00E00021DFDC97FED3ACD531E0F85F811B10D8700B58E7D5CD72CB465DCCE8B79B67CDE6298505CCB7BAD47",
        "0D6B02388AC8EF491902342C5B0EDAD5",
    ),
]
FILL = {
    PUBLISHED[1][1]: "53F831C75646159457F7FDC0B5D3",
    PUBLISHED[2][1]: "1FCF86E2401375FF98B3D12C6D0D",
}


@pytest.mark.parametrize(("lmk", "text", "clear"), PUBLISHED)
def test_published_blocks(lmk: str, text: str, clear: str) -> None:
    octets, make = LMKS[lmk]
    key = make(ClearKey.from_hex(octets))
    header, found = key.unwrap(text.encode())
    assert found.reveal().hex().upper() == clear
    if text in FILL:
        assert key.wrap(header, found, lambda count: bytes.fromhex(FILL[text])[:count]).decode() == text


@every_lmk
@pytest.mark.parametrize(
    ("usage", "algorithm", "mode"),
    [("P0", "T2", "B"), ("B0", "T2", "X"), ("M3", "T2", "C"), ("D0", "A3", "B"), ("K0", "A2", "N"), ("V2", "T3", "N")],
)
def test_a0_makes_what_the_attributes_say(lmk: str, usage: str, algorithm: str, mode: str, ask: Ask) -> None:
    answer = ask(f"A00FFFS%{lmk}#{usage}{algorithm}{mode}01S00")
    assert answer[:3] == "00S"
    header, clear = opened(lmk, answer[2:-6])
    assert header == BlockHeader(usage, algorithm[0], mode, "01", "S", lmk)
    assert len(clear) == {"T2": 16, "T3": 24, "A1": 16, "A2": 24, "A3": 32}[algorithm]
    if algorithm[0] == "T":
        assert answer[-6:] == oracle.check_value(clear)
        assert oracle.odd(clear) == clear


@every_lmk
@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ("XXT2B00E00", "A6"), ("P0T2Q00E00", "A8"), ("P0D1B00E00", "A7"), ("P0T2B00Q00", "AA"), ("P0T2B00E01", "B2"),
        ("B0T3X00E00", "A5"), ("P0T2B0 E00", "A9"), ("P0T2B00E", "15"),
    ],
)  # fmt: skip
def test_attributes_that_no_key_may_have(lmk: str, attributes: str, error: str, ask: Ask) -> None:
    assert ask(f"A00FFFS%{lmk}#{attributes}") == error


@every_lmk
def test_what_does_not_go_together(lmk: str, ask: Ask) -> None:
    variant, zpk = oracle.under_lmk("001", oracle.key()), block(lmk, oracle.key(), "P0")
    pin = oracle.key(8).hex()
    for command, error in (
        (f"A00001S%{lmk}", "A1"),
        (f"A00001U%{lmk}", "A1"),
        (f"A00FFFU%{lmk}#P0T2B00E00", "26"),
        ("A00FFFS#P0T2B00E00", "A1"),
        ("A00FFFS", "26"),
        ("A00FFFU", "28"),
        (f"JE{variant}{pin}01{ACCOUNT}%{lmk}", "A1"),
        (f"JE{zpk}{pin}01{ACCOUNT}", "A1"),
        (f"HA{block(lmk, oracle.key(), 'K0')};XU0%{lmk}", "A1"),
        (f"B0FFF{zpk}X%{lmk}", "A1"),
        (f"JEK001{pin}01{ACCOUNT}%{lmk}", "12"),
    ):
        assert ask(command) == error, command[:12]
    other = "02" if lmk == "01" else "01"
    assert ask(f"JE{zpk}{pin}01{ACCOUNT}%{other}") == "A1"
    foreign = block(lmk, oracle.key(), "P0").replace(lmk, "07", 1) if lmk in zpk[13:19] else zpk
    assert ask(f"JE{foreign[:15]}07{foreign[17:]}{pin}01{ACCOUNT}%{lmk}") == "A2"


@every_lmk
def test_export_and_import_in_blocks(lmk: str, ask: Ask) -> None:
    zmk, clear = oracle.key(), oracle.key()
    above = block(lmk, zmk, "K0")
    for usage, mode in (("P0", "B"), ("B0", "X"), ("M3", "C"), ("72", "N")):
        key = block(lmk, clear, usage, mode)
        sent = ask(f"A8FFF{above}{key}S%{lmk}&S")
        assert sent[:3] == "00S"
        assert sent[-6:] == oracle.check_value(clear)
        header, found = BlockKey.tdes(ClearKey(bytearray(zmk))).unwrap(sent[3:-6].encode())
        assert (header, found.reveal()) == (BlockHeader(usage, "T", mode, exportability="S"), clear)
        back = ask(f"A6FFF{above}{sent[2:-6]}S%{lmk}")
        assert opened(lmk, back[2:-6]) == (BlockHeader(usage, "T", mode, exportability="S", lmk=lmk), clear)
    assert header_of(ask(f"A8FFF{above}{key}S%{lmk}")[3:-6].encode())[1].exportability == "N"


@every_lmk
@pytest.mark.parametrize("transport", ["T", "A"])
@pytest.mark.parametrize("usage", ["P0", "B0", "M3", "72", "41"])
def test_x9143_blocks_as_psec_opens_and_makes_them(lmk: str, transport: str, usage: str, ask: Ask) -> None:
    zmk, clear = oracle.key(32 if transport == "A" else 16), oracle.key()
    above, key = block(lmk, zmk, "K0", algorithm=transport), block(lmk, clear, usage)
    sent = ask(f"A8FFF{above}{key}R%{lmk}")
    assert sent[:4] == ("00RD" if transport == "A" else "00RB")
    header, found = oracle.quiet(psec.tr31.unwrap, zmk, sent[3:-6])
    expected = {"72": "P0", "41": "B0"}.get(usage, usage)
    assert (found, header.key_usage, header.exportability) == (clear, expected, "N")
    theirs = psec.tr31.Header("D" if transport == "A" else "B", expected, "T", "N", "00", "E")
    taken = ask(f"A6FFF{above}R{oracle.quiet(psec.tr31.wrap, zmk, theirs, clear)}S%{lmk}")
    assert opened(lmk, taken[2:-6]) == (BlockHeader(expected, "T", "N", lmk=lmk, exportability="E"), clear)


@every_lmk
@pytest.mark.parametrize(("usage", "modes"), [("P0", "BDEN"), ("K0", "BDEN"), ("D0", "BDEN"), ("M3", "CGVN")])
def test_an_arriving_block_must_say_what_the_standard_gives_to_its_usage(
    lmk: str, usage: str, modes: str, ask: Ask
) -> None:
    """X9.143:2021, tables 3 and 5: the modes that each usage takes."""
    zmk, clear = oracle.key(), oracle.key()
    above = block(lmk, zmk, "K0")
    for mode in "BCDEGNSTVXY":
        theirs = psec.tr31.Header("B", usage, "T", mode, "00", "E")
        taken = ask(f"A6FFF{above}R{oracle.quiet(psec.tr31.wrap, zmk, theirs, clear)}S%{lmk}")
        assert taken[:2] == ("00" if mode in modes else "A8"), mode


@pytest.mark.parametrize(
    ("mode", "exportability", "answer"),
    [("B", "E", "00"), ("N", "S", "00"), ("B", "N", "AA"), ("E", "E", "A8"), ("D", "S", "A8"), ("E", "N", "AA")],
)
def test_what_a_block_forbids_is_not_lost_under_a_variant_lmk(
    mode: str, exportability: str, answer: str, ask: Ask
) -> None:
    """A key under a variant LMK says of itself neither what it may not do nor that it must stay."""
    zmk, clear = oracle.key(), oracle.key()
    theirs = psec.tr31.Header("B", "P0", "T", mode, "00", exportability)
    field = f"R{oracle.quiet(psec.tr31.wrap, zmk, theirs, clear)}"
    taken = ask(f"A6001{oracle.under_lmk('000', zmk)}{field}U")
    assert taken[:2] == answer
    if answer == "00":
        assert taken[2:-6] == oracle.under_lmk("001", clear)


@every_lmk
def test_exportability_is_kept(lmk: str, ask: Ask) -> None:
    zmk = oracle.key()
    above = block(lmk, zmk, "K0")
    clear = oracle.key()
    for exportability, schemes in (("N", ""), ("E", "SR"), ("S", "SRUX")):
        key = block(lmk, clear, "P0", exportability=exportability)
        for scheme in "SRUX":
            answer = ask(f"A8FFF{above}{key}{scheme}%{lmk}")
            assert (answer[:2] == "00") == (scheme in schemes), (exportability, scheme)
            assert answer[:2] in {"00", "AA"}
            if scheme in "UX" and answer[:2] == "00":
                assert answer[2:-6] == oracle.under(zmk, clear, scheme)
    hardened = asking(unauthenticated_transport=False)
    assert hardened(f"A8FFF{above}{block(lmk, clear, 'P0', exportability='S')}U%{lmk}") == "AA"


@every_lmk
def test_keys_do_only_what_their_blocks_say(lmk: str, ask: Ask) -> None:
    clear, pvk = oracle.key(), oracle.key()
    pin_block = oracle.block_0(clear, "1234", ACCOUNT)
    pvv = oracle.pvv(pvk, "1", "1234", ACCOUNT)

    def verify(key: str, reference: str) -> str:
        return ask(f"EC{key}{reference}{pin_block}01{ACCOUNT}1{pvv}%{lmk}")

    right = block(lmk, pvk, "V2", "V")
    for usage, mode, answer in (
        ("P0", "B", "00"), ("P0", "D", "00"), ("P0", "N", "00"), ("72", "N", "00"), ("P0", "E", "A8"),
        ("D0", "B", "A6"), ("B0", "X", "A6"), ("M3", "C", "A6"), ("V2", "N", "A6"),
    ):  # fmt: skip
        assert verify(block(lmk, clear, usage, mode), right) == answer, (usage, mode)
    source = block(lmk, clear, "P0", "D")
    for usage, mode, answer in (
        ("V2", "V", "00"), ("V0", "N", "00"), ("V2", "C", "00"),
        ("V2", "G", "A8"), ("V1", "N", "A6"), ("P0", "N", "A6"),
    ):  # fmt: skip
        assert verify(source, block(lmk, pvk, usage, mode)) == answer, (usage, mode)


@every_lmk
def test_macs_follow_usage_and_mode(lmk: str, ask: Ask) -> None:
    clear, data = oracle.key(), b"0123456789"
    macs = {"1": oracle.cbc_mac(clear, data), "3": oracle.retail_mac(clear, data)}
    for usage, algorithm, mode in itertools.product(("M0", "M1", "M3"), "13", "GVCN"):
        key = block(lmk, clear, usage, mode)
        fits = (usage == "M3") == (algorithm == "3")
        make = ask(f"M6001{algorithm}1FFF{key}000A0123456789%{lmk}")
        check = ask(f"M8001{algorithm}1FFF{key}000A0123456789{macs[algorithm].hex()}%{lmk}")
        assert make == ("A6" if not fits else "A8" if mode == "V" else "00" + macs[algorithm].hex().upper())
        assert check == ("A6" if not fits else "A8" if mode == "G" else "00")


@every_lmk
def test_data_under_aes_keys(lmk: str, ask: Ask) -> None:
    clear, iv, data = bytes(range(32)), bytes(range(16)), bytes(range(48))
    key = block(lmk, clear, "D0", "B", algorithm="A")
    right = oracle.quiet(psec.aes.encrypt_aes_cbc, clear, iv, data).hex().upper()
    made = ask(f"M00111FFF{key}{iv.hex()}0060{data.hex()}%{lmk}")
    assert made == f"00{right[-32:]}0060{right}"
    assert ask(f"M20111FFF{key}{iv.hex()}0060{right}%{lmk}")[38:] == data.hex().upper()
    ecb = oracle.quiet(psec.aes.encrypt_aes_ecb, clear, data).hex().upper()
    assert ask(f"M00011FFF{key}0060{data.hex()}%{lmk}") == f"000060{ecb}"
    assert ask(f"M00011FFF{block(lmk, clear, 'D0', 'D', algorithm='A')}0060{data.hex()}%{lmk}") == "A8"


@every_lmk
def test_forming_keys_of_components(lmk: str, ask: Ask) -> None:
    parts = [oracle.key() for _ in range(3)]
    clear = oracle.odd(bytes(a ^ b ^ c for a, b, c in zip(*parts, strict=True)))
    fields = "".join(block(lmk, part, "P0", "B") for part in parts)
    answer = ask(f"A43FFFS{fields}%{lmk}#0200")
    assert opened(lmk, answer[2:-6]) == (BlockHeader("P0", "T", "B", "02", "E", lmk), clear)
    assert answer[-6:] == oracle.check_value(clear)
    assert ask(f"A42FFFS{block(lmk, parts[0], 'P0')}{block(lmk, parts[1], 'D0')}%{lmk}") == "B2"


@every_lmk
def test_dukpt_initial_keys(lmk: str, ask: Ask) -> None:
    bdk, zmk, ksn = oracle.key(), oracle.key(), "FFFF9876543210E"
    keys = f"O1{block(lmk, bdk, 'B0', 'X')}{ksn}"
    expected = oracle.initial_key(bdk, bytes.fromhex(ksn + "00000"))  # a device derives from its parity bits too
    answer = ask(f"A0AFFFS{keys}%{lmk}#B1T2N00E00")
    header, found = opened(lmk, answer[2:-6])
    assert (header.usage, found) == ("B1", expected)
    answer = ask(f"A0BFFFS{keys};0{block(lmk, zmk, 'K0')}S%{lmk}#B1T2N00E00")
    size = int(answer[4:8]) + 1
    assert BlockKey.tdes(ClearKey(bytearray(zmk))).unwrap(answer[3 + size : -6].encode())[1].reveal() == expected
    assert ask(f"A0AFFFS{keys}%{lmk}#P0T2N00E00") == "A6"


def test_a_block_from_a_zone_comes_under_the_variant_lmk_as_what_it_is(ask: Ask) -> None:
    zmk, clear = oracle.key(), oracle.key()
    above = oracle.under_lmk("000", zmk)
    text = oracle.quiet(psec.tr31.wrap, zmk, psec.tr31.Header("B", "P0", "T", "B", "00", "E"), clear)
    for command in (f"A6001{above}R{text}U", f"A6002{above}R{text}U"):
        assert ask(command) == f"00{oracle.under_lmk(command[2:5], clear)}{oracle.check_value(clear)}"
    for code in ("003", "009", "402", "00A", "008"):
        assert ask(f"A6{code}{above}R{text}U") == "A6"
    hardened = asking(unauthenticated_transport=False)
    assert hardened(f"A6001{above}R{text}U")[:2] == "00"


def test_tables_of_the_tdes_lmk_are_as_published_and_those_of_the_aes_lmk_are_not(ask: Ask) -> None:
    assert ask("LO0123456789012345%01") == "00709F26B22464E96A"
    own = ask("LO0123456789012345%02")
    assert own[:2] == "00"
    assert own not in {"00709F26B22464E96A", ask("LO0123456789012345")}


@pytest.mark.parametrize("lmk", ["00", "01", "02"])
def test_pins_of_each_lmk(lmk: str, ask: Ask) -> None:
    made = ask(f"BA1234FFFFFFFFF{ACCOUNT}%{lmk}")
    assert ask(f"NG{ACCOUNT}{made[2:]}%{lmk}") == "001234FFFFFFFFF"
    assert len({ask(f"BA1234FFFFFFFFF{ACCOUNT}%{other}") for other in ("00", "01", "02")}) == 3


@every_lmk
def test_user_storage_names_keys(lmk: str) -> None:
    clear = oracle.key()
    key = block(lmk, clear, "P0", "B")
    stored = {"01A": key}
    ask = asking(storage={lmk: stored}, clear_pins=True)
    pin_block = oracle.block_0(clear, "1234", ACCOUNT)
    assert ask(f"JEK01A{pin_block}01{ACCOUNT}%{lmk}") == ask(f"JE{key}{pin_block}01{ACCOUNT}%{lmk}")
    assert ask(f"JEK01B{pin_block}01{ACCOUNT}%{lmk}") == "12"
    assert ask(f"BUFFFK01A;FFF;001%{lmk}") == "00" + oracle.check_value(clear)
    stored["01A"] = block(lmk, oracle.key(), "D0", "B")
    assert ask(f"JEK01A{pin_block}01{ACCOUNT}%{lmk}") == "A6"


def test_headers_that_do_not_fit_are_the_callers_fault() -> None:
    key = BlockKey.tdes(ClearKey.from_hex(TEST_TDES_LMK))
    for header in (
        BlockHeader("P", "T", "N"),
        BlockHeader("P0", "T", "N", lmk="001"),
        BlockHeader("P0", "T", "\u00e9"),
    ):
        with pytest.raises(EncodeError):
            key.wrap(header, ClearKey(bytearray(16)), bytes)
    with pytest.raises(EncodeError):
        key.wrap(BlockHeader("P0", "T", "N"), ClearKey(bytearray(5000)), bytes)


@pytest.mark.parametrize("lmk", ["01", "02"])
def test_every_change_of_a_block_and_every_truncation_is_refused(lmk: str) -> None:
    octets, make = LMKS[lmk]
    key = make(ClearKey.from_hex(octets))
    whole = block(lmk, oracle.key(), "P0", "B")[1:].encode()
    for place in range(len(whole)):
        for other in b"0A1N":
            changed = whole[:place] + bytes((other,)) + whole[place + 1 :]
            if changed != whole:
                with pytest.raises((DecodeError, IntegrityError)):
                    key.unwrap(changed)
        with pytest.raises((DecodeError, IntegrityError)):
            key.unwrap(whole[:place])
