# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The line to the acquirer under TLS: who is let in, who is refused, and for what."""

import asyncio
import ssl
import warnings
from pathlib import Path

import pytest

from terminal_agent.host.port import HostUnreachable, HostUntrusted
from terminal_agent.host.tcp import AcquirerLink, Endpoint, TlsFiles, context
from tests.terminal_agent.host.authority import DAY, Authority
from tests.terminal_agent.host.bank import ANSWER, QUESTION, WHOLE, bank, heard, saying


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
