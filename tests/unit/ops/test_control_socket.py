"""The control socket: one JSON line each way, whoever is at the other end."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from mobileip.control.ops import control_socket, log
from mobileip.control.ops.control_socket import (
    ControlError,
    ControlServer,
    Handler,
    call,
    follow,
    remove_abandoned,
)


def _refuse(arguments: Mapping[str, object]) -> object:
    raise ControlError("the mobile node is not here", 3)


def _fail(arguments: Mapping[str, object]) -> object:
    raise KeyError("a fault")


async def _later(arguments: Mapping[str, object]) -> object:
    await asyncio.sleep(0)
    return {"said": arguments["word"]}


_following: list[str] = []


async def _count(arguments: Mapping[str, object]) -> AsyncGenerator[object, None]:
    """Counts up to a number, or for ever."""
    _following.append("begun")
    try:
        number = 0
        while number != arguments.get("to"):
            number += 1
            yield {"number": number, "address": IPv4Address("10.1.0.5")}
            await asyncio.sleep(0)
        if arguments.get("wait"):
            await asyncio.Event().wait()
    finally:
        _following.append("ended")


HANDLERS: dict[str, Handler] = {
    "count": _count,
    "show": lambda arguments: [{"home_address": IPv4Address("10.1.0.5"), "what": arguments["what"]}],
    "later": _later,
    "refuse": _refuse,
    "fail": _fail,
    "many": lambda arguments: [{"number": number} for number in range(1001)],
    "none": lambda arguments: [],
    "lazy": lambda arguments: ({"number": number} for number in range(3)),
    "odd": lambda arguments: [object()],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "daemon.sock"


@pytest.fixture
def server(path: Path) -> Iterator[Path]:
    """A server in a thread of its own, as the sync client would meet it in another process."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with ControlServer(path, HANDLERS):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield path
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    assert not thread.is_alive()
    loop.close()


def exchange(path: Path, sent: bytes) -> list[Any]:
    """What the server answers to raw bytes, until it closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            return [json.loads(line) for line in stream]


def test_answer_is_plain_json(server: Path) -> None:
    assert call(server, "show", what="bindings") == [{"home_address": "10.1.0.5", "what": "bindings"}]


def test_handler_may_wait(server: Path) -> None:
    assert call(server, "later", word="hello") == {"said": "hello"}


@pytest.mark.parametrize(("command", "length"), [("many", 1001), ("none", 0), ("lazy", 3)])
def test_long_and_empty_lists(server: Path, command: str, length: int) -> None:
    answer = call(server, command)
    assert isinstance(answer, list)
    assert answer == [{"number": number} for number in range(length)]


def test_refusal_keeps_text_and_code(server: Path) -> None:
    with pytest.raises(ControlError, match="the mobile node is not here") as refusal:
        call(server, "refuse")
    assert refusal.value.result == 3


def test_fault_of_a_handler_is_told_and_logged_and_survived(
    server: Path,
) -> None:
    stream = io.StringIO()
    log.configure("info", "text", stream)
    with pytest.raises(ControlError, match=r"internal error: KeyError\('a fault'\)"):
        call(server, "fail")
    assert "control-command-failed request=" in stream.getvalue()
    assert "KeyError('a fault')" in stream.getvalue()
    assert "test_control_socket.py" in stream.getvalue()
    assert call(server, "none") == []


def test_row_that_cannot_be_rendered_is_logged(server: Path) -> None:
    stream = io.StringIO()
    log.configure("info", "text", stream)
    with pytest.raises(ControlError, match="broke off its answer"):
        call(server, "odd")
    assert "object has no plain form" in stream.getvalue()
    assert call(server, "none") == []


def test_unknown_command_names_the_known(server: Path) -> None:
    with pytest.raises(
        ControlError, match="count, fail, later, lazy, many, none, odd, refuse, show"
    ) as refusal:
        call(server, "reboot")
    assert refusal.value.result == control_socket.UNSUPPORTED


def test_several_requests_on_one_connection(server: Path) -> None:
    answers = exchange(server, b'{"command": "none"}\n' * 3)
    assert answers == [{"result": 0, "text": "", "arguments": []}] * 3


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"show bindings\n", "not JSON"),
        (b"[1, 2]\n", "not a JSON object"),
        (b"\xff\xfe\n", "not JSON"),
        (b"[" * 10_000 + b"\n", "not JSON"),
        (b'{"command": "' + b"x" * control_socket.LARGEST_REQUEST, "longer than 16384 bytes"),
    ],
)
def test_what_is_no_request_is_refused(server: Path, sent: bytes, text: str) -> None:
    (answer,) = exchange(server, sent)
    assert answer["result"] == control_socket.FAILED
    assert text in answer["text"]
    assert call(server, "none") == []


def test_half_a_request_is_not_answered(server: Path) -> None:
    assert exchange(server, b'{"command": "none"}') == []


def test_more_clients_than_allowed(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "MOST_CLIENTS", 2)
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        for connection in first, second:
            connection.connect(str(server))
            connection.sendall(b'{"command": "none"}\n')
            assert connection.recv(1)
        with pytest.raises(ControlError, match="2 clients already"):
            call(server, "none")
    # Places are free again once the two have left.
    eventually(lambda: call(server, "none") == [])


def test_client_that_says_nothing_is_cut_off(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX) as idle:
        idle.settimeout(10)
        idle.connect(str(server))
        assert idle.recv(1) == b""


def test_client_that_does_not_read_is_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "PATIENCE", 0.2)

    async def scenario() -> None:
        server = ControlServer(path, {"flood": lambda _: ["x" * 1000] * 20_000})
        async with server:
            _, writer = await asyncio.open_unix_connection(path, limit=16)
            writer.write(b'{"command": "flood"}\n')
            await writer.drain()
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(10):
                while not server._clients:
                    await asyncio.sleep(0.01)
                while server._clients:
                    await asyncio.sleep(0.01)
            writer.transport.abort()

    asyncio.run(scenario())


def test_a_command_that_follows_sends_object_after_object(server: Path) -> None:
    _following.clear()
    found = list(follow(server, "count", to=3))
    assert found == [{"number": number, "address": "10.1.0.5"} for number in (1, 2, 3)]
    assert _following == ["begun", "ended"]


def test_following_ends_when_the_client_leaves(server: Path) -> None:
    _following.clear()
    stream = follow(server, "count", to=2, wait=True)
    assert [next(stream), next(stream)]
    assert _following == ["begun"]
    stream.close()
    eventually(lambda: _following == ["begun", "ended"])
    assert call(server, "none") == []


def test_a_follower_that_does_not_read_is_cut_off(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "PATIENCE", 0.2)
    _following.clear()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(str(server))
        connection.sendall(b'{"command": "count"}\n')
        eventually(lambda: _following == ["begun", "ended"])


def test_following_ends_with_the_daemon(path: Path) -> None:
    async def scenario() -> list[object]:
        async with ControlServer(path, HANDLERS):
            stream = follow(path, "count", to=2, wait=True)
            first = [await asyncio.to_thread(next, stream) for _ in range(2)]
        return first + await asyncio.to_thread(list, stream)

    assert len(asyncio.run(scenario())) == 2


def test_what_cannot_be_followed_is_refused(server: Path) -> None:
    with pytest.raises(ControlError, match="is not here"):
        next(follow(server, "refuse"))
    with pytest.raises(ControlError, match="no daemon runs at"):
        next(follow(server.with_name("another.sock"), "count"))


def test_mode_and_removal(path: Path) -> None:
    async def scenario() -> None:
        previous = os.umask(0o077)
        try:
            async with ControlServer(path, HANDLERS):
                assert stat.S_IMODE(path.stat().st_mode) == 0o660
        finally:
            os.umask(previous)

    asyncio.run(scenario())
    assert list(path.parent.iterdir()) == []


def test_lock_that_was_removed_meanwhile_is_not_trusted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that ends removes its lock file; one that starts may have opened it just before."""
    lock, opened = path.with_name("daemon.sock.lock"), []
    real = os.open

    def open_and_lose(name: Any, flags: int, mode: int = 0o777) -> int:
        descriptor = real(name, flags, mode)
        if Path(name) == lock:
            opened.append(descriptor)
            if len(opened) == 1:
                lock.unlink()
        return descriptor

    monkeypatch.setattr(os, "open", open_and_lose)

    async def scenario() -> None:
        async with ControlServer(path, HANDLERS):
            assert len(opened) == 2
            assert lock.read_text() == f"{os.getpid()}\n"

    asyncio.run(scenario())


def test_living_daemon_keeps_its_socket(server: Path) -> None:
    program = f"""
import asyncio, pathlib
from mobileip.control.ops.control_socket import ControlError, ControlServer
try:
    asyncio.run(ControlServer(pathlib.Path({str(server)!r}), {{}}).start())
except ControlError as error:
    print(error)
"""
    second = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert f"another daemon (pid {os.getpid()}) has {server}" in second.stdout
    assert call(server, "none") == []


def test_socket_of_a_killed_daemon_is_replaced(path: Path) -> None:
    program = f"""
import asyncio, pathlib
from mobileip.control.ops.control_socket import ControlServer
async def main():
    await ControlServer(pathlib.Path({str(path)!r}), {{}}).start()
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"ready\n"
        os.kill(killed.pid, signal.SIGKILL)
    assert path.is_socket()
    with pytest.raises(ControlError, match="one that was killed left the socket"):
        call(path, "none")

    async def scenario() -> object:
        async with ControlServer(path, HANDLERS):
            return await asyncio.to_thread(call, path, "none")

    assert asyncio.run(scenario()) == []


def test_abandoned_socket_is_removed_a_living_one_is_not(server: Path, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="another daemon"):
        remove_abandoned(server)
    assert call(server, "none") == []
    abandoned = tmp_path / "abandoned.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(abandoned))
    assert remove_abandoned(abandoned)
    assert not remove_abandoned(abandoned)
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file() or entry.is_socket()] == []


def test_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("precious")
    with pytest.raises(ControlError, match="is no socket"):
        asyncio.run(ControlServer(path, HANDLERS).start())
    assert path.read_text() == "precious"


def test_path_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlError, match="no control socket at"):
        asyncio.run(ControlServer(tmp_path / "file" / "daemon.sock", HANDLERS).start())


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no daemon runs at"):
        call(tmp_path / "daemon.sock", "none")


def test_daemon_that_does_not_answer(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        with pytest.raises(ControlError, match=r"does not answer \(waited 0\.1 s\)"):
            call(path, "none", patience=0.1)


@pytest.mark.parametrize("said", [b"", b"hello\n", b"[]\n", b"{}\n"])
def test_other_end_is_no_daemon_of_ours(path: Path, said: bytes) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ControlError, match="is it the control socket of a mobileip daemon"):
            call(path, "none")
        thread.join(10)


def eventually(condition: Callable[[], bool]) -> None:
    """Tries until ``condition`` holds, without one of its refusals; at most a few seconds."""
    pause = threading.Event()
    for _ in range(200):
        try:
            if condition():
                return
        except ControlError:
            pass
        pause.wait(0.02)
    raise AssertionError("did not happen")
