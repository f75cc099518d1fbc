# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the warden reads, in a child that lives for milliseconds: settings, signatures, policies. Judges no device.

The child imports the parsers and libcrypto, believes or does not, and hands the policy over in its compiled form
(usb/handover.py). The process that decides for months holds none of that, which also keeps it small.
"""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

LONGEST_S = 60.0  # a slow disk at power on; meanwhile nothing unjudged lives
NO_WORD = "the reader ended without a word"
_PIECE = 1 << 16


class Reading:
    """One child at work: its pipe, and until when it may take."""

    def __init__(self, work: Callable[[], bytes], steady_s: float) -> None:
        ours, theirs = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.process = os.fork()
        if self.process == 0:
            _child(work, theirs)
        os.close(theirs)
        self.descriptor = ours
        self.ends_s = steady_s + LONGEST_S
        self._octets = bytearray()

    def more(self) -> bytes | None:
        """Take in what came; all of it once the child has ended, nothing (empty) where it failed, else None."""
        piece = os.read(self.descriptor, _PIECE)
        if piece:
            self._octets += piece
            return None
        return self._ended()

    def wait(self) -> bytes:
        """All of it; empty where the child failed or took too long."""
        while select.select([self.descriptor], [], [], LONGEST_S)[0]:
            found = self.more()
            if found is not None:
                return found
        return self.give_up()

    def give_up(self) -> bytes:
        """It took too long."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        self._ended()
        return b""

    def _ended(self) -> bytes:
        os.close(self.descriptor)
        _, status = os.waitpid(self.process, 0)
        return bytes(self._octets) if status == 0 else b""


def _child(work: Callable[[], bytes], pipe: int) -> None:
    code = 1
    try:
        with open(pipe, "wb") as out:
            out.write(work())
        code = 0
    except BaseException as fault:  # whatever it is: the child must end here, and its parent sees that it failed
        sys.stderr.write(f"tillguard-warden: reading failed: {type(fault).__name__}: {getattr(fault, 'what', '')}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def read_all(path: str, boot: str, moment: tuple[int, int, float]) -> bytes:
    """For the start: the settings file, the end of the chain that was verified, and the policy; or what is wrong."""
    import pwd
    from pathlib import Path

    from terminal_agent.audit import AuditLog
    from terminal_agent.errors import AgentError
    from terminal_agent.processes.warden_settings import WardenSettings
    from terminal_agent.usb.handover import pack
    from terminal_agent.usb.radios import switch_off
    from tillguard import settings
    from tillguard.voice import Fault

    try:
        found = settings.load(Path(path), WardenSettings)
        found.state.mkdir(
            mode=0o700, parents=True, exist_ok=True
        )  # the fences let in what is there when they are raised
        users = [pwd.getpwnam(name).pw_uid for name in found.listeners]
        switch_off(found.radios)  # here because it is done once, before the fences, and the settings are known here
        log = AuditLog.open(found.audit, found.terminal, "warden")
        head, torn = log.head, log.torn_octets
        log.close()
    except KeyError as fault:
        return pack({"fault": f"{path}: listeners: no user {fault}", "hint": "name users of this machine"})
    except (Fault, AgentError) as fault:
        return pack({"fault": fault.what, "hint": fault.hint})
    except OSError as fault:
        return pack({"fault": f"{fault.filename}: {fault.strerror}", "hint": "is this root, and the disk writable?"})
    document = {
        "terminal": found.terminal, "trust": str(found.trust), "state": str(found.state), "audit": str(found.audit),
        "socket": str(found.socket), "users": users,
        "head": head, "torn": torn,
    }  # fmt: skip
    return pack({**document, "stamps": stamps(document), "policy": read_policy(document, boot, moment)})


def read_policy(told: Mapping[str, Any], boot: str, moment: tuple[int, int, float]) -> bytes:
    """What is in force now: the policy without its texts, its exceptions, and what a person should know."""
    from dataclasses import replace
    from pathlib import Path

    from terminal_agent.errors import AgentError
    from terminal_agent.usb.handover import pack
    from terminal_agent.usb.libcrypto import Libcrypto
    from terminal_agent.usb.policy import Now
    from terminal_agent.usb.store import Store
    from terminal_agent.usb.trust import load_trust
    from tillguard.voice import Fault

    try:
        verify = Libcrypto().verify
        store = Store(Path(told["state"]), told["terminal"], load_trust(Path(told["trust"])), verify, boot)
        found = store.in_force(Now(*moment))
    except (Fault, AgentError) as fault:
        return pack({"fault": fault.what})
    text = found.policy.text
    document = {
        "text": replace(text, text="", file=replace(text.file, rules="")), "granted": found.policy.granted,
        "state": str(found.state), "version": found.version, "persons": found.persons, "stale": found.stale,
        "alarms": found.alarms, "trial_ends_s": found.trial_ends_steady_s, "digest": found.policy.digest,
    }  # fmt: skip
    return pack(document)


def stamps(told: Mapping[str, Any]) -> tuple[int, ...]:
    """When what policies are read from was last changed: the folders of the store, the list of persons."""
    found = []
    for path in (told["state"], f"{told['state']}/exceptions", told["trust"]):
        try:
            found.append(os.stat(path).st_mtime_ns)  # noqa: PTH116 - text, as in sysfs.py
        except OSError:
            found.append(0)
    return tuple(found)


def settings_of(octets: bytes) -> Mapping[str, Any]:
    """What :func:`read_all` handed over."""
    from terminal_agent.usb.handover import unpack

    found: Mapping[str, Any] = unpack(octets) if octets else {"fault": NO_WORD, "hint": "see the line above"}
    return found
