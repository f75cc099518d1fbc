# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""M6, M8, CW, CY, KQ, KW: values as psec and pyemv compute them, chaining, refusals, no right value in a refusal."""

import secrets

import pytest

from tests.hsm_sim import oracle
from tests.hsm_sim.conftest import Ask

KEYS = {"003": oracle.key(), "008": oracle.key()}
ISSUER, CVK = oracle.key(), oracle.key()
MAC = {"1": oracle.cbc_mac, "3": oracle.retail_mac}
PAN, NUMBER = "4000009999990016", "01"
DATA = secrets.token_bytes(37)
ARQC = oracle.arqc(ISSUER, PAN, NUMBER, DATA)


def m6(flags: str, code: str, data: bytes, chaining: str = "", input_format: str = "0") -> bytes:
    """M6 with mode, size, algorithm, padding in `flags`."""
    mode, size, algorithm, padding = flags
    head = f"M6{mode}{input_format}{size}{algorithm}{padding}{code}{oracle.under_lmk(code, KEYS[code])}{chaining}"
    return head.encode() + f"{len(data):04X}".encode() + data


def m8(flags: str, code: str, data: bytes, mac: str, chaining: str = "", input_format: str = "0") -> bytes:
    return b"M8" + m6(flags, code, data, chaining, input_format)[2:] + mac.encode()


@pytest.mark.parametrize("code", ["003", "008"])
@pytest.mark.parametrize("algorithm", ["1", "3"])
@pytest.mark.parametrize("padding", ["1", "2"])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 16, 200, 4096])
def test_whole_messages(code: str, algorithm: str, padding: str, length: int, ask: Ask) -> None:
    if length == 0 and padding == "1":
        length = 24  # psec pads an empty message to nothing; ISO/IEC 9797-1 says one block
    data = secrets.token_bytes(length)
    right = MAC[algorithm](KEYS[code], data, int(padding)).hex().upper()
    for size, digits in (("0", 8), ("1", 16)):
        flags = f"0{size}{algorithm}{padding}"
        assert ask(m6(flags, code, data)) == "00" + right[:digits]
        assert ask(m8(flags, code, data, right[:digits])) == "00"
        wrong = right[: digits - 1] + f"{int(right[digits - 1], 16) ^ 1:X}"
        assert ask(m8(flags, code, data, wrong)) == "01"
    assert ask(m6(f"01{algorithm}{padding}", code, data.hex().encode(), input_format="1")) == "00" + right
    assert ask(m6(f"01{algorithm}{padding}", code, data, input_format="2")) == "00" + right


@pytest.mark.parametrize("algorithm", ["1", "3"])
def test_no_padding_takes_whole_blocks_only(algorithm: str, ask: Ask) -> None:
    data = secrets.token_bytes(24)
    right = MAC[algorithm](KEYS["003"], data).hex().upper()
    assert ask(m6(f"01{algorithm}0", "003", data)) == "00" + right
    for length in (0, 1, 23):
        assert ask(m6(f"01{algorithm}0", "003", data[:length])) == "06"
        assert ask(m8(f"01{algorithm}0", "003", data[:length], right)) == "06"


@pytest.mark.parametrize("algorithm", ["1", "3"])
def test_a_message_in_pieces_has_the_same_mac(algorithm: str, ask: Ask) -> None:
    data = secrets.token_bytes(61)
    right = MAC[algorithm](KEYS["008"], data, 2).hex().upper()
    first = ask(m6(f"11{algorithm}2", "008", data[:16]))
    middle = ask(m6(f"21{algorithm}2", "008", data[16:40], first[2:]))
    assert ask(m6(f"31{algorithm}2", "008", data[40:], middle[2:])) == "00" + right
    checked = ask(m8(f"11{algorithm}2", "008", data[:16], ""))
    checked = ask(m8(f"21{algorithm}2", "008", data[16:40], "", checked[2:]))
    assert ask(m8(f"31{algorithm}2", "008", data[40:], right, checked[2:])) == "00"
    assert ask(m6(f"10{algorithm}2", "008", data[:15])) == "06"


def test_mac_refusals(ask: Ask) -> None:
    right = oracle.retail_mac(KEYS["003"], DATA).hex()
    assert ask(m6("0131", "003", DATA).replace(b"003U", b"008U", 1)) == "10"
    assert ask(m6("0131", "003", DATA).replace(b"003U", b"002U", 1)) == "05"
    assert ask(m8("0131", "003", DATA, right[:8])) == "15"
    assert ask(m8("0031", "003", DATA, right)) == "15"
    assert ask(m8("0131", "003", DATA, "")) == "15"
    assert ask(m6("0131", "003", b"123", input_format="1")) == "15"
    assert ask(m6("0131", "003", b"12x4", input_format="1")) == "15"
    assert ask(m6("0131", "003", DATA)[:-1]) == "06"
    single = oracle.under_lmk("003", oracle.key(8))
    assert ask(f"M600131003{single}0004data") == "27"
    assert ask(f"M600111003{single}0004data")[:2] == "00"


def kq(mode: str, data: bytes, cryptogram: bytes, answer: bytes = b"", issuer: bytes = ISSUER) -> bytes:
    account = bytes.fromhex((PAN + NUMBER)[-16:])
    head = f"KQ{mode}0{oracle.under_lmk('109', issuer)}".encode()
    return b"".join((head, account, b"\x00\x01", bytes(4), f"{len(data):02X}".encode(), data, b";", cryptogram, answer))


def test_kq_verifies_and_answers(ask: Ask) -> None:
    arpc = oracle.arpc_1(ISSUER, PAN, NUMBER, ARQC, b"00").decode("latin-1")
    assert ask(kq("0", DATA, ARQC)) == "00"
    assert ask(kq("1", DATA, ARQC, b"00")) == "00" + arpc
    head = f"KQ20{oracle.under_lmk('109', ISSUER)}".encode() + bytes.fromhex((PAN + NUMBER)[-16:])
    assert ask(head + b"\x00\x01" + bytes(4) + ARQC + b"00") == "00" + arpc
    for mode in "34":
        assert ask(kq(mode, DATA, ARQC, b"00")) == "04"


def test_a_wrong_cryptogram_gets_no_answer_and_not_the_right_one(ask: Ask) -> None:
    for place in range(8):
        wrong = ARQC[:place] + bytes((ARQC[place] ^ 0x80,)) + ARQC[place + 1 :]
        assert ask(kq("0", DATA, wrong)) == "01"
        assert ask(kq("1", DATA, wrong, b"00")) == "01"
    assert ask(kq("1", DATA + b"\x01", ARQC, b"00")) == "01"


def test_kq_data_that_looks_like_delimiter_and_tail(ask: Ask) -> None:
    data = b";\x19%00" * 7
    cryptogram = oracle.arqc(ISSUER, PAN, NUMBER, data)
    assert ask(kq("0", data, cryptogram)) == "00"
    assert ask(kq("0", data, cryptogram) + b"%00\x19trailer") == "00\x19trailer"


def test_kq_refusals(ask: Ask) -> None:
    assert ask(kq("9", DATA, ARQC)) == "04"
    assert ask(kq("0", DATA, ARQC).replace(b"KQ00", b"KQ09", 1)) == "05"
    assert ask(kq("0", b"", ARQC)) == "81"
    assert ask(kq("0", DATA, ARQC)[:60]) == "80"
    assert ask(kq("1", DATA, ARQC)) == "15"
    assert ask(kq("0", DATA, ARQC, b"00")) == "15"
    assert ask(kq("0", DATA, ARQC).replace(b";", b":", 1) if b";" not in DATA else b"KQ00") == "15"
    assert ask(kq("0", DATA, ARQC, issuer=oracle.key(8) * 2)) == "75"
    assert ask(kq("0", DATA, ARQC, issuer=oracle.key(24))) == "27"
    other = oracle.under_lmk("009", ISSUER).encode()
    assert ask(kq("0", DATA, ARQC).replace(oracle.under_lmk("109", ISSUER).encode(), other, 1)) == "10"


@pytest.mark.parametrize("digits", ["4000009999990016", "400000999999", "4000009999990016003"])
def test_cw_and_cy_as_psec_computes_it(digits: str, ask: Ask) -> None:
    value = oracle.cvv(CVK, digits, "2812", "201")
    wrong = f"{(int(value) + 1) % 1000:03}"
    key = oracle.under_lmk("402", CVK)
    assert ask(f"CW{key}{digits};2812201") == "00" + value
    assert ask(f"CY{key}{value}{digits};2812201") == "00"
    assert ask(f"CY{key}{wrong}{digits};2812201") == "01"


def test_cw_refusals(ask: Ask) -> None:
    key = oracle.under_lmk("402", CVK)
    assert ask(f"CW{oracle.under_lmk('002', CVK)}{PAN};2812201") == "10"
    assert ask(f"CWU{'0' * 32}{PAN};2812201") == "10"
    assert ask(f"CWZ{oracle.under_lmk('402', oracle.key(8))}{PAN};2812201") == "27"
    assert ask(f"CW{key}{PAN}2812201") == "15"
    assert ask(f"CW{key}{PAN};281220") == "15"


def kw(mode: str, cryptogram: bytes, answer: bytes = b"") -> bytes:
    head = f"KW{mode}2{oracle.under_lmk('109', ISSUER)}".encode() + bytes.fromhex((PAN + NUMBER)[-16:]) + b"\x00\x07"
    data = b"" if mode in "34" else f"{len(DATA):02X}".encode() + DATA + b";"
    return head + data + cryptogram + answer


def test_kw_verifies_and_answers_both_ways(ask: Ask) -> None:
    cryptogram = oracle.session_arqc(ISSUER, PAN, NUMBER, b"\x00\x07", bytes(4), DATA)
    by_code = oracle.session_arpc(ISSUER, PAN, NUMBER, b"\x00\x07", cryptogram, b"00").decode("latin-1")
    update = bytes.fromhex("00800000")
    assert ask(kw("0", cryptogram)) == "00"
    for mode in "13":
        assert ask(kw(mode, cryptogram, b"00")) == "00" + by_code
    for own in (b"", b"mine", bytes(8)):
        by_update = oracle.session_arpc(ISSUER, PAN, NUMBER, b"\x00\x07", cryptogram, update, own).decode("latin-1")
        for mode in "24":
            assert ask(kw(mode, cryptogram, update + b"%d" % len(own) + own)) == "00" + by_update


def test_kw_gives_no_answer_to_a_wrong_cryptogram(ask: Ask) -> None:
    assert ask(kw("0", ARQC)) == "01", "one under the card's own key"
    assert ask(kw("1", ARQC, b"00")) == "01"
    assert ask(kw("2", ARQC, bytes(4) + b"0")) == "01"
    assert ask(kw("2", ARQC, bytes(4) + b"9" + bytes(9))) != "00"
    assert ask(kw("5", ARQC)) == "04"
    assert ask(kw("0", ARQC).replace(b"KW02", b"KW03", 1)) == "05"


def test_a_session_key_of_the_other_scheme_does_not_verify(ask: Ask) -> None:
    """Counter and number both go into M/Chip's session key."""
    drawn = b"\x12\x34\x56\x78"
    cryptogram = oracle.session_arqc(ISSUER, PAN, NUMBER, b"\x00\x01", drawn, DATA)
    command = kq("1", DATA, cryptogram, b"\x00\x10").replace(b"KQ10", b"KQ11", 1)
    at = command.index(b"\x00\x01" + bytes(4)) + 2
    right = command[:at] + drawn + command[at + 4 :]
    answer = oracle.arpc_1(ISSUER, PAN, NUMBER, cryptogram, b"\x00\x10").decode("latin-1")
    assert ask(right) == "00" + answer, "the card's own key answers"
    assert ask(command) == "01"
    assert ask(right.replace(b"KQ11", b"KQ10", 1)) == "01"
