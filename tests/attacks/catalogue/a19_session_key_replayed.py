# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A19: an old session key, known by now, is sent to the pad again, so that a PIN comes out under it."""

import warnings

from protocols.serial.ipp import SelectKey
from protocols.serial.ipp_entry import SessionPinBlock
from tests.attacks.harness import Attack, Case
from tests.attacks.hosts_desk import YESTERDAY, HostsDesk, hosts_desk
from tests.attacks.soft.pad import ForgetfulSessions
from tests.device_profiles.twins.master_pads import session
from tests.device_profiles.twins.pads import TEST_PAN, TEST_PIN


def _reads(target: HostsDesk) -> bool:
    import psec.des
    import psec.pinblock

    reply = target.pin_under(session(YESTERDAY))
    if not isinstance(reply, SessionPinBlock):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # psec's use of cryptography
        clear = psec.des.decrypt_tdes_ecb(YESTERDAY, reply.block)
    return bool(psec.pinblock.decode_pinblock_iso_0(clear, TEST_PAN.digits) == TEST_PIN)


async def send_the_old_cryptogram(target: HostsDesk) -> bool:
    """With yesterday's session key leaked: send its captured cryptogram in Z60 and decipher what comes back."""
    return _reads(target)


async def switch_off_and_send(target: HostsDesk) -> bool:
    """The same after the pad was switched off and on, in case it forgot."""
    memory = target.bench.keys.memory()
    target.bench.keys.remember(memory)
    target.bench.switch_on(target.bench.keys)
    target.ask(SelectKey("0"))
    return _reads(target)


def _case(name: str, strike: object) -> Case[HostsDesk]:
    assert callable(strike)
    return Case(
        name,
        soft=lambda folder: hosts_desk(folder, sessions=ForgetfulSessions),
        hardened=hosts_desk,
        strike=strike,
        alert="a session key refused: weak, or replaced before",
        told="whoever reads the pad's notes",
    )


ATTACK = Attack(
    id="A19",
    title="Session key replayed to a pad",
    reference="packets 70 and Z60 under master and session keys: the host names the session key by its cryptogram",
    attacker="knows a session key of the past and has its cryptogram; speaks to the pad, wants PINs under that key",
    soft="a pad that remembers no session key",
    defence="a session key that was replaced never comes back, in whatever cryptogram and from whatever slot; what the "
    "pad has seen outlives its power. A terminal of ours asks under DUKPT, where nobody names a key at all",
    cases=(
        _case("old cryptogram", send_the_old_cryptogram),
        _case("after a power cycle", switch_off_and_send),
    ),
)
