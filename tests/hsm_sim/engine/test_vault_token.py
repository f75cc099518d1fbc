# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault key wrapped by a PKCS#11 token: SoftHSM2 as its own test double, a token of the test's own each time."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hsm_sim.engine.vault import About, Vault
from hsm_sim.engine.vault_token import ByToken, TokenError, TokenPin
from protocols.errors import DecodeError, IntegrityError
from protocols.secret import ClearKey

MODULE = next(
    (
        path
        for path in map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"))
        if path.exists()
    ),
    Path("softhsm2 is not installed: apt-get install softhsm2"),
)
PIN = b"TEST-0246"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The label of an initialised token. One for the module: a PKCS#11 library reads its settings once per process."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    line = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "TEST",
        "--so-pin",
        "TEST-1357",
        "--pin",
        PIN.decode(),
    ]
    subprocess.run(line, check=True, capture_output=True, env={**os.environ, "SOFTHSM2_CONF": str(settings)})
    yield "TEST"
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def by_token(token: str, key: str = "vault", pin: bytes = PIN) -> ByToken:
    return ByToken(str(MODULE), token, key, TokenPin(pin), os.urandom)


def test_a_vault_opens_by_its_token(token: str, tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    made = Vault.create(path, by_token(token), os.urandom)
    made.put("00/K001", About("002", "00", "ABCDEF"), b"cryptogram")
    made.close()
    told: list[Mapping[str, Any]] = []

    def again(stored: Mapping[str, Any]) -> ByToken:
        told.append(stored)
        return by_token(token)

    opened = Vault.open(path, again, os.urandom)
    assert opened.get("00/K001")[1] == b"cryptogram"
    opened.close()
    assert told == [{"method": "pkcs11", "token": "TEST", "key": "vault"}]


def test_the_same_key_is_used_again_and_another_one_opens_nothing(token: str) -> None:
    with ClearKey(bytes(range(32))) as key:
        wrapped = by_token(token).wrap(key, b"name")
        by_token(token, "another").wrap(key, b"name")
    with by_token(token).unwrap(wrapped, b"name") as found:
        assert found == ClearKey(bytes(range(32)))
    with pytest.raises(IntegrityError, match="does not open"):
        by_token(token, "another").unwrap(wrapped, b"name")
    with pytest.raises(IntegrityError, match="does not open"):
        by_token(token).unwrap(wrapped, b"another name")
    with pytest.raises(IntegrityError, match="does not open"):
        by_token(token).unwrap(wrapped[:-1] + bytes((wrapped[-1] ^ 1,)), b"name")


@pytest.mark.parametrize("wrapped", [b"", bytes(59), bytes(61)])
def test_what_is_no_wrapped_key(token: str, wrapped: bytes) -> None:
    with pytest.raises(DecodeError, match="60 octets expected"):
        by_token(token).unwrap(wrapped, b"name")


@pytest.mark.parametrize(
    ("wrapping", "words"),
    [
        (lambda: by_token("TEST", pin=b"0000"), "PinIncorrect"),
        (lambda: by_token("NOT THERE"), "NoSuchToken"),
        (lambda: by_token("TEST", "no such key"), "no AES key no such key"),
        (lambda: ByToken("/nowhere.so", "TEST", "vault", TokenPin(PIN), os.urandom), "/nowhere.so: cannot be loaded"),
    ],
)
def test_what_a_token_refuses_is_said_without_its_pin(token: str, wrapping: Any, words: str) -> None:
    with pytest.raises(TokenError, match=words) as caught:
        wrapping().unwrap(bytes(60), b"name")
    assert "0000" not in str(caught.value)
    assert PIN.decode() not in str(caught.value)


def test_the_key_in_the_token_cannot_be_taken_out(token: str) -> None:
    import pkcs11

    with ClearKey(bytes(32)) as key:
        by_token(token).wrap(key, b"name")
    with pkcs11.lib(str(MODULE)).get_token(token_label=token).open(user_pin=PIN.decode()) as session:
        (found,) = session.get_objects({pkcs11.Attribute.LABEL: "vault"})
        assert found[pkcs11.Attribute.SENSITIVE] is True
        assert found[pkcs11.Attribute.EXTRACTABLE] is False
        with pytest.raises(pkcs11.AttributeSensitive):
            found[pkcs11.Attribute.VALUE]
