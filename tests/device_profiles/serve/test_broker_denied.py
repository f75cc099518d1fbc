# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Both brokers tell of a terminal that tries more than it may; what mosquitto's log says of it, line by line."""

import json

import pytest
from mqtt5 import QoS, Will

from device_profiles.serve.mosquitto_log import LARGEST_CROWD, Watchman
from device_profiles.twins.broker_access import Deed, Trespass
from tests.attacks.mqtt_party import party
from tests.brokers import KINDS, Pki, make_pki
from tests.device_profiles.serve.test_broker_command import command, serving

T1, T2 = "pos/v1/s20/TG000001", "pos/v1/s37/TG000002"
JOINED = "New client connected from 127.0.0.1:37404 as TG000002-x (p5, c1, k60, u'TG000002')."


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_runs_the_broker_is_told(kind: str, pki: Pki) -> None:
    async with serving(*command(pki, "--json", "--kind", kind)) as (process, ready):
        port = int(ready["address"].partition(":")[2])
        will = Will(f"{T1}/alert", payload=b"gone", qos=QoS.AT_LEAST_ONCE)
        async with party(port, pki, "TG000002") as rogue, party(port, pki, "TG000002", client_id="other", will=will):
            await rogue.publish(f"{T2}/alert", b"allowed")
            await rogue.publish(f"{T1}/alert", b"x")
            await rogue.subscribe("pos/v1/#", f"{T2}/order")
            await rogue.publish(f"{T2}/alert", b"x", retain=True)
        process.terminate()
        out, _ = await process.communicate()
    said = [json.loads(line) for line in out.splitlines()]
    assert {line["event"] for line in said} == {"denied"}
    assert sorted((line["deed"], line["topic"], line["client"]) for line in said) == [
        ("listen", "pos/v1/#", "TG000002"),
        ("packet", "" if kind == "mosquitto" else f"{T2}/alert", "TG000002"),
        ("publish", f"{T1}/alert", "TG000002"),
        ("will", f"{T1}/alert", "TG000002"),
    ]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["Denied PUBLISH from TG000002-x (d0, q1, r0, m1, 'pos/v1/s20/TG000001/alert', ... (1 bytes))"],
         Trespass("TG000002", Deed.PUBLISH, f"{T1}/alert")),
        (["TG000002-x 1 pos/v1/#"], Trespass("TG000002", Deed.LISTEN, "pos/v1/#")),
        (["TG000002-x 1 $share/x/pos/v1/#"], Trespass("TG000002", Deed.LISTEN, "$share/x/pos/v1/#")),
        (["TG000002-x 1 pos/v1/s37/TG000002/order"], None),
        (["Will message specified (1 bytes) (r0, q1).", "\tpos/v1/s20/TG000001/alert"],
         Trespass("TG000002", Deed.WILL, f"{T1}/alert")),
        (["Will message specified (1 bytes) (r0, q1).", "\tpos/v1/s37/TG000002/alert"], None),
        (["\tpos/v1/s20/TG000001/order (QoS 1)"], None),
        (["Bad socket read/write on client TG000002-x: Unknown error."], Trespass("TG000002", Deed.PACKET)),
        (["Received PUBLISH from TG000002-x (d0, q1, r0, m1, 'pos/v1/s37/TG000002/alert', ... (1 bytes))"], None),
        (["Client TG000002-x disconnected."], None),
        (["Sending 1 pos/v1/#"], None),
    ],
)  # fmt: skip
def test_lines_of_mosquittos_log(lines: list[str], found: Trespass | None) -> None:
    watchman = Watchman()
    assert watchman.read(JOINED) is None
    *before, last = lines
    assert [watchman.read(line) for line in before] == [None] * len(before)
    assert watchman.read(last) == found


def test_a_client_whose_certificate_was_forgotten_goes_by_its_id() -> None:
    watchman = Watchman()
    watchman.read(JOINED)
    for number in range(LARGEST_CROWD):
        watchman.read(JOINED.replace("TG000002-x", f"client{number}"))
    denied = "Denied PUBLISH from TG000002-x (d0, q1, r0, m1, 'x', ... (1 bytes))"
    assert watchman.read(denied) == Trespass("TG000002-x", Deed.PUBLISH, "x")


def test_a_trespass_in_words_is_one_line() -> None:
    assert Trespass("TG000002", Deed.LISTEN, "pos/\n#").words == "denied to TG000002: listen pos/?#"
    assert Trespass("TG000002", Deed.PACKET).words == "denied to TG000002: packet"
