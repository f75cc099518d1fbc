# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/cards.md as a person would follow it: every command runs, and says what the page says that it does."""

import os
import re
import subprocess
import sys
from pathlib import Path

from device_profiles import catalog

PAGE = (Path(__file__).parents[2] / "docs/cards.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


def test_every_command_runs_and_says_what_the_page_says(tmp_path: Path) -> None:
    commands: list[tuple[str, list[str]]] = []
    for line in (line for block in BLOCKS for line in block.splitlines()):
        if line.startswith("$ "):
            commands.append((line[2:], []))
        else:
            commands[-1][1].append(line.rstrip())
    assert len(commands) > 10
    script = ["set -e"]
    for number, (command, _) in enumerate(commands):
        script.append(f"echo '@{number}'; {command}")
        if command.endswith("&"):
            script += ["trap 'kill $!' EXIT", "while [ ! -S desk/pcscd.comm ]; do sleep 0.05; done"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    argv = ["bash", "-c", "\n".join(script)]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "another way" not in done.stdout, "what was recorded here is explained as it was"
    said = {int(part.partition("\n")[0]): part.partition("\n")[2] for part in done.stdout.split("@")[1:]}
    for number, (command, lines) in enumerate(commands):
        rest = said[number]
        for line in lines:
            assert line in rest, f"{command}\ndoes not say: {line}\nbut: {said[number]}"
            rest = rest.partition(line)[2]


def test_the_table_of_readers_is_that_of_the_profiles() -> None:
    rows = dict(re.findall(r"^\| .* \| `([a-z0-9-]+)` \| .* \| (.+) \|$", PAGE, re.MULTILINE))
    known = [catalog.reader(name) for name in catalog.names("readers")]
    assert rows == {one.model: one.tier.value for one in known if one.usb}
