# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The key methods for TR-34: octets as hexadecimal text in, and out again. Decides nothing about keys or tokens."""

from collections.abc import Mapping

from terminal_agent.api.methods import Method, Parameter
from terminal_agent.flows.keys import KeyOffice

LONGEST_HEX = 24_000
"""Characters: a token with two certificates and a list of revocations has some 5,000 octets."""
_TOKEN = Parameter(str, LONGEST_HEX)
_NAME = Parameter(str, 200)


class Deliveries:
    """Handlers over one vault's office; they raise what the office does."""

    def __init__(self, office: KeyOffice, approvals: Parameter, slot: Parameter) -> None:
        self._office = office
        self._approvals = approvals
        self._slot = slot

    def methods(self) -> Mapping[str, Method]:
        """By name, as the local socket has them."""
        signed = {"approvals": self._approvals}
        ksn = Parameter(str, 24, optional=True)
        return {
            "keys.credential": Method(
                "a new RSA key in the vault: the request for its certificate",
                {"subject": _NAME, **signed},
                self._credential,
            ),
            "keys.certify": Method(
                "the vault's certificate, and the authority of hosts",
                {"certificate": _TOKEN, "hosts": _TOKEN, **signed},
                self._certify,
            ),
            "keys.announce": Method("the token by which a host knows this vault", {}, self._announce),
            "keys.ask": Method("a random number token for one key", {}, self._ask),
            "keys.bind": Method(
                "take a host (1), another one (2), or none (3)",
                {"how": Parameter(int, 3), "token": _TOKEN, **signed},
                self._bind,
            ),
            "keys.load-token": Method(
                "a key by a TR-34 token", {"slot": self._slot, "token": _TOKEN, "ksn": ksn, **signed}, self._load
            ),
        }

    async def _credential(self, subject: str, approvals: str = "") -> object:
        return {"request": (await self._office.credential(subject, bytes.fromhex(approvals))).hex()}

    async def _certify(self, certificate: str, hosts: str, approvals: str = "") -> object:
        octets = (bytes.fromhex(text) for text in (certificate, hosts, approvals))
        return {"words": await self._office.certify(*octets)}

    async def _announce(self) -> object:
        return {"token": (await self._office.announce()).hex()}

    async def _ask(self) -> object:
        return {"token": (await self._office.ask_host()).hex()}

    async def _bind(self, how: int, token: str, approvals: str = "") -> object:
        return {"words": await self._office.bind(how, bytes.fromhex(token), bytes.fromhex(approvals))}

    async def _load(self, slot: str, token: str, ksn: str = "", approvals: str = "") -> object:
        octets = (bytes.fromhex(text) for text in (token, ksn, approvals))
        return {"words": await self._office.load_token(slot, *octets)}
