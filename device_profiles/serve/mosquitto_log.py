# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What mosquitto's log says about clients that try more than they may. Reads lines; starts nothing, decides nothing.

mosquitto 2.0 refuses in silence: a denied PUBLISH stands in its debug log only, a subscription outside one's tree is
granted and brings nothing, a will outside it is dropped when it is due. So the log is read in full (``log_type all``)
and what clients ask for is held against the same rules that mosquitto's access list was written from.
"""

import re

from device_profiles.twins.broker_access import Deed, Trespass, may_publish, may_subscribe

LARGEST_CROWD = 10_000  # client ids whose certificate is remembered; the oldest is forgotten first

_JOINED = re.compile(r"New client connected from \S+ as (?P<client>.+) \(p\d+, c\d, k\d+, u'(?P<name>.*)'\)\.$")
_DENIED = re.compile(
    r"Denied PUBLISH from (?P<client>.+) \(d\d, q\d, r\d, m\d+, '(?P<topic>.*)', \.\.\. \(\d+ bytes\)\)$"
)
_LISTENS = re.compile(r"(?P<client>\S+) [012] (?P<pattern>.+)$")
_EXPELLED = re.compile(r"Bad socket read/write on client (?P<client>.+): Unknown error\.$")  # a rule of ours was broken
_WILL = "Will message specified"


class Watchman:
    """Fed with the log's lines in their order."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._latest = ""
        self._will_follows = False

    def read(self, line: str) -> Trespass | None:
        """The trespass that this line tells of, if any."""
        follows, self._will_follows = self._will_follows, line.startswith(_WILL)
        if follows and line.startswith("\t"):
            return self._judge_will(line[1:])
        if joined := _JOINED.match(line):
            self._join(joined["client"], joined["name"])
        elif denied := _DENIED.match(line):
            return self._of(denied["client"], Deed.PUBLISH, denied["topic"])
        elif expelled := _EXPELLED.match(line):
            return self._of(expelled["client"], Deed.PACKET)
        elif (listens := _LISTENS.match(line)) and listens["client"] in self._names:
            name = self._names[listens["client"]]
            if not may_subscribe(name, listens["pattern"]):
                return Trespass(name, Deed.LISTEN, listens["pattern"])
        return None

    def _join(self, client: str, name: str) -> None:
        self._names.pop(client, None)
        self._names[client] = self._latest = name
        if len(self._names) > LARGEST_CROWD:
            del self._names[next(iter(self._names))]

    def _judge_will(self, topic: str) -> Trespass | None:
        return None if may_publish(self._latest, topic) else Trespass(self._latest, Deed.WILL, topic)

    def _of(self, client: str, deed: Deed, topic: str = "") -> Trespass:
        return Trespass(self._names.get(client, client), deed, topic)
