# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The broker's access rules: what they do not name is denied."""

import pytest

from device_profiles.twins.broker_access import may_publish, may_read, may_subscribe, mosquitto_rules

T1 = "pos/v1/s20/TG000001"
T2 = "pos/v1/s37/TG000002"


@pytest.mark.parametrize(
    ("name", "topic", "allowed"),
    [
        ("TG000001", f"{T1}/alert", True),
        ("TG000001", f"{T1}/ack", True),
        ("TG000001", f"{T1}/health", True),
        ("TG000001", f"{T1}/bulk", True),
        ("TG000001", f"{T1}/order", False),
        ("TG000001", f"{T1}/alert/x", False),
        ("TG000001", "pos/v1/s21/TG000001/alert", False),
        ("TG000001", f"{T2}/alert", False),
        ("TG000001", "$SYS/x", False),
        ("TG000001", "", False),
        ("head-office", f"{T1}/order", True),
        ("head-office", f"{T1}/alert", False),
        ("head-office", "pos/v1/s21/TG000001/order", False),
        ("head-office", "pos/v1/s20/+/order", False),
        ("", f"{T1}/alert", False),
        ("a/b", f"{T1}/alert", False),
        ("+", "pos/v1/+/+/alert", False),
    ],
)
def test_publish(name: str, topic: str, allowed: bool) -> None:
    assert may_publish(name, topic) is allowed


@pytest.mark.parametrize(
    ("name", "pattern", "allowed"),
    [
        ("TG000001", f"{T1}/#", True),
        ("TG000001", f"{T1}/order", True),
        ("TG000001", "pos/v1/+/TG000001/order", True),
        ("TG000001", "pos/v1/s20/+/order", False),
        ("TG000001", "pos/v1/+/#", False),
        ("TG000001", "pos/v1/#", False),
        ("TG000001", "#", False),
        ("TG000001", "+/v1/s20/TG000001/#", False),
        ("TG000001", f"{T2}/#", False),
        ("TG000001", "$SYS/#", False),
        ("head-office", "pos/v1/#", True),
        ("head-office", "pos/v1/s20/#", True),
        ("head-office", "#", False),
        ("head-office", "pos/#", False),
        ("", "pos/v1/#", False),
    ],
)
def test_subscribe(name: str, pattern: str, allowed: bool) -> None:
    assert may_subscribe(name, pattern) is allowed


def test_read() -> None:
    assert may_read("TG000001", f"{T1}/order")
    assert may_read("head-office", f"{T1}/alert")
    assert not may_read("TG000002", f"{T1}/order")
    assert not may_read("", f"{T1}/order")
    assert not may_read("head-office", "pos/v2/x")


def test_rules_for_mosquitto_are_these() -> None:
    assert mosquitto_rules().split("\n") == [
        "user head-office",
        "topic read pos/v1/#",
        "topic write pos/v1/+/+/order",
        "topic write pos/v1/+/+/receipt",
        "",
        "pattern write pos/v1/+/%u/alert",
        "pattern write pos/v1/+/%u/ack",
        "pattern write pos/v1/+/%u/health",
        "pattern write pos/v1/+/%u/bulk",
        "pattern read pos/v1/+/%u/#",
        "",
    ]
