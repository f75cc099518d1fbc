# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A kernel that lacks a fence: the vault says which one, loudly, and raises the others."""

import ctypes
import os
from pathlib import Path
from typing import cast

import pytest

from terminal_agent.sealed import arena as arenas
from terminal_agent.sealed.fences import NAMES, raise_all
from terminal_agent.sealed.system_calls import ARCHITECTURES, PERMITTED, program
from tests.terminal_agent.sealed.vaults import made, running

EVERYTHING = set(NAMES)


class OldKernel:
    """Says ENOSYS to some calls and yes to the rest; notes what it was asked."""

    machine = "x86_64"

    def __init__(self, lacking: set[str]) -> None:
        self.lacking = lacking
        self.asked: list[str] = []
        self.held = b"\xff" * 24

    def _answer(self, name: str) -> int:
        self.asked.append(name)
        if name in self.lacking:
            raise OSError(38, os.strerror(38))
        return 7

    def prctl(self, option: int, second: int = 0, third: int = 0) -> None:
        self._answer({4: "dumpable", 38: "privileges"}.get(option, f"prctl {option}"))

    def call(self, name: str, *arguments: object) -> int:
        if name == "landlock_create_ruleset":
            self._answer("landlock")
            return os.dup(0) if arguments[0] is not None else 7
        if name == "capget":  # what a process holds that has given up nothing
            cast("ctypes.Array[ctypes.c_char]", arguments[1]).raw = self.held
        return self._answer({"capset": "capabilities", "landlock_restrict_self": "landlock"}.get(name, name))

    def filter(self, instructions: bytes) -> None:
        self._answer("seccomp")

    def forbid_core(self) -> None:
        self._answer("core")


@pytest.mark.parametrize("lacking", sorted(EVERYTHING))
def test_a_missing_fence_is_told_and_the_others_stand(lacking: str) -> None:
    fences = raise_all(OldKernel({lacking}))
    assert [fence.name for fence in fences if not fence.stands] == [lacking]
    words = next(fence.words for fence in fences if not fence.stands)
    assert words.startswith("does not stand: ")
    assert words.endswith("not kept out")


def test_a_refused_call_does_not_matter_where_no_capability_is_left() -> None:
    kernel = OldKernel({"capabilities"})  # as under SystemCallFilter=~@privileged
    kernel.held = bytes(24)
    assert [fence.name for fence in raise_all(kernel) if not fence.stands] == []


def test_seccomp_is_the_last_of_all() -> None:
    kernel = OldKernel(set())
    raise_all(kernel)
    assert kernel.asked[-1] == "seccomp"


def test_an_unknown_processor_has_no_filter_and_says_so() -> None:
    kernel = OldKernel(set())
    kernel.machine = "riscv64"
    assert [fence.name for fence in raise_all(kernel) if not fence.stands] == ["seccomp"]


def test_without_secret_memory_the_arena_is_locked() -> None:
    arena = arenas.open_arena(OldKernel({"memfd_secret"}), 64 * 1024)
    assert arena.fence.stands
    assert "root can read it" in arena.fence.words


def test_the_status_and_stderr_of_a_vault_name_a_missing_fence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """End to end: a vault on a kernel without Landlock and secret memory."""
    with running(made(tmp_path), (str(Path(__file__).parent / "old_kernel_vault.py"),)) as asker:
        fences = {line.split()[0]: line.split()[1] for line in asker.status()["fence"]}
    assert {name for name, state in fences.items() if state == "MISSING"} == {"landlock"}
    assert "WARNING: fence landlock" in capfd.readouterr().err


@pytest.mark.parametrize("machine", sorted(ARCHITECTURES))
def test_the_filter_lets_through_what_is_listed_and_nothing_else(machine: str) -> None:
    """The program run by an interpreter of classic BPF (the kernel runs it in test_process)."""
    architecture = ARCHITECTURES[machine]
    listed = {architecture.numbers[name] for name in (*PERMITTED, *architecture.also)}
    code = program(architecture)
    for number in range(600):
        allowed = run_filter(code, number, architecture.audit, 0)
        assert allowed == ("allow" if number in listed else "refuse"), number
    for name in ("mmap", "mprotect"):
        assert run_filter(code, architecture.numbers[name], architecture.audit, 4) == "refuse"
        assert run_filter(code, architecture.numbers[name], architecture.audit, 3) == "allow"
    assert run_filter(code, architecture.numbers["read"], architecture.audit, 4) == "allow"
    assert run_filter(code, architecture.numbers["read"] | 0x40000000, architecture.audit, 0) == "refuse"
    assert run_filter(code, 0, 0x1234, 0) == "kill"


def run_filter(code: bytes, number: int, audit: int, third: int) -> str:
    """An independent reading of seccomp(2)."""
    import struct

    data = struct.pack("=IIQ6Q", number, audit, 0, 0, 0, third, 0, 0, 0)
    place, value = 0, 0
    while True:
        operation, jump_true, jump_false, constant = struct.unpack_from("=HBBI", code, place * 8)
        place += 1
        if operation == 0x20:
            value = int.from_bytes(data[constant : constant + 4], "little")
        elif operation == 0x54:
            value &= constant
        elif operation == 0x15:
            place += jump_true if value == constant else jump_false
        elif operation == 0x35:
            place += jump_true if value >= constant else jump_false
        else:
            return {0x7FFF0000: "allow", 0x80000000: "kill", 0x00050001: "refuse"}[constant]
