# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every order of the console without a socket: what it does, what it records first, what it refuses and why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm_sim.config import PolicySettings, Settings
from hsm_sim.console_actions import ACTIONS, perform
from hsm_sim.console_talk import Declined
from hsm_sim.engine.states import PERMITTED, Doing, State, Turn
from hsm_sim.simulator import ACTIVITIES
from protocols.secret import Secret
from tests.hsm_sim import live, oracle
from tests.hsm_sim.console_units import Bench

PARTS = [oracle.key().hex() for _ in range(2)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("unit"))
    yield bench
    bench.simulator.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.simulator.close()


def test_every_order_is_in_the_help(shared: Bench) -> None:
    assert shared.order("help") == {"orders": [action.usage for action in ACTIONS.values()]}
    assert all(action.summary for action in ACTIONS.values())
    assert len({action.name for action in ACTIONS.values()}) == len(ACTIONS)


@pytest.mark.parametrize("doing", sorted(Doing))
@pytest.mark.parametrize("state", list(State))
def test_an_order_is_declined_where_the_state_does_not_permit_it(shared: Bench, state: State, doing: Doing) -> None:
    shared.simulator.states.state = state
    try:
        if doing in PERMITTED[state]:
            return
        for action in ACTIONS.values():
            if action.doing is doing:
                words = [*action.name, *(["0"] * action.arguments.start)]
                with pytest.raises(Declined) as caught:
                    shared.order(*words)
                assert f"the unit is {state.value}" in caught.value.hint
    finally:
        shared.simulator.states.state = State.ONLINE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no such order"),
        (("dance",), "no such order"),
        (("state",), "other words expected"),
        (("status", "now"), "other words expected"),
        (("state", "asleep"), "one of online, offline, secure expected"),
        (("state", "secure"), "not in the state that this takes"),
        (("authorise", "everything"), "one of clear-pin"),
        (("authorise", "clear-pin", "0"), "a number from 1 to 720"),
        (("authorise", "clear-pin", "forever"), "a number from 1 to 720"),
        (("cancel", "everything"), "one of clear-pin"),
        (("keys", "show", "K00"), "3 hexadecimal digits"),
        (("keys", "show", "001", "7"), "an LMK identifier of two digits"),
        (("keys", "show", "001"), "no key of this name"),
        (("faults", "load", "relative.toml"), "whole path expected"),
        (("faults", "load", "/nowhere.toml"), "no such file"),
        (("faults", "load", "/dev/zero"), "a file expected"),
        (("settings", "nothing"), "no setting begins so"),
        (("authorise", "clear-pin", "\u0663"), "a number from 1 to 720"),
        (("audit", "last", "many"), "a number from 1 to 1000"),
    ],
)
def test_what_it_does_not_do(shared: Bench, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(Declined, match=said):
        shared.order(*words)


def test_turning_the_key_switch_is_recorded_and_hosts_meet_it(bench: Bench) -> None:
    assert bench.order("state", "offline") == {"state": "offline"}
    assert bench.ask(live.COMMANDS["CA"]) == "17"
    bench.order("state", "online")
    assert bench.ask(live.COMMANDS["CA"])[:2] == "00"
    assert bench.records == ["unit.started", "state.changed", "state.changed"]


def test_authorising_opens_a_command_and_ra_closes_it(bench: Bench) -> None:
    command = live.AUTHORISED["A4"]
    assert bench.ask(command) == "17"
    bench.order("authorise", "components", "10")
    assert bench.ask(command)[:2] == "00"
    assert bench.order("status")["authorised"] == {"components": 600}
    assert bench.ask("RA") == "00"
    assert bench.ask(command) == "17"
    assert bench.records == [
        "unit.started",
        "host.command",
        "activity.authorised",
        "host.command",
        "activity.cancelled",
        "host.command",
        "host.command",
    ]


def test_cancelling_at_the_console(bench: Bench) -> None:
    bench.order("authorise", "components")
    bench.order("authorise", "clear-pin")
    assert bench.order("cancel", "components") == {"ended": ["components"]}
    assert bench.order("cancel") == {"ended": ["clear-pin"]}
    assert bench.order("cancel") == {"ended": []}


def test_authorisations_end_with_the_unit(bench: Bench) -> None:
    bench.order("authorise", "components")
    bench.restart()
    assert bench.order("status")["authorised"] == {}


def test_settings_change_what_hosts_get_and_survive(bench: Bench) -> None:
    bench.order("state", "offline")
    assert bench.order("set", "policy.pin-formats", "0") == {"setting": "policy.pin-formats", "value": "0"}
    bench.order("commands", "disable", "cw", "CY")
    bench.order("state", "online")
    assert bench.ask(live.COMMANDS["CC"]) == "69"
    assert bench.ask(live.COMMANDS["CW"]) == "68"
    bench.restart()
    assert bench.ask(live.COMMANDS["CC"]) == "69"
    assert bench.ask(live.COMMANDS["CW"]) == "68"
    bench.order("state", "offline")
    assert bench.order("commands", "enable", "CW") == {"disabled": ["CY"]}
    bench.order("state", "online")
    assert bench.ask(live.COMMANDS["CW"])[:2] == "00"
    assert bench.order("settings", "commands")["settings"] == {"commands.disabled": "CY"}


def test_what_is_set_back_to_its_default_stays_so_and_the_files_settings_stay_the_files(tmp_path: Path) -> None:
    strict = Settings(policy=PolicySettings(settings={"policy.pin-formats": "0", "policy.pin-length": "6"}))
    bench = Bench(tmp_path, settings=strict)
    assert bench.order("settings", "policy.pin")["settings"] == {"policy.pin-length": "6", "policy.pin-formats": "0"}
    bench.order("state", "offline")
    bench.order("set", "policy.pin-formats", "0", "1", "3", "4")
    bench.restart()
    assert bench.order("settings", "policy.pin-formats")["settings"] == {"policy.pin-formats": "0 1 3 4"}
    bench.settings = Settings()
    bench.restart()
    assert bench.order("settings", "policy.pin-length")["settings"] == {"policy.pin-length": "12"}
    bench.simulator.close()


def test_an_order_out_of_its_state_is_recorded(bench: Bench) -> None:
    with pytest.raises(Declined):
        bench.order("lmk", "make", "00", "variant")
    record = bench.simulator.audit.last(1)[0]
    assert (record.name, record.fields) == ("order.refused", {"order": "lmk make", "state": "online"})


def test_a_setting_that_cannot_be_changes_nothing(bench: Bench) -> None:
    bench.order("state", "offline")
    before = bench.order("settings")
    with pytest.raises(Declined, match="4 to 12 expected"):
        bench.order("set", "policy.pin-length", "3")
    assert bench.order("settings") == before


def test_excluded_pins_are_neither_shown_nor_recorded(bench: Bench) -> None:
    bench.order("state", "offline")
    bench.order("set", "policy.excluded-pins", "8642", "9753")
    assert bench.order("settings", "policy.excluded-pins")["settings"] == {"policy.excluded-pins": "2 of them"}
    assert all("8642" not in str(record.fields) for record in bench.simulator.audit.last(10))


def test_guessing_closes_the_unit_until_a_person_opens_it(bench: Bench) -> None:
    bench.order("state", "offline")
    bench.order("set", "fraud.minute", "2")
    bench.order("state", "online")
    command = live.COMMANDS["DC"]
    wrong = command[:-1] + b"%d" % ((int(command[-1:]) + 1) % 10)
    assert [bench.ask(wrong) for _ in range(4)] == ["01", "01", "01", "39"]
    assert bench.ask(command) == "39"
    assert bench.ask(live.COMMANDS["CA"])[:2] == "00"
    bench.restart()
    assert bench.ask(command) == "39"
    assert bench.order("status")["closed_to_verifications"] is True
    assert "fraud.tripped" in bench.records
    bench.order("state", "offline")
    bench.order("fraud", "reset")
    bench.order("state", "online")
    assert bench.ask(command) == "00"


def test_a_key_from_components_is_one_that_hosts_can_name(bench: Bench) -> None:
    bench.secure()
    made = bench.order("keys", "form", "002", "K01A", secrets=[*PARTS, ""])
    assert len(bench.asked) == 3
    assert oracle.check_value(bytes.fromhex(PARTS[0])) in bench.asked[1]
    assert oracle.check_value(bytes.fromhex(PARTS[1])) in bench.asked[2]
    assert made["reference"] == "00/K01A"
    assert bench.order("keys", "show", "01a")["key"] == made["key"]
    bench.online()
    by_field = bench.ask(f"BU021{made['key']};001")
    assert by_field == "00" + made["check_value"]
    assert bench.ask("KAK01A02;001") == by_field
    bench.restart()
    assert bench.ask("KAK01A02;001") == by_field
    bench.secure()
    bench.order("keys", "move", "01A", "deactivated")
    bench.online()
    assert bench.ask("KAK01A02;001") == "12"
    assert bench.ask("KAK01B02;001") == "12"


def test_a_key_that_a_host_holds_is_kept(bench: Bench) -> None:
    bench.secure()
    assert bench.order("keys", "keep", "002", live.lmk("002", live.PVK), "010") == {"reference": "00/K010"}
    assert [key["check_value"] for key in bench.order("keys", "list")["keys"]] == [oracle.check_value(live.PVK)]
    with pytest.raises(Declined, match="a key of this name is there"):
        bench.order("keys", "keep", "002", live.lmk("002", live.PVK), "010")
    with pytest.raises(Declined, match="wrong parity"):
        bench.order("keys", "keep", "001", live.lmk("002", live.PVK), "011")
    with pytest.raises(Declined, match="a key itself expected, not the place of one"):
        bench.order("keys", "keep", "002", "K010", "012")


def test_a_key_in_a_block_from_components(bench: Bench) -> None:
    bench.secure()
    parts = [bytes(range(start, start + 32)).hex() for start in (1, 100)]
    made = bench.order("keys", "form", "P0/B/N/A", "001", "02", secrets=[*parts, ""])
    assert made["key"].startswith("S1")
    assert made["key"][6:11] == "P0AB0"
    shown = bench.order("keys", "show", "001", "02")
    assert (shown["usage"], shown["mode"], shown["exportability"]) == ("P0", "B", "N")


@pytest.mark.parametrize(
    ("words", "secrets", "said"),
    [
        (("keys", "form", "002", "001"), ["zz"], "hexadecimal digits"),
        (("keys", "form", "002", "001"), [PARTS[0], ""], "two components or more"),
        (("keys", "form", "002", "001"), [PARTS[0], PARTS[0], ""], "not consistent"),
        (("keys", "form", "002", "001"), [PARTS[0][:10]], "hexadecimal digits expected"),
        (("keys", "form", "999", "001"), [*PARTS, ""], "no such key type"),
        (("keys", "form", "P0/B", "001", "02"), [], "usage/mode/exportability"),
        (("keys", "form", "002", "001", "33"), [], "one of 00, 01, 02 expected"),
        (("lmk", "load", "03", "aes-blocks"), [PARTS[0]], "64 hexadecimal digits expected"),
        (("lmk", "load", "03", "wooden"), [], "one of variant, tdes-blocks, aes-blocks"),
        (("lmk", "make", "3", "variant"), [], "two digits expected"),
    ],
)
def test_ceremonies_that_fail_leave_nothing(
    bench: Bench, words: tuple[str, ...], secrets: list[str], said: str
) -> None:
    bench.secure()
    before = bench.records
    with pytest.raises(Declined, match=said) as caught:
        bench.order(*words, secrets=secrets)
    assert not any(part in str(caught.value) + caught.value.hint for part in PARTS)
    assert bench.order("keys", "list")["keys"] == []
    assert bench.records == before


def test_master_keys_from_components_and_random_ones(bench: Bench) -> None:
    bench.secure()
    parts = [bytes(range(start, start + 32)).hex() for start in (1, 100)]
    loaded = bench.order("lmk", "load", "05", "aes-blocks", secrets=[*parts, ""])
    made = bench.order("lmk", "make", "06", "variant")
    bench.online()
    values = {name: bench.ask(f"NC%{name}")[2:18] for name in ("00", "05", "06")}
    assert values["05"] == loaded["check_value"]
    assert values["06"] == made["check_value"]
    bench.restart()
    assert {name: bench.ask(f"NC%{name}")[2:18] for name in values} == values
    assert bench.simulator.test_keys


def test_an_own_default_master_key_takes_the_place_of_the_test_one(bench: Bench) -> None:
    bench.secure()
    for name, kind in (("00", "variant"), ("01", "tdes-blocks"), ("02", "aes-blocks")):
        bench.order("lmk", "make", name, kind)
    bench.online()
    assert not bench.simulator.test_keys
    assert bench.ask(live.COMMANDS["CA"]) == "10"


def test_without_a_vault_keys_are_declined(tmp_path: Path) -> None:
    bench = Bench(None)
    bench.secure()
    with pytest.raises(Declined, match="this unit has no vault"):
        bench.order("keys", "list")
    bench.order("lmk", "make", "06", "variant")
    assert bench.order("status")["keys"] is None
    assert bench.order("audit", "verify")["records"] == 4


def test_faults_by_script(bench: Bench, tmp_path: Path) -> None:
    script = tmp_path / "faults.toml"
    script.write_text('[[faults]]\naction = "drop"\n')
    assert bench.order("faults", "load", str(script)) == {"rules": 1}
    assert bench.simulator.injector is not None
    assert bench.order("faults", "clear") == {"rules": 0}
    assert bench.simulator.injector is None
    script.write_text("faults = 3\n")
    with pytest.raises(Declined, match="a list expected"):
        bench.order("faults", "load", str(script))


def test_the_audit_at_the_console(bench: Bench) -> None:
    bench.order("authorise", "components", "1")
    assert bench.order("audit", "last", "1")["records"][0]["fields"] == {"activity": "components", "seconds": 60}
    verified = bench.order("audit", "verify")
    assert verified["records"] == 2
    assert verified["head"].startswith("hsm-sim:2:")


def test_a_place_in_storage_decides_what_its_key_is(bench: Bench) -> None:
    bench.secure()
    bench.order("keys", "keep", "001/D/N", live.lmk("001", live.ZPK), "001")
    bench.order("keys", "keep", "001", live.lmk("001", live.ZPK), "002")
    with pytest.raises(Declined, match="mode of use"):
        bench.order("keys", "keep", "001/Q/N", live.lmk("001", live.ZPK), "003")
    shown = bench.order("keys", "show", "001")
    assert (shown["usage"], shown["mode"], shown["exportability"]) == ("001", "D", "N")
    bench.online()
    block, zmk = oracle.block_0(live.ZPK, live.PIN, live.ACCOUNT), live.lmk("000", live.ZMK)
    other = live.lmk("001", live.ZPK)
    assert bench.ask(f"CCK001{other}12{block}0101{live.ACCOUNT}")[:2] == "00"
    assert bench.ask(f"CC{other}K00112{block}0101{live.ACCOUNT}") == "A8"  # it may decipher only
    assert bench.ask(f"CAK002{other}12{block}0101{live.ACCOUNT}") == "28"  # a ZPK is no TPK
    assert bench.ask(f"A8001{zmk}K001X") == "AA"
    assert bench.ask(f"A8001{zmk}K002X") == bench.ask(f"A8001{zmk}{other}X")
    bench.order("authorise", "key-scheme")
    assert bench.ask("B0001K001X") == "AA"
    assert bench.ask("B0001K002X")[:2] == "00"


def test_what_a_key_block_says_of_its_key_is_kept_with_it(bench: Bench) -> None:
    key = bench.ask("A00FFFS%02#P0A2B00N00")[2:-6]
    bench.secure()
    with pytest.raises(Declined, match="its usage"):
        bench.order("keys", "keep", "D0/B/N", key, "001", "02")
    bench.order("keys", "keep", "P0/B/S", key, "001", "02")
    shown = bench.order("keys", "show", "001", "02")
    assert (shown["usage"], shown["mode"], shown["exportability"]) == ("P0", "B", "N")


def test_the_switch_turned_while_a_person_looks_for_a_component(bench: Bench) -> None:
    bench.secure()
    talk = perform(bench.simulator, ("keys", "form", "002", "001"))
    next(talk)
    bench.order("state", "offline")
    brought = Secret(bytearray(PARTS[0].encode()))
    with pytest.raises(Declined, match="not in the state"):
        talk.send(brought)
    assert not any(brought.reveal())


def test_what_may_be_an_attack_is_recorded_by_number(bench: Bench) -> None:
    for _ in range(3):
        bench.ask(live.COMMANDS["CA"].replace(b"U", b"X", 1))
    bench.ask("NC%07")
    bench.simulator.report_refusals()
    bench.simulator.report_refusals()
    told = [record.fields for record in bench.simulator.audit.last(10) if record.name == "host.refused"]
    assert told == [{"code": "CA", "error": "10", "count": 3}]


def test_a_person_who_walks_away_leaves_no_component_behind(bench: Bench) -> None:
    bench.secure()
    talk = perform(bench.simulator, ("keys", "form", "002", "001"))
    next(talk)
    talk.close()
    assert bench.order("keys", "list")["keys"] == []


def test_turns_are_states_and_activities_those_of_the_commands() -> None:
    assert [turn.value for turn in Turn] == [state.value for state in State]
    assert {str(activity) for activity in ACTIVITIES} == set(ACTIVITIES)
