"""The sources of keys of a home agent, as its configuration has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from time import time
from typing import Final

from mobileip.control.aaa.avpairs import Unsaid
from mobileip.control.aaa.configured import ConfiguredKeys
from mobileip.control.aaa.servers import Note, Patience, Server
from mobileip.control.aaa.sources import KeySource
from mobileip.control.config.keys import KeyFilesConfig, KeysConfig
from mobileip.control.config.servers import RadiusConfig, ServerConfig, TacacsConfig
from mobileip.control.core.keyring import AskedBy, KeySettings
from mobileip.control.ports import ActionError
from mobileip.control.security import AssociationTable
from mobileip.control.types import Endpoint

SERVICE_TYPES: Final = {"outbound": 5, "framed": 2, "call-check": 10, "none": None}  # RFC 2865 s5.6


def settings(config: KeysConfig) -> KeySettings:
    return KeySettings(
        lifetime=config.lifetime,
        stale=config.stale_lifetime,
        retry=config.retry_interval,
        unknown=config.unknown_lifetime,
        max_known=config.max_known,
        max_questions=config.max_questions,
        rate=config.max_rate,
        asked_by=AskedBy(config.user_name),
        configured_first="config" not in config.sources or config.sources[0] == "config",
    )


def open_sources(
    config: KeysConfig,
    configured: AssociationTable,
    home_agent: IPv4Address,
    name: str,
    note: Note,
    kept: Mapping[str, KeySource] | None = None,
) -> list[KeySource]:
    """``home_agent`` and ``name``, that of the daemon, are what we tell RADIUS servers of ourselves.

    ``kept`` are sources that are open, by their names: they are used as they are.

    :raises ActionError: one of them cannot be used.
    """
    sources: list[KeySource] = []
    for source in config.sources:
        if kept is not None and source in kept:
            sources.append(kept[source])
            continue
        match source:
            case "config":
                sources.append(ConfiguredKeys(configured))
            case "files":
                assert config.files is not None  # as the checks of the configuration demand
                sources.append(_files(config.files))
            case "radius":
                assert config.radius is not None
                sources.append(_radius(config.radius, home_agent, name, note))
            case "tacacs":
                assert config.tacacs is not None
                sources.append(_tacacs(config.tacacs, note))
    return sources


def _files(config: KeyFilesConfig) -> KeySource:
    # Not before they are wanted: the library behind them takes long to import.
    from mobileip.control.aaa.keyfiles import KeyFiles
    from mobileip.control.aaa.sealed import KeyFileError

    try:
        return KeyFiles(config.directory, config.master_key, time)
    except KeyFileError as error:
        raise ActionError(str(error)) from None


def _radius(config: RadiusConfig, home_agent: IPv4Address, name: str, note: Note) -> KeySource:
    from mobileip.control.aaa.attributes import Client
    from mobileip.control.aaa.radius import RadiusKeys

    patience = Patience(config.timeout, config.tries, config.dead_time, config.source)
    client = Client(
        config.nas_identifier or name, config.password, home_agent, SERVICE_TYPES[config.service_type]
    )
    return RadiusKeys(servers(config.servers), patience, client, unsaid(config), note)


def _tacacs(config: TacacsConfig, note: Note) -> KeySource:
    from mobileip.control.aaa.tacacs import TacacsKeys

    patience = Patience(config.timeout, 1, config.dead_time, config.source)
    return TacacsKeys(servers(config.servers), patience, unsaid(config), note)


def servers(tables: Iterable[ServerConfig]) -> tuple[Server, ...]:
    return tuple(Server(Endpoint(table.address, table.port), table.secret) for table in tables)


def unsaid(config: RadiusConfig | TacacsConfig) -> Unsaid:
    return Unsaid(config.algorithm, config.replay, config.replay_tolerance)
