# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin acquirer`: an acquirer and issuer host on a TCP port, before an HSM. Its options, not its run."""

import argparse
from pathlib import Path

EXAMPLES = """\
examples:
  device-twin acquirer --hsm 127.0.0.1:1500
  device-twin acquirer --hsm 127.0.0.1:1500 --port 8583 --script late.toml --json
  device-twin acquirer --hsm 127.0.0.1:1500 --tls-ca ca.pem --tls-certificate bank.pem --tls-key bank.key
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's arguments."""
    parser.description = (
        "An acquirer and issuer on one ISO 8583 line; it verifies everything by host commands of an HSM."
    )
    parser.epilog = EXAMPLES
    parser.add_argument("--hsm", required=True, metavar="HOST:PORT", help="where hsm-sim listens")
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help="own address (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="own port; 0 takes any free one (default)")
    parser.add_argument("--profile", default="test-bank", help="an acquirer profile, by name or path (test-bank)")
    parser.add_argument("--mac", choices=("retail", "tdes-cbc"), help="how its terminals MAC (as the profile says)")
    parser.add_argument("--script", type=Path, metavar="FILE", help="rules by which it misbehaves, TOML")
    parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="CA of the terminals' certificates; turns TLS on")
    parser.add_argument("--tls-certificate", type=Path, metavar="FILE", help="own certificate")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="own key")
    parser.add_argument("--state", type=Path, metavar="FILE", help="remember transactions and KSNs across runs, JSON")
    parser.add_argument("--json", action="store_true", help="one JSON document per line on stdout")
    parser.add_argument("--trace", action="store_true", help="also tell every message, redacted")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    from device_profiles.serve.acquirer_run import run as serve  # heavy: not for --help

    return serve(args)
