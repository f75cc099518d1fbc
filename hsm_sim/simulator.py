# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One simulated HSM put together: master keys, engine, unit, vault, counters, audit. Opens no socket, asks no person.

Whatever changes the unit goes through here: it is recorded first, kept where there is a vault, and then done, so that
a record may say more than happened, but nothing happens unsaid. A change that cannot be recorded or kept is refused.
Where the audit cannot be written, or a failed guess at a PIN not kept, the unit serves nobody from then on and stops.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from hsm_sim.audit import Audit, AuditError
from hsm_sim.config import PolicySettings, Preset, Settings
from hsm_sim.engine.counters import NONE, Counts, FraudCounters
from hsm_sim.engine.engine import DEFAULT_LMK, Engine
from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.lmk import Lmk
from hsm_sim.engine.master_keys import LMK_IDS, kind_of, made, public
from hsm_sim.engine.policy import Policy
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import CheckValue, KeyUnderLmk
from hsm_sim.engine.settings import Commands, Operating, changed, overlaid, packed, unpacked
from hsm_sim.engine.states import Clock, State, States, Turn
from hsm_sim.engine.stored_key import StoredKey
from hsm_sim.engine.vault import About, Entry, Kind, Life, Vault, VaultError
from hsm_sim.engine.wrapping import VariantLmk, WrappedKey
from hsm_sim.faults import Injector, Rule
from hsm_sim.payshield.unit import Rules, Unit
from protocols.audit_chain import Value
from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.command import Activity
from protocols.hsm.commands.diagnostics import RA, RB
from protocols.hsm.key_field import STORED_DIGITS, KeyField
from protocols.secret import ClearKey

ACTIVITIES = tuple(str(activity) for activity in Activity if activity)
TOLD_REFUSALS = frozenset(
    {
        ErrorCode.SOURCE_KEY_PARITY,
        ErrorCode.DESTINATION_KEY_PARITY,
        ErrorCode.NOT_AUTHORISED,
        ErrorCode.INVALID_PIN_BLOCK,
        ErrorCode.DECIMALISATION_TABLE,
        ErrorCode.INVALID_KEY_TYPE,
        ErrorCode.FUNCTION_NOT_PERMITTED,
        ErrorCode.FRAUD_DETECTION,
        ErrorCode.SINGLE_LENGTH_POSING,
        ErrorCode.INTERNAL,
        ErrorCode.COMMAND_DISABLED,
        ErrorCode.PIN_BLOCK_FORMAT_DISABLED,
        ErrorCode.KEY_BLOCK_FORMAT,
        ErrorCode.LMK_SCHEMES_DIFFER,
        ErrorCode.KEY_BLOCK_AUTHENTICATION,
        ErrorCode.KEY_BLOCK_USAGE,
        ErrorCode.KEY_BLOCK_MODE,
        ErrorCode.KEY_BLOCK_EXPORT,
        ErrorCode.KEY_BLOCK_MISCELLANEOUS,
    }
)
"""What may be an attack, or a fault of ours: recorded by number once a second, so no host fills the disk."""
CHECK_VALUE_OCTETS = 3
LOOKED_UP = 1024
"""Keys of the vault that stay at hand, under their LMK, since hosts name the same few again and again."""
_COUNTS, _OPERATING = "fraud counters", "settings"
COUNTED, TRIPPED, RESET = "fraud.counted", "fraud.tripped", "fraud.reset"
REMEMBERED = frozenset({COUNTED, TRIPPED, RESET})
"""Records that say where the fraud counters stand: an audit that the unit opens must bring back the last of them."""

Random = Callable[[int], bytes]


class Simulator:
    """The parts of one unit and the ways to change them. Bound to one thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        random: Random,
        clock: Clock,
        clock_ms: Callable[[], int],
        audit: Audit,
        vault: Vault | None,
        injector: Injector | None = None,
        stop: Callable[[str, str], None] = lambda what, hint: None,
        tell: Callable[[str], None] = lambda words: None,
    ) -> None:
        """``stop`` is told when the unit must stop, ``tell`` what its owner should hear."""
        self.audit = audit
        self.vault = vault
        self.injector = injector
        self.random = random
        self.clock_ms = clock_ms
        self._stop = stop
        self._failed = False
        self._tell = tell
        self._old_test_lmk = settings.policy.old_test_lmk
        self._audited = frozenset(map(str.upper, settings.commands.audited))
        kept = vault.kept(Kind.STATE, _OPERATING) if vault is not None else None
        self._chosen = {} if kept is None else unpacked(kept)
        self.operating = self._first_operating(settings)
        self.states = States(clock, ACTIVITIES)
        self.counters = FraudCounters(self.operating.fraud, clock_ms, self._keep_counts, self._kept_counts())
        self.lmks = self._master_keys(settings.test_lmks)
        self._engine = self._new_engine()
        self.unit = Unit(
            self._engine,
            settings.header_octets,
            self.states,
            rules=self._rules(),
            listener=self,
            own={RA: self._end_authorisations},
        )
        self._reported: dict[tuple[str, str], int] = {}
        self._looked_up: dict[str, StoredKey] = {}
        audit.now("unit.started", lmks=" ".join(self.lmks), vault=vault is not None, test_keys=self.test_keys)

    # What the unit tells: see hsm_sim.payshield.unit.Listener

    def done(self, code: str, error: str, peer: str) -> None:
        """A command that is always recorded was answered."""
        try:
            self.audit.soon("host.command", code=code, error=error, peer=peer)
        except AuditError as fault:
            self.fail(fault)

    def bug(self, code: str, kind: str) -> None:
        """A fault of ours: the command was answered 41."""
        self._tell(f"bug while answering {code}: {kind}")

    # Looking

    @property
    def test_keys(self) -> bool:
        """Whether any master key is publicly known."""
        return any(lmk.test for lmk in self.lmks.values())

    def report_refusals(self) -> None:
        """Record what was refused since the last time, by command and code."""
        for (code, error), count in self.unit.answers.items():
            fresh = count - self._reported.get((code, error), 0)
            if fresh and error in TOLD_REFUSALS:
                self.audit.soon("host.refused", code=code, error=error, count=fresh)
            self._reported[code, error] = count

    # Changing

    def fail(self, fault: AuditError | VaultError) -> None:
        """Serve nobody from now on and stop: what happens could not be recorded, or kept."""
        self.states.state = State.OFFLINE
        self.states.cancel()
        if not self._failed:
            self._failed = True
            self._stop(str(fault), fault.hint)

    def record(self, name: str, **fields: Value) -> None:
        """Record a change before it is made."""
        try:
            self.audit.now(name, **fields)
        except AuditError as fault:
            self.fail(fault)
            raise

    def turn(self, turn: Turn) -> State:
        """Turn the key switch."""
        before = self.states.state
        probe = States(lambda: 0.0, (), before)
        self.record("state.changed", before=before.value, after=probe.turn(turn).value)
        return self.states.turn(turn)

    def authorise(self, activity: str, seconds: float) -> None:
        """Authorise an activity for a time."""
        States(lambda: 0.0, ACTIVITIES).authorise(activity, seconds)
        self.record("activity.authorised", activity=activity, seconds=int(seconds))
        self.states.authorise(activity, seconds)

    def cancel(self, activity: str | None = None) -> tuple[str, ...]:
        """End one authorisation, or all."""
        running = [name for name in self.states.authorised() if activity in (None, name)]
        if running:
            self.record("activity.cancelled", activities=" ".join(running))
        return self.states.cancel(activity)

    def set(self, name: str, text: str) -> None:
        """Change one setting; :class:`ValueError` where it cannot be so."""
        operating = changed(self.operating, name, text)
        self.record("setting.changed", setting=name, value="" if name.endswith("excluded-pins") else text)
        chosen = {**self._chosen, name: text}
        self._keep(Kind.STATE, _OPERATING, packed(chosen))
        self._chosen, self.operating = chosen, operating
        self.counters.limits = operating.fraud
        self._renew()

    def reset_counters(self) -> None:
        """Open the unit to PIN verifications again."""
        self.counters.reset()

    def take_master_key(self, lmk_id: str, kind: str, octets: ClearKey) -> Lmk:
        """Use a master key from now on; it is kept in the vault, where there is one, and ``octets`` are wiped."""
        with octets:
            lmk = made(kind, lmk_id, octets)
            self.record("lmk.loaded", lmk=lmk_id, kind=kind, check_value=lmk.check_value().hex().upper())
            stored = bytearray(kind.encode("ascii") + b":") + octets.reveal()
            try:
                self._keep(Kind.MASTER_KEY, lmk_id, stored)
            finally:
                stored[:] = bytes(len(stored))
        self.lmks = {**self.lmks, lmk_id: lmk}
        self._renew()
        return lmk

    def make_master_key(self, lmk_id: str, kind: str) -> Lmk:
        """As :meth:`take_master_key`, with random octets that nobody sees."""
        return self.take_master_key(lmk_id, kind, ClearKey(bytearray(self.random(kind_of(kind).octets))))

    def keep_key(self, event: str, reference: str, about: About, key: str, **fields: Value) -> None:
        """Keep a key, a field as hosts write it; ``event`` and ``fields`` are what the audit says of it."""
        vault = self.open_vault
        vault.expect_none(reference)
        self.record(event, key=reference, usage=about.usage, check_value=about.check_value, **fields)
        vault.put(reference, about, key.encode("ascii"))

    def move_key(self, reference: str, life: Life) -> Entry:
        """Move a key on in its life; hosts meet it from the next command on."""
        vault = self.open_vault
        vault.expect(reference, life)
        self.record("key.moved", key=reference, life=life.value)
        self._looked_up.clear()
        return vault.move(reference, life)

    @property
    def open_vault(self) -> Vault:
        """The vault; :class:`VaultError` where there is none."""
        if self.vault is None:
            raise VaultError("this unit has no vault", "start it with a state folder and [vault], or --passphrase-file")
        return self.vault

    def under(self, lmk_id: str) -> Engine:
        """The engine under a master key; :class:`DecodeError` where there is none of that identifier."""
        found = self._engine.under(lmk_id)
        if found is None:
            raise DecodeError("LMK identifier", f"one of {', '.join(sorted(self.lmks))} expected")
        return found

    def lmk(self, lmk_id: str) -> Lmk:
        """The master key of an identifier; :class:`DecodeError` where there is none."""
        self.under(lmk_id)
        return self.lmks[lmk_id]

    def check_value(self, lmk_id: str, kind: KeyType, wrapped: WrappedKey) -> bytes:
        """The check value of a key that lies under a master key; refuses what is none of that kind."""
        return self.under(lmk_id).perform(CheckValue(KeyUnderLmk(kind, wrapped), CHECK_VALUE_OCTETS))

    def inject(self, rules: tuple[Rule, ...]) -> None:
        """Meet hosts by these faults from now on; their connections take them up as they are made."""
        self.record("faults.set", rules=len(rules))
        self.injector = Injector(rules) if rules else None

    def close(self) -> None:
        """Record the end and let go of the files, also where the end cannot be recorded."""
        with ExitStack() as files:
            if self.vault is not None:
                files.callback(self.vault.close)
            files.callback(self.audit.close)
            self.report_refusals()
            self.audit.now("unit.stopped")

    # Parts

    def _end_authorisations(self, engine: Engine, request: RA) -> RB:
        try:
            self.cancel()
        except AuditError:
            raise Refused(Reason.NOT_KEPT) from None
        return RB()

    def _stored(self, lmk_id: str, index: str) -> StoredKey | None:
        """The key at a place in user storage, if there is one and it is in use."""
        reference = stored_at(lmk_id, index)
        found = self._looked_up.get(reference)
        if found is None and self.vault is not None:
            try:
                entry, cryptogram = self.vault.get(reference)
            except VaultError:
                return None
            about = entry.about
            if about.life is not Life.ACTIVE:
                return None
            key = KeyField.from_text(cryptogram.decode("ascii"))
            found = StoredKey(WrappedKey(key.scheme, key.cryptogram), about.usage, about.mode, about.exportability)
            if len(self._looked_up) >= LOOKED_UP:
                self._looked_up.clear()
            self._looked_up[reference] = found
        return found

    def _renew(self) -> None:
        self._engine = self._new_engine()
        self.unit.set(self._engine, self._rules())

    def _new_engine(self) -> Engine:
        old = {DEFAULT_LMK: VariantLmk.of_old_test_keys()} if self._old_test_lmk else None
        storage = {lmk_id: partial(self._stored, lmk_id) for lmk_id in self.lmks} if self.vault is not None else None
        return Engine(
            self.lmks,
            self.random,
            policy=self.operating.policy,
            guard=self.counters,
            old_lmks=old,
            storage=storage,
        )

    def _rules(self) -> Rules:
        return Rules(self.operating.commands.disabled, self._audited)

    def _master_keys(self, test_lmks: Mapping[str, str]) -> Mapping[str, Lmk]:
        found: dict[str, Lmk] = {name: public(kind, name) for name, kind in test_lmks.items()}
        if self.vault is not None:
            for name in self.vault.names(Kind.MASTER_KEY):
                stored = self.vault.kept(Kind.MASTER_KEY, name) or bytearray()
                kind, _, octets = stored.partition(b":")
                with ClearKey(octets) as clear:
                    found[name] = made(kind.decode("ascii"), name, clear)
                stored[:] = bytes(len(stored))
        return found

    def _first_operating(self, settings: Settings) -> Operating:
        operating = Operating(
            _policy(settings.policy), settings.fraud, Commands(frozenset(map(str.upper, settings.commands.disabled)))
        )
        operating = settings.policy.upon(operating)
        return overlaid(operating, self._chosen)

    def _keep(self, kind: Kind, name: str, octets: bytes | bytearray) -> None:
        """Keep what was recorded, where there is a vault."""
        if self.vault is not None:
            self.vault.keep(kind, name, octets)

    def _keep_counts(self, counts: Counts) -> None:
        before = self.counters.counts
        name = COUNTED
        if counts.total == before.total:
            name = RESET
        elif counts.tripped and not before.tripped:
            name = TRIPPED
        words = counts.words()
        try:
            self.record(name, **words)
            self._keep(Kind.STATE, _COUNTS, json.dumps(words).encode())
        except (AuditError, VaultError) as fault:
            self.fail(fault)
            raise Refused(Reason.NOT_KEPT) from None

    def _kept_counts(self) -> Counts:
        """As the audit and the vault say; the stricter of the two, so that neither can be taken away or put back."""
        recorded = self.audit.remembered
        counts = NONE if recorded is None else Counts.of_words(recorded.fields)
        kept = self.vault.kept(Kind.STATE, _COUNTS) if self.vault is not None else None
        return counts if kept is None else counts.stricter(Counts.of_words(json.loads(bytes(kept))))


def stored_at(lmk_id: str, index: str) -> str:
    """The name in the vault of a place in user storage, which hosts write as K and three hexadecimal digits."""
    text = index.upper().removeprefix("K")
    if len(text) != STORED_DIGITS or any(digit not in "0123456789ABCDEF" for digit in text) or lmk_id not in LMK_IDS:
        raise ValueError(f"{STORED_DIGITS} hexadecimal digits and an LMK identifier of two digits expected")
    return f"{lmk_id}/K{text}"


def _policy(settings: PolicySettings) -> Policy:
    return Policy().hardened() if settings.preset is Preset.HARDENED else replace(Policy())
