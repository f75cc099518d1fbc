# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal is enrolled, renewed, bound anew, recovered and retired by documents alone; and what is refused."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fleet_console.enrolment import NotDone
from fleet_console.life_steps import LifeStep
from fleet_console.office_audit import CHAIN
from protocols.audit_chain import parse, verify
from protocols.errors import DecodeError, IntegrityError
from protocols.identity.activation import LIFE_S, TRIES, code_of
from protocols.identity.documents import endorse, open_document
from protocols.identity.life import Life, Step
from protocols.signed import Refused
from protocols.telemetry.keys import signer_from_pem
from terminal_agent.errors import AgentError
from terminal_agent.identity.folder import Folder, IdentityError
from tests.flows.enrolling import BINDING, TERMINAL, Stage
from tests.protocols import persons

MOVED = replace(BINDING, location="+48.1374+011.5755")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def test_from_application_to_active(stage: Stage) -> None:
    stage.enrol()
    standing = stage.terminal.standing()
    assert standing.record.life is Life.ACTIVE
    assert (standing.record.binding, standing.record.version) == (BINDING, 1)
    assert standing.in_use is not None
    assert standing.in_use.name == TERMINAL
    slot = stage.identity.slot(standing.record.in_use)
    context = ssl.create_default_context(cadata=stage.authority.credential.certificate.decode())
    context.load_cert_chain(slot.certificate, slot.key)  # OpenSSL takes key and certificate as one
    assert slot.key.stat().st_mode & 0o777 == 0o600
    rows = stage.run(stage.database.read("SELECT terminal, state FROM terminals"))
    assert rows == [(TERMINAL, "active")]


def recorded(stage: Stage) -> list[tuple[str, str]]:
    """Head office's chain, verified: each record's name, and the step or the certificate that it tells of."""
    lines = [bytes(line) for (line,) in stage.run(stage.database.read("SELECT line FROM audit ORDER BY seq"))]
    verify(CHAIN, lines)
    records = [parse(line, CHAIN) for line in lines]
    assert all(one.fields["terminal"] == TERMINAL for one in records)
    return [(one.name, str(one.fields.get("step") or one.fields["serial"])) for one in records]


def test_every_step_and_certificate_stands_in_head_offices_chain(stage: Stage) -> None:
    stage.enrol()
    [(serial,)] = stage.run(stage.database.read("SELECT serial FROM certificates"))
    enrolled = [("terminal.step", step) for step in ("accept", "contract", "install")]
    assert recorded(stage) == [*enrolled, ("certificate.issued", serial)]
    with pytest.raises(NotDone):
        stage.step(Step.THAW, "alice", "bob")  # what was not done is not told as done
    stage.step(Step.FREEZE, "alice")
    assert recorded(stage)[4:] == [("terminal.step", "freeze")]


def test_sent_back_with_the_reasons_by_field(stage: Stage) -> None:
    filed = stage.run(stage.desk.file(stage.terminal.apply(BINDING, "tillguard 1")))
    back = stage.step(Step.CORRECT, "alice", application=filed.digest, licence="ended on 2026-01-31")
    assert stage.terminal.take(back.answer) == "sent back: licence: ended on 2026-01-31"
    assert stage.terminal.standing().record.life is Life.APPLIED
    with pytest.raises(NotDone, match="accept"):
        stage.step(Step.INSTALL, "alice", application=filed.digest)
    stage.enrol()  # another application, and all is well


def test_what_a_machine_finds_is_not_accepted_by_a_person_either(stage: Stage) -> None:
    stage.enrol()
    other = stage.another("TG000002")
    filed = stage.run(stage.desk.file(other.apply(BINDING, "tillguard 1")))
    assert filed.faults == {"serial": "this machine is bound to another terminal"}
    with pytest.raises(NotDone, match="bound to another terminal"):
        stage.step(Step.ACCEPT, "alice", application=filed.digest, terminal="TG000002")


@pytest.mark.parametrize("element", ["acquirer", "merchant", "licence", "serial", "location"])
def test_an_element_of_the_wrong_shape_never_leaves_the_terminal(element: str, stage: Stage) -> None:
    with pytest.raises(IdentityError, match=f"{element}: .* expected"):
        stage.terminal.apply(replace(BINDING, **{element: "?"}), "tillguard 1")


def test_a_code_alone_opens_nothing(stage: Stage) -> None:
    filed = stage.run(stage.desk.file(stage.terminal.apply(BINDING, "tillguard 1")))
    stage.step(Step.ACCEPT, "alice", application=filed.digest)
    stage.step(Step.CONTRACT, "alice")
    code = stage.step(Step.INSTALL, "alice", application=filed.digest).code
    thief = stage.another(TERMINAL + "X")
    thief.apply(BINDING, "tillguard 1")
    with pytest.raises(NotDone, match="no such application"):
        stage.run(stage.desk.activate(thief.activate(code)))


def test_a_wrong_code_dies_after_a_few_tries_and_a_right_one_after_a_day(stage: Stage) -> None:
    filed = stage.run(stage.desk.file(stage.terminal.apply(BINDING, "tillguard 1")))
    stage.step(Step.ACCEPT, "alice", application=filed.digest)
    stage.step(Step.CONTRACT, "alice")
    code = stage.step(Step.INSTALL, "alice", application=filed.digest).code
    stage.now += timedelta(seconds=LIFE_S)
    with pytest.raises(NotDone, match="time is over"):
        stage.run(stage.desk.activate(stage.terminal.activate(code)))
    stage.now -= timedelta(seconds=LIFE_S)
    for left in reversed(range(TRIES - 1)):
        with pytest.raises(NotDone, match="the code is wrong") as caught:
            stage.run(stage.desk.activate(stage.terminal.activate(code_of(bytes(10)))))
        assert caught.value.hint == f"{left} tries are left"
    with pytest.raises(NotDone, match="died of wrong tries"):
        stage.run(stage.desk.activate(stage.terminal.activate(code)))


def test_an_answer_that_was_lost_is_given_again(stage: Stage) -> None:
    filed = stage.run(stage.desk.file(stage.terminal.apply(BINDING, "tillguard 1")))
    stage.step(Step.ACCEPT, "alice", application=filed.digest)
    stage.step(Step.CONTRACT, "alice")
    activation = stage.terminal.activate(stage.step(Step.INSTALL, "alice", application=filed.digest).code)
    stage.run(stage.desk.activate(activation))
    stage.terminal.take(stage.run(stage.desk.activate(activation)))
    assert len(stage.run(stage.database.read("SELECT 1 FROM certificates"))) == 1


def test_an_application_that_was_removed_or_exchanged_binds_the_terminal_to_nothing(stage: Stage) -> None:
    stage.enrol()
    answer = stage.run(stage.desk.renew(stage.terminal.renew("tillguard 1")))
    waiting = stage.identity.application.read_bytes()
    stage.identity.application.unlink()
    with pytest.raises(IdentityError, match="No such file"):
        stage.terminal.take(answer)
    elsewhere = stage.another("TG000002")
    elsewhere.apply(MOVED, "tillguard 1")
    other = stage.identity.application.read_bytes()
    mine = Folder(stage.folder / TERMINAL, TERMINAL)
    mine.application.write_bytes(other)
    with pytest.raises(IntegrityError, match="not the one that waits"):
        stage.terminal.take(answer)
    mine.application.write_bytes(waiting)
    assert "on trial" in stage.terminal.take(answer)


def test_renewed_on_trial_then_promoted_or_given_up(stage: Stage) -> None:
    stage.enrol()
    before = stage.terminal.standing()
    assert not stage.terminal.renewal_due()
    stage.now += timedelta(days=23)
    assert stage.terminal.renewal_due()
    stage.terminal.take(stage.run(stage.desk.renew(stage.terminal.renew("tillguard 1"))))
    on_trial = stage.terminal.standing()
    assert on_trial.in_use == before.in_use
    assert on_trial.candidate is not None
    assert not stage.terminal.renewal_due()
    stage.identity.give_up()
    assert stage.terminal.standing().in_use == before.in_use
    stage.terminal.take(stage.run(stage.desk.renew(stage.terminal.renew("tillguard 1"))))
    old = stage.identity.slot(before.record.in_use)
    after = stage.identity.promote()
    assert stage.terminal.standing().in_use != before.in_use
    assert after.in_use != before.record.in_use
    assert not old.key.exists()


def test_a_renewal_that_no_key_in_force_stands_for(stage: Stage) -> None:
    stage.enrol()
    stage.now += timedelta(days=40)  # the certificate has ended
    with pytest.raises(NotDone, match="nobody known stands"):
        stage.run(stage.desk.renew(stage.terminal.renew("tillguard 1")))
    stage.now -= timedelta(days=40)
    stage.step(Step.FREEZE, "bob")
    with pytest.raises(NotDone, match="frozen renews nothing"):
        stage.run(stage.desk.renew(stage.terminal.renew("tillguard 1")))


def test_a_stranger_who_files_the_inner_application_first_bars_nobody(stage: Stage) -> None:
    stage.enrol()
    stage.now += timedelta(days=23)
    endorsed = stage.terminal.renew("tillguard 1")
    inner = open_document(endorsed, "application").body
    filed = stage.run(stage.desk.file(inner))
    with pytest.raises(NotDone, match="no key in force"):
        stage.run(stage.desk.renew(inner))
    stage.terminal.take(stage.run(stage.desk.renew(endorsed)))
    assert stage.terminal.standing().candidate is not None
    kept = stage.run(stage.desk.records.application(filed.digest))
    stage.run(stage.desk.file(inner))  # nor does the bare one take the word away again
    assert kept is not None
    assert kept.endorsed
    assert stage.run(stage.desk.records.application(filed.digest)) == kept


def test_a_technician_s_word_counts_over_that_of_a_key(stage: Stage, tmp_path: Path) -> None:
    stage.enrol()
    stolen = signer_from_pem(stage.identity.slot(stage.terminal.standing().record.in_use).key.read_bytes(), "stolen")
    tess = tmp_path / "tess.pem"
    tess.write_bytes(persons.private_pem("tess"))
    by_technician = stage.terminal.recover(BINDING, "tillguard 1", tess)
    inner = open_document(by_technician, "application").body
    by_thief = endorse(inner, stolen)
    filed = stage.run(stage.desk.file(by_thief))
    with pytest.raises(NotDone, match="technician"):
        stage.step(Step.RECOVER, "alice", "bob", application=filed.digest)
    stage.run(stage.desk.file(by_technician))
    stage.run(stage.desk.file(by_thief))
    assert stage.step(Step.RECOVER, "alice", "bob", application=filed.digest).life is Life.INSTALLED


def test_bound_anew_by_two_persons_and_a_new_code_the_old_binding_stays_as_history(stage: Stage) -> None:
    stage.enrol()
    filed = stage.run(stage.desk.file(stage.terminal.rebind(MOVED, "tillguard 1")))
    with pytest.raises(Refused, match="too few persons"):
        stage.step(Step.REBIND, "alice", application=filed.digest)
    taken = stage.step(Step.REBIND, "alice", "bob", application=filed.digest)
    assert taken.life is Life.INSTALLED
    stage.terminal.take(stage.run(stage.desk.activate(stage.terminal.activate(taken.code))))
    record = stage.terminal.standing().record
    assert (record.binding, record.version) == (MOVED, 2)
    assert [one.binding for one in record.history] == [BINDING, MOVED]
    rows = stage.run(stage.database.read("SELECT location FROM bindings ORDER BY version"))
    assert rows == [(BINDING.location,), (MOVED.location,)]


def test_recovered_by_two_proofs_and_two_persons_nothing_old_is_usable(stage: Stage, tmp_path: Path) -> None:
    stage.enrol()
    old = stage.terminal.standing().in_use
    assert old is not None
    with pytest.raises(NotDone, match="no such application"):
        stage.step(Step.RECOVER, "alice", "bob")
    tess = tmp_path / "tess.pem"
    tess.write_bytes(persons.private_pem("tess"))
    filed = stage.run(stage.desk.file(stage.terminal.recover(BINDING, "tillguard 1", tess)))
    taken = stage.step(Step.RECOVER, "alice", "bob", application=filed.digest)
    assert stage.run(stage.database.read("SELECT 1 FROM report_keys")) == []
    stage.terminal.take(stage.run(stage.desk.activate(stage.terminal.activate(taken.code))))
    fresh = stage.terminal.standing().in_use
    assert fresh is not None
    assert fresh.serial != old.serial
    listed = x509.load_pem_x509_crl(stage.run(stage.desk.revocation_list()))
    assert [f"{one.serial_number:x}" for one in listed] == [old.serial]


@pytest.mark.parametrize("key", ["no file", "no key"])
def test_a_recovery_that_cannot_be_signed_costs_nothing(stage: Stage, key: str) -> None:
    stage.enrol()
    technician = stage.folder / key
    if key == "no key":
        technician.write_text("not a key")
    before = kept(stage.identity)
    with pytest.raises((AgentError, DecodeError)):
        stage.terminal.recover(BINDING, "tillguard 1", technician)
    assert kept(stage.identity) == before
    stage.terminal.renew("tillguard 1")


def kept(folder: Folder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def test_a_recovery_without_a_technician_is_refused(stage: Stage) -> None:
    stage.enrol()
    filed = stage.run(stage.desk.file(stage.terminal.rebind(BINDING, "tillguard 1")))
    with pytest.raises(NotDone, match="technician"):
        stage.step(Step.RECOVER, "alice", "bob", application=filed.digest)


def test_a_step_signed_for_one_place_is_not_played_again(stage: Stage) -> None:
    stage.enrol()
    suspended = stage.signed(LifeStep(Step.SUSPEND), "alice")
    stage.run(stage.desk.step(suspended))
    stage.step(Step.RESUME, "alice")
    with pytest.raises(NotDone, match="its next one is 7"):
        stage.run(stage.desk.step(suspended))


def test_an_answer_for_another_application_or_by_another_authority_is_not_taken(stage: Stage, tmp_path: Path) -> None:
    filed = stage.run(stage.desk.file(stage.terminal.apply(BINDING, "tillguard 1")))
    review = stage.step(Step.ACCEPT, "alice", application=filed.digest).answer
    stage.terminal.apply(BINDING, "tillguard 1")
    with pytest.raises(IntegrityError, match="another application"):
        stage.terminal.take(review)
    (tmp_path / "other").mkdir()
    other = Stage(tmp_path / "other")
    try:
        with pytest.raises(IntegrityError, match="not sealed by the authority"):
            other.terminal.take(review)
    finally:
        other.close()


def test_retired_for_good(stage: Stage) -> None:
    stage.enrol()
    stage.step(Step.SUSPEND, "alice")
    with pytest.raises(NotDone, match="2 persons, 1 stand"):
        stage.step(Step.RETIRE, "alice")
    stage.step(Step.RETIRE, "alice", "bob")
    assert stage.run(stage.database.read("SELECT state FROM terminals")) == [("retired",)]
    with pytest.raises(NotDone, match="open steps: none"):
        stage.step(Step.RESUME, "alice")
    stage.identity.wipe(Life.RETIRED)
    assert not list((stage.folder / TERMINAL).rglob("key.pem"))
