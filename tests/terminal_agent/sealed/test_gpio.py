# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A GPIO line as tamper input: the structures are the kernel's, and every way in which the line is not quiet counts."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from device_profiles.twins.gpio_chip import EVENT_OCTETS, GpioChip
from protocols.vault import Inventory
from terminal_agent.sealed import gpio
from tests.terminal_agent.sealed.test_tamper import assert_tampered, wait_for
from tests.terminal_agent.sealed.vaults import component_files, load_all, made, running

PROGRAM = (str(Path(__file__).with_name("gpio_vault.py")),)
QUIET = "/dev/null:17=1"  # any device that can be opened: the kernel of the tests has the chip behind it
HEADER = Path("/usr/include/linux/gpio.h")
ASKED = """
#include <linux/gpio.h>
#include <stdio.h>
#include <stddef.h>
#define AT(what) offsetof(struct gpio_v2_line_request, what)
int main(void) {
    printf("%zu %zu %zu %zu %zu %zu %zu", sizeof(struct gpio_v2_line_request), AT(consumer), AT(config), AT(num_lines),
           AT(event_buffer_size), AT(fd), sizeof(struct gpio_v2_line_event));
    printf(" %lu %lu %d %d %d", (unsigned long)GPIO_V2_GET_LINE_IOCTL, (unsigned long)GPIO_V2_LINE_GET_VALUES_IOCTL,
           GPIO_V2_LINE_FLAG_INPUT, GPIO_V2_LINE_FLAG_EDGE_RISING, GPIO_V2_LINE_FLAG_EDGE_FALLING);
}
"""


def test_the_structures_are_those_of_the_kernels_header(tmp_path: Path) -> None:
    """As a C compiler lays linux/gpio.h out: also what the twin takes and gives."""
    assert HEADER.is_file(), "install linux-libc-dev"
    assert shutil.which("gcc"), "install gcc"
    (tmp_path / "asked.c").write_text(ASKED)
    subprocess.run(["gcc", "-o", "asked", "asked.c"], cwd=tmp_path, check=True)
    said = subprocess.run([str(tmp_path / "asked")], capture_output=True, text=True, check=True).stdout
    size, consumer, config, lines, events, descriptor, event, get_line, get_values, *flags = map(int, said.split())
    assert (gpio.REQUEST.size, event) == (size, EVENT_OCTETS)
    assert (get_line, get_values) == (gpio.GET_LINE, gpio.GET_VALUES)
    assert flags == [gpio.INPUT, gpio.EDGE_RISING, gpio.EDGE_FALLING]
    packed = gpio.REQUEST.pack(0x11111111, b"\x22" * 32, 0x3333333333333333, 0x44444444, 0x55555555, 0x66666666)
    for octet, place, count in ((1, 0, 4), (2, consumer, 32), (3, config, 8), (4, lines, 4), (5, events, 4)):
        assert packed[place : place + count] == bytes((octet * 0x11,)) * count
    assert packed[descriptor:] == b"\x66" * 4


def test_the_twin_refuses_what_the_kernel_refuses() -> None:
    chip = GpioChip(lambda offset: 100 + offset, {17: 1})
    request = gpio.REQUEST.pack(17, gpio.CONSUMER, gpio.INPUT | gpio.EDGE_FALLING, 1, 1, -1)
    assert gpio.REQUEST.unpack(chip.ioctl(3, gpio.GET_LINE, request))[-1] == 117
    assert chip.asked[17][0] == "tillguard tamper"
    with pytest.raises(OSError, match="busy"):
        chip.ioctl(3, gpio.GET_LINE, request)
    for wrong in (
        gpio.REQUEST.pack(99, b"x", gpio.INPUT, 1, 1, -1),
        gpio.REQUEST.pack(16, b"x", 0, 1, 1, -1),
        gpio.REQUEST.pack(16, b"x", gpio.INPUT, 2, 1, -1),
    ):
        with pytest.raises(OSError, match="Invalid"):
            chip.ioctl(3, gpio.GET_LINE, wrong)
    for number, octets, descriptor in ((1, b"", 3), (gpio.GET_VALUES, gpio.VALUES.pack(0, 1), 3)):
        with pytest.raises(OSError, match="Inappropriate"):
            chip.ioctl(descriptor, number, octets)
    assert chip.set(17, 1) == b""
    assert len(chip.set(17, 0)) == EVENT_OCTETS
    assert chip.set(17, 1) == b"", "nobody asked for rising edges"
    assert chip.set(5, 1) == b"", "nobody asked for that line"


def test_an_edge_destroys_every_key(tmp_path: Path) -> None:
    fifo = tmp_path / "line"
    os.mkfifo(fifo)
    chip = GpioChip(lambda offset: 0, {17: 1})
    chip.ioctl(3, gpio.GET_LINE, gpio.REQUEST.pack(17, b"x", gpio.INPUT | gpio.EDGE_FALLING, 1, 1, -1))
    wanted = made(tmp_path, tamper_gpio=(QUIET,))
    with running(
        wanted, PROGRAM, components=component_files(tmp_path), fifo=str(fifo), level=1, delivery=False
    ) as asker:
        load_all(asker)
        assert asker.status()["phase"] == ["ready"]
        assert all(re.search(" up ", fence) for fence in asker.status()["fence"]), "also where a chip is asked"
        with fifo.open("wb", buffering=0) as line:
            line.write(chip.set(17, 0))
        wait_for(asker, "vault.tampered")
        assert_tampered(asker, "GPIO line null:17")


@pytest.mark.parametrize(
    ("level", "refuses", "source"), [(0, False, "GPIO line null:17"), (1, True, "GPIO line null:17 missing")]
)
def test_a_line_that_is_not_quiet_at_the_start_or_not_given_counts(
    tmp_path: Path, level: int, refuses: bool, source: str
) -> None:
    fifo = tmp_path / "line"
    os.mkfifo(fifo)
    wanted = made(tmp_path, tamper_gpio=(QUIET,))
    with running(wanted, PROGRAM, fifo=str(fifo), level=level, refuses=refuses) as asker:
        assert_tampered(asker, source)
        asker.ask(Inventory())


@pytest.mark.parametrize("wrong", ["gpiochip0:17=1", "/dev/gpiochip0=1", "/dev/gpiochip0:x=1", "/dev/gpiochip0:17=2"])
def test_settings_that_name_no_line_are_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match="tamper-gpio"):
        made(tmp_path, tamper_gpio=(wrong,))
