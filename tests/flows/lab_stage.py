# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A whole terminal on real daemons: pcscd with vpcd and pyscard, mosquitto; the rest as on the stage. Tests nothing."""

from pathlib import Path
from types import TracebackType

from device_profiles import catalog
from scripts.lib.stations import Station
from tests.flows.stage import Stage
from tests.private_pcscd import FIRST_SLOT, PrivatePcscd, Twin
from tests.secrets.twins import PlantedProfiles
from tests.twin_pcscd import READER, TwinPcscd

CONTACT = """
[[emv.contact]]
aid = "A0000000031010"
application-version = "0096"
"""
CONTACTLESS_READER = """\
model = "pcsc-contactless"
title = "a contactless reader behind the PC/SC service"
protocol = "pcsc"
[pcsc]
interface = "contactless"
"""
_PLANTED = ("pan", "discretionary", "test-mk-ac", "test-pin")


def with_contact(profile: str) -> str:
    """A terminal profile that takes contact cards too."""
    before, section, after = profile.partition("[acquirer]\n")
    return before + CONTACT + section + after


def planted_contact_card(planted: PlantedProfiles, like: str = "test-visa-contact") -> Path:
    """A shipped contact card with the planted account, key and PIN, beside the planted contactless one."""
    values = [line for line in planted.card.read_text().splitlines() if line.split(" = ")[0] in _PLANTED]
    text = catalog.find("cards", like).read_text()
    for value in values:
        key = value.split(" = ")[0]
        lines = [value if line.split(" = ")[0].strip() == key else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
    path = planted.card.with_name("contact-card.toml")
    path.write_text(text)
    return path


class LabStage(Stage):
    """The stage with a card in a virtual reader of a private pcscd, and with mosquitto."""

    interface = "contact"
    like = "test-visa-contact"
    """The shipped contact card that the planted one is made from."""
    pcscd: PrivatePcscd | TwinPcscd

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, fault, trace)
        if hasattr(self, "pcscd"):
            self.pcscd.__exit__(kind, fault, trace)

    def reader(self, *options: str) -> Station:
        """pcscd, and the planted card in its reader."""
        service = PrivatePcscd(heard=self._keep)
        self.pcscd = service
        service.__enter__()
        card = planted_contact_card(self.planted, self.like) if self.interface == "contact" else self.planted.card
        self.card: Twin = service.card("--after-use", "return", "--trace", *options, card=str(card))
        self.values["reader"] = f"pcsc:{FIRST_SLOT}"
        return service.daemon

    def broker(self, *options: str) -> Station:
        """The real mosquitto."""
        return super().broker("--kind", "mosquitto", *options)

    def profile(self) -> Path:
        """The terminal profile, with the reader behind PC/SC."""
        path = super().profile()
        model = "pcsc"
        if self.interface == "contactless":
            model = "contactless.toml"
            (self.folder / model).write_text(CONTACTLESS_READER)
        path.write_text(with_contact(path.read_text()).replace('model = "pn532"', f'model = "{model}"'))
        return path


class ServiceStage(LabStage):
    """The stage with a card in a reader of our own PC/SC service."""

    def reader(self, *options: str) -> Station:
        """The service, and the planted card in its reader."""
        service = TwinPcscd("--trace", "--reader", READER, heard=self._keep)
        self.pcscd = service
        service.__enter__()
        card = planted_contact_card(self.planted, self.like) if self.interface == "contact" else self.planted.card
        service.card("--after-use", "return", *options, card=str(card))
        self.values["reader"] = f"pcsc:{READER}"
        return service.station

    def broker(self, *options: str) -> Station:
        """The broker twin."""
        return Stage.broker(self, *options)
