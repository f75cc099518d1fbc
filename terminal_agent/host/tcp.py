# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The line to the acquirer: TCP, and TLS wherever it leaves this machine. Knows no message, only frames.

TLS is mutual: 1.3 first, nothing below 1.2; the host's certificate must come from the one CA that the profile names
(the system's store is not asked) and bear the profile's server name; with a revocation list it must not be on it.
Plain TCP exists for loopback alone, and a profile that wants it elsewhere is refused when it is read.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from protocols.acquirer.dialects import DIALECTS, Dialect
from protocols.acquirer.frame import NO_TPDU, Framer, frame, tpdu
from protocols.acquirer.message import redacted_octets
from protocols.errors import DecodeError
from terminal_agent.host.port import HostGarbled, HostSilent, HostUnreachable, HostUntrusted, Trace
from terminal_agent.line.dial import dialled

LARGEST_READ = 1 << 16
CLOSING_S = 1.0  # how long a polite TLS goodbye may take
MODERN_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"  # forward secrecy and authenticated ciphers only, where 1.3 is not spoken

LONGEST_HOST_NAME = 253  # RFC 1035, 2.3.4
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9-]{1,63})*|[0-9A-Fa-f:.]{2,45}", re.ASCII)
_TLS_HINT = "does it speak TLS 1.2 or 1.3, and know our certificate's CA?"

_CERTIFICATE_WORDS = {
    10: ("its certificate has expired", "ask the acquirer for a new one; check this terminal's clock"),
    9: ("its certificate is not valid yet", "check this terminal's clock"),
    18: ("its certificate is self-signed", "name the acquirer's CA in host.tls.ca"),
    19: ("its CA is not the one pinned here", "name the acquirer's CA in host.tls.ca"),
    20: ("its CA is not the one pinned here", "name the acquirer's CA in host.tls.ca"),
    3: ("no revocation list of its CA is at hand", "name the CA's current list in host.tls.revoked"),
    12: ("the revocation list has expired", "fetch the CA's current list"),
    23: ("its certificate is revoked", "do not connect; ask the acquirer"),
    62: ("its certificate bears another name", "host.tls.server-name must be the name in the certificate"),
    64: ("its certificate bears another address", "host.tls.server-name must be the name in the certificate"),
}
"""OpenSSL's X509_V_ERR numbers that an operator can do something about: what, hint."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Who the acquirer is and who we are, as PEM files. ``revoked`` is the CA's revocation list."""

    ca: Path
    certificate: Path
    key: Path
    server_name: str
    revoked: Path | None = None

    def __post_init__(self) -> None:
        if not _HOST_NAME.fullmatch(self.server_name) or len(self.server_name) > LONGEST_HOST_NAME:
            raise ValueError("server-name: the host name or address in the acquirer's certificate expected")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the acquirer listens and how it speaks; refuses plain TCP outside loopback."""

    host: str
    port: int
    dialect: str = "ascii-1987"
    tls: TlsFiles | None = None
    connect_timeout_s: float = 5.0
    tpdu_destination: int = 0
    tpdu_source: int = 0

    def __post_init__(self) -> None:
        if self.tls is None and not is_loopback(self.host):
            raise ValueError(f"plain TCP to {self.host}: only loopback may go without TLS; add a table 'tls'")
        if not 0 < self.port < 65536:
            raise ValueError("port: 1 to 65535 expected")
        if self.dialect not in DIALECTS:
            raise ValueError(f"dialect: one of {', '.join(DIALECTS)} expected")
        if not (0 <= self.tpdu_destination < 65536 and 0 <= self.tpdu_source < 65536):
            raise ValueError("tpdu-destination and tpdu-source: 0 to 65535 expected")
        if not 0 < self.connect_timeout_s <= 60:
            raise ValueError("connect-timeout-s: more than 0 and at most 60 expected")

    @property
    def address(self) -> str:
        """``host:port`` for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` can only be this machine: a literal loopback address, or the name ``localhost``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class AcquirerLink:
    """One connection, made when it is first needed and anew after every failure, so no answer outlives its question.

    One exchange at a time; a second one waits. After an error the line is dropped: an answer that comes late can then
    never be taken for the answer to something else.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        trace: Trace | None = None,
        dial: Callable[[], Awaitable[socket.socket]] | None = None,
        secure: Callable[[TlsFiles], ssl.SSLContext] | None = None,
    ) -> None:
        """``dial`` gives a connected socket, ``secure`` our side of the TLS over it, where others open these."""
        self._endpoint = endpoint
        self._dial = dial or (lambda: reached(endpoint))
        self._secure = secure or context
        self._dialect: Dialect = DIALECTS[endpoint.dialect]
        self._header = tpdu(endpoint.tpdu_destination, endpoint.tpdu_source) if self._dialect.tpdu else NO_TPDU
        self._trace = trace
        self._lock = asyncio.Lock()
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._framer = Framer(self._dialect)

    async def connect(self) -> None:
        """Connect now rather than at the first exchange; raises :class:`HostUnreachable` or :class:`HostUntrusted`."""
        async with self._lock:
            await self._connected()

    async def exchange(self, octets: bytes, timeout_s: float, answers: Callable[[bytes], bool] | None = None) -> bytes:
        """Send a message and return the next one that ``answers`` accepts (any, without it); see port.py for errors."""
        async with self._lock:
            reader, writer = await self._connected()
            try:
                async with asyncio.timeout(timeout_s):
                    self._note(">", octets)
                    writer.write(frame(octets, self._dialect, self._header))
                    await writer.drain()
                    return await self._answer(reader, answers)
            except TimeoutError:
                await self._drop()
                what = f"the acquirer at {self._endpoint.address} did not answer within {timeout_s:g} s"
                raise HostSilent(what, "the transaction will be reversed", sent=True) from None
            except DecodeError as refused:
                await self._drop()
                hint = f"is that an acquirer of dialect {self._dialect.name}?"
                what = f"what comes from {self._endpoint.address} is not framed: {refused}"
                raise HostGarbled(what, hint, sent=True) from None
            except OSError as fault:  # ssl.SSLError is one
                await self._drop()
                raise self._lost(fault) from None
            except asyncio.CancelledError:
                await self._drop()
                raise

    async def close(self) -> None:
        """Give the line up; an exchange under way ends as lost."""
        await self._drop()

    async def _answer(self, reader: asyncio.StreamReader, answers: Callable[[bytes], bool] | None) -> bytes:
        while True:
            data = await reader.read(LARGEST_READ)
            if not data:
                raise ConnectionResetError("closed by the host")
            while frames := self._framer.feed(data):
                data = b""
                for one in frames:
                    self._note("<", one.message)
                    if answers is None or answers(one.message):
                        return one.message

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._line is not None and not self._line[0].at_eof() and not self._line[1].is_closing():
            return self._line
        await self._drop()
        where = self._endpoint
        security = self._secure(where.tls) if where.tls else None
        name = where.tls.server_name if where.tls else None
        try:
            async with asyncio.timeout(where.connect_timeout_s):
                connected = await self._dial()
                self._line = await asyncio.open_connection(sock=connected, ssl=security, server_hostname=name)
        except TimeoutError:
            raise _late(where) from None
        except ssl.SSLCertVerificationError as refused:
            why, hint = _CERTIFICATE_WORDS.get(refused.verify_code, (refused.verify_message, "see host.tls"))
            raise HostUntrusted(f"the acquirer at {where.address} is refused: {why}", hint, sent=False) from None
        except ssl.SSLError as refused:
            what = f"no TLS with the acquirer at {where.address}: {_reason(refused)}"
            raise HostUntrusted(what, _TLS_HINT, sent=False) from None
        except OSError as fault:
            if security is not None and isinstance(fault, ConnectionResetError):  # it hung up in the handshake
                what = f"no TLS with the acquirer at {where.address}: {_reason(fault)}"
                raise HostUntrusted(what, _TLS_HINT, sent=False) from None
            raise _refused(where, fault) from None
        self._framer = Framer(self._dialect)
        return self._line

    async def _drop(self) -> None:
        line, self._line = self._line, None
        if line is None:
            return
        line[1].close()
        try:
            async with asyncio.timeout(CLOSING_S):
                await line[1].wait_closed()
        except (OSError, TimeoutError):
            line[1].transport.abort()

    def _lost(self, fault: OSError) -> HostUnreachable:
        where = self._endpoint.address
        if isinstance(fault, ssl.SSLError):
            # In TLS 1.3 a server refuses our certificate after the handshake: it shows at the first read.
            hint = "does the acquirer know our certificate's CA?"
            return HostUntrusted(f"the acquirer at {where} broke TLS off: {_reason(fault)}", hint, sent=True)
        what = f"the acquirer at {where} closed the line before it answered"
        hint = "the transaction will be reversed"
        if self._endpoint.tls is not None:
            hint += "; does the acquirer know our certificate's CA?"
        return HostUnreachable(what, hint, sent=True)

    def _note(self, direction: str, octets: bytes) -> None:
        if self._trace is not None:
            self._trace("acquirer", direction, redacted_octets(octets, self._dialect))


async def reached(where: Endpoint) -> socket.socket:
    """A connection to the acquirer, and nothing said on it; raises :class:`HostUnreachable`."""
    try:
        async with asyncio.timeout(where.connect_timeout_s):
            return await dialled(where.host, where.port)
    except TimeoutError:
        raise _late(where) from None
    except OSError as fault:
        raise _refused(where, fault) from None


def _late(where: Endpoint) -> HostUnreachable:
    what = f"no connection to the acquirer at {where.address} within {where.connect_timeout_s:g} s"
    return HostUnreachable(what, "check address, port and network", sent=False)


def _refused(where: Endpoint, fault: OSError) -> HostUnreachable:
    what = f"no connection to the acquirer at {where.address}: {_reason(fault)}"
    return HostUnreachable(what, "is it running? check address, port and network", sent=False)


def context(files: TlsFiles) -> ssl.SSLContext:
    """The client side of our TLS; raises :class:`HostUntrusted` that names the file which cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # demands a certificate and checks the name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers(MODERN_1_2)
    _load(files.ca, "CA certificate", lambda: made.load_verify_locations(files.ca))
    _load(files.certificate, "certificate or its key", lambda: made.load_cert_chain(files.certificate, files.key))
    revoked = files.revoked
    if revoked is not None:
        _load(revoked, "revocation list", lambda: made.load_verify_locations(revoked))
        made.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    return made


def _load(path: Path, what: str, load: Callable[[], None]) -> None:
    try:
        load()
    except ssl.SSLError:
        raise HostUntrusted(f"{path}: not a usable {what}", "PEM files expected", sent=False) from None
    except OSError as fault:
        raise HostUntrusted(
            f"{path}: the {what} cannot be read: {_reason(fault)}", "check path and rights", sent=False
        ) from None


def _reason(fault: OSError) -> str:
    if isinstance(fault, ssl.SSLError):
        return (fault.reason or "broken off").replace("_", " ").lower()
    return fault.strerror or "the line was lost"
