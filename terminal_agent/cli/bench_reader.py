# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The reader that a bench command was told to use: its options, how it is opened, and its errors in words."""

import argparse
import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from device_profiles import catalog
from device_profiles.card_profile import KIND, load_card
from device_profiles.model import AtrRules, ReaderProfile, ReaderProtocol
from protocols.errors import DecodeError
from terminal_agent.card import recording
from terminal_agent.card.chaining import Chaining
from terminal_agent.card.pcsc import open_reader
from terminal_agent.card.port import CardError, CardPresence, CardReader, ReaderAbsent
from terminal_agent.card.recording import Played, Recording
from tillguard.exits import Exit
from tillguard.voice import Fault

T = TypeVar("T")
REPLAY = "replay:"
MEANT = 'a line for each exchange such as {"c": "00A40400…", "r": "6F…9000"}'
WAIT_S = 15.0
LONGEST_WAIT_S = 86_400.0  # a day: nobody means more


def add_reader_options(parser: argparse.ArgumentParser) -> None:
    """Which reader, and how long a card is waited for."""
    parser.add_argument(
        "--reader", default="", metavar="NAME",
        help="part of the reader's name (;serial=NUMBER tells twins apart), or replay:FILE for a recording instead",
    )  # fmt: skip
    parser.add_argument("--model", default="pcsc", metavar="NAME", help="reader profile (default pcsc, any)")
    parser.add_argument(
        "--wait", type=float, default=WAIT_S, metavar="S", help=f"seconds to wait for a card ({WAIT_S:g})"
    )
    parser.add_argument("--json", action="store_true", help="the answer as JSON")


def test_accounts() -> frozenset[str]:
    """Account numbers of the TEST cards that come with this distribution."""
    return frozenset(one.pan for name in catalog.names(KIND) for one in load_card(name).applications)


def with_card(options: argparse.Namespace, work: Callable[[Recording, CardPresence], Awaitable[T]]) -> T:
    """Wait for a card, do ``work`` with it, power it down. Faults of reader and card come out as :class:`Fault`."""
    if not 0 <= options.wait <= LONGEST_WAIT_S:
        raise Fault(f"--wait: 0 to {LONGEST_WAIT_S:g} seconds expected", f"for example: --wait {WAIT_S:g}", Exit.USAGE)
    try:
        return asyncio.run(_with_card(options, work))
    except ReaderAbsent as absent:
        raise Fault(absent.what, absent.hint, Exit.ABSENT) from None
    except CardError as error:
        raise Fault(error.what, error.hint) from None


async def _with_card(options: argparse.Namespace, work: Callable[[Recording, CardPresence], Awaitable[T]]) -> T:
    driver = await opened(options)
    try:
        recorder = Recording(driver)
        presence = await recorder.wait_for_card(options.wait)
        if presence is None:
            raise CardError(f"no card came within {options.wait:g} s", "insert one, or wait longer: --wait 60")
        return await work(recorder, presence)
    finally:
        with contextlib.suppress(CardError):  # what went wrong was said before, and what was read is read
            await driver.release()
        await driver.close()


async def opened(options: argparse.Namespace) -> CardReader:
    """The reader, or the recording in its place."""
    if options.reader.startswith(REPLAY):
        return Played(read_recording(Path(options.reader.removeprefix(REPLAY))))
    profile = catalog.reader(options.model)
    if profile.protocol is not ReaderProtocol.PCSC:
        raise Fault(f"--model {profile.model}: not a PC/SC reader", "bench commands speak to PC/SC readers", Exit.USAGE)
    return await open_reader(as_on_a_bench(profile), f"pcsc:{options.reader}")


def as_on_a_bench(profile: ReaderProfile) -> ReaderProfile:
    """The profile, but any card is looked at."""
    return replace(profile, pcsc=replace(profile.pcsc, atr_rules=AtrRules.ISO))


def read_recording(path: Path) -> recording.Recorded:
    """A recording; :class:`Fault` where it is none."""
    try:
        return recording.read(path)
    except FileNotFoundError:
        raise Fault(f"{path}: no such file", "check the path", Exit.USAGE) from None
    except OSError as fault:
        what = f"{path}: cannot be read: {fault.strerror}"
        raise Fault(what, "check the file's type and rights", Exit.USAGE) from None
    except DecodeError as fault:
        hint = f"{MEANT} expected; record with: terminal-agent card trace --record FILE"
        raise Fault(f"{path}: {fault}", hint, Exit.USAGE) from None


def chained(recorder: Recording) -> Chaining:
    """The recorder below the layer that fetches whole answers, so that a recording has what really travelled."""
    return Chaining(recorder)
