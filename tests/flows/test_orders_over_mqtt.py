# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders to a whole agent over mosquitto: each is carried out, refused or told, and head office has the answer.

Who gives them is a test's head office, which holds no person's key: it can only carry what persons signed.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from protocols.identity.grants import Action, Grant
from protocols.signed import Envelope, Statement, Trust
from protocols.telemetry.orders import ORDERS, order_statement, trust_statement
from terminal_agent.clock import SystemClock
from tests.brokers import broker
from tests.flows.lives import Agent, Cradle, living
from tests.flows.shop import Shop
from tests.flows.stage import PROFILE, TERMINAL
from tests.protocols.persons import key, public_pem, sealed
from tests.protocols.telemetry.test_orders import FRESH
from tests.receipts import Office, office, receipt_key

PERSONS = ("anna", "bernd", "clara")
IDENTITY = """[identity]
authority = "pki/ca.pem"
acquirer = "123456"
licence = "LIC-2026-77"
serial = "SN-00042"
location = "+52.5200+013.4050"
"""
USB_POLICY = "title = 'Till in the hall'\nrules = '''allow id 1d6b:*'''\n"
USB_EXCEPTION = "reason = 'ticket'\nrules = '''allow id 0951:1666'''\n"


def trust_file(folder: Path) -> None:
    """The persons of the terminal's profile, and those who sign USB policies."""
    for name in PERSONS:
        (folder / f"{name}.pem").write_text(public_pem(name))
    kinds = '["order", "order-grave", "trust", "profile", "usb-policy", "usb-exception", "technician-grant"]'
    persons = "".join(f'[[persons]]\nname = "{name}"\nkey = "{name}.pem"\nmay = {kinds}\n' for name in PERSONS)
    numbers = (
        "order = 1\norder-grave = 2\ntrust = 2\nprofile = 2\nusb-policy = 2\nusb-exception = 1\ntechnician-grant = 1\n"
    )
    (folder / "trust.toml").write_text(f"{persons}[thresholds]\n{numbers}")


@dataclass
class Desk:
    """Head office and the terminal that it orders about."""

    shop: Shop
    cradle: Cradle
    office: Office
    sequence: int = 0

    def statement(self, name: str, /, **arguments: Any) -> Statement:
        """The next order."""
        self.sequence += 1
        now = SystemClock().now_ms() // 1000
        return order_statement(TERMINAL, self.sequence, now - 60, now + 600, f"o-{self.sequence}", name, **arguments)

    async def orders(self, name: str, /, *persons: str, **arguments: Any) -> dict[str, Any]:
        """Give an order and wait for its answer: the fields of ``order.done`` or ``order.refused``."""
        await self.told(lambda event: event.name == "agent.heartbeat")  # it listens: the broker has a session for it
        made = self.statement(name, **arguments)
        await self.office.order(
            TERMINAL, sealed(made, *(persons or (PERSONS[:2] if ORDERS[name].grave else PERSONS[:1])))
        )
        return await self.told(
            lambda event: event.name in ("order.done", "order.refused") and event.fields["order"] == f"o-{made.version}"
        )

    async def told(self, holds: Callable[[Any], bool]) -> dict[str, Any]:
        """The fields of the first committed event of which that holds."""
        for _ in range(1_000):
            for report in self.office.committed.rows.values():
                if holds(report.event):
                    return {"event": report.event.name, **report.event.fields}
            await asyncio.sleep(0.01)
        events = [report.event.name for report in self.office.committed.rows.values()]
        raise AssertionError(f"not told within ten seconds; told was {events}")


@contextlib.asynccontextmanager
async def desk(folder: Path, more: str = "") -> AsyncIterator[Desk]:
    """A shop whose agent obeys three persons; ``more`` of its profile."""
    shop = Shop(folder)
    trust_file(folder)
    receipt_key(folder)
    shop.more = (
        'receipt-key = "receipts.pem"\n[orders]\ntrust = "trust.toml"\nusb = "usb"\nusb-trust = "trust.toml"\n' + more
    )
    async with shop.open(), broker("mosquitto", shop.pki, folder) as running:
        shop.values["broker"] = running.address
        shop.write_profile()
        async with office(shop.pki, running.port) as head, Cradle.open() as cradle:
            yield Desk(shop, cradle, head)


async def refused(agent: Agent) -> str:
    """Why a payment does not begin."""
    answer = await agent.call("payment.start", amount=4200, currency="EUR")
    return str(answer["error"]["message"])


async def test_locked_frozen_thawed_unlocked(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        async with living(here.shop, here.cradle) as agent:
            assert (await here.orders("ping"))["result"] == "here"
            assert (await here.orders("lock", reason="till is short"))["result"] == "locked: till is short"
            assert "locked by order of head office" in await refused(agent)
        async with living(here.shop, here.cradle) as agent:  # over a restart
            assert "locked by order of head office" in await refused(agent)
            said = (await agent.call("system.hello"))["result"]["parts"]["standing"]
            assert said == {"up": False, "words": "locked by order of head office: no payments"}
            assert (await here.orders("freeze", reason="inquiry"))["event"] == "order.done"
            assert (await here.orders("unlock", reason="please"))["reason"] == "the terminal is frozen"
            assert (await here.orders("thaw", reason="inquiry over"))["result"] == "locked: inquiry over"
            one = await here.orders("unlock", "anna", reason="alone")
            assert one["reason"].startswith("too few persons signed it")
            assert (await here.orders("unlock", reason="all well"))["result"] == "open: all well"
            assert (await agent.pays())["outcome"] == "approved"
        heartbeat = await here.told(lambda event: event.name == "agent.heartbeat")
        assert heartbeat["every_s"] == 60
        head = await here.told(lambda event: event.name == "audit.head")
        assert head["records"] > 0
        assert here.office.committed.linked()


async def test_diagnostics_resend_and_what_is_not_there(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, living(here.shop, here.cradle) as agent:
        assert (await agent.pays())["outcome"] == "approved"
        done = await here.orders("diagnostics")
        await here.told(lambda event: event.name == "diagnostics" and event.fields["part"] == "acquirer")
        parts = {
            str(report.event.fields["part"]): str(report.event.fields["words"])
            for report in here.office.committed.rows.values()
            if report.event.name == "diagnostics"
        }
        assert done["result"] == f"{len(parts)} parts told"
        assert parts["standing"] == "open"
        assert parts["orders"] == "last sequence 1; persons' list 0"
        assert parts["pad"] == "present"
        boot = max(boot for _, boot, _ in here.office.committed.rows)
        assert (await here.orders("resend", boot=boot, first=1, last=3))["event"] == "order.done"
        gone = await here.told(lambda event: event.name == "report.dropped")  # they had receipts: the terminal has none
        assert gone["ranges"] == "1..3"
        assert "never made" in (await here.orders("resend", boot=boot, first=1, last=90_000))["reason"]
        for name, arguments in (("rotate-keys", {"slot": "pin", "block": "D" + "0" * 47}), ("renew-certificate", {})):
            assert (await here.orders(name, **arguments))["reason"] == f"{name}: not available on this terminal"


async def test_policies_and_exceptions_bring_their_own_signatures(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, living(here.shop, here.cradle):
        now = SystemClock().now_ms() // 1000

        def policy(version: int, *persons: str, kind: str = "usb-policy", body: str = USB_POLICY) -> str:
            return _text(sealed(Statement(kind, TERMINAL, version, now - 60, now + 3_600, body), *persons))

        assert (await here.orders("policy", statement=policy(3, "anna", "clara")))[
            "result"
        ] == "policy version 3 in force"
        older = await here.orders("policy", statement=policy(2, "anna", "clara"))
        assert "a newer version was believed before" in older["reason"]
        alone = await here.orders("policy", statement=policy(4, "anna"))
        assert "too few persons signed it" in alone["reason"]
        other = await here.orders("policy", statement=policy(4, "anna", "clara", kind="usb-exception"))
        assert "it is of another kind" in other["reason"]
        assert json.loads((tmp_path / "usb/floor.json").read_bytes())["version"] == 3
        done = await here.orders(
            "exception", name="visit", statement=policy(1, "bernd", kind="usb-exception", body=USB_EXCEPTION)
        )
        assert done["event"] == "order.done", done
        noise = await here.orders("policy", statement="noise")
        assert "not a JSON document" in noise["reason"]


async def test_a_profile_is_in_force_from_the_next_start_and_never_an_older_one(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        now = SystemClock().now_ms() // 1000
        text = PROFILE.format(**here.shop.values) + here.shop.more

        def profile(version: int, body: str, *persons: str) -> str:
            return _text(sealed(Statement("profile", TERMINAL, version, now - 60, now + 3_600, body), *persons))

        dear = text.replace("transaction-limit = 500000", "transaction-limit = 1000")
        assert dear != text
        async with living(here.shop, here.cradle) as agent:
            assert (await here.orders("profile", statement=profile(2, dear, "anna", "bernd")))["event"] == "order.done"
            assert (await agent.pays())["outcome"] == "approved"  # the one of before is still in force
        async with living(here.shop, here.cradle) as agent:
            assert (await agent.pays())["outcome"] != "approved"
            assert (
                "a newer version"
                in (await here.orders("profile", statement=profile(1, text, "anna", "bernd")))["reason"]
            )
            assert "too few" in (await here.orders("profile", statement=profile(3, text, "anna")))["reason"]
            broken = await here.orders("profile", statement=profile(3, text + "[more]\n", "anna", "bernd"))
            assert "unknown key" in broken["reason"]
            deaf = text.replace('[orders]\ntrust = "trust.toml"\nusb = "usb"\nusb-trust = "trust.toml"\n', "")
            assert (
                "without [orders]"
                in (await here.orders("profile", statement=profile(3, deaf, "anna", "bernd")))["reason"]
            )
            assert (await here.orders("profile", statement=profile(3, text, "anna", "bernd")))["event"] == "order.done"
        async with living(here.shop, here.cradle) as agent:
            assert (await agent.pays())["outcome"] == "approved"


async def test_persons_are_exchanged_over_the_wire(tmp_path: Path) -> None:
    async with desk(tmp_path, IDENTITY) as here, living(here.shop, here.cradle) as agent:
        now = SystemClock().now_ms() // 1000
        tess = Grant("Tess Till", (Action.DIAGNOSTICS,), key=key("tess").public)

        async def granted(person: str) -> dict[str, Any]:
            octets = sealed(tess.statement(TERMINAL, 1, now - 60, now + 600), person).encode()
            return await agent.call("technician.take", grant=octets.hex())

        assert (await granted("anna"))["result"]["person"] == "Tess Till"
        await here.told(lambda event: event.name == "agent.heartbeat")
        kinds = {"technician-grant"}
        fresh = Trust(
            tuple(replace(person, kinds=person.kinds | kinds) for person in FRESH.persons),
            {**FRESH.thresholds, "technician-grant": 1},
        )
        statement = trust_statement(fresh, 1, now - 60, now + 600, TERMINAL)
        await here.office.order(TERMINAL, sealed(statement, "anna", "bernd", "doris", "emil"))
        rotated = await here.told(lambda event: event.name == "trust.rotated")
        assert (rotated["persons"], rotated["version"]) == ("anna, bernd, doris, emil", 1)
        await here.office.order(TERMINAL, sealed(here.statement("lock", reason="x"), "anna"))
        assert (await here.told(lambda event: event.name == "order.alert"))["cause"] == "nobody"
        assert (await here.orders("lock", "doris", reason="x"))["event"] == "order.done"
        assert (await agent.call("technician.list"))["result"]["grants"] == []  # anna's word counts no more
        assert "no known key signed it" in (await granted("anna"))["error"]["message"]
        assert (await granted("doris"))["result"]["person"] == "Tess Till"


async def test_a_head_office_without_persons_can_order_nothing(tmp_path: Path) -> None:
    """Whoever holds head office's machines has its certificate, its receipt key and every order that was ever sent."""
    async with desk(tmp_path) as here, living(here.shop, here.cradle) as agent:
        await here.told(lambda event: event.name == "agent.heartbeat")
        lock = sealed(here.statement("lock", reason="x"), "anna")
        await here.office.order(TERMINAL, lock)
        await here.told(lambda event: event.name == "order.done")
        assert (await here.orders("unlock", reason="x"))["event"] == "order.done"
        for forged in (
            lock,  # again
            Envelope(here.statement("lock", reason="x").encode()),  # unsigned
            Envelope(here.statement("lock", reason="x").encode(), lock.signatures),  # with the signature of another
            sealed(here.statement("lock", reason="x"), "mallory"),
        ):
            await here.office.order(TERMINAL, forged)
        assert (await here.orders("ping"))["event"] == "order.done"  # all of them were looked at
        assert (await agent.pays())["outcome"] == "approved"
        alerts = [r.event.fields["cause"] for r in here.office.committed.rows.values() if r.event.name == "order.alert"]
        assert sorted(alerts) == ["nobody", "nobody", "nobody", "old"]


def _text(envelope: Envelope) -> str:
    return envelope.encode().decode("ascii").strip()
