# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One command to an engine of a test's own: layouts, handlers and operations, without states, limits or sockets."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.block_lmk import BlockLmk
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.guard import Guard
from hsm_sim.engine.lmk import Lmk
from hsm_sim.engine.policy import Policy
from hsm_sim.engine.refusal import Refused
from hsm_sim.engine.stored_key import StoredKey
from hsm_sim.engine.wrapping import VariantLmk, WrappedKey
from hsm_sim.payshield.dispatch import HANDLERS
from hsm_sim.payshield.handlers import Advice
from hsm_sim.payshield.terms import CODES
from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands import COMMANDS
from protocols.hsm.fields import KeyField
from protocols.hsm.kinds import FieldError, source_class
from protocols.hsm.layout import layout_of
from protocols.hsm.message import read_tail

Ask = Callable[[str | bytes], str]


def every_lmk() -> dict[str, Lmk]:
    """The public TEST LMKs: 00 variant, 01 key blocks under TDES, 02 under AES."""
    return {
        "00": VariantLmk.of_test_keys(),
        "01": BlockLmk.of_tdes_test_key("01"),
        "02": BlockLmk.of_aes_test_key("02"),
    }


def asking(
    *,
    old_lmk: bool = False,
    lmks: Mapping[str, Lmk] | None = None,
    guard: Guard | None = None,
    policy: Policy | None = None,
    random: Callable[[int], bytes] = os.urandom,
    storage: Mapping[str, Mapping[str, str]] | None = None,
    **settings: Any,
) -> Ask:
    """Asks commands of a unit with these settings; gives what follows the response code."""
    return asking_of(
        an_engine(old_lmk=old_lmk, lmks=lmks, guard=guard, policy=policy, random=random, storage=storage, **settings)
    )


def an_engine(
    *,
    old_lmk: bool = False,
    lmks: Mapping[str, Lmk] | None = None,
    guard: Guard | None = None,
    policy: Policy | None = None,
    random: Callable[[int], bytes] = os.urandom,
    storage: Mapping[str, Mapping[str, str]] | None = None,
    **settings: Any,
) -> Engine:
    """An engine with these settings."""
    return Engine(
        lmks or every_lmk(),
        random,
        policy=policy or Policy(**settings),
        guard=guard,
        old_lmks={"00": VariantLmk.of_old_test_keys()} if old_lmk else None,
        storage={name: _storage(fields) for name, fields in (storage or {}).items()},
    )


def asking_of(engine: Engine) -> Ask:
    """Asks commands of an engine."""

    def ask(command: str | bytes) -> str:
        octets = command.encode("latin-1") if isinstance(command, str) else command
        return answered(engine, octets).decode("latin-1")

    return ask


def _storage(fields: Mapping[str, str]) -> Callable[[str], StoredKey | None]:
    """User storage that holds key fields, each behind its key type and a space unless it is a key block."""

    def stored(index: str) -> StoredKey | None:
        if index not in fields:
            return None
        code, _, text = fields[index].rpartition(" ")
        key = KeyField.from_text(text)
        return StoredKey(WrappedKey(key.scheme, key.cryptogram), key.usage or code, "N", "S")

    return stored


def answered(engine: Engine, command: bytes) -> bytes:
    """Error code and fields of the answer to a command."""
    row = COMMANDS[command[:2].decode("ascii")]
    try:
        source = source_class(engine.policy.pin_length + 1)(command, 2)
        fields = layout_of(row.request).read(source)
        under = engine.under(getattr(fields, "lmk", None) or read_tail(source).lmk)
        if under is None:
            return ErrorCode.INVALID_LMK_ID.encode()
        result = HANDLERS[row.request](under, fields)
    except Refused as refused:
        return CODES[refused.reason].encode()
    except FieldError as fault:
        return fault.code.encode()
    except DecodeError:
        return ErrorCode.INVALID_INPUT.encode()
    if isinstance(result, ErrorCode):
        return result.encode()
    code, fields = (result.code, result.fields) if isinstance(result, Advice) else (ErrorCode.NO_ERROR, result)
    return code.encode() + layout_of(type(fields)).write(fields)
