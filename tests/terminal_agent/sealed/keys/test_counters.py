# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""No key serves twice, whatever moment power goes, whatever image is put back; and what it costs is bounded."""

import random

import pytest

from protocols.vault import Done, Load
from terminal_agent.sealed.keys.counters import BLOCK, PinRate, RolledBack, UsedUp, life
from terminal_agent.sealed.keys.store import StoreBroken, StoreError
from terminal_agent.sealed.vault import Vault
from tests.terminal_agent.sealed.inside import Machine, PowerCut
from tests.terminal_agent.sealed.vaults import DATA_KSN, PIN_KSN, block, made_key

SLOTS = (("pin", "B1", "X", PIN_KSN), ("data", "B1", "X", DATA_KSN), ("mac-master", "K0", "B", b""))


def load(vault: Vault) -> None:
    for slot, usage, mode, ksn in SLOTS:
        reply = vault.ask(Load(slot, block(usage, "T", mode, made_key(slot), ksn)))
        assert isinstance(reply, Done), reply


def use(vault: Vault, slot: str) -> bytes:
    counters = vault.services.counters
    assert counters is not None
    with counters.take_pin() if slot == "pin" else counters.take(slot) as transaction:
        return transaction.ksn.octets


def loaded(machine: Machine) -> Machine:
    load(machine.start())
    return machine


def life_with_power_cuts(seed: int, cuts: int) -> tuple[int, int]:
    """Uses and cuts of one machine; asserts that no KSN was used twice."""
    chance = random.Random(seed)
    machine = loaded(Machine(chance))
    used: set[bytes] = set()
    count = 0
    for _ in range(cuts):
        machine.cut_after(None)
        try:
            vault = machine.start()
            machine.cut_after(chance.choice((0, 1, 2, 3, 5, 8, 13, 40)))
            while True:
                ksn = use(vault, chance.choice(("pin", "data")))
                assert ksn not in used, "a key served twice"
                used.add(ksn)
                count += 1
        except PowerCut:
            machine.cut()
    machine.cut_after(None)
    machine.start()
    return count, cuts


@pytest.mark.parametrize("seed", range(12))
def test_no_key_serves_twice_with_torn_writes(seed: int) -> None:
    assert life_with_power_cuts(seed, 25)[0] > 20


def test_power_may_go_while_starting_too() -> None:
    """At every single step of a start, three times over."""
    machine = loaded(Machine())
    used = {use(machine.start(), "pin")}
    for round_ in range(3):
        for step in range(12):
            for disk in (machine.store_disk, machine.counter_disk):
                disk.power_on()
            vault = None
            try:
                machine.store_disk.steps_left = machine.counter_disk.steps_left = step
                vault = _start_without_power_on(machine)
            except PowerCut:
                machine.cut()
            again = machine.start()
            ksn = use(again, "pin")
            assert ksn not in used, (round_, step, vault)
            used.add(ksn)


def _start_without_power_on(machine: Machine) -> Vault:
    left = machine.store_disk.steps_left, machine.counter_disk.steps_left
    power_on = type(machine.store_disk).power_on

    def on(disk: object) -> None:
        power_on(disk)  # type: ignore[arg-type]
        machine.store_disk.steps_left, machine.counter_disk.steps_left = left

    machine.store_disk.power_on = lambda: on(machine.store_disk)  # type: ignore[method-assign]
    machine.counter_disk.power_on = lambda: on(machine.counter_disk)  # type: ignore[method-assign]
    try:
        return machine.start()
    finally:
        del machine.store_disk.power_on, machine.counter_disk.power_on


def test_a_key_is_on_the_disk_before_it_is_used() -> None:
    machine = loaded(Machine())
    vault = machine.start()
    for _ in range(3):
        before = machine.store_disk.syncs
        use(vault, "pin")
        assert machine.store_disk.syncs > before


def test_a_disk_that_fails_gives_no_key_and_costs_the_counter() -> None:
    machine = loaded(Machine())
    vault = machine.start()
    first = use(vault, "pin")

    def full(offset: int, octets: bytes) -> None:
        raise OSError(28, "No space left on device")

    machine.store_disk.write = full  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="No space"):
        use(vault, "pin")
    del machine.store_disk.write
    assert int.from_bytes(use(vault, "pin")) == int.from_bytes(first) + 2


def test_an_old_image_of_the_store_is_found_out() -> None:
    machine = loaded(Machine())
    vault = machine.start()
    use(vault, "pin")
    image = bytes(machine.store_disk.durable)
    machine.start()
    machine.store_disk.durable[:] = image
    with pytest.raises(RolledBack, match="counter kept elsewhere"):
        machine.start()


@pytest.mark.parametrize("uses", [1, BLOCK - 1, BLOCK, BLOCK + 3])
def test_an_image_from_within_the_generation_does_no_harm(uses: int) -> None:
    """Image, use, put back, start: what was used after the image is stepped over, or the image is found out."""
    machine = loaded(Machine())
    vault = machine.start()
    image = bytes(machine.store_disk.durable)
    used = {use(vault, "pin") for _ in range(uses)}
    machine.store_disk.durable[:] = image
    try:
        again = machine.start()
    except RolledBack:
        assert uses > BLOCK
        return
    assert {use(again, "pin") for _ in range(uses)}.isdisjoint(used)


def test_a_rolled_back_counter_is_found_out_too() -> None:
    machine = loaded(Machine())
    image = bytes(machine.counter_disk.durable)
    for _ in range(2):
        machine.start()
    machine.counter_disk.durable[:] = image
    with pytest.raises(RolledBack):
        machine.start()


def test_a_counter_of_another_vault_is_refused() -> None:
    machine = loaded(Machine())
    machine.counter_disk.durable[9] ^= 1
    machine.counter_disk.durable[512 + 9] ^= 1
    with pytest.raises(StoreError, match="not authentic"):
        machine.start()


def test_a_store_that_was_changed_does_not_open() -> None:
    machine = loaded(Machine())
    for place in range(8192, len(machine.store_disk.durable), 64):
        machine.store_disk.durable[place] ^= 1
    with pytest.raises(StoreBroken):
        machine.start()


def test_a_start_costs_at_most_a_block() -> None:
    machine = loaded(Machine())
    first = int.from_bytes(use(machine.start(), "pin"))
    second = int.from_bytes(use(machine.start(), "pin"))
    assert 0 < second - first <= 3 * BLOCK  # counters with more than ten one-bits are skipped besides


def test_the_end_of_a_key_is_the_end() -> None:
    machine = loaded(Machine())
    machine.start()
    held = machine.ring.serving["pin"]
    held.octets[4:14] = bytes.fromhex("FFFF111111000000")[:7] + bytes.fromhex("1FF800")  # the last counter but none
    machine.store.save(machine.ring)
    machine.store.save(machine.ring)
    machine.rate = PinRate(1, 1000)
    vault = machine.start()
    assert life(machine.ring.serving["pin"]) == ("", 1.0)
    for _ in range(3):
        with pytest.raises(UsedUp):
            use(vault, "pin")
    assert vault.phase.value == "exhausted"


def test_one_pin_per_interval_on_average_and_no_credit_for_a_restart() -> None:
    machine = loaded(Machine(rate=PinRate(30_000, 4)))
    vault = machine.start()
    made, refused = 0, 0
    for second in range(3_600):
        machine.steady += 1000
        counters = vault.services.counters
        assert counters is not None
        if counters.pin_wait_ms():
            refused += 1
        else:
            use(vault, "pin")
            made += 1
        if second % 60 == 59:
            vault = machine.start()
    assert 100 <= made <= 3_600 / 30 + 4, (made, refused)
    counters = vault.services.counters
    assert counters is not None
    while not counters.pin_wait_ms():
        use(vault, "pin")
    assert machine.start().services.counters.pin_wait_ms() > 0  # type: ignore[union-attr]
