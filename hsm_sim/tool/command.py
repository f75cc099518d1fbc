# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool NOUN VERB``: reads arguments, runs one verb, prints its sheet. Calculates nothing itself.

An argument may be a key that somebody typed by mistake, so no message about arguments quotes one.
"""

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Final, NoReturn, cast

from hsm_sim.tool import NOUNS
from tillguard import arguments
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice, run

if TYPE_CHECKING:
    from hsm_sim.tool.verb import Noun, Verb

COMMAND: Final = "hsm-sim"
PROGRAM: Final = "hsm-sim tool"
WARNING: Final = f"{PROGRAM}: for TEST keys, PINs and cards only; nothing here protects them"
EXAMPLES: Final = """examples:
  hsm-sim tool pinblock encipher --format 0 --pan 4000009999990016 --key-file test.key --pin-file test.pin
  hsm-sim tool dukpt derive --ksn FFFF9876543210E00001 --purpose pin --key-file bdk.key --explain
  hsm-sim tool mac verify --algorithm retail --text "Hello World !!" --mac BAA451BF --key-file - < test.key
  hsm-sim tool NOUN --help                 its verbs and examples
  hsm-sim tool NOUN VERB --help            its options

Keys and PINs come from a prompt, a file (--key-file FILE) or stdin (--key-file -), never from the arguments.

nouns:
"""


class Parser(arguments.Parser):
    """An argument parser whose errors come out of ``parse_args`` as faults; a key typed by mistake is told apart."""

    def error(self, message: str) -> NoReturn:
        """See :class:`tillguard.arguments.Parser`."""
        fault = self.fault(message)
        if message.startswith("unrecognized arguments"):
            fault.hint = f"keys and PINs are never arguments; {fault.hint}"
        raise fault


def main(words: list[str]) -> int:
    """Run what ``words`` (behind ``hsm-sim tool``) say; gives the exit code."""
    as_json = "--json" in words
    return run(COMMAND, lambda: _run(words, as_json), as_json=as_json)


def _run(words: list[str], as_json: bool) -> int:
    if not words or words[0] not in NOUNS:
        return _without_noun(words)
    name, rest = words[0], words[1:]
    noun = cast("Noun", importlib.import_module(NOUNS[name][0]))
    given = _parser(name, noun).parse_args(rest)
    return _calculate(name, given.verb, noun.VERBS[given.verb], given, Voice(COMMAND, as_json=as_json))


def _without_noun(words: list[str]) -> int:
    listed = "\n".join(f"  {name:<10}{summary}" for name, (_, summary) in NOUNS.items())
    parser = Parser(
        prog=PROGRAM,
        description=EXAMPLES + listed,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("noun", choices=NOUNS, metavar="NOUN", help="what to calculate with")
    parser.add_argument("rest", nargs="*", metavar="VERB …", help="what to do, and its options")
    parser.parse_args(words)
    return int(Exit.USAGE)


def _parser(name: str, noun: "Noun") -> Parser:
    from hsm_sim.tool.secret_input import declare

    parser = Parser(
        prog=f"{PROGRAM} {name}",
        description=noun.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, title="verbs")
    for verb_name, verb in noun.VERBS.items():
        lines = [line for line in noun.EXAMPLES.splitlines() if f"tool {name} {verb_name} " in f"{line} "]
        sub = verbs.add_parser(
            verb_name,
            help=verb.summary,
            description="\n".join(["examples:", *lines, "", verb.summary]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.configure(sub)
        declare(sub, verb.secrets)
        sub.add_argument("--explain", action="store_true", help="print each step, keys as check values")
        if verb.reveals:
            sub.add_argument("--reveal", action="store_true", help=f"print {verb.reveals} in clear")
        sub.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _calculate(name: str, verb_name: str, verb: "Verb", given: argparse.Namespace, voice: Voice) -> int:
    from hsm_sim.tool.secret_input import Secrets
    from hsm_sim.tool.sheet import Sheet
    from protocols.errors import IntegrityError, ProtocolError

    secrets = Secrets(given, verb.secrets)
    sheet = Sheet(explain=given.explain, reveal=getattr(given, "reveal", False))
    voice.tell(WARNING)
    try:
        verb.run(given, secrets, sheet)
    except IntegrityError as fault:
        raise Fault(str(fault), "the key, the value or the data is another one", Exit.INTEGRITY) from None
    except ProtocolError as fault:
        raise Fault(str(fault), f"run: {PROGRAM} {name} {verb_name} --help", Exit.USAGE) from None
    secrets.refuse_unused()
    if voice.as_json:
        voice.data(sheet.document(name, verb_name))
    else:
        sheet.print_on(voice)
    return int(Exit.INTEGRITY if sheet.agrees is False else Exit.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
