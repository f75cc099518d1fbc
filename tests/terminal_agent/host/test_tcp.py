# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The line to the acquirer over real sockets: whole, octet by octet, silent, garbled, closed; and TLS refused."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from protocols.acquirer.dialects import ASCII_1987, BCD_TPDU, Dialect
from protocols.acquirer.frame import Framer, frame
from protocols.acquirer.message import draft, encode
from terminal_agent.host.port import HostGarbled, HostSilent, HostUnreachable, HostUntrusted
from terminal_agent.host.tcp import AcquirerLink, Endpoint, TlsFiles, context
from tests.terminal_agent.host.authority import DAY, Authority
from tests.terminal_agent.host.test_client import AT, PAN, REQUEST, answer_to, client

ASKED = client().authorise(REQUEST, 7, AT)
QUESTION = ASKED.without_mac()
ANSWER = encode(answer_to(ASKED), ASCII_1987)
OTHER = encode(answer_to(ASKED, stan=6), ASCII_1987)
FOREVER = asyncio.Event

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def bank(serve: Serve, security: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback; each connection is given to ``serve`` and closed after it."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=security)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)


async def heard(reader: asyncio.StreamReader, dialect: Dialect = ASCII_1987) -> bytes:
    framer = Framer(dialect)
    while True:
        data = await reader.read(4096)
        if not data:
            raise ConnectionResetError
        for one in framer.feed(data):
            return one.message


def saying(*pieces: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await heard(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()

    return serve


def link_to(port: int, **settings: object) -> AcquirerLink:
    return AcquirerLink(Endpoint("127.0.0.1", port, **settings))  # type: ignore[arg-type]


WHOLE = frame(ANSWER, ASCII_1987)


@pytest.mark.parametrize(
    "pieces", [(WHOLE,), tuple(WHOLE[i : i + 1] for i in range(len(WHOLE)))], ids=["whole", "octet-wise"]
)
async def test_question_and_answer(pieces: tuple[bytes, ...]) -> None:
    async with bank(saying(*pieces)) as port:
        link = link_to(port)
        assert await link.exchange(QUESTION, 5) == ANSWER
        assert await link.exchange(QUESTION, 5) == ANSWER
        await link.close()


async def test_the_second_dialect_wears_its_tpdu() -> None:
    asked = client(BCD_TPDU).authorise(REQUEST, 7, AT)
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (one,) = Framer(BCD_TPDU).feed(await reader.read(4096))
        seen.append(one.tpdu)
        writer.write(frame(encode(answer_to(asked), BCD_TPDU), BCD_TPDU, one.return_tpdu))
        await writer.drain()

    async with bank(serve) as port:
        link = link_to(port, dialect="bcd-tpdu", tpdu_destination=3, tpdu_source=0x1234)
        assert await link.exchange(asked.without_mac(), 5) == encode(answer_to(asked), BCD_TPDU)
        await link.close()
    assert seen == [bytes.fromhex("6000031234")]


async def test_a_silent_host_is_given_up_and_its_late_answer_never_taken() -> None:
    release = asyncio.Event()
    lines = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lines
        lines += 1
        mine = lines
        await heard(reader)
        if mine == 1:
            await release.wait()
            writer.write(frame(OTHER, ASCII_1987))
        else:
            release.set()
            writer.write(WHOLE)
        await writer.drain()

    async with bank(serve) as port:
        link = link_to(port)
        with pytest.raises(HostSilent, match=r"did not answer within 0\.05 s") as silent:
            await link.exchange(QUESTION, 0.05)
        assert silent.value.sent
        assert await link.exchange(QUESTION, 5) == ANSWER
        assert lines == 2
        await link.close()


async def test_stray_answers_are_passed_over_where_the_caller_can_tell() -> None:
    async with bank(saying(frame(OTHER, ASCII_1987) + WHOLE + WHOLE)) as port:
        link = link_to(port)
        assert await link.exchange(QUESTION, 5, client().answers(ASKED)) == ANSWER
        await link.close()
        assert await link.exchange(QUESTION, 5) == OTHER
        await link.close()


@pytest.mark.parametrize(
    ("said", "words"),
    [(b"\x00\x00", "not framed: frame length"), (b"HTTP/1.1 400\r\n\r\n", "not framed: frame length: 18516 announced")],
)
async def test_garbage_on_the_line(said: bytes, words: str) -> None:
    async with bank(saying(said)) as port:
        link = link_to(port)
        with pytest.raises(HostGarbled, match=words) as garbled:
            await link.exchange(QUESTION, 5)
        assert garbled.value.sent
        assert "dialect ascii-1987" in garbled.value.hint


@pytest.mark.parametrize("last_words", [b"", WHOLE[:10]], ids=["at-once", "inside-a-frame"])
async def test_a_host_that_hangs_up(last_words: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(last_words)
        await writer.drain()

    async with bank(serve) as port:
        link = link_to(port)
        with pytest.raises(HostUnreachable, match="closed the line before it answered") as lost:
            await link.exchange(QUESTION, 5)
        assert lost.value.sent


async def test_a_line_closed_while_idle_is_made_anew_before_anything_is_sent() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(WHOLE)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with bank(serve) as port:
        link = link_to(port)
        for _ in range(2):
            assert await link.exchange(QUESTION, 5) == ANSWER
            await closed.wait()
            closed.clear()
            assert link._line is not None
            assert await link._line[0].read() == b""  # the end has arrived here too
        await link.close()


async def test_nobody_there() -> None:
    async with bank(saying(WHOLE)) as port:
        pass
    with pytest.raises(HostUnreachable, match="no connection to the acquirer at 127") as nobody:
        await link_to(port).exchange(QUESTION, 5)
    assert not nobody.value.sent
    assert "is it running" in nobody.value.hint


async def test_one_exchange_at_a_time() -> None:
    async with bank(saying(WHOLE)) as port:
        link = link_to(port)
        assert await asyncio.gather(*(link.exchange(QUESTION, 5) for _ in range(4))) == [ANSWER] * 4
        await link.close()


async def test_a_cancelled_exchange_leaves_no_line_behind() -> None:
    arrived = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        arrived.set()
        await asyncio.Event().wait()

    async with bank(serve) as port:
        link = link_to(port)
        task = asyncio.create_task(link.exchange(QUESTION, 60))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert link._line is None


async def test_the_trace_is_redacted() -> None:
    told: list[tuple[str, str, str]] = []
    async with bank(saying(WHOLE)) as port:
        link = AcquirerLink(Endpoint("127.0.0.1", port), lambda *words: told.append(words))
        await link.exchange(QUESTION, 5)
        await link.close()
    assert [(wire, direction) for wire, direction, _ in told] == [("acquirer", ">"), ("acquirer", "<")]
    assert told[0][2].startswith("0100 DE2=400000******0016")
    assert not any(PAN in text for _, _, text in told)


@pytest.mark.parametrize("host", ["192.0.2.1", "acquirer.example", "0.0.0.0", "::", "localhost.example"])
def test_plain_tcp_leaves_this_machine_under_no_name(host: str) -> None:
    with pytest.raises(ValueError, match="only loopback may go without TLS"):
        Endpoint(host, 8583)


def test_settings_out_of_range() -> None:
    assert Endpoint("::1", 8583).address == "[::1]:8583"
    assert Endpoint("localhost", 8583).address == "localhost:8583"
    for wrong in ({"port": 0}, {"dialect": "x"}, {"tpdu_source": -1}, {"connect_timeout_s": 0.0}):
        with pytest.raises(ValueError):
            Endpoint("127.0.0.1", **{"port": 1, **wrong})  # type: ignore[arg-type]


# TLS


class Pair:
    """Both ends' certificates."""

    def __init__(self, folder: Path) -> None:
        self.ca = Authority(folder)
        self.server = self.ca.issue("acquirer.test")
        self.client = self.ca.issue("TG000001")

    def files(self, **changes: object) -> TlsFiles:
        values = {
            "ca": self.ca.file,
            "certificate": self.client[0],
            "key": self.client[1],
            "server_name": "acquirer.test",
        }
        return TlsFiles(**{**values, **changes})  # type: ignore[arg-type]

    def server_side(self, certificate: tuple[Path, Path, object] | None = None) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(self.ca.file)
        made.load_cert_chain(*(certificate or self.server)[:2])
        return made


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


async def refusal(
    pair: Pair,
    security: ssl.SSLContext,
    files: TlsFiles | None = None,
    kind: type[HostUnreachable] = HostUntrusted,
) -> HostUnreachable:
    async with bank(saying(WHOLE), security) as port:
        link = AcquirerLink(Endpoint("127.0.0.1", port, tls=files or pair.files()))
        with pytest.raises(kind) as refused:
            await link.exchange(QUESTION, 5)
        await link.close()
        return refused.value


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_tls_both_ways(pair: Pair, version: ssl.TLSVersion) -> None:
    security = pair.server_side()
    security.minimum_version = security.maximum_version = version
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        seen.append(f"{tls.version()} {dict(part[0] for part in tls.getpeercert()['subject'])['commonName']}")
        await heard(reader)
        writer.write(WHOLE)
        await writer.drain()

    async with bank(serve, security) as port:
        link = AcquirerLink(Endpoint("127.0.0.1", port, tls=pair.files(revoked=pair.ca.revoke())))
        assert await link.exchange(QUESTION, 5) == ANSWER
        await link.close()
    assert seen == [f"TLSv1.{2 if version is ssl.TLSVersion.TLSv1_2 else 3} TG000001"]


async def test_tls_takes_1_3_where_both_can(pair: Pair) -> None:
    made = context(pair.files())
    assert made.minimum_version == ssl.TLSVersion.TLSv1_2
    assert made.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert made.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 1}  # the system's store is not in it


async def test_another_ca_is_refused(pair: Pair, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "ANOTHER CA")
    refused = await refusal(pair, pair.server_side(stranger.issue("acquirer.test")))
    assert "its CA is not the one pinned here" in refused.what
    assert not refused.sent


async def test_another_name_is_refused(pair: Pair) -> None:
    refused = await refusal(pair, pair.server_side(pair.ca.issue("else.test")))
    assert "its certificate bears another name" in refused.what
    assert not refused.sent


async def test_an_expired_certificate_is_refused(pair: Pair) -> None:
    refused = await refusal(pair, pair.server_side(pair.ca.issue("acquirer.test", start=-2 * DAY, end=-DAY / 2)))
    assert "its certificate has expired" in refused.what


async def test_a_certificate_of_tomorrow_is_refused(pair: Pair) -> None:
    refused = await refusal(pair, pair.server_side(pair.ca.issue("acquirer.test", start=DAY / 2)))
    assert "its certificate is not valid yet" in refused.what
    assert "clock" in refused.hint


async def test_a_revoked_certificate_is_refused(pair: Pair) -> None:
    files = pair.files(revoked=pair.ca.revoke(pair.server[2]))
    assert "its certificate is revoked" in (await refusal(pair, pair.server_side(), files)).what


async def test_an_old_revocation_list_is_refused(pair: Pair) -> None:
    files = pair.files(revoked=pair.ca.revoke(until=-DAY))
    assert "the revocation list has expired" in (await refusal(pair, pair.server_side(), files)).what


async def test_a_downgrade_is_refused(pair: Pair) -> None:
    security = pair.server_side()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are the point of this test
        security.minimum_version = ssl.TLSVersion.TLSv1
        security.maximum_version = ssl.TLSVersion.TLSv1_1
    security.set_ciphers("ALL:@SECLEVEL=0")
    refused = await refusal(pair, security)
    assert "no TLS with the acquirer" in refused.what
    assert not refused.sent


async def test_a_host_that_does_not_know_us_refuses_us(pair: Pair, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "ANOTHER CA").issue("TG000001")
    files = pair.files(certificate=stranger[0], key=stranger[1])
    # In TLS 1.3 this comes after the handshake, as an alert or as a closed line, whichever is faster.
    refused = await refusal(pair, pair.server_side(), files, HostUnreachable)
    assert "our certificate" in refused.hint


async def test_a_plain_host_under_a_tls_profile_is_refused(pair: Pair) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(WHOLE)
        await writer.drain()

    async with bank(serve) as port:
        link = AcquirerLink(Endpoint("127.0.0.1", port, tls=pair.files()))
        with pytest.raises(HostUntrusted, match="no TLS with the acquirer"):
            await link.connect()


def test_files_that_cannot_be_used_are_named(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(HostUntrusted, match=r"absent\.pem: the CA certificate cannot be read"):
        context(pair.files(ca=tmp_path / "absent.pem"))
    with pytest.raises(HostUntrusted, match="not a usable certificate or its key"):
        context(pair.files(key=pair.server[1]))
    with pytest.raises(HostUntrusted, match="not a usable revocation list"):
        context(pair.files(revoked=pair.client[1]))


def test_the_question_is_not_in_a_repr() -> None:
    assert PAN not in repr(draft(ASKED.message, ASCII_1987))
