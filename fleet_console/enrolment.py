# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Head office's side of enrolment: applications judged, steps of a life taken, certificates issued. Speaks to nobody.

Nothing is kept for a stranger but the application itself: a terminal's life begins with a person's word about it. What
must happen once (a step, a try at a code, a certificate for an application) is a row with a key, so that two desks at
work at once cannot both do it.
"""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fleet_console.authority import Authority, Requested
from fleet_console.enrolment_records import Kept, Records, Standing, read_applied
from fleet_console.isolation import RevocationList
from fleet_console.life_steps import GRAVE, GRAVE_KIND, KIND, LifeStep, read_step
from fleet_console.register import State, addition, change
from fleet_console.store.port import Database, Taken
from fleet_console.store.port import Step as Write
from protocols.errors import IntegrityError
from protocols.identity import activation, documents
from protocols.identity.documents import Application, Issue, Review
from protocols.identity.life import PERMITTED, Duty, Life, Step, follow
from protocols.public_key import spki
from protocols.signed import Believed, Trust, Verify, believe, read
from protocols.telemetry.seal import Sealed, key_id
from tillguard.exits import Exit
from tillguard.voice import Fault

TECHNICIAN = "technician"
"""The kind that a person of the trust may sign who stands for recoveries at the terminal."""
NEW_CODE = frozenset({Step.INSTALL, Step.REBIND, Step.RECOVER})
"""Steps after which the merchant gets a code and the terminal a certificate."""
ENDS_ALL = frozenset({Step.RECOVER, Step.RETIRE})
"""Steps that leave nothing old usable."""
_FILE = (
    "INSERT INTO applications VALUES ($1, $2, $3, $4, $5) ON CONFLICT (digest) DO UPDATE "
    "SET endorsed = excluded.endorsed WHERE excluded.endorsed <> ''"
)
# The inner application can be read on its way and filed first by anybody; that must not bar whoever stands for it.
_STANDS_FOR_A_STRANGER_S = " AND applications.endorsed = ''"
_STANDS_FOR_ALL = ""  # a technician's word counts for more than a key's, which may be the stolen one


class NotDone(Fault):
    """What was asked is not done, and nothing has changed."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint, Exit.REFUSED)


@dataclass(frozen=True, slots=True)
class Filed:
    """An application that is kept, and what a machine finds wrong with it, by field."""

    digest: str
    terminal: str
    faults: dict[str, str]


@dataclass(frozen=True, slots=True)
class StepTaken:
    """What a step led to. ``answer``: a document for the terminal; ``code``: for the merchant, shown this once."""

    terminal: str
    life: Life
    answer: bytes = b""
    code: str = field(default="", repr=False)
    barred: bool = False
    """Whether it leaves nothing usable: the broker is to be told."""


class EnrolmentDesk:
    """Head office's enrolment desk over a store. ``trust`` says whose signatures count for steps."""

    def __init__(
        self,
        database: Database,
        authority: Authority,
        trust: Trust,
        verify: Verify,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.records = Records(database)
        self._database = database
        self._authority = authority
        self._trust = trust
        self._verify = verify
        self._now_ms = now_ms
        self._entropy = entropy

    async def file(self, octets: bytes) -> Filed:
        """Keep an application and judge what a machine can judge of it; the same one twice is kept once."""
        outer = documents.open_document(octets, "application")
        endorsed = None if outer.body.startswith(b"{") else outer
        application, requested, digest = read_applied(octets if endorsed is None else outer.body)
        if endorsed is not None:
            await self._known_endorser(application.terminal, endorsed)
        row = (
            digest,
            application.terminal,
            octets if endorsed is None else outer.body,
            "" if endorsed is None else endorsed.key_id,
            self._now_ms(),
        )
        stands = _STANDS_FOR_ALL if row[3] in self._technicians() else _STANDS_FOR_A_STRANGER_S
        await self._database.write([(_FILE + stands, [row])])
        return Filed(digest, application.terminal, await self._faults(application, requested))

    async def step(self, octets: bytes) -> StepTaken:
        """Take the step that persons signed; :class:`NotDone` says why not."""
        terminal = read(octets).unverified.audience
        standing = await self.records.standing(terminal)
        believed = self._believed(octets, terminal, standing)
        wanted = read_step(believed.statement.body)
        try:
            transition = follow(standing.life, wanted.step, len(believed.persons))
        except IntegrityError as fault:
            hint = f"fleet-console enrol show {terminal}; where it takes two, --out FILE leaves it for the second one"
            raise NotDone(str(fault), hint) from None
        version, answer, code, writes = standing.version, b"", "", list[Write]()
        if wanted.step in (Step.ACCEPT, Step.CORRECT):
            answer, writes = await self._review(terminal, wanted, believed.persons)
        if wanted.step in ENDS_ALL:
            writes += await self._end_all(terminal, wanted.step)
        if wanted.step in NEW_CODE:
            version += 1
            code, more = await self._bind(terminal, wanted, version)
            writes += more
        await self._write([*writes, *self._moved(terminal, standing, wanted.step, transition.after, version, octets,
                                                 believed.persons)])  # fmt: skip
        return StepTaken(terminal, transition.after, answer, code, barred=wanted.step in ENDS_ALL)

    async def activate(self, octets: bytes) -> bytes:
        """The certificate for a terminal whose merchant's code is right, sealed; the same again if asked again."""
        sealed = documents.open_document(octets, "activation")
        said = documents.read_activation(sealed)
        kept = await self._kept(said.application)
        terminal = kept.application.terminal
        if not kept.requested.key.signed(sealed, documents.ACTIVATION) or said.terminal != terminal:
            raise NotDone("the activation is not sealed by the key of its application")
        await self._judge_code(said.application, said.proof)
        standing = await self.records.standing(terminal)
        if pem := await self.records.certificate(said.application):
            return self._answer(terminal, said.application, pem, standing.version)
        try:
            transition = follow(standing.life, Step.ACTIVATE)
        except IntegrityError as fault:
            raise NotDone(str(fault)) from None
        moved = self._moved(terminal, standing, Step.ACTIVATE, transition.after, standing.version, octets, ())
        return await self._issue(said.application, kept, standing.version, moved)

    async def renew(self, octets: bytes) -> bytes:
        """The next certificate of a terminal whose key in force stands for the application; no person need look."""
        filed = await self.file(octets)
        kept = await self._kept(filed.digest)
        standing = await self.records.standing(filed.terminal)
        if pem := await self.records.certificate(filed.digest):
            return self._answer(filed.terminal, filed.digest, pem, standing.version)
        if Duty.RENEW not in PERMITTED[standing.life]:
            raise NotDone(f"a terminal that is {standing.life} renews nothing")
        if kept.endorsed not in {key.key_id for key in await self.records.keys(filed.terminal, self._now_ms())}:
            raise NotDone("no key in force stands for the application", "let head office recover the terminal")
        if filed.faults:
            raise NotDone("; ".join(f"{name}: {words}" for name, words in filed.faults.items()))
        bound = await self.records.binding(filed.terminal)
        if bound is None or (changed := bound.changed_to(kept.application.binding)):
            raise NotDone(f"the binding differs: {', '.join(changed) if bound else 'there is none'}", "rebind it first")
        return await self._issue(filed.digest, kept, standing.version, [])

    async def answer(self, digest: str) -> bytes:
        """What was answered to an application before, for an answer that was lost: its certificate, or its review."""
        kept = await self._kept(digest)
        terminal = kept.application.terminal
        if pem := await self.records.certificate(digest):
            return self._answer(terminal, digest, pem, (await self.records.standing(terminal)).version)
        review = await self.records.review(digest)
        if review is None:
            raise NotDone("nothing was answered to this application yet", "fleet-console enrol step accept, or correct")
        return documents.encode_review(Review(terminal, digest, *review), self._authority.signer)

    async def revocation_list(self) -> bytes:
        """The list of withdrawn certificates, in PEM."""
        return await RevocationList(self._authority, now_ms=self._now_ms).made(self._database)

    async def _faults(self, application: Application, requested: Requested) -> dict[str, str]:
        """What a machine finds: the shape of each element, the request's agreement, a machine bound elsewhere."""
        found = application.binding.faults()
        if requested.name != application.terminal:
            found["terminal"] = "the request for a certificate names another one"
        if requested.serial != application.binding.serial:
            found.setdefault("serial", "the request for a certificate names another one")
        if await self.records.holder(application.binding.serial) not in ("", application.terminal):
            found.setdefault("serial", "this machine is bound to another terminal")
        return found

    async def _known_endorser(self, terminal: str, endorsed: Sealed) -> None:
        for key in await self.records.keys(terminal, self._now_ms()):
            if key.signed(endorsed, documents.ENDORSEMENT):
                return
        message = documents.ENDORSEMENT + endorsed.body
        for person in self._trust.persons:
            known = TECHNICIAN in person.kinds and endorsed.key_id == key_id(spki(person.public))
            if known and self._verify(person.public, message, endorsed.signature):
                return
        raise NotDone("nobody known stands for this application", "seal it with the key in force, or a technician's")

    def _believed(self, octets: bytes, terminal: str, standing: Standing) -> Believed:
        envelope = read(octets)
        kind = GRAVE_KIND if envelope.unverified.kind == GRAVE_KIND else KIND
        believed = believe(
            envelope, self._trust, self._verify, kind=kind, terminal=terminal, now_s=self._now_ms() // 1000
        )
        if (read_step(believed.statement.body).step in GRAVE) != (kind == GRAVE_KIND):
            raise NotDone(f"a statement of kind {kind} cannot say this step")
        if believed.statement.version != standing.steps + 1:
            what = f"step {believed.statement.version} of {terminal}, its next one is {standing.steps + 1}"
            raise NotDone(what, "somebody was faster: look again, and sign anew")
        return believed

    async def _review(self, terminal: str, wanted: LifeStep, persons: tuple[str, ...]) -> tuple[bytes, list[Write]]:
        """What is said of an application, sealed; accepted only where neither machine nor person found a fault."""
        kept = await self._kept(wanted.application, terminal)
        faults = await self._faults(kept.application, kept.requested) | dict(wanted.faults)
        accepts = wanted.step is Step.ACCEPT
        if accepts and faults:
            raise NotDone("; ".join(f"{name}: {words}" for name, words in faults.items()), "send it back: correct")
        if not accepts and not faults:
            raise NotDone("sent back without a reason", "name at least one field: --fault FIELD=WORDS")
        now = self._now_ms()
        begun = (terminal, Life.APPLIED, 0, kept.application.binding.serial)
        said = (wanted.application, json.dumps(faults), ", ".join(persons), now)
        return documents.encode_review(Review(terminal, wanted.application, now, faults), self._authority.signer), [
            ("INSERT INTO enrolments VALUES ($1, $2, $3, $4) ON CONFLICT (terminal) DO NOTHING", [begun]),
            ("INSERT INTO reviews VALUES ($1, $2, $3, $4)", [said]),
        ]

    async def _bind(self, terminal: str, wanted: LifeStep, version: int) -> tuple[str, list[Write]]:
        """A binding as the application says it, and the code that the merchant gets."""
        kept = await self._kept(wanted.application, terminal)
        if wanted.step is Step.INSTALL and not await self.records.accepted(wanted.application):
            raise NotDone("nobody accepted this application", "accept it first")
        if wanted.step is Step.RECOVER and kept.endorsed not in self._technicians():
            raise NotDone("a recovery takes a technician's word beside the code", "apply at the terminal with a key")
        if faults := await self._faults(kept.application, kept.requested):
            raise NotDone("; ".join(f"{name}: {words}" for name, words in faults.items()))
        code = activation.code_of(self._entropy(activation.RANDOM_OCTETS))
        now, one = self._now_ms(), kept.application.binding
        proof = activation.proof_of(code, wanted.application)
        row = (terminal, version, one.acquirer, one.merchant, one.licence, one.serial, one.location, now)
        return code, [
            ("UPDATE enrolments SET serial = $2 WHERE terminal = $1", [(terminal, one.serial)]),
            ("INSERT INTO bindings VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", [row]),
            (
                "INSERT INTO activations VALUES ($1, $2, $3)",
                [(wanted.application, proof, now + activation.LIFE_S * 1000)],
            ),
        ]

    def _technicians(self) -> set[str]:
        return {key_id(spki(one.public)) for one in self._trust.persons if TECHNICIAN in one.kinds}

    async def _end_all(self, terminal: str, step: Step) -> list[Write]:
        """Withdraw every certificate and every report key."""
        now = self._now_ms()
        rows = [(serial, step.value, now) for serial in await self.records.serials(terminal, now)]
        state = State.RETIRED if step is Step.RETIRE else State.ISOLATED
        return [
            ("INSERT INTO revocations VALUES ($1, $2, $3)", rows),
            ("DELETE FROM report_keys WHERE terminal = $1", [(terminal,)]),
            *change(terminal, state, step.value, now),
        ]

    async def _judge_code(self, digest: str, proof: str) -> None:
        """Whether the code is right; the try is written down before it is judged."""
        expected = await self.records.code(digest)
        if expected is None:
            raise NotDone("no code was made for this application", "head office installs the terminal first")
        number = await self.records.tries(digest) + 1
        if number > activation.TRIES:
            raise NotDone("the code died of wrong tries", "let head office bind the terminal anew")
        await self._write([("INSERT INTO activation_tries VALUES ($1, $2, $3)", [(digest, number, self._now_ms())])])
        if self._now_ms() >= expected[1]:
            raise NotDone("the code's time is over", "let head office bind the terminal anew")
        if not hmac.compare_digest(expected[0].encode(), proof.encode()):
            raise NotDone("the code is wrong", f"{activation.TRIES - number} tries are left")

    async def _issue(self, digest: str, kept: Kept, version: int, more: list[Write]) -> bytes:
        terminal, key = kept.application.terminal, kept.requested.key
        now = self._now_ms()
        issued = self._authority.issue(kept.requested, _time(now))
        ends_ms = int(issued.ends.timestamp() * 1000)
        row = (digest, issued.serial, terminal, key.key_id, issued.pem, ends_ms)
        known = [*addition(terminal, (key,), now), *change(terminal, State.ACTIVE, "", now)] if more else []
        await self._write(
            [
                ("INSERT INTO certificates VALUES ($1, $2, $3, $4, $5, $6)", [row]),
                *(known or addition(terminal, (key,), now)),
                *more,
            ]
        )
        return self._answer(terminal, digest, issued.pem, version)

    def _answer(self, terminal: str, digest: str, pem: bytes, version: int) -> bytes:
        issue = Issue(terminal, digest, self._now_ms(), pem.decode("ascii"), version)
        return documents.encode_issue(issue, self._authority.signer)

    def _moved(
        self, terminal: str, standing: Standing, step: Step, life: Life, version: int, octets: bytes,
        persons: tuple[str, ...],
    ) -> list[Write]:  # fmt: skip
        row = (terminal, standing.steps + 1, step.value, life.value, ", ".join(persons), octets, self._now_ms())
        return [
            ("UPDATE enrolments SET life = $2, version = $3 WHERE terminal = $1", [(terminal, life.value, version)]),
            ("INSERT INTO life_steps VALUES ($1, $2, $3, $4, $5, $6, $7)", [row]),
        ]

    async def _kept(self, digest: str, terminal: str | None = None) -> Kept:
        kept = await self.records.application(digest)
        if kept is None or terminal not in (None, kept.application.terminal):
            raise NotDone("no such application of this terminal", "fleet-console enrol file FILE")
        return kept

    async def _write(self, writes: list[Write]) -> None:
        try:
            await self._database.write(writes)
        except Taken:
            raise NotDone("somebody did this at the same time, or did it before", "look again") from None


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
