"""cmp-orders fraud: try the fraud check, look at its verdicts, keep the list of addresses."""

from __future__ import annotations

import click

from console.exits import Exit, Refusal
from console.session import Session, as_json, example, pass_session

STATUSES = ["NEW", "AWAITING_GENERATION", "AWAITING_DISPATCH", "COMPLETE", "ERROR", "CANCELLED"]
_LONGEST_REASON = 1000


@click.group()
def fraud() -> None:
    """Try the fraud check, list verdicts, block addresses; run a stand-in for a service."""


@fraud.command("try", epilog=example("cmp-orders fraud try --status complete --limit 50000"))
@click.option("--status", type=click.Choice(STATUSES, case_sensitive=False), help="Only these.")
@click.option("--limit", type=click.IntRange(1), help="At most so many orders, the oldest first.")
@click.option(
    "--sample",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    help="How many order ids to show for each rule.",
)
@as_json
@pass_session
def try_(
    session: Session, status: str | None, limit: int | None, sample: int, as_json: bool
) -> None:
    """Run the rules over orders that are there, and show what would become of them.

    The rules weigh what the properties say, whichever checker these name. Nothing is written.
    What is known of addresses and accounts is what the orders looked at say of each other.
    """
    from console import fraud_trial, show  # noqa: PLC0415
    from core import checkers  # noqa: PLC0415

    rules = checkers.rules(session.properties)
    with session.connection() as conn:
        found = fraud_trial.run(
            conn, rules, status=status and status.upper(), limit=limit, sample=sample
        )
    weights = session.properties.request_extract_fraud.weights
    if as_json:
        show.print_json(fraud_trial.document(found, weights))
    else:
        fraud_trial.tell(show.terminal(), found, weights)


@fraud.command("list", epilog=example("cmp-orders fraud list --verdict refer"))
@click.option("--verdict", type=click.Choice(["PASS", "REFER", "REJECT"], case_sensitive=False))
@click.option("--reason", metavar="CODE", help="Only with this code, such as CHECK_AWAY.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json
@pass_session
def list_(
    session: Session, verdict: str | None, reason: str | None, limit: int, as_json: bool
) -> None:
    """List verdicts, the newest first."""
    from console import show  # noqa: PLC0415
    from core.db import blocking  # noqa: PLC0415
    from core.domain.order import OrderStatus  # noqa: PLC0415

    with session.connection() as conn:
        rows = blocking.verdicts(
            conn,
            verdict=verdict and verdict.upper(),
            reason=reason and reason.upper().replace("\0", ""),
            limit=limit,
        )
    if as_json:
        show.print_json(rows)
        return
    columns = (">order", "verdict", ">score", "status", "reasons")
    cells = [
        (
            *(row.order_id, row.verdict, row.score),
            ("held, " if row.held else "") + OrderStatus(row.status).shown,
            row.reasons,
        )
        for row in rows
    ]
    show.terminal().print(show.table(columns, cells))
    if len(rows) == limit:
        show.note(f"There may be more: --limit {limit * 10} shows them.")


@fraud.command(
    epilog=example(
        "cmp-orders fraud block --order 417 --reason 'parcels collected by strangers'",
        "cmp-orders fraud block --line '17 Mill Lane' --post-code 'LS1 4AP' --country GB "
        "--reason 'empty house'",
    )
)
@click.option("--order", metavar="ID|REFERENCE", help="The delivery address of this order.")
@click.option("--line", "lines", multiple=True, help="A line of the address; repeat it.")
@click.option("--town", help="Needed where there is no postcode.")
@click.option("--post-code")
@click.option("--country", help="ISO 3166-1 alpha-2, such as GB.")
@click.option("--reason", required=True, help="Kept with the address.")
@pass_session
def block(  # the options of the verb
    session: Session,
    order: str | None,
    lines: tuple[str, ...],
    town: str | None,
    post_code: str | None,
    country: str | None,
    reason: str,
) -> None:
    """Put an address on the list: the rule ADDRESS_BLOCKED then counts for orders to it.

    Orders that await their file are checked again. The spelling does not matter: neither case nor
    the order of the lines, nor Road or Rd.
    """
    from console import fraud_list, show  # noqa: PLC0415

    if not 1 <= len(reason) <= _LONGEST_REASON or "\0" in reason:
        raise Refusal(f"a reason has 1 to {_LONGEST_REASON} characters")
    if bool(order) == bool(lines):
        raise click.UsageError("either --order, or --line with --post-code or --town and --country")
    if lines and not (country and (post_code or town)):
        raise click.UsageError("--line needs --country, and --post-code or --town")
    with session.connection() as conn:
        address = (
            fraud_list.of_order(conn, order)
            if order
            else fraud_list.given(lines, town, post_code, country or "")
        )
        show.note(fraud_list.block(conn, address, reason))


@fraud.command(epilog=example("cmp-orders fraud unblock 9f86d081884c7d659a2feaa0c55ad015"))
@click.argument("key")
@pass_session
def unblock(session: Session, key: str) -> None:
    """Take the address with this KEY from the list; holds stay until somebody releases them."""
    from console import fraud_list, show  # noqa: PLC0415

    with session.connection() as conn:
        show.note(fraud_list.unblock(conn, key))


@fraud.command(epilog=example("cmp-orders fraud blocked"))
@as_json
@pass_session
def blocked(session: Session, as_json: bool) -> None:
    """List the blocked addresses, each with the key that unblocks it."""
    from console import show  # noqa: PLC0415
    from core.db import blocking  # noqa: PLC0415

    with session.connection() as conn:
        rows = blocking.blocked(conn)
    if as_json:
        show.print_json(rows)
        return
    columns = ("key", "address", "why", "since", "by")
    cells = [(row.address_key, row.address, row.reason, row.blocked_at, row.blocked_by)
             for row in rows]  # fmt: skip
    show.terminal().print(show.table(columns, cells))


@fraud.command(epilog=example("cmp-orders fraud serve --port 8089"))
@click.option("--port", type=click.IntRange(0, 65535), default=8089, show_default=True,
              help="0: any that is free.")  # fmt: skip
@click.option("--away", is_flag=True, help="Answer 503, as a service in trouble does.")
@pass_session
def serve(session: Session, port: int, away: bool) -> Exit:
    """Stand in for the service of the checker http, on this host alone, until interrupted.

    It judges each order by itself with the rules as the properties weigh them. For tests and
    demonstrations: it asks nobody who they are.
    """
    from console import show  # noqa: PLC0415
    from console.fraud_service import StandInService, by_rules, unavailable  # noqa: PLC0415
    from core import checkers  # noqa: PLC0415

    settings = session.properties.request_extract_fraud
    answer = unavailable if away else by_rules(checkers.rules(session.properties), settings)
    with StandInService(answer, port) as service:
        show.note(f"answering at {service.url}; interrupt to end")
        service.wait()
    return Exit.DONE
