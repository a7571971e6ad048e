"""The sources of keys of a home agent, as its configuration has them."""

from __future__ import annotations

from time import time

from mobileip.control.aaa.sources import KeySource
from mobileip.control.config.keys import KeyFilesConfig, KeysConfig
from mobileip.control.core.keyring import KeySettings
from mobileip.control.ports import ActionError


def settings(config: KeysConfig) -> KeySettings:
    return KeySettings(
        lifetime=config.lifetime,
        stale=config.stale_lifetime,
        retry=config.retry_interval,
        unknown=config.unknown_lifetime,
        max_known=config.max_known,
        max_questions=config.max_questions,
        rate=config.max_rate,
    )


def open_sources(config: KeysConfig) -> list[KeySource]:
    """:raises ActionError: one of them cannot be used."""
    sources: list[KeySource] = []
    for name in config.sources:
        match name:
            case "files":
                assert config.files is not None  # as the checks of the configuration demand
                sources.append(_files(config.files))
    return sources


def _files(config: KeyFilesConfig) -> KeySource:
    # Not before they are wanted: the library behind them takes long to import.
    from mobileip.control.aaa.keyfiles import KeyFiles
    from mobileip.control.aaa.sealed import KeyFileError

    try:
        return KeyFiles(config.directory, config.master_key, time)
    except KeyFileError as error:
        raise ActionError(str(error)) from None
