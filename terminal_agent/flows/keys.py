# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The keys' life from outside the vault: what it is asked to do with them, and what is recorded of that. Holds no key.

Everything that changes a key is an event, with its check value: loaded, rotated, destroyed. Where the vault knows
custodians, two of them sign; their signatures pass through here and mean nothing for any other request.
"""

from collections.abc import Callable
from dataclasses import dataclass

from protocols.telemetry.events import Value, fit
from protocols.vault import (
    Announce,
    AskHost,
    Bind,
    Certify,
    Challenge,
    Done,
    Happened,
    Inventory,
    Load,
    LoadToken,
    Prove,
    Refusal,
    Refused,
    Renew,
    Reply,
    Request,
    RequestCredential,
    Result,
    Rotate,
    Status,
    Tamper,
    Verify,
    Zeroise,
)
from terminal_agent.errors import AgentError
from terminal_agent.flows.reporting import Recorder
from terminal_agent.pad.vault_link import VaultLink

ANSWER_S = 10.0


class NoVault(AgentError):
    """This terminal has no vault, or it is not running."""


class KeysRefused(AgentError):
    """The vault refused; ``why`` is its reason as a number."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.words, _HINTS.get(refused.why, "see: terminal-agent keys list"))
        self.why = refused.why


_HINTS = {
    Refusal.APPROVAL.value: "let two custodians sign: --approve FILE twice",
    Refusal.PHASE.value: "see docs/vault.md for what each phase permits",
}


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key as the inventory has it."""

    slot: str
    state: str
    usage: str
    algorithm: str
    check_value: str
    ksn: str
    loaded_ms: int
    origin: str


class KeyOffice:
    """What the agent does with the vault's keys for whoever asks through its socket."""

    def __init__(self, link: Callable[[], VaultLink | None], recorder: Recorder) -> None:
        self._link = link
        self._recorder = recorder

    async def inventory(self) -> list[KeyLine]:
        """Every key, by slot."""
        lines = (await self._done(Inventory())).splitlines()
        return [_line(text) for text in lines]

    async def status(self) -> list[str]:
        """The vault's own words, line by line."""
        return (await self._done(Status())).splitlines()

    async def challenge(self) -> bytes:
        """What custodians sign."""
        return await self._result(Challenge())

    async def prove(self, challenge: bytes) -> bytes:
        """The binding key's answer, one whole block."""
        return await self._result(Prove(challenge))

    async def load(self, slot: str, block: str, ksn: bytes, approvals: bytes) -> str:
        """A key block into a slot."""
        words = await self._done(Load(slot, block, ksn, approvals))
        self._recorder.note("key.loaded", slot=slot, kcv=words.split()[1], **_approvers(words))
        return words

    async def load_token(self, slot: str, token: bytes, ksn: bytes, approvals: bytes) -> str:
        """As :meth:`load`, with a TR-34 key token."""
        words = await self._done(LoadToken(slot, token, ksn, approvals))
        self._recorder.note("key.loaded", slot=slot, kcv=words.split()[1], **_approvers(words))
        return words

    async def credential(self, subject: str, approvals: bytes) -> bytes:
        """A new RSA key in the vault; the request for its certificate."""
        return await self._result(RequestCredential(subject, approvals))

    async def certify(self, certificate: bytes, hosts: bytes, approvals: bytes) -> str:
        """The vault's certificate, and the authority of hosts that it trusts from now on."""
        words = await self._done(Certify(certificate, hosts, approvals))
        self._recorder.note("key.loaded", slot=words.split()[0], kcv=words.split()[1], **_approvers(words))
        return words

    async def announce(self) -> bytes:
        """The token by which a key distribution host knows this vault."""
        return await self._result(Announce())

    async def bind(self, how: int, token: bytes, approvals: bytes) -> str:
        """Take a host, another one, or none."""
        words = await self._done(Bind(how, token, approvals))
        bond = words.split(" ", 2)[2].split(" approved-by ")[0]
        self._recorder.note("key.bound", bond=fit(bond), **_approvers(words))
        return words

    async def ask_host(self) -> bytes:
        """A random number token for one key."""
        return await self._result(AskHost())

    async def rotate(self, slot: str, approvals: bytes) -> str:
        """The waiting key serves from now on."""
        words = await self._done(Rotate(slot, approvals))
        self._recorder.note(
            "key.destroyed", slot=slot, kcv=words.split("; ")[1].split()[0], reason="rotated", **_approvers(words)
        )
        return words

    async def zeroise(self, slot: str, approvals: bytes) -> str:
        """Destroy one key, or all."""
        words = await self._done(Zeroise(slot, approvals))
        for line in words.splitlines():
            name, value = line.split()[:2]
            self._recorder.note("key.destroyed", slot=name, kcv=value, reason="zeroised", **_approvers(line))
        return words

    async def renew(self, approvals: bytes) -> str:
        """Begin again without keys, after tampering."""
        words = await self._done(Renew(approvals))
        source = words.removeprefix("renewed after ").split(" approved-by ")[0]
        self._recorder.note("vault.renewed", source=fit(source), **_approvers(words))
        return words

    async def verify(self, slot: str, check_value: bytes) -> str:
        """Whether a slot's key has this check value."""
        return await self._done(Verify(slot, check_value))

    async def tamper(self, source: str) -> None:
        """A tamper input that this process noticed: a pad's event, an integrity alarm."""
        await self._done(Tamper(source))

    def happened(self, event: Happened) -> None:
        """What the vault said without being asked."""
        if event.name == "vault.tampered":
            self._recorder.note("vault.tampered", source=fit(event.words))
        else:
            self._recorder.note("vault.alert", alert=fit(f"{event.name.removeprefix('vault.')}: {event.words}"))

    async def _result(self, request: Request) -> bytes:
        reply = await self._asked(request)
        if not isinstance(reply, Result):
            raise NoVault("the vault answered something else")
        return bytes(reply.value)

    async def _done(self, request: Request) -> str:
        reply = await self._asked(request)
        if not isinstance(reply, Done):
            raise NoVault("the vault answered something else")
        return reply.words

    async def _asked(self, request: Request) -> Reply:
        link = self._link()
        if link is None:
            raise NoVault("this terminal has no vault that runs", "give its profile a [vault] and a keypad as its pad")
        reply = await link.ask(request, ANSWER_S)
        if isinstance(reply, Refused):
            raise KeysRefused(reply)
        return reply


def _line(text: str) -> KeyLine:
    slot, state, usage, algorithm, value, ksn, loaded, origin = text.split(" ", 7)
    return KeyLine(slot, state, usage, algorithm, value, ksn, int(loaded), origin)


def _approvers(words: str) -> dict[str, Value]:
    """Who approved, as the vault names them."""
    names = words.split(" approved-by ")[1:]
    return {"approved": fit(" ".join(name.split()[0] for name in names))} if names else {}
