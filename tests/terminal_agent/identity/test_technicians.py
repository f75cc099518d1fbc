# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Technicians: let in once, by key or code, for what head office granted; five wrong tries lock, over restarts too."""

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from protocols.ed25519 import verify
from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.identity.grants import (
    KIND,
    LARGEST_GRANT,
    LONGEST_S,
    Action,
    Grant,
    box_context,
    read_grant,
    to_be_answered,
)
from protocols.identity.sealed_box import close, open_box
from protocols.signed import Trust
from terminal_agent.identity.technicians import FREE_TRIES, NotLetIn, Technicians
from tests.protocols import persons

TERMINAL = "TG000001"
START_MS = 1_767_225_600_000
TRUST = persons.trust("anna", "ben", needed=1, kinds=(KIND,))
RFC_SECRET = b"12345678901234567890"
KEY = ec.derive_private_key(0x1234_5678_9ABC, ec.SECP256R1())
KEY_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
BY_KEY = Grant("Tess Till", (Action.DIAGNOSTICS, Action.RECOVER), key=persons.key("tess").public)


class Place:
    """A terminal's technicians, and its clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = START_MS
        self.trust: Trust | None = TRUST
        self._drawn = 0
        self.room = self.restarted()

    def restarted(self) -> Technicians:
        """As after a power cut."""
        self.room = Technicians(self.folder, TERMINAL, lambda: self.trust, verify, lambda: self.now, self._entropy)
        return self.room

    def granted(self, grant: Grant, *names: str, seconds: int = 3600, terminal: str = TERMINAL) -> bytes:
        now_s = self.now // 1000
        return persons.sealed(grant.statement(terminal, 1, now_s, now_s + seconds), *(names or ("anna",))).encode()

    def by_key(self, action: Action = Action.RECOVER, person: str = "Tess Till", key: str = "tess") -> object:
        challenge = self.room.challenge()
        signature = persons.key(key).sign(to_be_answered(TERMINAL, action, challenge))
        return self.room.let_in_by_key(person, action, challenge, signature)

    def _entropy(self, octets: int) -> bytes:
        self._drawn += 1
        return hashlib.sha256(bytes([self._drawn])).digest()[:octets]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "technicians")


def by_code() -> Grant:
    return Grant(
        "Tom Till", (Action.DEVICES,), totp=close(RFC_SECRET, KEY.public_key(), box_context(TERMINAL, "Tom Till"))
    )


def test_let_in_by_key_for_what_was_granted(place: Place) -> None:
    place.room.take(place.granted(BY_KEY))
    admitted = place.by_key()
    assert (admitted.person, admitted.action, admitted.signed) == ("Tess Till", Action.RECOVER, ("anna",))  # type: ignore[attr-defined]
    for wrong in ({"action": Action.KEYS}, {"person": "Tom Till"}, {"key": "tom"}):
        with pytest.raises(NotLetIn, match="no grant of that name and action"):
            place.by_key(**wrong)  # type: ignore[arg-type]


def test_whose_word_counts_is_asked_anew_each_time(place: Place) -> None:
    place.room.take(place.granted(BY_KEY))
    place.trust = persons.trust("carla", needed=1, kinds=(KIND,))  # the persons were exchanged
    assert place.room.grants() == []
    with pytest.raises(NotLetIn, match="no grant of that name and action"):
        place.by_key()
    place.room.take(place.granted(BY_KEY, "carla"))
    place.by_key()
    place.trust = None
    with pytest.raises(NotLetIn, match="nobody may grant anything here"):
        place.room.take(place.granted(BY_KEY, "carla"))
    assert place.room.tidy() == 1


def test_an_answer_is_for_one_challenge_and_one_action(place: Place) -> None:
    place.room.take(place.granted(BY_KEY))
    challenge = place.room.challenge()
    signature = persons.key("tess").sign(to_be_answered(TERMINAL, Action.DIAGNOSTICS, challenge))
    for action, shown in ((Action.RECOVER, challenge), (Action.DIAGNOSTICS, place.room.challenge())):
        with pytest.raises(NotLetIn):
            place.room.let_in_by_key("Tess Till", action, shown, signature)


@pytest.mark.parametrize(
    ("now_s", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037"),
     (20000000000, "353130")],
)  # fmt: skip
def test_codes_of_rfc_6238_are_taken_once(now_s: int, code: str, place: Place) -> None:
    """RFC 6238, appendix B, SHA-1; its eight digits cut to six."""
    place.now = now_s * 1000
    place.room.take(place.granted(by_code()))
    assert place.room.let_in_by_code("Tom Till", Action.DEVICES, code, KEY_PEM).person == "Tom Till"
    with pytest.raises(NotLetIn):
        place.restarted().let_in_by_code("Tom Till", Action.DEVICES, code, KEY_PEM)


def test_a_code_whose_secret_was_for_an_earlier_key_says_so(place: Place) -> None:
    place.room.take(place.granted(by_code()))
    renewed = ec.derive_private_key(0x777, ec.SECP256R1())
    pem = renewed.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(NotLetIn, match="another key") as caught:
        place.room.let_in_by_code("Tom Till", Action.DEVICES, "287082", pem)
    assert "grant it anew" in caught.value.hint


def test_a_grant_that_cannot_be_kept_is_refused_with_its_cure(place: Place) -> None:
    place.folder.write_bytes(b"a file where the folder should be")
    with pytest.raises(NotLetIn) as caught:
        place.room.take(place.granted(BY_KEY))
    assert "rights" in caught.value.hint


def test_a_phone_one_step_off_is_let_in_and_two_are_not(place: Place) -> None:
    place.room.take(place.granted(by_code()))
    made = TOTP(RFC_SECRET, 6, SHA1(), 30)
    for steps, good in ((-2, False), (2, False), (1, True)):
        code = made.generate(place.now // 1000 + 30 * steps).decode()
        if good:
            place.room.let_in_by_code("Tom Till", Action.DEVICES, code, KEY_PEM)
        else:
            with pytest.raises(NotLetIn):
                place.room.let_in_by_code("Tom Till", Action.DEVICES, code, KEY_PEM)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "\u0661\u0662\u0663\u0664\u0665\u0666", "abcdef"])
def test_what_is_no_code(code: str, place: Place) -> None:
    place.room.take(place.granted(by_code()))
    with pytest.raises(NotLetIn):
        place.room.let_in_by_code("Tom Till", Action.DEVICES, code, KEY_PEM)


def test_five_wrong_tries_lock_and_the_lock_grows_over_restarts(place: Place) -> None:
    place.room.take(place.granted(BY_KEY))
    for _ in range(FREE_TRIES):
        with pytest.raises(NotLetIn):
            place.by_key(key="thief")
    for locked_s in (60, 120, 240, 480):
        place.restarted()
        with pytest.raises(NotLetIn, match=f"locked for {locked_s} s"):
            place.by_key()
        place.now += locked_s * 1000
        if locked_s < 480:
            with pytest.raises(NotLetIn, match="no grant"):
                place.by_key(key="thief")
    place.by_key()
    assert place.room.locked_ms() == 0
    with pytest.raises(NotLetIn, match="no grant"):  # the count begins anew
        place.by_key(key="thief")


def test_a_try_is_counted_before_it_is_judged(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.room.take(place.granted(BY_KEY))

    def cut(*_: object) -> bool:
        raise KeyboardInterrupt

    for _ in range(FREE_TRIES):
        monkeypatch.setattr(place.room, "_verify", cut, raising=True)
        with pytest.raises(KeyboardInterrupt):
            place.by_key()
        place.restarted()
    with pytest.raises(NotLetIn, match="locked"):
        place.by_key()


def test_without_a_grant_nobody_is_let_in(place: Place) -> None:
    with pytest.raises(NotLetIn, match="no grant"):
        place.by_key()
    with pytest.raises(NotLetIn, match="no grant"):
        place.room.let_in_by_code("admin", Action.DEVICES, "000000", KEY_PEM)


def test_grants_that_do_not_hold(place: Place) -> None:
    for octets, cause in (
        (place.granted(BY_KEY, "mallory"), "no known key signed it"),
        (place.granted(BY_KEY, terminal="TG000002"), "another terminal"),
        (b"{}", "object of"),
        (b" " * (LARGEST_GRANT + 1), "at most"),
    ):
        with pytest.raises(NotLetIn, match=cause):
            place.room.take(octets)
    assert not list(place.folder.glob("*.grant"))


def test_a_grant_ends_and_is_tidied_away(place: Place) -> None:
    place.room.take(place.granted(BY_KEY, seconds=60))
    place.by_key()
    place.now += 60_000
    with pytest.raises(NotLetIn, match="no grant"):
        place.by_key()
    assert place.room.grants() == []
    assert place.room.tidy() == 1


def test_a_damaged_count_locks(place: Place) -> None:
    place.room.take(place.granted(BY_KEY))
    (place.folder / "tries.json").write_text("{")
    with pytest.raises(NotLetIn, match="locked for 86400 s"):
        place.by_key()


def test_a_box_is_for_one_terminal_and_one_person() -> None:
    box = close(RFC_SECRET, KEY.public_key(), box_context(TERMINAL, "Tom Till"))
    assert open_box(box, KEY_PEM, box_context(TERMINAL, "Tom Till")) == RFC_SECRET
    other = ec.derive_private_key(77, ec.SECP256R1())
    other_pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for wrong, pem, context in (
        (box, KEY_PEM, box_context("TG000002", "Tom Till")),
        (box, KEY_PEM, box_context(TERMINAL, "Tess Till")),
        (box, other_pem, box_context(TERMINAL, "Tom Till")),
        (box[:-1] + bytes([box[-1] ^ 1]), KEY_PEM, box_context(TERMINAL, "Tom Till")),
        (b"\x04" + bytes(100), KEY_PEM, b""),
    ):
        with pytest.raises(IntegrityError):
            open_box(wrong, pem, context)
    with pytest.raises(DecodeError):
        open_box(b"", KEY_PEM, b"")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        '{"person":"T","actions":[],"key":"","totp":""}',
        '{"person":"T","actions":["keys","keys"],"key":"","totp":"AA=="}',
        '{"person":"T","actions":["root"],"key":"","totp":"AA=="}',
        '{"person":"T","actions":["keys"],"key":"","totp":""}',
        '{"person":"T","actions":["keys"],"key":"AA==","totp":""}',
        '{"person":"T\\u001b[2J","actions":["keys"],"key":"","totp":"AA=="}',
        '{"person":"T","actions":["keys"],"key":"","totp":1}',
    ],
)
def test_what_is_no_grant(body: str) -> None:
    with pytest.raises(DecodeError):
        read_grant(body)


def test_a_grant_has_an_end() -> None:
    with pytest.raises(EncodeError, match="at most 30 days"):
        BY_KEY.statement(TERMINAL, 1, 0, LONGEST_S + 1)
