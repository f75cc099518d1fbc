# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whole messages of both directions by the command tables: encode, decode, show redacted. Opens no socket.

client:  link.write(frame(encode_request(CM(...), header=b"0001")))
         answer = decode_response(buffer.take(), CN, header_octets=4)
         if answer.error == "00": ...
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from protocols.errors import DecodeError, EncodeError
from protocols.hsm.codes import ErrorCode, error_words
from protocols.hsm.commands import COMMANDS, RESPONSES, Command
from protocols.hsm.fields import FieldError, Source
from protocols.hsm.frame import LARGEST_TRAILER, LMK_MARK, TRAILER_MARK, open_message, response
from protocols.hsm.layout import Fields, layout_of

R = TypeVar("R", bound=Fields)


@dataclass(frozen=True, slots=True)
class Request:
    """A request's fields with its tail."""

    command: Command[Any, Any]
    fields: Fields
    lmk: str | None
    trailer: bytes | None
    """Without the X'19' in front."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """A decoded response: the error code, and the fields where the command succeeded."""

    header: bytes
    error: str
    fields: R | None
    words: str
    """What the error code says in answer to this command."""

    @property
    def ok(self) -> bool:
        """Whether the error code is 00."""
        return self.error == ErrorCode.NO_ERROR


def encode_request(request: Fields, header: bytes, *, lmk: str | None = None, trailer: bytes | None = None) -> bytes:
    """A request as a message, without frame length; raises :class:`EncodeError`. Client side."""
    code = type(request).__name__
    if code not in COMMANDS:
        raise EncodeError(f"{code} is not a request")
    tail = b""
    if lmk is not None:
        if len(lmk) != 2 or not (lmk.isascii() and lmk.isdigit()):
            raise EncodeError("LMK identifier: 2 decimal digits expected")
        tail = bytes((LMK_MARK,)) + lmk.encode("ascii")
    return b"".join(
        (header, code.encode("ascii"), layout_of(type(request)).write(request), tail, trailer_octets(trailer))
    )


def decode_request(command: Command[Any, Any], body: bytes) -> Request:
    """The fields behind the command code, then the tail; raises :class:`FieldError` with the code to answer. Server."""
    source = Source(body)
    fields = layout_of(command.request).read(source)
    tail = read_tail(source)
    return Request(command, fields, getattr(fields, "lmk", None) or tail.lmk, tail.trailer)


@dataclass(frozen=True, slots=True)
class Tail:
    """What may stand behind the fields of any request; ``trailer`` is without the X'19' in front."""

    lmk: str | None = None
    trailer: bytes | None = None


NO_TAIL = Tail()


def read_tail(source: Source) -> Tail:
    """The tail of a request whose fields have been read; raises :class:`FieldError`. Server side."""
    data, at = source.data, source.at
    if at == len(data):
        return NO_TAIL
    lmk = None
    if data[at] == LMK_MARK:
        source.at += 1
        identifier = source.take(2, "LMK identifier")
        if not identifier.isdigit():
            raise FieldError("LMK identifier", "2 decimal digits expected", ErrorCode.INVALID_LMK_ID)
        lmk = identifier.decode("ascii")
    trailer = None
    if source.at < len(data) and data[source.at] == TRAILER_MARK:
        trailer = data[source.at + 1 :]
        if len(trailer) > LARGEST_TRAILER:
            raise FieldError("trailer", f"at most {LARGEST_TRAILER} octets expected, {len(trailer)} found")
        source.at = len(data)
    if source.at != len(data):
        raise FieldError("end of the command", f"{len(data) - source.at} octets behind the last field")
    return Tail(lmk, trailer)


def encode_response(header: bytes, code: str, fields: Fields, trailer: bytes | None = None) -> bytes:
    """The response to the command ``code`` without error, as a message without frame length. Server side."""
    body = layout_of(type(fields)).write(fields)
    return response(header, code, ErrorCode.NO_ERROR, body + trailer_octets(trailer))


def refuse(header: bytes, code: str, error: str, trailer: bytes | None = None) -> bytes:
    """The response that carries an error code and nothing else. Server side."""
    return response(header, code, error, trailer_octets(trailer))


def decode_response(message: bytes, shape: type[R], header_octets: int, trailer: bytes | None = None) -> Answer[R]:
    """A response of the class ``shape``; ``trailer`` is the one that was sent. Client side.

    Raises :class:`DecodeError` where it is not the response to that command; an error code of the HSM is a value.
    """
    opened = open_message(message, header_octets)
    command = RESPONSES[shape.__name__]
    if opened.code != shape.__name__:
        raise DecodeError("response code", f"{shape.__name__} expected")
    body = opened.body
    if trailer is not None:
        expected = trailer_octets(trailer)
        if not body.endswith(expected):
            raise DecodeError("trailer", "the trailer that was sent is not there")
        body = body[: -len(expected)]
    source = Source(body)
    error = source.take(2, "error code")
    if not error.isalnum():
        raise DecodeError("error code", "two letters or digits expected")
    text = error.decode("ascii")
    if text != ErrorCode.NO_ERROR:
        return Answer(opened.header, text, None, command.error_words(text))
    fields = layout_of(shape).read(source)
    if source.at != len(body):
        raise DecodeError("end of the response", f"{len(body) - source.at} octets behind the last field")
    return Answer(opened.header, text, fields, command.error_words(text))


def shown_request(message: bytes, header_octets: int) -> str:
    """A request in words for a trace: keys and ciphertext shortened, account data hidden. Never raises."""
    try:
        opened = open_message(message, header_octets)
        command = COMMANDS.get(opened.code)
        if command is None:
            return f"{opened.code} not a command known here, {len(opened.body)} octets"
        request = decode_request(command, opened.body)
    except DecodeError as fault:
        return f"{len(message)} octets that are no command: {fault}"
    return f"{command.code} {command.title}: {layout_of(command.request).shown(request.fields) or 'no fields'}"


def shown_response(message: bytes, header_octets: int) -> str:
    """A response in words for a trace. Never raises."""
    try:
        opened = open_message(message, header_octets)
    except DecodeError:
        return f"{len(message)} octets that are no response"
    error = opened.body[:2].decode("latin-1")
    command = RESPONSES.get(opened.code)
    if command is None:
        return f"{opened.code} {error} {error_words(error)}"
    text = f"{opened.code} {error} {command.error_words(error)}"
    if error == ErrorCode.NO_ERROR:
        source = Source(opened.body[2:])
        shape: type[Fields] = command.response
        try:
            shown = layout_of(shape).shown(layout_of(shape).read(source))
        except DecodeError:
            return text
        return f"{text}: {shown}" if shown else text
    return text


def trailer_octets(trailer: bytes | None) -> bytes:
    """A trailer as it stands behind the fields; nothing for None. Raises :class:`EncodeError` where it is too long."""
    if trailer is None:
        return b""
    if len(trailer) > LARGEST_TRAILER:
        raise EncodeError(f"trailer: at most {LARGEST_TRAILER} octets expected, {len(trailer)} given")
    return bytes((TRAILER_MARK,)) + trailer
