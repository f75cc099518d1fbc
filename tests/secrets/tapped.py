# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One approved payment of a whole terminal with a pad, every wire between its processes tapped. Searches nothing."""

import contextlib

from tests.flows.stage import Stage
from tests.secrets.office import Office
from tests.secrets.taps import PtyTap, Recording, TcpTap, UnixTap


def tapped(stage: Stage) -> dict[str, Recording]:
    """What each wire carried, by its name; nothing of the stage has been started before."""
    with contextlib.ExitStack() as taps:
        stage.reader()
        stage.pad()
        reader = taps.enter_context(PtyTap(stage.folder / "reader"))
        pad = taps.enter_context(PtyTap(stage.folder / "pad"))
        stage.values |= {"reader": reader.path, "pad": pad.path}
        station = stage.hsm()
        hsm = taps.enter_context(TcpTap(station.ready["address"]))
        station.ready["address"] = hsm.address
        stage.acquirer(tls=False)
        acquirer = taps.enter_context(TcpTap(stage.values["acquirer"]))
        stage.values["acquirer"] = acquirer.address
        stage.broker()
        office = taps.enter_context(Office(stage.values["broker"], stage.folder / "pki"))
        stage.agent()
        local = taps.enter_context(UnixTap(stage.folder / "agent.sock"))
        assert stage.pay()["outcome"] == "approved"
        office.wait_for_the_end()
        return {
            "reader": reader.recording,
            "pad": pad.recording,
            "hsm": hsm.recording,
            "acquirer": acquirer.recording,
            "socket": local.recording,
            "reports": office.recording,
        }
