# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`device-twin broker`: an MQTT broker on loopback with mutual TLS, mosquitto where installed, else the twin."""

import argparse
import asyncio
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from device_profiles.serve.mutual_tls import server_context
from device_profiles.serve.signals import until_signalled
from device_profiles.twins.broker_access import Trespass
from protocols.mqtt.words import plain
from tillguard.exits import Exit
from tillguard.version import installed
from tillguard.voice import Fault, Voice

EXAMPLES = """examples:
  device-twin broker --ca ca.pem --certificate broker.pem --key broker.key
  device-twin broker --kind twin --port 8883 --trace --ca ca.pem --certificate broker.pem --key broker.key
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EXAMPLES
    for name, what in (("ca", "authority of the clients"), ("certificate", "of the broker"), ("key", "of the broker")):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE", help=f"{what}, PEM")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--kind", choices=("auto", "mosquitto", "twin"), default="auto", help="auto: mosquitto where it is installed"
    )
    parser.add_argument("--real", dest="kind", action="store_const", const="mosquitto", help="same as --kind mosquitto")
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")
    parser.add_argument("--trace", action="store_true", help="say what goes over the wire, without payloads")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    from device_profiles.serve import mosquitto

    for path in (args.ca, args.certificate, args.key):
        if not path.is_file():
            raise Fault(f"{path}: no such file", "make TEST certificates: device-twin pki --dir DIR", Exit.USAGE)
    if not 0 <= args.port <= 65_535:
        raise Fault("--port: 0 to 65535 expected", "0 takes a free one", Exit.USAGE)
    if args.port and not mosquitto.is_free(args.port):
        raise Fault(f"port {args.port} is in use", "stop who uses it, or take --port 0")
    voice = Voice("device-twin", as_json=args.json)
    kind = args.kind
    if kind == "auto":
        kind = "mosquitto" if mosquitto.find() else "twin"
    context = server_context(args.ca, args.certificate, args.key)
    return asyncio.run(_mosquitto(args, voice) if kind == "mosquitto" else _twin(args, context, voice))


async def _twin(args: argparse.Namespace, context: ssl.SSLContext, voice: Voice) -> int:
    try:
        from device_profiles.serve.mqtt import BrokerServer
    except ModuleNotFoundError as fault:
        raise Fault(f"the package {fault.name} is not installed", "pip install 'tillguard[fleet]'") from None
    stop = until_signalled()
    server = BrokerServer(context, _tracer(args, voice), alarm=lambda trespass: _denied(voice, trespass))
    try:
        port = await server.start(args.port)
    except OSError as fault:
        raise Fault(f"cannot listen on port {args.port}: {fault.strerror}", "take --port 0") from None
    _say_ready(voice, port, "twin", installed())
    await stop.wait()
    await server.close()
    return 0


async def _mosquitto(args: argparse.Namespace, voice: Voice) -> int:
    from device_profiles.serve import mosquitto
    from device_profiles.serve.mosquitto_log import Watchman

    program = mosquitto.must_find()
    stop = until_signalled()
    trace = _tracer(args, voice)
    watchman = Watchman()

    def said(line: str) -> None:
        if (trespass := watchman.read(line)) is not None:
            _denied(voice, trespass)
        if trace is not None:
            trace("<" if line.startswith("Received") else ">", line)

    with tempfile.TemporaryDirectory(prefix="tillguard-broker-") as folder:
        port = args.port or mosquitto.free_port()
        # Always verbose: what it denies stands in its debug log alone.
        settings = mosquitto.configuration(Path(folder), port, args.ca, args.certificate, args.key, verbose=True)
        broker = await mosquitto.Mosquitto.start(program, settings, said)
        try:
            await broker.ready(port)
            _say_ready(voice, port, "mosquitto", broker.version)
            waits = {asyncio.create_task(stop.wait()), asyncio.create_task(broker.ended())}
            _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            if not stop.is_set():
                raise Fault(f"mosquitto ended: {'; '.join(broker.last_words)}", "see its words; or take --kind twin")
        finally:
            await broker.stop()
    return 0


def _tracer(args: argparse.Namespace, voice: Voice) -> Callable[[str, str], None] | None:
    if not args.trace:
        return None
    if args.json:
        return lambda direction, text: voice.data(
            {"event": "traffic", "wire": "mqtt", "direction": direction, "text": text}
        )
    return lambda direction, text: voice.tell(f"mqtt {direction} {text}")


def _denied(voice: Voice, trespass: Trespass) -> None:
    document = {"client": plain(trespass.name), "deed": trespass.deed.value, "topic": plain(trespass.topic)}
    voice.answer({"event": "denied", **document}, voice.paint(trespass.words, "red"))


def _say_ready(voice: Voice, port: int, kind: str, version: str) -> None:
    address = f"127.0.0.1:{port}"
    voice.answer(
        {"event": "ready", "address": address, "kind": kind, "version": version},
        f"ready {address} {kind} {version}",
    )
