# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A34: a program with root's rights on the terminal reads account numbers out of the memory of payment software."""

from tests.attacks.harness import Attack, Case
from tests.attacks.tills import Debugger, TillTarget, soft_till, till

PAYS = ("worker", "agent")  # which process makes payments: a worker where there is one


async def look_on_as_a_debugger(target: TillTarget) -> bool:
    """Attach to the process that makes the payment, let a customer pay, and read everybody's memory afterwards.

    Everybody is agent, source of workers and worker, and with them, where they are, vault and warden.
    """
    named = {process.name: process.pid for process in target.processes}
    with Debugger(next(named[name] for name in PAYS if name in named)):
        await target.pay()
        return bool(target.found())


ATTACK = Attack(
    id="A34",
    title="Account numbers scraped from memory",
    reference="BlackPOS, 2013, and its kind: a program scans the memory of payment software for track data; Valtman, "
    "DEF CON 22, 2014",
    attacker="runs a program with root's rights on the terminal; wants the account numbers of all customers",
    soft="a terminal whose agent handles cards in its own process, for as long as it runs",
    defence="what sees an account number is a worker process that ends with its payment, so none is in memory but "
    "while a card is at the reader; a worker that is traced takes no card. Root may read a worker's memory in that "
    "moment: see docs/account-data.md, and tests/flows/test_account_data.py for what is left afterwards",
    cases=(
        Case(
            "debugger at the payment's process",
            soft=soft_till,
            hardened=till,
            strike=look_on_as_a_debugger,
            alert="payment.alert",
            told="head office, by the report of the payment",
        ),
    ),
)
