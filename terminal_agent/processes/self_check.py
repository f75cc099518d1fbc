# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What must not be so on a terminal that takes real money: found before its agent starts. Mends nothing.

Each finding says its cure. It is a check of the machine as it stands, not of what somebody with root may make of it a
minute later; its worth is that nobody forgets. ``root`` is the machine's ``/``, so that a test bed can stand for one.
"""

import ctypes
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from terminal_agent.usb.surroundings import Way, look_around

DEFAULT_PASSWORDS = (
    *("", "root", "admin", "password", "toor", "default", "changeme", "service", "maint", "operator", "user", "guest"),
    *("pos", "terminal", "till", "1234", "12345", "123456", "0000", "000000", "1111", "9999", "00000000", "11111111"),
    *("166816", "166831", "Z66831", "Z66816", "0415", "2634", "raspberry", "alpine", "ubnt", "1q2w3e4r", "qwerty"),
)
"""What ships with boards and terminals, printed in their manuals and in everybody's lists."""
DEBUG_PORTS = {
    23: "telnet",
    512: "rexec",
    513: "rlogin",
    514: "rsh",
    2323: "telnet",
    5900: "VNC",
    6000: "X11",
    1234: "gdbserver",
    2331: "a JTAG probe's gdb",
    2345: "a debugger",
    3333: "OpenOCD",
    4444: "OpenOCD",
    5555: "adb",
    5678: "debugpy",
    6666: "OpenOCD",
    9222: "a browser's debugger",
    9229: "Node's debugger",
    62078: "a phone's pairing",
}
LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp
LOCKED_HASHES = ("!", "*", "x")
ARGUMENT = re.compile(r"(?:^|\s)usbcore\.authorized_default=0(?:\s|$)")
TEST_SENTENCE = "tillguard TEST person {}"  # docs/adr/0008


class Kind(StrEnum):
    """What a finding is about."""

    PASSWORD = "password"
    DEBUG_PORT = "debug port"
    KERNEL = "kernel argument"
    TEST_KEY = "TEST key"
    AROUND = "way around"


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason not to take real money here."""

    kind: Kind
    words: str
    cure: str


def self_check(root: Path, texts: tuple[Path, ...] = ()) -> tuple[Fault, ...]:
    """Everything that is found. ``texts``: profile, trust list and other settings, whose TEST keys are looked for."""
    return (
        *_passwords(root / "etc/shadow"),
        *_debug_ports(root / "proc/net"),
        *_kernel(root / "proc/cmdline", root / "etc/modprobe.d"),
        *_test_keys(texts),
        *_around(root),
    )


def _passwords(path: Path) -> Iterator[Fault]:
    """Accounts whose password is empty, or one that everybody knows (shadow(5), crypt(5))."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError as fault:
        yield Fault(Kind.PASSWORD, f"{path}: {fault.strerror}: no password could be looked at", "run this as root")
        return
    crypt = _crypt()
    for line in lines:
        name, _, rest = line.partition(":")
        stored = rest.partition(":")[0]
        if stored.startswith(LOCKED_HASHES):
            continue
        if not stored:
            yield Fault(Kind.PASSWORD, f"the account {name} has no password", f"passwd --lock {name}")
        elif crypt is None:
            yield Fault(Kind.PASSWORD, f"the password of {name} cannot be looked at", "install Debian's libcrypt1")
        elif any(crypt(known, stored) == stored for known in (*DEFAULT_PASSWORDS, name)):
            yield Fault(Kind.PASSWORD, f"the account {name} has a password that everybody knows", f"passwd {name}")


def _crypt() -> Callable[[str, str], str] | None:
    """crypt(3); None where there is none. Python 3.13 has no module of that name any more."""
    for name in ("libcrypt.so.1", "libcrypt.so.2"):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.crypt.restype = ctypes.c_char_p
        return lambda word, setting: (library.crypt(word.encode(), setting.encode()) or b"*").decode("ascii", "replace")
    return None


def _debug_ports(folder: Path) -> Iterator[Fault]:
    """Listening sockets of programs that let somebody look into other programs (proc(5), /proc/net/tcp)."""
    seen: set[int] = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = (folder / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) < 4 or words[3] != LISTENING:
                continue
            port = int(words[1].rpartition(":")[2], 16)
            if port in DEBUG_PORTS and port not in seen:
                seen.add(port)
                what = DEBUG_PORTS[port]
                yield Fault(
                    Kind.DEBUG_PORT,
                    f"port {port} is open: {what}",
                    f"stop what listens there: ss -ltnp 'sport = {port}'",
                )


def _kernel(arguments: Path, options: Path) -> Iterator[Fault]:
    try:
        said = arguments.read_text()
    except OSError:
        said = ""
    if ARGUMENT.search(said):
        return
    words = "the kernel argument usbcore.authorized_default=0 is missing: a device that is there at power on lives"
    cure = "add it to GRUB_CMDLINE_LINUX, then update-grub; see docs/usb.md"
    if any("authorized_default=0" in path.read_text(errors="replace") for path in sorted(options.glob("*.conf"))):
        words += " until usbcore's options of modprobe.d are read, if it is a module"
    yield Fault(Kind.KERNEL, words, cure)


def _test_keys(texts: tuple[Path, ...]) -> Iterator[Fault]:
    """Names that say TEST, and keys of persons that are the published ones of their names."""
    for path in texts:
        try:
            text = path.read_text("utf-8", "replace")
        except OSError as fault:
            yield Fault(Kind.TEST_KEY, f"{path}: {fault.strerror}: could not be looked at", "check path and rights")
            continue
        for number, line in enumerate(text.splitlines(), 1):
            said = line.partition("#")[0]
            if re.search(r"\bTEST\b", said) or re.search(r'"[\w/.-]*-test"', said):
                yield Fault(Kind.TEST_KEY, f"{path}, line {number}: names TEST material", "name your own there")
        for name in re.findall(r'(?m)^name\s*=\s*"([^"]{1,64})"', text):
            for key in _pems(path, text):
                if key.read_text(errors="replace").split() == _published(name).split():
                    yield Fault(Kind.TEST_KEY, f"{key}: the published TEST key of {name}", "let everybody make a key")
        for certificate in _pems(path, text):
            if b"TEST" in certificate.read_bytes() or _subject_says_test(certificate):
                yield Fault(Kind.TEST_KEY, f"{certificate}: a TEST certificate", "have your authority issue one")


def _pems(path: Path, text: str) -> Iterator[Path]:
    """The files that a settings file names and that are there."""
    for name in re.findall(r'"([^"\n]{1,200}\.(?:pem|pub|crt))"', text):
        if (path.parent / name).is_file():
            yield path.parent / name


def _subject_says_test(path: Path) -> bool:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (ValueError, x509.InvalidVersion):
        return False
    return "TEST" in found.subject.rfc4514_string() or "TEST" in found.issuer.rfc4514_string()


def _published(name: str) -> str:
    """The public key that goes with a published sentence."""
    private = hashlib.sha256(TEST_SENTENCE.format(name).encode()).digest()
    key = Ed25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _around(root: Path) -> Iterator[Fault]:
    for one in look_around(str(root / "sys"), str(root / "proc")):
        if one.way is not Way.RADIO:  # a radio may be the terminal's way to its network
            words, _, cure = one.words.partition(": ")
            yield Fault(Kind.AROUND, words, cure)
