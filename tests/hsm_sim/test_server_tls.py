# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands over TLS and mutual TLS: who gets in, what they get, and that others are served meanwhile."""

import select
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hsm_sim.cli import main
from tests.hsm_sim import live
from tests.hsm_sim.certificates import EXPIRED, authority, certificate
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import Running, running
from tests.patience import PATIENCE_S

SETTINGS = """
event-loop = "{loop}"
[tls]
port = 0
certificate = "unit.pem"
key = "unit.key"
{more}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    authority(made)
    for name in ("unit", "host"):
        certificate(made, name)
    (made / "strangers").mkdir()
    authority(made / "strangers", "TEST authority of strangers")
    certificate(made / "strangers", "host")
    (made / "namesakes").mkdir()
    authority(made / "namesakes")  # the same name, another key
    certificate(made / "namesakes", "host")
    certificate(made, "expired", EXPIRED)
    return made


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def mutual(folder: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    settings = SETTINGS.format(loop=request.param, more='client-ca = "ca.pem"')
    with running(settings=settings, folder=folder) as unit:
        yield unit


def context(folder: Path, own: Path | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=folder / "ca.pem")
    if own is not None:
        made.load_cert_chain(own / "host.pem", own / "host.key")
    return made


def client(unit: Running, tls: ssl.SSLContext) -> RawClient:
    host = RawClient(unit.address("tls_address"))
    host.socket = tls.wrap_socket(host.socket, server_hostname="127.0.0.1")
    return host


def test_a_host_with_its_certificate_gets_answers(mutual: Running, folder: Path) -> None:
    with client(mutual, context(folder, folder)) as host:
        assert host.ask(live.COMMANDS["CA"])[:4] == b"CB00"
        host.socket.sendall(host.framed("NC") * 300)
        assert {host.receive()[4:8] for _ in range(300)} == {b"ND00"}
        assert host.ask(b"B2F000" + bytes(0xF000))[:4] == b"B300"


def test_plain_hosts_are_served_beside(mutual: Running, folder: Path) -> None:
    with client(mutual, context(folder, folder)) as secret, RawClient(mutual.address()) as plain:
        assert secret.ask("NC") == plain.ask("NC")


@pytest.mark.parametrize("own", [None, "strangers"])
def test_a_host_without_a_certificate_of_that_authority_gets_nothing(
    mutual: Running, folder: Path, own: str | None
) -> None:
    tls = context(folder, None if own is None else folder / own)
    found = b"none"
    with suppress(ssl.SSLError, ConnectionResetError), client(mutual, tls) as host:
        host.socket.sendall(host.framed("NC"))
        found = host.socket.recv(1)
    assert found in (b"none", b"")


class OpenSsl:
    """OpenSSL's own client: it shares no code with ours, nor with Python's."""

    def __init__(self, unit: Running, folder: Path, *options: str) -> None:
        line = ["openssl", "s_client", "-connect", "{}:{}".format(*unit.address("tls_address")), "-quiet"]
        line += ["-CAfile", str(folder / "ca.pem"), "-verify_return_error", "-verify_ip", "127.0.0.1", *options]
        self._process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )

    def __enter__(self) -> "OpenSsl":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, framed: bytes, octets: int) -> bytes:
        """So many octets of what comes back, or all that came before the unit closed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        found = b""
        with suppress(BrokenPipeError):
            self._process.stdin.write(framed)
        while len(found) < octets:
            assert select.select([self._process.stdout], [], [], 20)[0]
            piece = self._process.stdout.read(octets - len(found))
            if not piece:
                break
            found += piece
        return found


def own(folder: Path, name: str = "host") -> list[str]:
    return ["-cert", str(folder / f"{name}.pem"), "-key", str(folder / f"{name}.key")]


NC = b"\x00\x06headNC"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_with_its_certificate_gets_what_a_plain_host_gets(mutual: Running, folder: Path, version: str) -> None:
    with RawClient(mutual.address(), b"") as plain:
        expected = b"\x00\x21" + plain.ask(NC[2:])
    with OpenSsl(mutual, folder, version, *own(folder)) as host:
        assert host.ask(NC, len(expected)) == expected
        assert host.ask(NC * 100, len(expected) * 100) == expected * 100


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("who", ["nobody", "stranger", "expired", "unit's own authority key"])
def test_openssl_without_a_good_certificate_gets_nothing(mutual: Running, folder: Path, version: str, who: str) -> None:
    options = {
        "nobody": [],
        "stranger": own(folder / "strangers"),
        "expired": own(folder, "expired"),
        "unit's own authority key": own(folder / "namesakes"),
    }[who]
    with OpenSsl(mutual, folder, version, *options) as host:
        assert host.ask(NC, 1) == b""
    with OpenSsl(mutual, folder, version, *own(folder)) as host:
        assert host.ask(NC, 2) == b"\x00\x21"


def test_openssl_takes_the_unit_for_nobody_else(mutual: Running, folder: Path) -> None:
    with OpenSsl(mutual, folder / "strangers", *own(folder)) as host:
        assert host.ask(NC, 1) == b""


def test_old_protocols_are_refused(mutual: Running, folder: Path) -> None:
    line = [
        "openssl", "s_client", "-connect", "{}:{}".format(*mutual.address("tls_address")),
        "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-cert", str(folder / "host.pem"), "-key", str(folder / "host.key"),
    ]  # fmt: skip
    done = subprocess.run(line, input=b"", capture_output=True, timeout=PATIENCE_S, check=False)
    assert b"Cipher is (NONE)" in done.stdout


def test_who_speaks_no_tls_harms_nobody(mutual: Running, folder: Path) -> None:
    for nonsense in (b"", b"\x00\x06abcdNC", bytes(3000), b"\x16\x03\x01\xff\xff" + bytes(100)):
        with socket.create_connection(mutual.address("tls_address"), timeout=PATIENCE_S) as line:
            line.sendall(nonsense)
            line.shutdown(socket.SHUT_WR)
            while True:
                try:
                    if not line.recv(4096):
                        break
                except ConnectionResetError:
                    break
    with client(mutual, context(folder, folder)) as host:
        assert host.ask("NC")[:4] == b"ND00"


def test_one_sided_tls_and_no_plain_way_in(folder: Path) -> None:
    settings = "plain = false\n" + SETTINGS.format(loop="auto", more="")
    with running(settings=settings, folder=folder) as unit, client(unit, context(folder)) as host:
        assert host.ask("NC")[:4] == b"ND00"
        assert unit.ready["address"] == unit.ready["tls_address"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[tls]\ncertificate = "unit.pem"\nkey = "host.key"\n', "[tls]: not a certificate and its own key"),
        ('[tls]\ncertificate = "none.pem"\nkey = "unit.key"\n', "[tls]: a file cannot be read"),
        ('[tls]\ncertificate = "unit.pem"\nkey = "unit.key"\nclient-ca = "unit.key"\n', "[tls]: not a certificate"),
        ("plain = false\n", "plain: false leaves no way in unless [tls] gives one"),
    ],
)
def test_settings_that_open_nothing(folder: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "wrong.toml"
    path.write_text(text)
    assert main(["serve", "--port", "0", "--config", str(path)]) in (1, 2)
    assert words in capsys.readouterr().err
