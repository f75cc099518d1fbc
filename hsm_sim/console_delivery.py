# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders that bring a key to a terminal by TR-34, and the officers who approve it. Knows no socket and no terminal.

Tokens travel as files in a folder that goes back and forth between host and terminal: ``device.ct`` and ``device.rt``
come from the terminal, ``host.ct`` and ``key.kt`` go there, ``hosts.crl`` is the hosts' authority's. Nothing in it is
secret.
"""

import json
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsm_sim.console_talk import Action, Ask, Declined, Talk, said
from hsm_sim.engine.distribution import CheckHost, MakeHostKey, SendByToken
from hsm_sim.engine.key_types import IN_BLOCK, key_type
from hsm_sim.engine.requests import KeyUnderLmk
from hsm_sim.engine.states import Doing
from hsm_sim.engine.vault import Kind
from hsm_sim.engine.wrapping import WrappedKey
from hsm_sim.officers import NEEDED, SHORTEST, Officers
from hsm_sim.simulator import Simulator, stored_at
from protocols.dukpt.ksn import AesKsn, Ksn, TdesKsn
from protocols.errors import IntegrityError
from protocols.hsm.codes import KeyScheme
from protocols.keyblock.tr34 import tokens
from protocols.secret import Secret

LARGEST_FILE = 65_536
NO_KSN, TRANSPORT = "-", "K1"
_RECORD = "tr34 host"
_BELIEVE = "check which authorities signed, the clock, and that the list of revocations is in force"


class Host(NamedTuple):
    """What the unit keeps of itself as a host; it sends keys of the LMK that its own key is sealed under."""

    lmk_id: str
    sealed: bytes
    certificate: x509.Certificate
    devices: x509.Certificate


def _officers(simulator: Simulator) -> Officers:
    return Officers(simulator.open_vault, simulator.random)


def _officers_list(simulator: Simulator, words: Sequence[str]) -> Talk:
    names = _officers(simulator).names
    return (yield from said("\n".join(names) or "no officers", officers=list(names)))


def _officers_add(simulator: Simulator, words: Sequence[str]) -> Talk:
    officers, name = _officers(simulator), words[0]
    officers.expect_new(name)
    approved: tuple[str, ...] = ()
    if len(officers.names) >= NEEDED:
        officers.expect_two(words[1:])
        approved = yield from _approval(simulator, officers, words[1:], "officers add")
    with (yield Ask(f"passphrase of {name} ({SHORTEST} characters or more)")) as first:
        with (yield Ask("the same again")) as again:
            if first != again:
                raise ValueError("the two are not the same; nobody was added")
        simulator.record("officer.added", officer=name, approved=" ".join(approved))
        officers.add(name, first)
    return (yield from said(f"{name} approves from now on", officer=name))


def _approval(
    simulator: Simulator, officers: Officers, names: Sequence[str], what: str
) -> Generator[Ask, Secret, tuple[str, ...]]:
    """Ask both officers; who said no, or could not show who he is, is recorded."""
    officers.expect_two(names)
    for name in names:
        with (yield Ask(f"passphrase of {name}, who approves: {what}")) as brought:
            right = officers.is_right(name, brought)
        if not right:
            simulator.record("approval.failed", officer=name, order=what)
            raise Declined(f"{what}: not approved by {name}", "each officer types his own passphrase")
    return tuple(sorted(names))


def _request(simulator: Simulator, words: Sequence[str]) -> Talk:
    try:
        subject = x509.Name.from_rfc4514_string(" ".join(words[1:]))
    except ValueError:
        subject = x509.Name([])
    if not subject.rdns:
        raise ValueError("a name as CN=host 1,O=Bank expected (RFC 4514)")
    made = simulator.under(words[0]).perform(MakeHostKey(subject))
    simulator.record("host.key-made", lmk=words[0], subject=subject.rfc4514_string())
    document = {"lmk": words[0], "sealed": made.sealed.hex()}
    simulator.open_vault.keep(Kind.STATE, _RECORD, json.dumps(document).encode())
    pem = x509.load_der_x509_csr(made.request).public_bytes(Encoding.PEM).decode("ascii")
    return (yield from said(pem.rstrip(), request=pem))


def _certify(simulator: Simulator, words: Sequence[str]) -> Talk:
    document = _kept(simulator)
    certificate, devices = (_certificate(_read(Path(word))) for word in words)
    simulator.under(document["lmk"]).perform(CheckHost(bytes.fromhex(document["sealed"]), certificate))
    name = certificate.subject.rfc4514_string()
    simulator.record("host.certified", subject=name, devices=devices.subject.rfc4514_string())
    document |= {"certificate": _pem(certificate), "devices": _pem(devices)}
    simulator.open_vault.keep(Kind.STATE, _RECORD, json.dumps(document).encode())
    return (yield from said(f"the unit is {name}", subject=name))


def _credential(simulator: Simulator, words: Sequence[str]) -> Talk:
    folder = _folder(words[0])
    token = tokens.credential_token(_host(simulator).certificate, _list(folder))
    path = _write(folder / "host.ct", token)
    return (yield from said(f"wrote {path}", wrote=str(path)))


def _send(simulator: Simulator, words: Sequence[str]) -> Talk:
    index, serial, place, *names = words
    folder, officers, host = _folder(place), _officers(simulator), _host(simulator)
    reference = stored_at(host.lmk_id, index)
    usage = simulator.open_vault.get(reference)[0].about.usage
    kind = IN_BLOCK if len(usage) == len("B1") else key_type(usage)
    two_passes = (folder / "device.rt").exists()
    now = datetime.fromtimestamp(simulator.clock_ms() / 1000, UTC)
    request = SendByToken(
        host.sealed,
        host.certificate,
        host.devices,
        _read(folder / "device.ct"),
        _list(folder),
        KeyUnderLmk(kind, WrappedKey(KeyScheme.STORED, reference.rpartition("K")[2].encode("ascii"))),
        None if serial in (NO_KSN, TRANSPORT) else _serial(serial),
        serial == TRANSPORT,
        _read(folder / "device.rt") if two_passes else now,
        now,
    )
    approved = yield from _approval(simulator, officers, names, f"tr34 send {index} {serial}")
    try:
        sent = simulator.under(host.lmk_id).perform(request)
    except IntegrityError as fault:
        raise Declined(f"tr34 send: {fault}", _BELIEVE) from None
    device, value = sent.device.subject.rfc4514_string(), sent.check_value.hex().upper()
    simulator.record(
        "key.sent",
        key=reference,
        ksn=serial,
        check_value=value,
        device=device,
        passes=2 if two_passes else 1,
        approved=" ".join(approved),
    )
    path = _write(folder / "key.kt", sent.token)
    document = {"wrote": str(path), "check_value": value, "device": device, "approved": list(approved)}
    return (yield from said(f"wrote {path}: key {value} for {device}", **document))


def _serial(text: str) -> Ksn:
    """20 hexadecimal digits for TDES, 24 for AES."""
    octets = bytes.fromhex(text)
    return AesKsn(octets) if len(octets) == AesKsn.size else TdesKsn(octets)


def _kept(simulator: Simulator) -> dict[str, str]:
    kept = simulator.open_vault.kept(Kind.STATE, _RECORD)
    if kept is None:
        raise Declined("the unit has no key of a host", "make one: tr34 request 00 CN=host 1")
    document: dict[str, str] = json.loads(bytes(kept))
    return document


def _host(simulator: Simulator) -> Host:
    document = _kept(simulator)
    if "certificate" not in document:
        raise Declined("the unit's key of a host has no certificate", "give it: tr34 certify HOST.pem DEVICES.pem")
    certificates = (x509.load_pem_x509_certificate(document[name].encode()) for name in ("certificate", "devices"))
    return Host(document["lmk"], bytes.fromhex(document["sealed"]), *certificates)


def _folder(word: str) -> Path:
    found = Path(word)
    if not found.is_absolute() or not found.is_dir():
        raise ValueError("FOLDER: the whole path of a folder expected, since the unit reads and writes there")
    return found


def _read(path: Path) -> bytes:
    if not path.is_absolute() or not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path.name or path}: a file of up to {LARGEST_FILE} octets, by its whole path, expected")
    try:
        return path.read_bytes()
    except OSError as fault:
        raise ValueError(f"{path.name}: {fault.strerror}") from None


def _write(path: Path, octets: bytes) -> Path:
    try:
        path.write_bytes(octets)
    except OSError as fault:
        raise ValueError(f"{path.name}: {fault.strerror}") from None
    return path


def _certificate(octets: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(octets)
    except ValueError:
        raise ValueError("a certificate in PEM expected") from None


def _list(folder: Path) -> x509.CertificateRevocationList:
    octets = _read(folder / "hosts.crl")
    try:
        return x509.load_pem_x509_crl(octets)
    except ValueError:
        raise ValueError("hosts.crl: the list of revocations of the hosts' authority, in PEM, expected") from None


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


DELIVERY_ROWS = (
    Action("officers list", "who approves what one alone may not do", Doing.LOOK, _officers_list),
    Action(
        "officers add NAME [OFFICER OFFICER]",
        "a person who approves; two who are there already approve him",
        Doing.FORM_KEYS,
        _officers_add,
        range(1, 4),
    ),
    Action(
        "tr34 request LMK SUBJECT…",
        "a new RSA key of the unit's, to be certified; it will send keys of that LMK",
        Doing.FORM_KEYS,
        _request,
        range(2, 10),
    ),
    Action(
        "tr34 certify HOST DEVICES",
        "the unit's certificate, and that of the authority of terminals: paths of PEM files",
        Doing.FORM_KEYS,
        _certify,
        range(2, 3),
    ),
    Action(
        "tr34 credential FOLDER", "host.ct, to which terminals bind themselves", Doing.LOOK, _credential, range(1, 2)
    ),
    Action(
        "tr34 send INDEX KSN FOLDER OFFICER OFFICER",
        "key.kt for the terminal of device.ct: the BDK's initial key for a KSN, - the key itself, K1 a master key",
        Doing.FORM_KEYS,
        _send,
        range(5, 6),
    ),
)
"""The rows of these orders."""
