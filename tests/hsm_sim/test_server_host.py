# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A host's day over plain TCP and over mutual TLS: keys, PINs, MACs, cryptograms. The host is a raw socket and other
people's libraries (psec, pyemv): it shares no code with ours.
"""

import ssl
import struct
from collections.abc import Iterator

import pytest

from tests.hsm_sim import oracle
from tests.hsm_sim.certificates import authority, certificate
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import Running, running

ACCOUNT = "000099999900"
PAN, NUMBER = "4000009999990016", "01"
SETTINGS = '[tls]\nport = 0\ncertificate = "unit.pem"\nkey = "unit.key"\nclient-ca = "ca.pem"\n'


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, ssl.SSLContext]]:
    folder = tmp_path_factory.mktemp("host")
    authority(folder)
    for name in ("unit", "host"):
        certificate(folder, name)
    tls = ssl.create_default_context(cafile=folder / "ca.pem")
    tls.load_cert_chain(folder / "host.pem", folder / "host.key")
    with running(settings=SETTINGS, folder=folder) as started:
        yield started, tls


@pytest.fixture(params=["plain", "mutual TLS"])
def host(unit: tuple[Running, ssl.SSLContext], request: pytest.FixtureRequest) -> Iterator[RawClient]:
    started, tls = unit
    secret = request.param != "plain"
    with RawClient(started.address("tls_address" if secret else "address")) as connected:
        if secret:
            connected.socket = tls.wrap_socket(connected.socket, server_hostname="127.0.0.1")
        yield connected
        connected.socket.close()


def made_key(host: RawClient, key_type: str) -> tuple[str, bytes]:
    """A key that the unit made, as its host holds it, and what it is; its check value was right."""
    answer = host.ask(f"A00{key_type}U").decode()
    assert answer[:5] == "A100U"
    field, check_value = answer[4:37], answer[37:]
    clear = oracle.clear_of(oracle.lmk(key_type), field)
    assert check_value == oracle.check_value(clear)
    assert oracle.odd(clear) == clear
    return field, clear


def test_it_says_which_master_keys_it_has(host: RawClient) -> None:
    answer = host.ask("NC")
    assert answer[:4] == b"ND00"
    assert len(answer) == 4 + 16 + 9
    bytes.fromhex(answer[4:20].decode())


def test_a_first_key_and_a_first_translation(host: RawClient) -> None:
    (tpk, terminal), (zpk, zone) = made_key(host, "002"), made_key(host, "001")
    block = oracle.block_0(terminal, "73915", ACCOUNT)
    answer = host.ask(f"CA{tpk}{zpk}12{block}0101{ACCOUNT}").decode()
    assert answer == f"CB0005{oracle.block_0(zone, '73915', ACCOUNT)}01"
    answer = host.ask(f"CA{tpk}{zpk}12{block}0147{ACCOUNT}").decode()
    assert (answer[:6], answer[-2:]) == ("CB0005", "47")
    assert oracle.pin_of_block_3(zone, answer[6:22], ACCOUNT) == "73915"


def test_a_key_goes_to_a_terminal_under_its_master_key(host: RawClient) -> None:
    tmk, master = made_key(host, "002")
    answer = host.ask(f"HC{tmk};XU0").decode()
    assert answer[:5] == "HD00X"
    sent, kept = answer[4:37], answer[37:]
    assert oracle.clear_of(master, sent) == oracle.clear_of(oracle.lmk("002"), kept)


def test_three_hundred_pins_in_one_segment_each_come_back_in_their_place(host: RawClient) -> None:
    (source, came_under), (destination, leaves_under) = made_key(host, "001"), made_key(host, "001")
    pins = [f"{number:04}" for number in range(0, 9000, 30)]
    blocks = [oracle.block_0(came_under, pin, ACCOUNT) for pin in pins]
    stream = b"".join(
        host.framed(f"CC{source}{destination}12{block}0101{ACCOUNT}", pin.encode())
        for pin, block in zip(pins, blocks, strict=True)
    )
    host.socket.sendall(stream)  # before any answer is read: a TLS socket is one thread's at a time
    answers = [host.receive().decode() for _ in pins]
    assert answers == [f"{pin}CD0004{oracle.block_0(leaves_under, pin, ACCOUNT)}01" for pin in pins]


def test_a_message_is_authenticated_and_a_changed_one_is_not(host: RawClient) -> None:
    tak, clear = made_key(host, "003")
    message = b"\x19%00;" * 7
    mac = oracle.retail_mac(clear, message).hex().upper()
    asked = f"0131003{tak}{len(message):04X}".encode()
    assert host.ask(b"M60" + asked + message) == b"M700" + mac.encode()
    assert host.ask(b"M80" + asked + message + mac.encode()) == b"M900"
    assert host.ask(b"M80" + asked + message.upper()[:-1] + b":" + mac.encode()) == b"M901"


def test_a_card_is_believed_and_answered(host: RawClient) -> None:
    field, issuer = made_key(host, "109")
    data = bytes(range(29))
    cryptogram = oracle.arqc(issuer, PAN, NUMBER, data)
    card = bytes.fromhex((PAN + NUMBER)[-16:])
    asked = b"KQ10" + field.encode() + card + b"\x00\x01" + bytes(4) + f"{len(data):02X}".encode() + data + b";"
    expected = oracle.arpc_1(issuer, PAN, NUMBER, cryptogram, b"00")
    assert host.ask(asked + cryptogram + b"00") == b"KR00" + expected
    assert host.ask(asked + bytes(8) + b"00")[:4] == b"KR01"


def test_a_frame_in_single_octets_and_two_in_one(host: RawClient) -> None:
    message = b"abcdNC"
    for octet in struct.pack(">H", len(message)) + message:
        host.socket.sendall(bytes((octet,)))
    assert host.receive()[:8] == b"abcdND00"
    host.socket.sendall(2 * (struct.pack(">H", len(message)) + message))
    assert [host.receive()[:8] for _ in range(2)] == [b"abcdND00"] * 2


def test_what_it_does_not_know_it_says(host: RawClient) -> None:
    assert host.ask("ZY123") == b"ZZ68"
    assert host.ask("NC%77") == b"ND13"
    assert host.ask("NC\x19behind")[-7:] == b"\x19behind"
