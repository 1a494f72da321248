"""The command as a whole: exit codes, help, sentences, and a fast start."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import psycopg
import pytest

from console import exits
from console.embedded import EmbeddedPostgres
from console.exits import Exit
from console.main import HELP, NOUNS, command, main
from tests.console.conftest import Console
from tests.console.orders import order


def _verbs() -> Iterator[tuple[str, ...]]:
    ctx = click.Context(command)
    for noun in NOUNS:
        found = command.get_command(ctx, noun)
        assert found is not None
        if isinstance(found, click.Group):
            yield from ((noun, verb) for verb in found.list_commands(ctx))
        else:
            yield (noun,)


@pytest.mark.parametrize("verb", list(_verbs()), ids=" ".join)
def test_every_verb_has_help_with_an_example(
    verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """--help of each verb says what it does and shows a call of it."""
    assert main([*verb, "--help"]) == 0
    _, _, below_usage = capsys.readouterr().out.partition("\n")
    assert re.search(rf"cmp-orders (-\S+ \S+ )?{' '.join(verb)}\b", below_usage)


def test_exit_codes_are_documented() -> None:
    """The codes stand in --help and in the table of their module, and no other."""
    for text in (HELP, exits.__doc__ or ""):
        told = re.findall(r"^(?:  |\| )(\d+) ", text, re.MULTILINE)
        assert [int(code) for code in told] == [code.value for code in Exit]


def test_exit_codes(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 done, 1 refused, 2 usage, 75 surroundings, 78 configuration: each with a sentence."""
    assert console.call("order", "list").code == 0
    assert console.call("order", "show", "nobody").code == 1
    for usage in (
        ("order", "nothing"),
        ("order", "cancel", "1"),
        ("nothing",),
        ("order", "list", "-x"),
    ):
        ended = console.call(*usage)
        assert (ended.code, ended.out) == (2, "")
        assert "Error: " in ended.err
    away = console.root / "away.properties"
    away.write_text("sales.order.database.host = /nowhere\n")
    ended = console.call("status", config=away)
    assert ended.code == 75
    assert ended.err.startswith("cmp-orders: the database does not do it now: ")
    new = console.root / "new.properties"
    new.write_text(
        f"sales.order.database.host = {console.database.host}\nsales.order.database.name = nosuch\n"
    )
    ended = console.call("status", config=new)
    assert ended.code == 75
    assert ended.err.endswith("; createdb makes it, and cmp-orders db migrate its tables\n")
    wrong = console.root / "wrong.properties"
    wrong.write_text("sales.order.databse.host = x\nsales.order.log.level = loud\n")
    ended = console.call("status", config=wrong)
    assert ended.code == 78
    assert [line.split(": ")[1] for line in ended.err.splitlines()] == [
        f"{wrong}:1",
        f"{wrong}:2",
    ]
    console.owner.execute(
        "delete from schema_migration where number = (select max(number) from schema_migration)"
    )
    ended = console.call("order", "list")
    assert (ended.code, "run cmp-orders db migrate" in ended.err) == (75, True)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (console.root / "trust").mkdir()
    assert console.call("keys", "list").code == 0
    (console.root / "trust" / "own").mkdir()
    (console.root / "trust" / "own" / "signing.pem").write_text("no certificate")
    assert console.call("keys", "list").code == 78


def test_another_accounts_role(console: Console) -> None:
    """Where the server knows accounts by name, it is told as which account something is said."""
    with EmbeddedPostgres(settings={"fsync": "off"}) as server:
        rules = server.data / "pg_hba.conf"
        rules.write_text(f"local all sales_order_adopt peer\n{rules.read_text()}")
        with psycopg.connect(server.conninfo(), autocommit=True) as conn:
            conn.execute("select pg_reload_conf()")
        where = console.root / "peer.properties"
        where.write_text(
            f"sales.order.database.host = {server.host}\n"
            "sales.order.database.user = sales_order_adopt\n"
        )
        ended = console.call("status", config=where)
        deadline = time.monotonic() + 10
        # The server reads its rules anew when it comes to it; until then the role is not there.
        while "role" in ended.err and time.monotonic() < deadline:
            ended = console.call("status", config=where)
    assert ended.code == 75
    assert ended.err.endswith(
        "; this is for the account sales_order_adopt: say it with sudo -u sales_order_adopt, or as"
        " root\n"
    )


def test_errors_are_sentences(console: Console) -> None:
    """No error shows a traceback, nor what the database says of a row."""
    console.owner.execute(
        "alter table sales_order add column secret text default 'Marker-1' not null"
    )
    console.owner.execute("alter table sales_order add check (secret <> 'Marker-1') not valid")
    ended = console.submit([order()])
    assert ended.code == 1
    console.owner.execute("revoke insert on sales_order from sales_order_console")
    ended = console.submit([order("B")])
    assert ended.code == 78
    assert "the database role may not do this" in ended.err
    assert "Marker-1" not in ended.err + ended.out
    assert "Traceback" not in ended.err


def test_start_is_fast() -> None:
    """--help imports neither the database driver nor the libraries that print tables."""
    code = (
        "import sys; from console.main import main; main(['--help']);"
        "slow = {'psycopg', 'rich', 'pydantic', 'cryptography', 'jsonschema'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert ended.stdout.splitlines()[-1] == "[]"


def test_warehouses_and_products(console: Console) -> None:
    """Warehouses are added, changed, paused and resumed; products imported, changed, refused."""
    assert console.call("warehouse", "add", "YORK", "--name", "York").code == 0
    assert console.call("warehouse", "add", "YORK", "--name", "York").code == 1
    assert console.call("warehouse", "add", "york", "--name", "York").code == 2
    assert console.call("warehouse", "set", "YORK", "--granularity", "UNIT").code == 0
    assert console.call("warehouse", "set", "YORK", "--over-dispatch", "101").code == 2
    assert console.call("warehouse", "set", "YORK", "--over-dispatch", "5").code == 0
    assert console.call("warehouse", "pause", "YORK", "--reason", "stocktaking").code == 0
    assert console.call("warehouse", "pause", "YORK", "--reason", "again").code == 1
    [york] = [w for w in console.call("warehouse", "list", "--json").json if w["id"] == "YORK"]
    assert (york["granularity"], york["pause_reason"]) == ("UNIT", "stocktaking")
    assert york["paused_by"].startswith("console ")
    assert york["over_dispatch_percent"] == 5
    assert console.call("warehouse", "resume", "YORK").code == 0
    assert console.call("warehouse", "resume", "YORK").code == 1
    assert console.call("warehouse", "set", "NOWHERE", "--name", "x").code == 1
    path = console.root / "products.csv"
    path.write_text(
        "code,description,warehouse,serialised,billable,attributes\n"
        "NEW,New one,YORK,true,false,imei;serialNumber\n"
        "CASE,A case,LEEDS,,,\n"
        "WELCOME,Product WELCOME,LONDON,,false,\n"
        "LOST,Lost,NOWHERE,,,\n"
        "ODD,Odd,YORK,perhaps,,\n"
        "PLAIN,Plain,YORK,,,imei\n"
        "NEW,Twice,YORK,,,\n"
        "MORE,More,YORK,,,,x\n"
    )
    ended = console.call("product", "import", path, "--json")
    assert ended.code == 1
    counts = {name: ended.json[name] for name in ("new", "changed", "unchanged")}
    assert counts == {"new": 1, "changed": 1, "unchanged": 1}
    assert {(one["reference"], one["reason"]) for one in ended.json["refused"]} == {
        ("LOST", "UNKNOWN_WAREHOUSE"),
        ("ODD", "SCHEMA_INVALID"),
        ("PLAIN", "SCHEMA_INVALID"),
        ("NEW", "SCHEMA_INVALID"),
        ("MORE", "SCHEMA_INVALID"),
    }
    [new] = console.call("product", "list", "--warehouse", "YORK", "--json").json
    assert (new["attributes"], new["billable"]) == (["imei", "serialNumber"], False)


def test_db_verbs(console: Console) -> None:
    """Status is 0 on this release's schema; db migrate then has nothing to do."""
    assert console.call("db", "status").code == 0
    ended = console.call("db", "migrate", "--user", "postgres", "--json")
    assert (ended.code, ended.json) == (0, {"applied": []})
    console.owner.execute(
        "delete from schema_migration where number = (select max(number) from schema_migration)"
    )
    assert console.call("db", "status").code == 1
