"""``mobileip explain``: what a reason of the log, or a reply code, means."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import click

from mobileip.control.ops.advice import advice
from mobileip.control.reasons import Reason


@click.command(
    epilog="""\b
Examples:
  mobileip explain identification-mismatch
  mobileip explain 133
"""
)
@click.argument("what", metavar="REASON|CODE")
def explain(what: str) -> None:
    """Say what a reason means: the words of the log, of `mobileip show counters` and `mobileip show violations`,
    or the number of a reply code.
    """
    found = [reason for reason in Reason if reason.label == what or _is_code(reason, what)]
    if not found:
        near = get_close_matches(what, [reason.label for reason in Reason], n=3)
        meant = f"; is it {' or '.join(near)}?" if near else "; docs/reasons.md has them all"
        raise click.ClickException(f"there is no reason or code {what!r}{meant}")
    click.echo("\n\n".join("\n".join(_described(reason)) for reason in found))


def _is_code(reason: Reason, what: str) -> bool:
    return reason.info.code is not None and what == str(int(reason.info.code))


def _described(reason: Reason) -> Iterator[str]:
    info, known = reason.info, advice(reason)
    yield f"{reason.label}: {info.text}"
    yield f"  level  {info.level.value}"
    if info.code is not None:
        yield f"  code   {int(info.code)} ({info.code.name.lower().replace('_', '-')})"
    if info.section:
        yield f"  RFC    {info.section}"
    if known.cause:
        yield f"  cause  {known.cause}"
    if known.cure:
        yield f"  cure   {known.cure}"
