# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A machine that is fit for production, and each single thing that makes it unfit."""

import json
from pathlib import Path

import pytest

from terminal_agent.cli import main
from terminal_agent.processes.self_check import Kind, self_check
from tests.protocols.persons import public_pem

HASHES = {  # made by `openssl passwd -6 -salt tillguard WORD`
    "1234": "$6$tillguard$d.TOwZm4D6yzKU3PNTEB.98AvUJ21uUgySdOAfg4AvpD.gYH4ihspgs3wWxOSR1wVTJJIMzGu3AZJOfBekSqe/",
    "till": "$6$tillguard$86yDz5EsHgcDfzPK7Ph51m.5mApZguQq0hKcjPxKBCf5DNy.FfkaOtbQ/Jy1O6EfFllyy7G8QJtfewJHPhC8W1",
}
TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    for name, text in {
        "etc/shadow": "root:!:20000:0:99999:7:::\ntillguard:*:20000::::::\nanna:$6$salt$wrongwrongwrong:20000::::::\n",
        "proc/net/tcp": f"{TCP}   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n",
        "proc/cmdline": "quiet usbcore.authorized_default=0 console=tty0\n",
        "proc/sys/kernel/sysrq": "0\n",
        "etc/tillguard/trust.toml": '[[persons]]\nname = "Anna"\nkey = "anna.pub"\n',
        "etc/tillguard/anna.pub": public_pem("somebody else's own"),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def kinds(machine: Path) -> list[Kind]:
    return [one.kind for one in self_check(machine, (machine / "etc/tillguard/trust.toml",))]


def test_a_machine_that_is_fit(machine: Path) -> None:
    assert kinds(machine) == []


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("etc/shadow", "root::20000::::::\n", Kind.PASSWORD),
        ("etc/shadow", "pos:{hash of 1234}:20000::::::\n", Kind.PASSWORD),
        ("etc/shadow", "till:{hash of till}:20000::::::\n", Kind.PASSWORD),
        ("proc/net/tcp", f"{TCP}   0: 00000000:15B3 00000000:0000 0A 0:0 00:0 0 0 0 1\n", Kind.DEBUG_PORT),
        ("proc/net/tcp6", f"{TCP}   0: {'0' * 32}:0017 {'0' * 32}:0000 0A 0:0 00:0 0 0 0 1\n", Kind.DEBUG_PORT),
        ("proc/cmdline", "quiet xusbcore.authorized_default=0\n", Kind.KERNEL),
        ("proc/cmdline", "quiet usbcore.authorized_default=1\n", Kind.KERNEL),
        ("proc/cmdline", "usbcore.authorized_default=0 console=ttyS0,115200\n", Kind.AROUND),
        ("proc/sys/kernel/sysrq", "438\n", Kind.AROUND),
        ("etc/tillguard/trust.toml", 'key = "keys/TEST/anna.pub"\n', Kind.TEST_KEY),
        ("etc/tillguard/trust.toml", 'ca-keys = ["tillguard-test"]\n', Kind.TEST_KEY),
        ("etc/tillguard/anna.pub", public_pem("Anna"), Kind.TEST_KEY),
    ],
)
def test_one_thing_makes_it_unfit(machine: Path, name: str, text: str, kind: Kind) -> None:
    for word in ("1234", "till"):
        text = text.replace(f"{{hash of {word}}}", HASHES[word])
    (machine / name).write_text(text)
    assert kinds(machine) == [kind]


def test_what_cannot_be_looked_at_is_no_pass(machine: Path) -> None:
    (machine / "etc/shadow").unlink()
    (machine / "etc/tillguard/trust.toml").unlink()
    assert kinds(machine) == [Kind.PASSWORD, Kind.TEST_KEY]


def test_the_command_refuses_and_says_the_cure(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--root", str(machine)]) == 0
    assert capsys.readouterr().out == "fit for production\n"
    (machine / "proc/cmdline").write_text("quiet\n")
    assert main(["check", "--root", str(machine), "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert (told["fit"], [one["kind"] for one in told["faults"]]) == (False, ["kernel argument"])
    assert "update-grub" in told["faults"][0]["cure"]
