"""`mobileip keys`: what it writes, what it says, and that it never says a key."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mobileip.control.aaa import sealed
from mobileip.control.aaa.sealed import KeyDirectory, SealedKey
from mobileip.control.agent.keys import open_sources
from mobileip.control.cli.main import mobileip
from mobileip.control.config.load import load
from mobileip.control.ports import ActionError
from mobileip.control.security import Algorithm, AssociationTable, ReplayMethod
from tests.unit.aaa.test_sealed import key_file, quick_scrypt
from tests.unit.aaa.told import Told

__all__ = ["quick_scrypt"]

PEER = IPv4Address("10.1.0.5")
KEY = "9f3c2ab1740de65588c0134fa7b29e61"


class Operator:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = key_file(path / "master.key")
        self.file = path / "home.toml"
        self.file.write_text(
            f"""
            [home_agent]
            address = "10.1.0.1"
            [[home_agent.networks]]
            prefix = "10.1.0.0/24"
            [home_agent.keys]
            sources = ["files"]
            files = {{ directory = "{path}/keys", master_key = "{self.master}" }}
            """
        )

    def keys(self, command: str, *arguments: str, given: str = "") -> Result:
        full = ["keys", command, *arguments, "--config", str(self.file)]
        result = CliRunner().invoke(mobileip, full, input=given)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def done(self, command: str, *arguments: str, given: str = "") -> str:
        result = self.keys(command, *arguments, given=given)
        assert result.exit_code == 0, result.output
        for secret in self.secrets():
            assert secret not in result.output.lower()
        return result.output

    def refused(self, command: str, *arguments: str, given: str = "") -> str:
        result = self.keys(command, *arguments, given=given)
        assert result.exit_code != 0
        return result.output

    def secrets(self) -> list[str]:
        opened = KeyDirectory(self.path / "keys", self.master).all()
        return [key.association.key.reveal().hex() for _, keys in opened for key in keys]

    def sealed(self, peer: IPv4Address | str = PEER) -> tuple[SealedKey, ...]:
        return KeyDirectory(self.path / "keys", self.master).get(peer)

    def generate(self, *options: str, target: str = "node.key") -> str:
        return self.done("generate", str(PEER), "--to", str(self.path / target), *options)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def test_generate_seals_a_key_and_writes_it_once_for_the_node(operator: Operator) -> None:
    said = operator.generate("--algorithm", "keyed-md5", "--replay", "nonces", "--bytes", "20")
    [key] = operator.sealed()
    association = key.association
    assert (association.spi, association.algorithm) == (256, Algorithm.KEYED_MD5)
    assert (association.replay, len(association.key.reveal())) == (ReplayMethod.NONCES, 20)
    target = operator.path / "node.key"
    assert target.read_text() == association.key.reveal().hex() + "\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "spi = 256" in said and 'algorithm = "keyed-md5"' in said and str(target) in said


def test_generate_does_not_replace_a_key_nor_a_file(operator: Operator) -> None:
    operator.generate()
    [before] = operator.sealed()
    assert "mobileip keys rotate" in operator.refused("generate", str(PEER), "--to", str(operator.path / "b"))
    assert not (operator.path / "b").exists()
    taken = operator.refused("generate", "user@example.net", "--to", str(operator.path / "node.key"))
    assert "node.key cannot be made: File exists" in taken
    assert operator.sealed() == (before,) and operator.sealed("user@example.net") == ()


def test_what_cannot_be_sealed_is_not_handed_over(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mobileip.control.aaa.sealed import KeyFileError

    def full(*_: object) -> None:
        raise KeyFileError("the disk is full")

    monkeypatch.setattr(KeyDirectory, "put", full)
    assert "the disk is full" in operator.refused("generate", str(PEER), "--to", str(operator.path / "b"))
    assert not (operator.path / "b").exists()


def test_import_adds_a_key_and_replaces_the_one_of_its_spi(operator: Operator) -> None:
    operator.generate()
    (operator.path / "old").write_text(KEY)
    arguments = ("import", str(PEER), "--spi", "300", "--algorithm", "keyed-md5")
    operator.done(*arguments, "--from", str(operator.path / "old"))
    imported, generated = operator.sealed()
    assert imported.association.key.reveal().hex() == KEY
    assert (imported.association.spi, generated.association.spi) == (300, 256)
    operator.done(*arguments, "--from", "-", given="00112233445566778899aabbccddeeff\n")
    again, _ = operator.sealed()
    assert again.association.key.reveal().hex().startswith("0011")


@pytest.mark.parametrize("content", ["", "0011", "no key", KEY + "0"])
def test_what_is_no_key_is_not_imported_and_not_repeated(operator: Operator, content: str) -> None:
    said = operator.refused("import", str(PEER), "--spi", "300", "--from", "-", given=content)
    assert "must hold 8 to 64 bytes as hexadecimal digits, and nothing else" in said
    assert not content or content not in said


def test_rotate_keeps_the_present_key_for_a_while(operator: Operator) -> None:
    operator.generate("--algorithm", "keyed-md5")
    [first] = operator.sealed()
    said = operator.done("rotate", str(PEER), "--to", str(operator.path / "new"), "--keep", "2")
    second, kept = operator.sealed()
    assert (second.association.spi, second.until) == (257, None)
    assert second.association.algorithm is Algorithm.KEYED_MD5
    assert (operator.path / "new").read_text().strip() == second.association.key.reveal().hex()
    assert kept.association == first.association
    assert kept.until is not None and 0 <= kept.until - second.made - 2 * 86_400 <= 1
    assert re.search(r"spi 256 stays good until \d{4}-", said)
    # Once more: what ends sooner is not kept longer, and nothing is kept on request.
    operator.done("rotate", str(PEER), "--to", str(operator.path / "third"), "--keep", "30", "--spi", "999")
    assert [key.association.spi for key in operator.sealed()] == [999, 257, 256]
    assert operator.sealed()[2].until == kept.until
    operator.done("rotate", str(PEER), "--to", str(operator.path / "fourth"), "--keep", "0")
    assert [key.association.spi for key in operator.sealed()] == [1000]


def test_rotate_needs_a_key_and_an_spi_of_its_own(operator: Operator) -> None:
    target = str(operator.path / "new")
    assert "mobileip keys generate" in operator.refused("rotate", str(PEER), "--to", target)
    operator.generate()
    assert "needs an SPI of its own" in operator.refused("rotate", str(PEER), "--to", target, "--spi", "256")
    assert not Path(target).exists()


def test_remove_takes_one_key_or_all(operator: Operator) -> None:
    operator.generate()
    operator.done("rotate", str(PEER), "--to", str(operator.path / "new"))
    assert "no sealed key of spi 300" in operator.refused("remove", str(PEER), "--spi", "300")
    assert "1 removed, 1 kept" in operator.done("remove", str(PEER), "--spi", "256")
    assert "1 removed, 0 kept" in operator.done("remove", str(PEER))
    assert operator.sealed() == () and "no sealed key" in operator.refused("remove", str(PEER))


def test_list_shows_everything_but_the_keys(operator: Operator) -> None:
    operator.generate()
    operator.done("rotate", str(PEER), "--to", str(operator.path / "new"))
    operator.done("import", "a@b", "--spi", "300", "--from", "-", given=KEY)
    lines = [re.split(r"  +", line) for line in operator.done("list").splitlines()]
    assert lines[0] == ["PEER", "SPI", "ALGORITHM", "REPLAY", "BITS", "MADE", "GOOD UNTIL"]
    shown = [(row[0], row[1], row[4], row[6] == "no end") for row in lines[1:]]
    assert shown == [
        ("10.1.0.5", "257", "128", True),
        ("10.1.0.5", "256", "128", False),
        ("a@b", "300", "128", True),
    ]


@pytest.mark.parametrize("peer", ["user@", "a b@c", "x" * 300])
def test_peers_are_addresses_or_names(operator: Operator, peer: str) -> None:
    said = operator.refused("generate", peer, "--to", str(operator.path / "b"))
    assert "is no home address, and a name must be a Network Access Identifier" in said


def without_files(text: str) -> str:
    return text.replace("[home_agent.keys]", "").replace('sources = ["files"]', "").partition("files =")[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without_files, "has no [home_agent.keys.files] table"),
        (lambda text: text.replace("10.1.0.1", "ten"), "home_agent.address"),
    ],
)
def test_the_configuration_has_to_say_where_keys_are(
    operator: Operator, change: Callable[[str], str], sentence: str
) -> None:
    operator.file.write_text(change(operator.file.read_text()))
    assert sentence in operator.refused("list")


def test_a_wrong_master_key_is_one_sentence(operator: Operator) -> None:
    operator.generate()
    key_file(operator.master, b"another secret that is long enough")
    assert "it is not the one its keys were sealed with" in operator.refused("list")


# ---- a file is checked before it is used


def checked(operator: Operator) -> Result:
    return CliRunner().invoke(mobileip, ["check", str(operator.file)])


def refusal(operator: Operator) -> str:
    """What `mobileip run` says of its keys."""
    home = load(operator.file).home_agent
    assert home is not None and home.keys is not None
    with pytest.raises(ActionError) as refused:
        open_sources(home.keys, AssociationTable(), home.address, "agent", Told())
    return str(refused.value)


def test_check_refuses_the_keys_that_run_refuses(operator: Operator) -> None:
    def faults() -> Iterator[str]:
        yield "has no sealed keys yet"
        operator.done("generate", str(PEER), "--to", str(operator.path / "node.key"))
        assert checked(operator).exit_code == 0
        operator.master.chmod(0o640)
        yield "is open to other users"
        operator.master.unlink()
        yield "master.key is missing"
        operator.master.mkdir()
        yield "master.key cannot be read"
        operator.master.rmdir()
        key_file(operator.master, b"another one, and long enough")
        yield "does not open"

    for words in faults():
        result = checked(operator)
        assert result.exit_code == 1 and result.stdout == ""
        assert result.stderr == f"{operator.file}: home_agent.keys.files: {refusal(operator)}\n"
        assert words in result.stderr


def test_check_cannot_try_what_systemd_gives_to_the_service_alone(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.done("generate", str(PEER), "--to", str(operator.path / "node.key"))
    monkeypatch.setattr(sealed, "_CREDENTIALS", operator.path)
    assert checked(operator).stderr == "", "it is there: tried"
    operator.master.unlink()
    result = checked(operator)
    assert result.exit_code == 0 and "ok: home agent" in result.stdout
    assert "only the service gets from systemd" in result.stderr


def test_check_tries_only_keys_that_are_used(operator: Operator) -> None:
    text = operator.file.read_text().replace('["files"]', '["radius"]')
    server = '{ address = "127.0.0.1", secret = "correct-horse-battery" }'
    operator.file.write_text(text + f"radius = {{ servers = [{server}] }}\n")
    result = checked(operator)
    assert result.exit_code == 0 and "files is not one of sources" in result.stderr
