# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Mosquitto for a fleet: its configuration and who may do what, as text. Writes no file, starts nothing.

Two listeners. At the terminals' the client id is the certificate's name (``use_username_as_clientid``): mosquitto would
otherwise let any valid certificate take any client id, and with it end the connection and the kept session of whoever
bears it. Head office, whose programs need several client ids, has a listener and an authority of its own, so that no
terminal's certificate gets in there.

Who may do what is held by mosquitto's dynamic security plugin, not by an ``acl_file``: the plugin can be told over the
wire to take one terminal's rights away, and mosquitto 2.0 asks the file first.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from protocols.telemetry.events import Lane
from protocols.telemetry.topics import EVERYTHING, HEAD_OFFICE, ORDER, RECEIPT, ROOT, report_topic, tree

PLUGIN = "mosquitto_dynamic_security.so"
QUEUE = 100_000  # messages that wait for a worker that is away; what is beyond comes again from the spools
IN_FLIGHT = 1_000
LARGEST_PACKET = 65_536 + 256  # a batch, its topic and properties


@dataclass(frozen=True, slots=True)
class Plan:
    """Where things lie on the broker's machine, and where it listens."""

    folder: Path
    plugin: Path
    terminals: str
    """``address port`` of the terminals' listener."""
    office: str
    terminals_ca: Path
    office_ca: Path
    certificate: Path
    key: Path
    crl: Path | None = None
    """Revoked terminals' certificates, in PEM; mosquitto reads it anew on SIGHUP."""
    user: str | None = None


def configuration(plan: Plan) -> str:
    """``mosquitto.conf`` (mosquitto.conf(5), version 2.0)."""
    common = [
        f"certfile {plan.certificate}",
        f"keyfile {plan.key}",
        "tls_version tlsv1.3",
        "require_certificate true",
        "use_identity_as_username true",
        "max_qos 1",
    ]
    lines = [
        "# Made by fleet-console broker config.",
        "per_listener_settings false",
        "allow_anonymous false",
        f"plugin {plan.plugin}",
        f"plugin_opt_config_file {plan.folder / 'dynamic-security.json'}",
        "set_tcp_nodelay true",  # else 40 ms per exchange (Nagle against delayed acknowledgement)
        "retain_available false",
        f"max_packet_size {LARGEST_PACKET}",
        f"max_inflight_messages {IN_FLIGHT}",
        f"max_queued_messages {QUEUE}",
        "max_keepalive 300",
        "persistent_client_expiration 24h",
        "persistence false",  # what it forgets when it dies lies in the terminals' spools until there is a receipt
        "log_dest stderr",
        "log_timestamp false",
        *(f"log_type {kind}" for kind in ("error", "warning", "notice", "information")),
        *([f"user {plan.user}"] if plan.user else []),
        "",
        "# Terminals: the certificate's name is user and client id.",
        f"listener {plan.terminals}",
        f"cafile {plan.terminals_ca}",
        *([f"crlfile {plan.crl}"] if plan.crl else []),
        *common,
        "use_username_as_clientid true",
        "",
        "# Head office: another authority.",
        f"listener {plan.office}",
        f"cafile {plan.office_ca}",
        *common,
    ]
    return "\n".join(lines) + "\n"


def dynamic_security(terminals: Iterable[str]) -> str:
    """The plugin's file at the first start: everything denied but to head office and these terminals."""
    names = sorted(set(terminals))
    office = {
        "rolename": HEAD_OFFICE,
        "acls": [
            _acl("subscribePattern", EVERYTHING),
            _acl("subscribePattern", "$CONTROL/dynamic-security/#"),
            _acl("publishClientReceive", EVERYTHING),
            _acl("publishClientReceive", "$CONTROL/dynamic-security/#"),
            _acl("publishClientSend", "$CONTROL/dynamic-security/#"),
            *(_acl("publishClientSend", f"{ROOT}/+/+/{level}") for level in (ORDER, RECEIPT)),
        ],
    }
    document = {
        "defaultACLAccess": {
            "publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": True,
        },
        "roles": [office, *({"rolename": role_of(name), "acls": terminal_acls(name)} for name in names)],
        "groups": [],
        "clients": [
            {"username": HEAD_OFFICE, "roles": [{"rolename": HEAD_OFFICE}]},
            *({"username": name, "roles": [{"rolename": role_of(name)}]} for name in names),
        ],
    }  # fmt: skip
    return json.dumps(document, indent=1) + "\n"


def role_of(terminal: str) -> str:
    """The name of a terminal's own role; no terminal's name holds a colon."""
    return f"terminal:{terminal}"


def terminal_acls(terminal: str) -> list[dict[str, object]]:
    """A terminal publishes the lanes of its own tree and reads what head office tells it; nothing else."""
    told = [f"{tree(terminal)}/{level}" for level in (ORDER, RECEIPT)]
    return [
        *(_acl("publishClientSend", report_topic(terminal, lane)) for lane in Lane),
        *(_acl("publishClientReceive", topic) for topic in told),
        *(_acl("subscribeLiteral", topic) for topic in told),
    ]


def _acl(kind: str, topic: str) -> dict[str, object]:
    return {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
