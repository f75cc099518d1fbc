# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The events of payments, the devices and keys that they need, and the acquirer: data. Makes and checks none."""

from protocols.telemetry import fields as of
from protocols.telemetry.event_kinds import REASON, EventKind, Field, Lane

_PAYMENT = Field("payment", of.IDENTIFIER, "the payment's identifier on this terminal")
_DEVICE = Field("device", of.IDENTIFIER, "reader, pad or another device of the profile")
_REFERENCE = Field("reference", of.IDENTIFIER, "DE37 of the request, which the acquirer knows it by")
_SLOT = Field("slot", of.IDENTIFIER, "what the key is for: pin, data, mac-master, binding, transport, credential")
_CHECK_VALUE = Field("kcv", of.CHECK_VALUE, "check value of the key")
_APPROVED = Field("approved", of.TEXT, "names of the custodians' keys that signed", optional=True)
_MS = Field("ms", of.NUMBER, "milliseconds since the payment began")

PAYMENT_EVENTS = (
    EventKind(
        "payment.step",
        Lane.BULK,
        ("payment {payment}", "{ms} ms", "{wire}: {step}", "{words}"),
        (
            _PAYMENT,
            Field("step", of.IDENTIFIER, "the step's name"),
            Field("wire", of.IDENTIFIER, "which wire it went over"),
            Field("words", of.TEXT, "what happened, in words", optional=True),
            _MS,
        ),
    ),
    EventKind(
        "payment.question",
        Lane.BULK,
        ("payment {payment} asks about the {about}", "{options}"),
        (
            _PAYMENT,
            Field("about", of.one_of("application", "signature"), "what a person is asked"),
            Field("options", of.TEXT, "numbered answers; 0 is none of them"),
        ),
    ),
    EventKind(
        "payment.finished",
        Lane.HEALTH,
        (
            "payment {payment} {outcome}",
            "{amount}",
            "code {response_code}",
            "{reason}",
            "card {masked_pan}",
            "KSN {ksn}",
            "{ms} ms",
        ),
        (
            _PAYMENT,
            Field("outcome", of.one_of("approved", "declined", "cancelled", "failed"), "how it ended"),
            Field("reason", of.TEXT, "why, in words", optional=True),
            Field("response_code", of.RESPONSE_CODE, "the acquirer's DE39", optional=True),
            Field("amount", of.NUMBER, "in minor units of the currency"),
            Field("currency", of.CURRENCY, "ISO 4217 alphabetic code"),
            Field("masked_pan", of.MASKED_PAN, "the account number, masked", optional=True),
            Field("pan_ref", of.IDENTIFIER, "a name for the account number in this one payment", optional=True),
            Field("ksn", of.KSN, "key serial number of the PIN block", optional=True),
            _MS,
        ),
    ),
    EventKind(
        "reversal.owed",
        Lane.HEALTH,
        ("reversal owed", "payment {payment}", "{amount}", "reference {reference}", "{reason}"),
        (
            Field("payment", of.IDENTIFIER, "the payment that is taken back", optional=True),
            _REFERENCE,
            Field("amount", of.NUMBER, "in minor units of the currency"),
            Field("currency", of.CURRENCY, "ISO 4217 alphabetic code"),
            REASON,
        ),
    ),
    EventKind(
        "reversal.settled",
        Lane.HEALTH,
        ("reversal settled", "payment {payment}", "reference {reference}", "code {response_code}", "sendings {sent}"),
        (
            Field("payment", of.IDENTIFIER, "the payment that was taken back", optional=True),
            _REFERENCE,
            Field("response_code", of.RESPONSE_CODE, "the acquirer's DE39 to the reversal"),
            Field("sent", of.NUMBER, "how often it was sent"),
        ),
    ),
    EventKind(
        "advice.owed",
        Lane.HEALTH,
        ("advice owed", "payment {payment}", "reference {reference}", "code {response_code}"),
        (
            _PAYMENT,
            _REFERENCE,
            Field("response_code", of.RESPONSE_CODE, "the terminal's DE39: why it approved without the acquirer"),
        ),
    ),
    EventKind(
        "advice.settled",
        Lane.HEALTH,
        ("advice settled", "payment {payment}", "reference {reference}", "code {response_code}", "sendings {sent}"),
        (
            _PAYMENT,
            _REFERENCE,
            Field("response_code", of.RESPONSE_CODE, "the acquirer's DE39 to the advice"),
            Field("sent", of.NUMBER, "how often it was sent"),
        ),
    ),
    EventKind(
        "advice.refused",
        Lane.ALERT,
        ("advice refused", "payment {payment}", "reference {reference}", "code {response_code}"),
        (_PAYMENT, _REFERENCE, Field("response_code", of.RESPONSE_CODE, "the acquirer's DE39 to the advice")),
    ),
    EventKind("advice.stuck", Lane.ALERT, ("advices cannot be sent", "{reason}"), (REASON,)),
    EventKind("payments.stopped", Lane.ALERT, ("no payments are taken", "{reason}"), (REASON,)),
    EventKind("payments.resumed", Lane.HEALTH, ("payments are taken again",)),
    EventKind(
        "payment.alert",
        Lane.ALERT,
        ("payment {payment}", "{alert}"),
        (_PAYMENT, Field("alert", of.TEXT, "what the EMV machine noticed: a sign of an attack, not proof of one")),
    ),
    EventKind("device.lost", Lane.ALERT, ("{device} lost", "{reason}"), (_DEVICE, REASON)),
    EventKind("device.back", Lane.HEALTH, ("{device} back",), (_DEVICE,)),
    EventKind(
        "vault.tampered",
        Lane.ALERT,
        ("the vault destroyed all its keys", "tamper input: {source}"),
        (Field("source", of.TEXT, "which input said so"),),
    ),
    EventKind(
        "vault.renewed",
        Lane.ALERT,
        ("the vault begins again without keys", "after: {source}", "approved by {approved}"),
        (Field("source", of.TEXT, "which tamper input had destroyed its keys"), _APPROVED),
    ),
    EventKind(
        "vault.alert",
        Lane.ALERT,
        ("vault", "{alert}"),
        (Field("alert", of.TEXT, "a fence that is missing, a key near its end, PINs too fast, a keypad that went"),),
    ),
    EventKind(
        "key.loaded",
        Lane.HEALTH,
        ("key {kcv} loaded into slot {slot}", "approved by {approved}"),
        (_SLOT, _CHECK_VALUE, _APPROVED),
    ),
    EventKind(
        "key.bound",
        Lane.HEALTH,
        ("keys by certificate: {bond}", "approved by {approved}"),
        (Field("bond", of.TEXT, "to which key distribution host the vault is bound"), _APPROVED),
    ),
    EventKind(
        "key.destroyed",
        Lane.HEALTH,
        ("key {kcv} of slot {slot} destroyed", "{reason}", "approved by {approved}"),
        (_SLOT, _CHECK_VALUE, REASON, _APPROVED),
    ),
    EventKind(
        "host.signed_on",
        Lane.HEALTH,
        ("signed on at the acquirer", "session key {kcv}"),
        (Field("kcv", of.CHECK_VALUE, "check value of the MAC session key"),),
    ),
    EventKind("host.refused", Lane.ALERT, ("refused the acquirer's answer", "{reason}"), (REASON,)),
)
