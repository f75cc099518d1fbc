# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""TPM commands as octets: their own sizes are right, and responses of any content are read or refused.

Whether a TPM takes them is shown by swtpm, in tests/terminal_agent/sealed/keys/test_sources.py.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import tpm2
from protocols.errors import DecodeError

COMMANDS = [
    tpm2.startup(),
    tpm2.create_storage_key(),
    tpm2.create_sealed(0x80000000, bytes(32)),
    tpm2.load(0x80000000, tpm2.Sealed(bytes(40))),
    tpm2.unseal(0x80000001),
    tpm2.flush(0x80000001),
    tpm2.define_counter(0x01800011, bytes(32)),
    tpm2.undefine(0x01800011),
    tpm2.increment(0x01800011, bytes(32)),
    tpm2.read_counter(0x01800011, bytes(32)),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_its_own_size(command: bytes) -> None:
    assert int.from_bytes(command[2:6], "big") == len(command)
    assert command[:2] in (b"\x80\x01", b"\x80\x02")


def test_startup_is_the_standards() -> None:
    """TCG TPM 2.0 Library, part 3, 9.3: TPM_ST_NO_SESSIONS, 12 octets, TPM_CC_Startup, TPM_SU_CLEAR."""
    assert tpm2.startup() == bytes.fromhex("80010000000C000001440000")


def test_every_cut_of_a_response_is_refused() -> None:
    whole = bytes.fromhex("80020000001400000000") + bytes(10)
    assert tpm2.response_code(memoryview(whole)) == tpm2.RC_SUCCESS
    for size in range(len(whole)):
        with pytest.raises(DecodeError):
            tpm2.response_code(memoryview(whole[:size]))


@given(st.binary(max_size=64))
def test_garbage_is_read_or_refused(octets: bytes) -> None:
    view = memoryview(b"\x80\x02" + (len(octets) + 10).to_bytes(4, "big") + bytes(4) + octets)
    for read in (tpm2.sealed_of, tpm2.data_of):
        try:
            found = read(view)
        except DecodeError:
            continue
        assert len(found.octets if isinstance(found, tpm2.Sealed) else found) <= len(view)
