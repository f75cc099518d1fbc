# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics as Prometheus meets them: scraped over HTTP from a running unit, read by Prometheus's own Python parser."""

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hsm_sim.metrics import CONTENT_TYPE, LONGEST_REQUEST, text_of
from hsm_sim.payshield.server import Hosts
from tests.hsm_sim import live
from tests.hsm_sim.console_units import Bench
from tests.hsm_sim.raw_client import RawClient
from tests.hsm_sim.running import Running, running
from tests.hsm_sim.test_cli import ran
from tests.patience import PATIENCE_S

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("unit")
    (folder / "pass").write_text("TEST passphrase of a unit")
    (folder / "pass").chmod(0o600)
    (folder / "faults.toml").write_text('[[faults]]\naction = "delay"\ncommand = "B2"\nms = 1\n')
    line = ("--state", f"{folder}/s", "--passphrase-file", f"{folder}/pass", "--faults", f"{folder}/faults.toml")
    with running(*line, "--metrics-port", "0") as unit:
        yield unit


def url(unit: Running, path: str = "/metrics") -> str:
    return "http://{}:{}{}".format(*unit.address("metrics"), path)


def read(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in ("counter", "gauge")
        for sample in family.samples:
            assert sample.name.startswith("hsm_sim_")
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            name = (sample.name, frozenset(sample.labels.items()))
            assert name not in found
            found[name] = sample.value
    return found


def scrape(unit: Running) -> Samples:
    with urllib.request.urlopen(url(unit), timeout=PATIENCE_S) as answer:
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        return read(answer.read().decode())


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"hsm_sim_{name}", frozenset(labels.items())]


def test_what_hosts_do_is_counted(unit: Running) -> None:
    before = scrape(unit)
    wrong = live.COMMANDS["DC"][:-4] + b"0000"
    with RawClient(unit.address()) as host:
        for command in (live.COMMANDS["CA"], live.COMMANDS["CA"], wrong, b"CA", b"Q7", b"ZZ", b"B20001x"):
            host.ask(command)
        after = scrape(unit)
        assert value(after, "connections") == value(before, "connections") + 1
    gained = {name: count - before.get(name, 0) for name, count in after.items()}
    assert value(gained, "commands_total", command="CA", error="00") == 2
    assert value(gained, "commands_total", command="CA", error="15") == 1
    assert value(gained, "commands_total", command="DC", error="01") == 1
    assert value(gained, "commands_total", command="??", error="68") == 2
    assert value(gained, "faults_total", action="delay") == 1
    assert value(gained, "verification_failures_total") == 1
    assert value(gained, "connections_accepted_total") == 1
    assert value(gained, "audit_records_total") >= 1
    assert value(after, "state", state="online") == 1
    assert value(after, "state", state="secure") == 0
    assert value(after, "authorised_seconds", activity="components") == 0
    assert value(after, "vault_keys") == 0
    assert 10e6 < value(after, "resident_bytes") < 200e6
    assert abs(value(after, "resident_bytes") / 1024 - unit.resident_kib) < 10_000


def test_no_host_can_make_a_series(unit: Running) -> None:
    with RawClient(unit.address()) as host:
        host.ask("NC")
        before = set(scrape(unit))
        for number in range(64):
            host.ask(f"Z{number % 10}")
            host.ask(f"{number % 10}{number // 10}")
        fresh = set(scrape(unit)) - before
    assert {frozenset(labels) for _, labels in fresh} <= {frozenset({("command", "??"), ("error", "68")})}


def test_counters_keep_every_digit() -> None:
    bench = Bench(None)
    bench.ask("NC")
    bench.simulator.unit.answers["CA", "15"] = 123_456_789
    samples = read(text_of(bench.simulator, Hosts(1), 1_234_567.125))
    assert value(samples, "commands_total", command="CA", error="15") == 123_456_789
    assert value(samples, "uptime_seconds") == 1_234_567.125
    assert "vault_keys" not in {name for name, _ in samples}


@pytest.mark.parametrize(
    ("request_octets", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"\x16\x03\x01\r\n\r\n", b"400"),
        (b"x" * (LONGEST_REQUEST + 1), b""),
        (b"", b""),
    ],
)
def test_whatever_is_asked(unit: Running, request_octets: bytes, status: bytes) -> None:
    with socket.create_connection(unit.address("metrics"), timeout=PATIENCE_S) as line:
        line.sendall(request_octets)
        line.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := line.recv(65536):
                answer += piece
        except ConnectionResetError:
            answer = b""
    assert answer[9:12] == status
    assert scrape(unit)


def test_a_request_octet_by_octet(unit: Running) -> None:
    with socket.create_connection(unit.address("metrics"), timeout=PATIENCE_S) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n":
            line.sendall(bytes((octet,)))
        with line.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert read(body.decode())


def test_another_path_says_where(unit: Running) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url(unit, "/"), timeout=PATIENCE_S)
    assert caught.value.read() == b"see /metrics\n"
    caught.value.close()


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ran("serve", "--port", "0", "--metrics-port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1 port {port} is in use" in done.stderr
    assert "--metrics-port" in done.stderr
