# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Debian's kernel for the guest, and a first file system of it that needs no other: fetched once, kept, made in place.

The package is downloaded and taken apart, never installed: this machine boots nothing of it. Of its 4,000 modules two
dozen are wanted, with all that they say they depend on. They are loaded in that order by name, so the guest needs
neither depmod nor modprobe.
"""

import fcntl
import io
import lzma
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tillguard-qemu"
META = "linux-image-amd64"
CURE = "apt-get update, and see that Debian's archive can be reached"
BUSYBOX = Path("/bin/busybox")
BASE = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "evdev", "hid_generic", "usbhid", "usb_storage", "sd_mod")
"""What is loaded before the host controller: drivers that wait for devices, as on a terminal."""
CONTROLLER = ("xhci_pci",)
LATER = ("dummy_hcd", "libcomposite", "usb_f_hid", "usb_f_mass_storage", "usb_f_ecm", "usb_f_acm", "cdc_ether",
         "cdc_acm", "vhci_hcd", "mac80211_hwsim")  # fmt: skip
"""What the guest's own proofs load; :func:`Kernel.order` says in which order."""


class NoKernel(AssertionError):
    """The guest's kernel cannot be had; the message says the cure."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel's image, its modules and what each needs."""

    image: Path
    modules: Path
    version: str

    def order(self, *names: str) -> list[str]:
        """Modules in the order in which to load them, dependencies first."""
        found: list[str] = []

        def add(name: str) -> None:
            if name in found:
                return
            for needed in _depends(self.modules / f"{name}.ko"):
                add(needed)
            found.append(name)

        for name in names:
            add(name)
        return found


def kernel() -> Kernel:
    """The kernel, from the cache where it is there."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package = _package()
        wanted = sha256(" ".join((*BASE, *CONTROLLER, *LATER)).encode()).hexdigest()[:8]
        folder = CACHE / wanted / package  # checkouts that want other modules do not take each other's away
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _take_apart(_downloaded(package), folder)
            (folder / "whole").touch()
    return Kernel(folder / "vmlinuz", folder / "modules", package.removeprefix("linux-image-"))


def initramfs(of: Kernel, init: str) -> bytes:
    """The first file system, as the kernel unpacks it (initramfs buffer format): busybox, modules, ``init``."""
    archive = _Cpio()
    for folder in ("bin", "proc", "sys", "dev", "mnt", "run", "ov", "new", "modules"):
        archive.add(folder, 0o040755)
    if not BUSYBOX.exists():
        raise NoKernel("no /bin/busybox; scripts/test installs busybox-static")
    archive.add("bin/busybox", 0o100755, BUSYBOX.read_bytes())
    archive.add("bin/sh", 0o120777, b"busybox")
    for name in of.order(*BASE, *CONTROLLER, *LATER):
        archive.add(f"modules/{name}.ko", 0o100644, (of.modules / f"{name}.ko").read_bytes())
    archive.add("init", 0o100755, init.encode())
    return archive.whole()


def _package() -> str:
    """Which kernel Debian has now, or the one that is kept where its archive is not at hand."""
    said = subprocess.run(["apt-cache", "depends", META], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Depends: (linux-image-[\w.+-]+)", said)
    if found:
        return found[1]
    kept = sorted(path.parent.name for path in CACHE.glob("*/linux-image-*/whole"))
    if not kept:
        raise NoKernel(f"apt-cache knows no {META}: {CURE}")
    return kept[-1]


def _downloaded(package: str) -> Path:
    folder = CACHE / "download"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for command in (["apt-get", "-q", "download", package], ["apt-get", "-q", "update"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if command[2] == "update":
            done = subprocess.run(["apt-get", "-q", "download", package], cwd=folder, capture_output=True, check=False)
        if found := list(folder.glob("*.deb")):
            return found[0]
    raise NoKernel(f"{package} cannot be downloaded: {CURE}: {done.stderr!r:.300}")


def _take_apart(package: Path, folder: Path) -> None:
    """Keep of a kernel's package its image and the modules that are wanted."""
    (folder / "modules").mkdir(parents=True)
    octets = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(octets)) as tar:
        at: dict[str, tarfile.TarInfo] = {}
        for member in tar:
            name = Path(member.name).name
            if name.startswith("vmlinuz-"):
                (folder / "vmlinuz").write_bytes(_read(tar, member))
            elif ".ko" in name:
                at[name.partition(".ko")[0].replace("-", "_")] = member
        wanted = [*BASE, *CONTROLLER, *LATER]
        while wanted:
            name = wanted.pop()
            path = folder / "modules" / f"{name}.ko"
            if not path.exists() and name in at:  # what is not a module is built in
                octets = _read(tar, at[name])
                path.write_bytes(lzma.decompress(octets) if at[name].name.endswith(".xz") else octets)
                wanted += _depends(path)
    shutil.rmtree(package.parent)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _depends(module: Path) -> list[str]:
    """What a module's own information says it needs."""
    if not module.exists():
        return []
    found = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return [name.replace("-", "_") for name in found[1].decode().split(",") if name] if found else []


class _Cpio:
    """The "new ASCII" form of cpio (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._number = 0

    def add(self, name: str, mode: int, content: bytes = b"") -> None:
        self._number += 1
        fields = (self._number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % one for one in fields)
        self._parts += [_padded(head + name.encode() + b"\0"), _padded(content)]

    def whole(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return b"".join(self._parts)


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)
