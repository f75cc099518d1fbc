# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Several commands in one frame: NK. Whoever answers one message is handed in; every rule of his applies to each."""

from collections.abc import Callable

from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.diagnostics import NK, NL
from protocols.hsm.frame import LARGEST_FRAME
from protocols.hsm.message import refuse

_WITH_HEADERS = "1"
_CODE = 2
_LENGTHS = 16  # octets more than enough for what stands around one piece


def nk(answer_message: Callable[[bytes], bytes], header_octets: int, request: NK) -> NL | ErrorCode:
    """Answers in order; an NK inside is answered 68, what is no command at all refuses the whole.

    ``answer_message`` answers one whole message; where pieces come without headers they get one of zeros, which is
    taken off the answers again.
    """
    own = request.headers == _WITH_HEADERS
    front = b"" if own else bytes(header_octets)
    answers: list[bytes] = []
    size = 0
    for piece in request.pieces:
        message = front + piece
        code = message[header_octets : header_octets + _CODE]
        if len(code) != _CODE:
            return ErrorCode.INVALID_INPUT
        if code == b"NK":
            answer = refuse(message[:header_octets], "NK", ErrorCode.COMMAND_DISABLED)
        else:
            try:
                answer = answer_message(message)
            except DecodeError:
                return ErrorCode.INVALID_INPUT
        answers.append(answer[len(front) :])
        size += len(answer) + _LENGTHS
        if size > LARGEST_FRAME:
            return ErrorCode.DATA_LENGTH
    return NL(pieces=tuple(answers))
