# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The head of head office's chain, countersigned: by a key, and by a time stamping authority where there is one.

A chain shows every change but one: whoever can write the store may make it anew from some record on. A countersigned
head does not let him, as long as he has not the key; with an authority's token (RFC 3161) not even whoever has it can
date a new chain back. Tokens are verified by ``openssl ts``.
"""

import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fleet_console import office_audit
from fleet_console.store.port import Database, Step
from protocols.audit_chain import Head
from protocols.errors import DecodeError
from protocols.telemetry.keys import PublicKey
from protocols.telemetry.seal import Signer, open_seal, seal
from protocols.timestamp import LARGEST_ANSWER, request, token
from tillguard.exits import Exit
from tillguard.voice import Fault

CONTEXT = b"tillguard audit head, version 1\n"
ASK_S = 15.0
_INSERT = "INSERT INTO countersignatures (seq, head, kind, octets, at_ms) VALUES ($1, $2, $3, $4, $5)"


@dataclass(frozen=True, slots=True)
class StampingAuthority:
    """A time stamping authority: where it answers, and the certificate in PEM that its tokens lead to."""

    address: str
    ca: Path | None


def by_key(head: Head, at_ms: int, signer: Signer) -> Step:
    """A countersignature by head office's audit key, to be kept."""
    body = json.dumps({"head": head.text(), "at": at_ms}, separators=(",", ":")).encode("ascii") + b"\n"
    return _INSERT, [(head.seq, head.text(), "key", seal(CONTEXT, body, signer), at_ms)]


def by_authority(head: Head, at_ms: int, authority: StampingAuthority, nonce: int) -> Step:
    """A token of the authority over the head, to be kept; raises :class:`Fault`. Blocks: run it beside the loop."""
    asked = request(sha256(head.text().encode("ascii")).digest(), nonce)
    if not authority.address.startswith(("http://", "https://")):
        raise Fault(f"tsa: {authority.address}: http or https expected", "correct [audit] tsa", Exit.USAGE)
    post = urllib.request.Request(  # noqa: S310  # the scheme was checked
        authority.address, asked, {"Content-Type": "application/timestamp-query"}, method="POST"
    )
    try:
        with urllib.request.urlopen(post, timeout=ASK_S) as answer:  # noqa: S310  # as above
            found = token(answer.read(LARGEST_ANSWER + 1))
    except DecodeError as fault:
        raise Fault(f"tsa: {fault}", "is that a time stamping authority?", Exit.REFUSED) from None
    except OSError as fault:
        words = str(getattr(fault, "reason", fault.strerror) or fault).lower()
        raise Fault(f"tsa: {words}", "is it there? the next hour tries again", Exit.UNREACHABLE) from None
    return _INSERT, [(head.seq, head.text(), "rfc3161", found, at_ms)]


async def verify(
    database: Database, hashes: Callable[[int], bytes | None], key: PublicKey | None, ca: Path | None
) -> Iterator[str]:
    """Faults of the countersignatures that are kept; ``hashes``: the hash of the chain's record of a number."""
    rows = await database.read("SELECT seq, head, kind, octets FROM countersignatures ORDER BY number")
    return _faults([(seq, text, kind, bytes(octets)) for seq, text, kind, octets in rows], hashes, key, ca)


def _faults(
    rows: list[tuple[int, str, str, bytes]],
    hashes: Callable[[int], bytes | None],
    key: PublicKey | None,
    ca: Path | None,
) -> Iterator[str]:
    for seq, text, kind, octets in rows:
        where = f"countersignature of record {seq}"
        try:
            head = Head.from_text(text)
        except DecodeError:
            yield f"{where}: not a head"
            continue
        if head.chain != office_audit.CHAIN or head.seq != seq or hashes(seq) != head.hash:
            yield f"{where}: the chain does not lead to the head that was countersigned"
        elif kind == "key" and not _key_fits(octets, text, key):
            yield f"{where}: not by the audit key"
        elif kind == "rfc3161" and ca is not None and not _token_fits(octets, text, ca):
            yield f"{where}: the token is not over this head, or not of the authority"


def _key_fits(octets: bytes, text: str, key: PublicKey | None) -> bool:
    if key is None:
        return True  # the caller has said that it cannot be checked
    try:
        sealed = open_seal(octets, "countersignature", LARGEST_ANSWER)
        return key.signed(sealed, CONTEXT) and json.loads(sealed.body).get("head") == text
    except (DecodeError, ValueError):
        return False


def _token_fits(octets: bytes, text: str, ca: Path) -> bool:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Fault("openssl is not installed", "install it: apt-get install openssl", Exit.ABSENT)
    with tempfile.TemporaryDirectory(prefix="tillguard-ts-") as folder:
        data, kept = Path(folder, "head"), Path(folder, "token")
        data.write_text(text, "ascii")
        kept.write_bytes(octets)
        words = ["ts", "-verify", "-data", str(data), "-in", str(kept), "-token_in", "-CAfile", str(ca)]
        done = subprocess.run([openssl, *words], capture_output=True, check=False)  # noqa: S603  # fixed words, own files
    return done.returncode == 0
