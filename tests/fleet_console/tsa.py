# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A time stamping authority for tests: `openssl ts` behind a small HTTP server. Its key is thrown away."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

_CONF = """
[tsa]
default_tsa = one
[one]
dir = {folder}
serial = $dir/serial
crypto_device = builtin
signer_cert = $dir/tsa.pem
certs = $dir/tsa.pem
signer_key = $dir/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
"""


@contextlib.contextmanager
def authority(folder: Path) -> Iterator[tuple[str, Path]]:
    """Address and certificate of a running authority."""
    folder.mkdir()
    conf = folder / "tsa.cnf"
    conf.write_text(_CONF.format(folder=folder))
    (folder / "serial").write_text("01")
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=Tillguard TEST time stamps", "-addext", "extendedKeyUsage=critical,timeStamping",
        "-keyout", str(folder / "tsa.key"), "-out", str(folder / "tsa.pem"),
    )  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            words = ["ts", "-reply", "-config", str(conf), "-queryfile", str(folder / "query")]
            _openssl(*words, "-out", str(folder / "reply"))
            body = (folder / "reply").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", folder / "tsa.pem"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _openssl(*words: str) -> None:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
