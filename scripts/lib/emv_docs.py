# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Draws machine and kernels into docs/emv.md from their tables, records docs/traces/; ``--check`` says if they are old.

The trace is of the TEST card with CDA at a TEST terminal, made in process: a recording that everybody may have.
"""

import argparse
import datetime
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from device_profiles.ca_keys import load_ca_keys  # noqa: E402  # the line above finds it
from device_profiles.card_profile import load_card  # noqa: E402
from device_profiles.twins.contact_card import ContactCardTwin  # noqa: E402
from terminal_agent.card.recording import Exchange, Recorded, encoded  # noqa: E402
from terminal_agent.emv import (  # noqa: E402
    Alert,
    Authorities,
    Combination,
    ContactApplication,
    ContactTransaction,
    EmvTerminal,
    PinAnswer,
    TransactionRequest,
    TrustedKey,
    kernel2,
    kernel3,
)
from terminal_agent.emv.capabilities import ENTRY_POINT, TABLES, Capability  # noqa: E402
from terminal_agent.emv.contact import ENDS, TRANSITIONS, Step  # noqa: E402

PAGE = ROOT / "docs" / "emv.md"
TRACE = ROOT / "docs" / "traces" / "test-visa-cda.jsonl"
BEGIN, END = "<!-- machine: drawn by scripts/lib/emv_docs.py -->", "<!-- end of the machine -->"
ALERTS = "<!-- alerts: drawn by scripts/lib/emv_docs.py -->", "<!-- end of the alerts -->"
KERNELS = "<!-- kernels: drawn by scripts/lib/emv_docs.py -->", "<!-- end of the kernels -->"


def diagram() -> str:
    """The machine as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {_name(Step.SELECTION)}"]
    for (step, turn), after in TRANSITIONS.items():
        lines.append(f"    {_name(step)} --> {_name(after)}: {turn.name.lower()}")
    lines += [f"    {_name(step)} --> [*]" for step in Step if step in ENDS and step is not Step.ONLINE]
    return "\n".join([*lines, "```"])


def _name(step: Step) -> str:
    return step.name.lower()


def trace() -> str:
    """A payment with the TEST card, command by command, as ``terminal-agent card trace`` writes it."""
    card = ContactCardTwin(load_card("test-visa-cda"))
    keys = tuple(TrustedKey(key.ca_key(), key.last_day) for key in load_ca_keys("tillguard-test").keys)
    visa = "A0000000031010"
    shop = EmvTerminal(
        "276",
        "978",
        "TG000001",
        (Combination(visa, 500_000, 2_500),),
        contact=(ContactApplication(visa, application_version="0096"),),
    )
    request = TransactionRequest(
        4_200, "978", datetime.date(2026, 6, 7), datetime.time(12, 0, 5), bytes.fromhex("1A2B3C4D")
    )
    payment = ContactTransaction(shop, request, 50, Authorities(keys))
    card.power_on()
    exchanges = []
    for machine in (payment.first, lambda: payment.second(None)):
        steps = machine()
        try:
            wanted = next(steps)
            while True:
                if isinstance(wanted, bytes):
                    answer = card.apdu(wanted)
                    exchanges.append(Exchange(wanted, answer))
                    wanted = steps.send(answer)
                else:
                    wanted = steps.send(PinAnswer.ENTERED)
        except StopIteration:
            continue
    return encoded(Recorded(f"contact card test-visa-cda, ATR {card.atr.hex().upper()}", True, tuple(exchanges)))


def page(text: str) -> str:
    """The page with machine and kernels drawn anew."""
    drawn = _drawn(_drawn(text, BEGIN, END, diagram()), *KERNELS, kernels())
    return _drawn(drawn, *ALERTS, alerts())


def alerts() -> str:
    """What head office may hear of a payment."""
    return "\n".join(["| alert | what was noticed |", "|---|---|", *(f"| `{one}` | {one.words} |" for one in Alert)])


def _drawn(text: str, begin: str, end: str, what: str) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{what}\n\n{end}{after}"


def kernels() -> str:
    """The contactless kernels: their steps, what they have and what they refuse."""
    lines = ["### Entry point", "", *_table(ENTRY_POINT), ""]
    for number, title, steps in ((2, "Kernel 2, M/Chip", kernel2.STEPS), (3, "Kernel 3, qVSDC", kernel3.STEPS)):
        lines += [f"### {title}", "", f"Steps: {', '.join(steps)}. Each may end the payment.", ""]
        lines += [*_table(TABLES[number]), ""]
    return "\n".join(lines).rstrip()


def _table(listed: tuple[Capability, ...]) -> list[str]:
    rows = [f"| {line.name} | {line.handling.value} | {line.words} |" for line in listed]
    return ["| capability | | how |", "|---|---|---|", *rows]


def main() -> int:
    """Write both, or with ``--check`` say whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if something is old")
    options = parser.parse_args()
    made = {PAGE: page(PAGE.read_text(encoding="utf-8")), TRACE: trace()}
    if options.check:
        old = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in old:
            print(f"{path.relative_to(ROOT)} is old; run: .venv/bin/python scripts/lib/emv_docs.py")
        return int(bool(old))
    for path, text in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
