# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What each contactless kernel has and what it refuses, as data for documentation and a test. It decides nothing.

Each line is either shown by a vector or a card of our own, or it is refused: then the payment goes to another interface
or to the issuer, and is never approved. The test of a line is named with it; one that does not exist fails the suite.
"""

from enum import StrEnum
from typing import NamedTuple


class Handling(StrEnum):
    """How a capability is handled."""

    VECTOR = "vector"
    REFUSED = "refused"


class Capability(NamedTuple):
    """One line: what, how, and the test in tests/terminal_agent/emv that shows it."""

    name: str
    handling: Handling
    words: str
    test: str


_VECTOR, _REFUSED = Handling.VECTOR, Handling.REFUSED

ENTRY_POINT: tuple[Capability, ...] = (
    Capability(
        "limits of each combination",
        _VECTOR,
        "transaction, CVM and floor limit",
        "test_entry_point.py::test_limits_at_their_edges",
    ),
    Capability(
        "candidates in the card's order",
        _VECTOR,
        "priority, partial names, the longest name of the terminal",
        "test_entry_point.py::test_which_entries_are_tried_and_in_which_order",
    ),
    Capability(
        "kernel named by the card",
        _VECTOR,
        "9F2A, or the one its application provider means",
        "test_entry_point.py::test_both_kernels_on_one_card_in_the_cards_order",
    ),
    Capability(
        "status check, amount of nothing",
        _VECTOR,
        "the issuer is asked, where the profile allows it",
        "test_entry_point.py::test_questions_about_the_card",
    ),
    Capability(
        "restart",
        _VECTOR,
        "a second tap of the same payment",
        "test_kernel2.py::test_a_device_that_wants_its_holder_is_tapped_again",
    ),
    Capability(
        "kernels of other brands, domestic kernels",
        _REFUSED,
        "their applications are left alone",
        "test_entry_point.py::test_a_domestic_kernel_and_a_kernel_of_another_brand_are_left_alone",
    ),
    Capability(
        "extended selection (9F29)",
        _REFUSED,
        "the application is selected by its name alone",
        "test_entry_point.py::test_extended_selection_is_not_used",
    ),
)

KERNEL_2: tuple[Capability, ...] = (
    Capability(
        "online with a signed cryptogram",
        _VECTOR,
        "recorded script msc-online",
        "test_traces.py::test_mastercard_online",
    ),
    Capability(
        "offline approval by CDA",
        _VECTOR,
        "recorded script msc-offline",
        "test_traces.py::test_mastercard_offline_is_approved_by_its_signature",
    ),
    Capability(
        "online without a signature",
        _VECTOR,
        "a card without CDA is never approved offline",
        "test_kernel2.py::test_a_card_that_signs_nothing_goes_online",
    ),
    Capability(
        "CVM: online PIN, signature, none",
        _VECTOR,
        "by the card's list and the CVM limit",
        "test_kernel2_cvm.py::test_methods_by_amount_and_terminal",
    ),
    Capability(
        "CVM: device",
        _VECTOR,
        "where its issuer signed that it verifies its holder",
        "test_kernel2_cvm.py::test_a_telephone_verifies_its_holder",
    ),
    Capability(
        "limit of its own for devices",
        _VECTOR,
        "device-limit",
        "test_kernel2.py::test_a_telephone_has_a_limit_of_its_own",
    ),
    Capability(
        "second tap",
        _VECTOR,
        "a device that wants its holder",
        "test_kernel2.py::test_a_device_that_wants_its_holder_is_tapped_again",
    ),
    Capability(
        "relay resistance",
        _VECTOR,
        "times measured, repeated, judged, and signed by the card",
        "test_kernel2_relay.py::test_the_time_decides",
    ),
    Capability(
        "torn payments",
        _VECTOR,
        "RECOVER AC for the same payment",
        "test_kernel2_torn.py::test_a_torn_payment_is_recovered_and_charged_once",
    ),
    Capability(
        "action codes of issuer and acquirer",
        _VECTOR,
        "Book 3, 10.7",
        "test_kernel2.py::test_action_codes_decide",
    ),
    Capability(
        "magnetic stripe mode",
        _REFUSED,
        "another interface; no checksum is asked for",
        "test_traces.py::test_the_magnetic_stripes_rules_are_refused",
    ),
    Capability(
        "relay resistance without CDA",
        _REFUSED,
        "another interface: its times would be anybody's",
        "test_kernel2_relay.py::test_times_that_nobody_signs_are_refused",
    ),
    Capability(
        "data storage (IDS)",
        _REFUSED,
        "nothing is read from a card's slots or written to them",
        "test_kernel2.py::test_data_storage_and_balance_are_off",
    ),
    Capability(
        "balance reading",
        _REFUSED,
        "no GET DATA is sent",
        "test_kernel2.py::test_data_storage_and_balance_are_off",
    ),
    Capability(
        "offline PIN",
        _REFUSED,
        "a list of nothing else leaves the cardholder unverified: declined from the CVM limit on",
        "test_kernel2_cvm.py::test_an_offline_pin_is_no_method_without_contact",
    ),
    Capability(
        "XDA (elliptic curves)",
        _REFUSED,
        "counts as no signature: online",
        "test_kernel2.py::test_elliptic_curves_prove_nothing_here",
    ),
)

KERNEL_3: tuple[Capability, ...] = (
    Capability(
        "online",
        _VECTOR,
        "recorded script visa-online",
        "test_traces.py::test_visa_online_is_the_recorded_session_octet_for_octet",
    ),
    Capability(
        "offline approval by fast DDA",
        _VECTOR,
        "recorded script visa-offline",
        "test_traces.py::test_visa_offline_is_approved_by_its_signature",
    ),
    Capability(
        "fast DDA over amount and qualifiers (version 01)",
        _VECTOR,
        "our card test-visa-fdda",
        "test_kernel3_signature.py::test_a_signed_payment_is_approved_offline",
    ),
    Capability(
        "fast DDA online",
        _VECTOR,
        "proves a device's word that it verified its holder; signed-online",
        "test_kernel3_signature.py::test_a_signature_proves_a_devices_word",
    ),
    Capability(
        "CVM: online PIN, signature, device",
        _VECTOR,
        "by CTQ and TTQ",
        "test_cvm.py::test_every_rule_decides_something",
    ),
    Capability(
        "cash and cashback",
        _VECTOR,
        "application usage control",
        "test_kernel3.py::test_cash_and_cashback",
    ),
    Capability(
        "next application, second tap",
        _VECTOR,
        "6985 and 6986",
        "test_kernel3.py::test_refusals_of_get_processing_options",
    ),
    Capability(
        "status check, amount of nothing",
        _VECTOR,
        "the issuer is asked",
        "test_entry_point.py::test_an_amount_of_nothing_is_a_question_for_the_issuer",
    ),
    Capability(
        "magnetic stripe data",
        _REFUSED,
        "another interface",
        "test_kernel3_signature.py::test_magnetic_stripe_data_are_refused",
    ),
    Capability(
        "offline by a signature over the number alone",
        _REFUSED,
        "online, unless signed-number-is-enough",
        "test_kernel3_signature.py::test_a_signature_over_the_number_alone_goes_online",
    ),
    Capability(
        "offline without a signature",
        _REFUSED,
        "declined, or online where the card allows it",
        "test_kernel3_signature.py::test_nothing_is_approved_without_a_signature",
    ),
    Capability(
        "issuer update after the answer",
        _REFUSED,
        "not offered in TTQ",
        "test_kernel3_signature.py::test_what_is_not_built_is_not_offered",
    ),
)

TABLES = {2: KERNEL_2, 3: KERNEL_3}
"""By kernel number; :data:`ENTRY_POINT` is before all of them."""
