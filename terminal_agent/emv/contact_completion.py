# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of a contact transaction after the acquirer was asked. Their order is :mod:`terminal_agent.emv.contact`'s.

EMV 4.4 Book 3, 10.9 to 10.11: the issuer's proof goes to the card, scripts before and after, and the second cryptogram
is what the payment ends in. An approval of the issuer that the card does not confirm is no approval.
"""

from collections.abc import Generator

from protocols.emv import apdu, status
from protocols.emv.apdu import Command, Response
from protocols.emv.bits import Aip, CryptogramType, Tsi, Tvr
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from terminal_agent.emv import action, card_decision
from terminal_agent.emv.contact_run import ContactRun, Turn
from terminal_agent.emv.issuer_answer import Script
from terminal_agent.emv.outcome import Alert, Decision

UNABLE_APPROVED = "Y3"  # Book 4, Annex A6: could not go online, approval is asked for
UNABLE_DECLINED = "Z3"  # ibid.: could not go online, declined
WARNINGS = (0x62, 0x63)  # Book 3, 10.10: a script goes on after them
SCRIPT_FAILED, SCRIPT_DONE = 0x10, 0x20  # Book 4, Annex A5, octet 1, bits 8 to 5
LAST_NUMBERED = 0x0F  # ibid., bits 4 to 1: the command at fault, 15 for all beyond


def take_answer(run: ContactRun) -> Turn:
    """What the acquirer's answer, or its absence, means to the card (Book 3, 10.9; Book 4, Annex A6)."""
    trail, issuer = run.trail, run.issuer
    trail.note("decision", "online authorisation", "Book 3, 10.9")
    if run.authorisation_failed:
        code, run.wanted = UNABLE_DECLINED, CryptogramType.AAC
        trail.note("issuer", "the authorisation failed: the card is asked to decline", "house rule")
    elif issuer is None:
        facts = action.Facts(
            run.tvr,
            action.ActionCodes.of(run.application, run.card),
            False,
            run.authenticated,
            foreign=run.request.currency != run.terminal.currency,
        )
        rule = action.choose(facts)
        run.wanted = rule.wanted
        code = UNABLE_APPROVED if rule.wanted is CryptogramType.TC else UNABLE_DECLINED
        trail.note("issuer", f"could not be asked; {rule.words(facts)}", rule.source)
    else:
        code = issuer.code
        run.wanted = CryptogramType.TC if issuer.approved else CryptogramType.AAC
        trail.note("issuer", f"{'approves' if issuer.approved else 'declines'}, response code {code}", "Book 3, 10.9")
        if issuer.fault:
            trail.note("issuer", f"its data are not used: {issuer.fault}", "Book 4, 12.2")
        if issuer.authentication:
            run.given[Tag.ISSUER_AUTHENTICATION_DATA] = issuer.authentication
    run.given[Tag.AUTHORISATION_RESPONSE] = code.encode("ascii")
    return Turn.DONE


def issuer_authentication(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """EXTERNAL AUTHENTICATE where the card wants it and the issuer's proof came, at most once (Book 3, 10.9)."""
    proof = run.issuer.authentication if run.issuer is not None else b""
    source = "Book 3, 10.9"
    if not proof:
        run.trail.note("issuer authentication", "not performed: the issuer sent no proof", source)
        return Turn.DONE
    if Aip.ISSUER_AUTHENTICATION not in run.aip:
        said = "not by EXTERNAL AUTHENTICATE: the card takes the proof with the second cryptogram, if at all"
        run.trail.note("issuer authentication", said, source)
        return Turn.DONE
    response = Response.decode((yield apdu.external_authenticate(proof).encode()))
    run.tsi |= Tsi.ISSUER_AUTHENTICATION
    if response.ok:
        run.trail.note("issuer authentication", "the card believes the issuer's answer", source)
        return Turn.DONE
    run.tvr |= Tvr.ISSUER_AUTHENTICATION_FAILED
    run.trail.alert(Alert.ISSUER_REFUSED)
    said = f"the card does not believe the issuer's answer: {status.words(response.status)}"
    run.trail.note("issuer authentication", said, source)
    return Turn.DONE


def scripts_before(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """Scripts of template 71 (Book 3, 10.10)."""
    yield from _scripts(run, run.issuer.before if run.issuer is not None else (), Tvr.SCRIPT_FAILED_BEFORE)
    return Turn.DONE


def scripts_after(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """Scripts of template 72 (Book 3, 10.10)."""
    scripts = run.issuer.after if run.issuer is not None else ()
    yield from _scripts(run, scripts, Tvr.SCRIPT_FAILED_AFTER)
    if scripts:
        run.note_results()
    return Turn.DONE


def second_cryptogram(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """Second GENERATE AC, in which the payment ends (Book 3, 10.11 and 9.3.2)."""
    refused = yield from card_decision.ask(run, run.wanted, Tag.CDOL_2)
    run.note_results()
    source = "Book 3, 10.11"
    if refused or run.cryptogram is None:
        return run.stop(Decision.ENDED, refused, source)
    kind = run.cryptogram.kind
    if kind not in card_decision.SECOND_ANSWERS[run.wanted]:
        said = f"the card was asked for a {run.wanted.name} and gave another: {kind.words}"
        return run.stop(Decision.ENDED, said, source, Alert.CRYPTOGRAM_TYPE)
    if run.disbelief:
        return run.decided(Decision.DECLINED, run.disbelief, "Book 2, 6.6.2")
    if kind is CryptogramType.TC:
        words = "approved by issuer and card" if run.issuer is not None else "approved by terminal and card, no issuer"
        return run.decided(Decision.APPROVED, words, source)
    if run.wanted is CryptogramType.TC:
        return run.decided(Decision.DECLINED, "declined by the card, whatever the issuer said", source)
    by_issuer = run.issuer is not None
    alone = "the authorisation failed" if run.authorisation_failed else "the issuer could not be asked"
    said = "declined by the issuer" if by_issuer else f"declined: {alone}"
    return run.decided(Decision.DECLINED, said, source)


def _scripts(run: ContactRun, scripts: tuple[Script, ...], failed: Tvr) -> Generator[bytes, bytes, None]:
    """Send each script's commands until one fails; the next script begins all the same (Book 3, 10.10)."""
    for script in scripts:
        run.tsi |= Tsi.SCRIPT_PROCESSING
        at_fault = 0
        for number, command in enumerate(script.commands, 1):
            if not (yield from _command_done(command)):
                at_fault = number
                break
        result = SCRIPT_FAILED | min(at_fault, LAST_NUMBERED) if at_fault else SCRIPT_DONE
        run.script_results += bytes((result,)) + script.identifier
        if at_fault:
            run.tvr |= failed
        said = f"failed at command {at_fault}" if at_fault else f"{len(script.commands)} commands done"
        run.trail.note("script", f"{script.identifier.hex().upper()}: {said}", "Book 3, 10.10")


def _command_done(command: bytes) -> Generator[bytes, bytes, bool]:
    """Send one command as the issuer wrote it; whether the card took it. What is no command is not sent."""
    try:
        Command.decode(command)
    except DecodeError:
        return False
    response = Response.decode((yield command))
    return response.ok or response.status >> 8 in WARNINGS
