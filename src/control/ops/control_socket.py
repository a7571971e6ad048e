"""The unix socket over which operators ask a running daemon: one JSON object a line, each way.

A request is ``{"command": "show", "what": "bindings"}``; everything but ``command`` are its arguments. The
answer is ``{"result": 0, "text": "", "arguments": ...}``: 0 done, 1 failed, 2 no such command here. A command
that follows something answers so too, and then sends one object a line until either end closes; one that lends
a descriptor sends it with the answer (SCM_RIGHTS), and takes it back when the client closes. Access is by
the file's mode, 0660: the daemon's user, and the group that the operator says.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import grp
import json
import os
import socket
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mobileip.control.ops.log import logger
from mobileip.control.ops.plain import plain

Handler = Callable[[Mapping[str, object]], object | Awaitable[object]]

DONE: Final = 0
FAILED: Final = 1
UNSUPPORTED: Final = 2

LARGEST_REQUEST: Final = 16 * 1024  # bytes
MOST_CLIENTS: Final = 64
_REFUSAL_PATIENCE: Final = 1.0  # seconds for the request of a client that will be refused
PATIENCE: Final = 10.0  # seconds for a client to finish its request, and to read our answer
_MODE: Final = 0o660
_ELEMENTS_AT_ONCE: Final = 200  # of a list, encoded without letting other work in


class ControlError(Exception):
    """A sentence for the operator: why a command could not be done, or a daemon not reached."""

    def __init__(self, text: str, result: int = FAILED) -> None:
        super().__init__(text)
        self.result = result


@dataclass(frozen=True, slots=True)
class Loan:
    """A descriptor for the client, beside the answer's ``arguments``; ``close`` is called when the client leaves."""

    arguments: object
    descriptor: int
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Borrowed:
    """What :class:`Loan` is at the client; ``connection`` becomes readable when the daemon ends."""

    arguments: Any
    descriptor: int
    connection: socket.socket


class ControlServer:
    """Serves ``handlers`` by command name on ``path``.

    A handler takes the arguments and returns (or awaits) what :func:`plain` can render, an asynchronous
    generator of such to be followed, or a :class:`Loan`; it raises :class:`ControlError` to refuse. The socket that
    a dead daemon left is replaced, a living one's is not.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler], group: str | None = None) -> None:
        self.path: Final = path
        self._group: Final = group
        self._handlers: Final = dict(handlers)
        self._server: asyncio.Server | None = None
        self._lock: int | None = None
        self._clients: Final[set[asyncio.Task[None]]] = set()

    async def start(self) -> None:
        """Listen; :class:`ControlError` when another daemon has the socket or the path cannot be used."""
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._lock = _lock(self.path)
            listener = _listen(self.path, self._group)
        except OSError as error:
            self._unlock()
            raise ControlError(f"no control socket at {self.path}: {error.strerror or error}") from None
        except ControlError:
            self._unlock()
            raise
        self._server = await asyncio.start_unix_server(self._accepted, sock=listener, limit=LARGEST_REQUEST)

    async def close(self) -> None:
        """Stop listening, cut off clients, remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._server = None
        self._unlock()

    async def __aenter__(self) -> ControlServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _unlock(self) -> None:
        if self._lock is not None:
            _lock_file(self.path).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._clients) > MOST_CLIENTS:
                # Read first: a socket closed with a request unread, or before it was sent, breaks the client's pipe
                # and the client never sees why.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REFUSAL_PATIENCE):
                        await _request(reader)
                await _answer(writer, FAILED, f"there are {MOST_CLIENTS} clients already; try again", None)
                return
            while request := await _request(reader):
                result, text, content = await self._perform(request)
                try:
                    if isinstance(content, AsyncGenerator):
                        await _follow(reader, writer, content)
                        return
                    if isinstance(content, Loan):
                        await _lend(reader, writer, content)
                        return
                    await _answer(writer, result, text, content)
                except TypeError as error:  # a row that has no plain form; half the answer is out already
                    _log_fault(request, error)
                    writer.transport.abort()
                    return
        except ControlError as refusal:
            # What came was no request, and where the next one would begin is not known.
            with contextlib.suppress(OSError, TimeoutError):
                await _answer(writer, FAILED, str(refusal), None)
        except (OSError, TimeoutError):
            writer.transport.abort()  # the client left, or does not read: what is not sent yet is dropped
        finally:
            writer.close()

    async def _perform(self, request: Mapping[str, object]) -> tuple[int, str, object]:
        command = request.get("command")
        handler = self._handlers.get(command) if isinstance(command, str) else None
        if handler is None:
            return UNSUPPORTED, f"no such command here; there are: {', '.join(sorted(self._handlers))}", None
        try:
            answer = handler({name: value for name, value in request.items() if name != "command"})
            if isawaitable(answer):
                answer = await answer
            if isinstance(
                answer, list | tuple | Iterator
            ):  # rendered piece by piece; a snapshot all the same
                return DONE, "", list(answer)
            return DONE, "", answer if isinstance(answer, AsyncGenerator | Loan) else plain(answer)
        except ControlError as refusal:
            return refusal.result, str(refusal), None
        except Exception as error:  # a fault of ours in one command must not end the daemon, nor stay unseen
            _log_fault(request, error)
            return FAILED, f"internal error: {error!r}; the daemon's log has more", None


async def _request(reader: asyncio.StreamReader) -> Mapping[str, object] | None:
    """The next request; ``None`` when the client has no more, or does nothing for long."""
    try:
        async with asyncio.timeout(PATIENCE):
            line = await reader.readline()
    except ValueError:
        raise ControlError(f"the request is longer than {LARGEST_REQUEST} bytes") from None
    if not line.endswith(b"\n"):
        return None
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("the request is not JSON") from None
    if not isinstance(request, dict):
        raise ControlError('the request is not a JSON object such as {"command": "show", "what": "bindings"}')
    return request


async def _answer(writer: asyncio.StreamWriter, result: int, text: str, arguments: object) -> None:
    """Writes an answer in pieces, letting other work in between: a list of bindings can be long."""
    for piece in _pieces(result, text, arguments):
        writer.write(piece.encode())
        async with asyncio.timeout(PATIENCE):
            await writer.drain()
        await asyncio.sleep(0)


async def _follow(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: AsyncGenerator[object, None]
) -> None:
    """Sends what ``content`` gives as it comes, until it ends or the client, who has no more to say, leaves."""
    await _answer(writer, DONE, "", None)
    pump = asyncio.ensure_future(_pump(writer, content))
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        if pump.done():
            pump.result()
    finally:
        for task in (pump, gone):
            task.cancel()
        await asyncio.gather(pump, gone, return_exceptions=True)
        await content.aclose()


async def _lend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, loan: Loan) -> None:
    """Sends the answer and with it the descriptor; then waits until the client leaves."""
    try:
        line = "".join(_pieces(DONE, "", plain(loan.arguments))).encode()
        writer.transport.set_write_buffer_limits(0)
        async with asyncio.timeout(PATIENCE):
            await writer.drain()  # earlier answers, which must not come behind this one
        with writer.get_extra_info("socket").dup() as connection:
            socket.send_fds(connection, [line], [loan.descriptor])
        await reader.read(1)
    finally:
        loan.close()


async def _pump(writer: asyncio.StreamWriter, content: AsyncGenerator[object, None]) -> None:
    async for element in content:
        writer.write(json.dumps(plain(element)).encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            await writer.drain()


def _pieces(result: int, text: str, arguments: object) -> Iterator[str]:
    yield f'{{"result": {result}, "text": {json.dumps(text)}, "arguments": '
    if isinstance(arguments, list):
        elements = iter(arguments)
        opening = "["
        while some := [json.dumps(plain(element)) for element in islice(elements, _ELEMENTS_AT_ONCE)]:
            yield opening + ", ".join(some)
            opening = ", "
        yield "[]}\n" if opening == "[" else "]}\n"
    else:
        yield json.dumps(arguments) + "}\n"


def _log_fault(request: Mapping[str, object], error: Exception) -> None:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    logger().error("control-command-failed", request=json.dumps(request), error=repr(error), where=where)


def _lock(path: Path) -> int:
    """Holds ``path`` for this process. A lock ends with its process, however it ends; a socket file stays."""
    while True:
        lock = os.open(_lock_file(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            os.close(lock)
            raise ControlError(
                f"another daemon{f' (pid {holder})' if holder else ''} has {path};"
                " stop it, or give this one another daemon.name"
            ) from None
        if _is_same(lock, _lock_file(path)):
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            return lock
        os.close(lock)  # its last holder removed it between our opening and locking it: begin again


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _listen(path: Path, group: str | None) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ControlError(f"{path} is there and is no socket; remove it or set daemon.control_socket")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # On Linux the file takes its mode from the socket: there is no moment at which others could connect.
        os.fchmod(listener.fileno(), _MODE)
        listener.bind(str(path))
        if group is not None:
            _give(path, group)
        os.chmod(path, _MODE)  # the umask may have taken the group's bits away
        listener.listen(MOST_CLIENTS)
    except ControlError:
        listener.close()
        path.unlink()
        raise
    except OSError:
        listener.close()
        raise
    return listener


def _give(path: Path, group: str) -> None:
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except KeyError:
        raise ControlError(
            f"daemon.control_group: there is no group {group}; addgroup --system {group}"
        ) from None
    except PermissionError:
        raise ControlError(
            f"cannot give {path} to the group {group}: run the daemon as root, or as a member of it"
        ) from None


def remove_abandoned(path: Path) -> bool:
    """Removes the socket that a killed daemon left, and says whether there was one.

    :class:`ControlError` if the daemon lives.
    """
    if not path.is_socket():
        return False
    lock = _lock(path)
    path.unlink(missing_ok=True)
    _lock_file(path).unlink(missing_ok=True)
    os.close(lock)
    return True


def call(path: Path, command: str, *, patience: float = 10.0, **arguments: object) -> object:
    """Asks the daemon at ``path`` and returns the answer's ``arguments``.

    :class:`ControlError` if no daemon listens there, access is denied, no answer comes within ``patience``
    seconds, or the daemon refuses (``result`` is then its code).
    """
    with _asked(path, command, arguments, patience) as (content, _):
        return content


def follow(
    path: Path, command: str, *, patience: float = 10.0, **arguments: object
) -> Generator[Any, None, None]:
    """As :func:`call`, of a command that follows something: each object as it comes, until the daemon ends."""
    with _asked(path, command, arguments, patience) as (_, lines):
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)


@contextlib.contextmanager
def borrow(
    path: Path, command: str, *, patience: float = 10.0, **arguments: object
) -> Generator[Borrowed, None, None]:
    """As :func:`call`, of a command that lends a descriptor, until the end of the block."""
    descriptors: list[int] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with _explained(path, patience):
                _send(connection, path, command, arguments, patience)
                line, descriptors, _, _ = socket.recv_fds(connection, LARGEST_REQUEST, 1)
                while line and not line.endswith(b"\n") and (more := connection.recv(LARGEST_REQUEST)):
                    line += more
            content = _content(path, line)
            if not descriptors:
                raise ControlError(f"the daemon at {path} answered without what was asked for")
            yield Borrowed(content, descriptors[0], connection)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


@contextlib.contextmanager
def _asked(
    path: Path, command: str, arguments: Mapping[str, object], patience: float
) -> Iterator[tuple[object, Iterator[bytes]]]:
    """The content of the answer, and the lines that come after it with no limit of time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, connection.makefile("rb") as stream:
        with _explained(path, patience):
            _send(connection, path, command, arguments, patience)
            line = stream.readline()
        content = _content(path, line)
        connection.settimeout(None)
        yield content, iter(stream)


def _send(
    connection: socket.socket, path: Path, command: str, arguments: Mapping[str, object], patience: float
) -> None:
    connection.settimeout(patience)
    connection.connect(str(path))
    connection.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")


@contextlib.contextmanager
def _explained(path: Path, patience: float) -> Iterator[None]:
    """What goes wrong inside as one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise ControlError(f"no daemon runs at {path}: there is no such socket") from None
    except ConnectionRefusedError:
        raise ControlError(f"no daemon runs at {path}: one that was killed left the socket") from None
    except PermissionError:
        raise ControlError(f"no access to {path}: run as root or as a member of its group") from None
    except TimeoutError:
        raise ControlError(f"the daemon at {path} does not answer (waited {patience:g} s)") from None
    except OSError as error:
        raise ControlError(f"cannot ask the daemon at {path}: {error.strerror or error}") from None


def _content(path: Path, line: bytes) -> object:
    """The arguments of an answer that says it is done; :class:`ControlError` otherwise."""
    if line and not line.endswith(b"\n"):
        raise ControlError(f"the daemon at {path} broke off its answer; its log says why")
    try:
        answer = json.loads(line)
        result, text, content = answer["result"], answer["text"], answer.get("arguments")
    except (ValueError, KeyError, TypeError):
        what = "an answer that is not ours" if line else "no answer"
        raise ControlError(f"{what} from {path}: is it the control socket of a mobileip daemon?") from None
    if result != DONE:
        raise ControlError(str(text), int(result))
    return content
