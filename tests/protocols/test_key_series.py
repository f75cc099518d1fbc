# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Contexts of keys in a series: the same as those of ordinary key objects, each under its own key, for good."""

import pytest

from protocols import key_series
from protocols.errors import EncodeError
from protocols.key_series import KeySeries
from protocols.primitives import AesKey, BlockKey, TdesKey

KINDS: list[tuple[type[BlockKey], int]] = [(TdesKey, 16), (TdesKey, 24), (AesKey, 16), (AesKey, 24), (AesKey, 32)]
DATA = bytes(range(48))


def keys(size: int) -> list[bytes]:
    return [bytes((7 * place + number) & 0xFF for place in range(size)) for number in range(5)]


def made_at_once(maker: type[BlockKey], size: int) -> None:
    """All contexts first, then all their work: none may have taken over a later key."""
    series, zeros = KeySeries(maker, size), bytes(maker.block_octets)
    made = [
        (key, series.encipher(key), series.chain(key), series.unchain(key), series.cmac(bytearray(key)))
        for key in keys(size)
    ]
    series.wipe()
    for key, encipher, chain, unchain, cmac in made:
        ordinary = maker(key)
        assert encipher(DATA) == ordinary.encipher(DATA)
        enciphered = chain(DATA)
        assert enciphered == ordinary.cbc_encipher(zeros, DATA)
        assert chain(DATA) == ordinary.cbc_encipher(enciphered[-maker.block_octets :], DATA), "it goes on"
        assert unchain(enciphered) == DATA
        assert cmac(DATA[:45]) == ordinary.cmac(DATA[:45]) == cmac(DATA[:45])


@pytest.mark.parametrize(("maker", "size"), KINDS)
def test_a_series_is_what_ordinary_keys_are(maker: type[BlockKey], size: int) -> None:
    made_at_once(maker, size)


@pytest.mark.parametrize(("maker", "size"), KINDS)
def test_a_series_survives_a_library_that_reads_the_key_early(
    maker: type[BlockKey], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_series, "_key_is_read_late", lambda: False)
    made_at_once(maker, size)


def test_an_early_reader_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    find_out = key_series._key_is_read_late.__wrapped__
    assert find_out()
    for maker in (TdesKey, AesKey):
        late = maker._algorithm
        with monkeypatch.context() as patched:
            patched.setattr(maker, "_algorithm", staticmethod(lambda octets, late=late: late(bytes(octets))))
            assert not find_out()


@pytest.mark.parametrize(("maker", "size"), [(TdesKey, 8), (TdesKey, 15), (TdesKey, 32), (AesKey, 8), (AesKey, 0)])
def test_other_lengths_are_refused(maker: type[BlockKey], size: int) -> None:
    with pytest.raises(EncodeError):
        KeySeries(maker, size)


@pytest.mark.parametrize(("maker", "size"), KINDS)
def test_a_key_of_another_length_than_the_series_is_refused(maker: type[BlockKey], size: int) -> None:
    series = KeySeries(maker, size)
    for make in (series.encipher, series.chain, series.unchain, series.cmac):
        for other in (0, 8, size - 8, size + 8):
            with pytest.raises(EncodeError, match=f"{other} octets, {size} expected"):
                make(bytes(other))


def test_a_wiped_series_holds_zeros_and_says_nothing() -> None:
    series = KeySeries(TdesKey, 16)
    series.chain(keys(16)[1])
    assert bytes(series._key) == keys(16)[1] + keys(16)[1][:8]
    series.wipe()
    assert not any(series._key)
    assert repr(series) == "KeySeries(redacted)"
