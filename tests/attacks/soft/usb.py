# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""USB policies that lack one defence, as they are found: ids alone, no limits for keyboards, one person's word."""

from protocols.signed import Trust
from tests.protocols.persons import trust


def by_ids_alone(policy: str) -> str:
    """Devices are known by vendor and product, wherever they are and whatever they show: usbguard's shortest rules."""
    head, _, rest = policy.partition("rules = '''")
    _, _, tail = rest.partition("'''")
    rules = "\n".join(
        (
            'allow id 1d6b:* label "root hubs"',
            'allow id 05e3:0608 label "hub"',
            'allow id 11ca:0220 label "pad"',
            'allow id 0781:5567 label "stick"',
            'allow id 046d:c31c label "keyboard"',
        )
    )
    return f"{head}rules = '''\n{rules}\n'''{_without_needs(tail)}"


def without_limits(policy: str) -> str:
    """A keyboard may type as it likes."""
    return policy.replace(" if keystroke-rate(30,8)", "")


def one_is_enough() -> Trust:
    """Whoever has one key may do everything."""
    return trust("anna", "ben", "carl", needed=1)


def _without_needs(tail: str) -> str:
    return tail
