"""``mobileip example``: a configuration file to start from."""

from __future__ import annotations

import secrets
from typing import cast

import click

from mobileip.control.config.example import PLACEHOLDER_KEY, Role
from mobileip.control.config.example import example as example_file

_KEY_LENGTH = 16  # bytes, RFC 5944 s3.5.1


@click.command(
    epilog="""\b
Examples:
  mobileip example home --random-key > home.toml
  mobileip example mobile > mobile.toml        # then give it the key of home.toml
"""
)
@click.argument("role", type=click.Choice(["home", "foreign", "mobile"]))
@click.option("--random-key", is_flag=True, help="Put in a fresh key instead of one that everybody knows.")
def example(role: str, random_key: bool) -> None:
    """Print an annotated configuration file for a home agent, a foreign agent or a mobile node.

    It works once the lines marked CHANGE have your addresses, interfaces and key. Commented lines show the
    defaults. The files for home and mobile belong together: same home address, SPI and key.
    """
    key = secrets.token_hex(_KEY_LENGTH) if random_key else PLACEHOLDER_KEY
    click.echo(example_file(cast(Role, role), key), nl=False)
