# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Account data that a terminal enciphered where it read them: opened by the HSM, each key once. Holds no key.

A refusal has its own words in every case, since each means another thing: a replayed key is somebody who sends again
what he has seen; data that do not decipher were changed by somebody who can make MACs; a masked number that differs
was put beside the data of another card.
"""

from dataclasses import dataclass, replace

from device_profiles.acquirer_profile import KeysUnderTestLmk
from device_profiles.twins import acquirer_hsm as hsm
from device_profiles.twins.acquirer_hsm import Dialogue, HsmGone, HsmRefused
from device_profiles.twins.acquirer_ledger import Ledger
from protocols.acquirer.account import EncipheredAccount, read_account_data
from protocols.acquirer.message import Message
from protocols.errors import DecodeError
from protocols.hsm.fields import KeyField

TDES_KSN_OCTETS = 10
MALFORMED, UNABLE, SUSPECT = "30", "58", "59"
"""None of them is one that a terminal asks again after: what was refused so stays refused."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A message with its account in clear; or why there is none: a response code, and words for reason and check."""

    message: Message
    code: str = ""
    reason: str = ""
    check: str = ""


class Accounts:
    """What opens them."""

    def __init__(self, keys: KeysUnderTestLmk, ledger: Ledger) -> None:
        self._bdk = KeyField.from_text(keys.data_bdk) if keys.data_bdk else None
        self._ledger = ledger

    def opened(self, message: Message) -> Dialogue[Opened]:
        """The message as the issuer wants it; one whose account data came in clear is left as it is.

        :class:`HsmGone` or :class:`HsmRefused` where nobody could open them: the key counts as not used then.
        """
        sent, control = message.account, message.security_control
        if (sent is not None) != (control is not None and control.track_enciphered):
            return Opened(message, MALFORMED, "DE53 says something else of the account data than is there", "malformed")
        if sent is None or control is None:
            return Opened(message)
        if message.pan is not None or message.track2 is not None or message.expiry is not None:
            return Opened(message, MALFORMED, "account data in clear beside enciphered ones", "malformed")
        if self._bdk is None:
            return Opened(message, UNABLE, "this bank has no key for account data", "no key")
        if len(sent.ksn) != TDES_KSN_OCTETS:
            return Opened(message, UNABLE, "account data: this bank opens those of TDES keys alone", "no key")
        if replay := self._ledger.take_data_key(sent.ksn):
            return Opened(message, SUSPECT, f"account data: {replay}", "replayed")
        try:
            clear = yield from hsm.account_data(self._bdk, sent.ksn, sent.cryptogram)
        except (HsmGone, HsmRefused):
            self._ledger.give_back_data_key(sent.ksn)
            raise
        plain = replace(message, account=None, security_control=replace(control, track_enciphered=False))
        return _read(plain, sent, clear)


def _read(message: Message, sent: EncipheredAccount, clear: bytes) -> Opened:
    try:
        found = read_account_data(clear)
    except DecodeError as refused:
        return Opened(message, SUSPECT, str(refused), "wrong")
    if found.masked != sent.masked:
        return Opened(message, SUSPECT, "account data: of another card than the masked number beside them", "wrong")
    return Opened(replace(message, pan=found.pan, expiry=found.expiry, track2=found.track2), check="opened")
