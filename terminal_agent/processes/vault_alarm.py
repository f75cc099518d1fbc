# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Destroys a vault's keys where no agent can run, because what it would write on does not hold. Reports nothing.

The vault keeps the mark and its source; the next agent that starts finds them and tells head office.
"""

from dataclasses import replace

from protocols.errors import DecodeError
from protocols.vault import LARGEST_PACKET, Done, Tamper, decode_reply, encode
from terminal_agent.processes import vault_child
from terminal_agent.processes.vault_settings import VaultSettings

ANSWER_S = 10.0
_NUMBER = 1


def destroy_keys(settings: VaultSettings, source: str) -> bool:
    """Whether the vault says that every key is gone."""
    child = vault_child.start(replace(settings, keypad=""))
    child.pipe.settimeout(ANSWER_S)
    try:
        child.pipe.send(encode(_NUMBER, Tamper(source)))
        while packet := child.pipe.recv(LARGEST_PACKET):
            number, reply = decode_reply(packet)
            if number == _NUMBER:
                return isinstance(reply, Done)
    except (OSError, DecodeError):
        return False
    finally:
        child.stop()
    return False
