"""Properties: what stops the start, what counts first, and that file and code say the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import javaproperties
import pytest

from core import config
from core.config import ConfigError, catalogue, describe, load
from core.config.kinds import Duration, Hosts, Number, Ports, Quantity, Size, Times
from core.domain.fraud import Rule

SHIPPED = Path(__file__).parents[2] / "etc" / "sales-orders.properties"
SECRET = "sales.order.database.password"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a properties file and returns where."""

    def written(text: str) -> Path:
        path = tmp_path / "test.properties"
        path.write_text(text, "utf-8")
        return path

    return written


def problems(path: Path | None, **environ: str) -> list[str]:
    """What stops the start with this file and environment."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ=environ)
    return caught.value.problems


def test_without_file_and_environment_everything_has_its_default() -> None:
    """Nothing has to be set."""
    properties = load(None, environ={"HOME": "/root", "PATH": "/bin"})
    assert properties == config.Properties()
    assert properties.request_extract.fraudcheckrequired is False
    assert properties.database.statementtimeout == 60.0
    assert properties.load_from_generic.maxbytes == 16_000_000


def test_every_default_is_itself_allowed() -> None:
    """A default written out in the file changes nothing."""
    for name, one in catalogue().items():
        if not one.secret:
            assert one.kind.read(one.default_text()) == one.default, name


def test_the_real_environment_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the environment that is passed in counts."""
    monkeypatch.setenv("SALES_ORDER_DATABASE_PORT", "1")
    monkeypatch.setenv("DATABASE", "{}")
    assert config.Properties().database.port == "5432"
    assert load(None, environ={}).database.port == "5432"


# The shipped file.


def test_the_shipped_file_is_all_comment() -> None:
    """As delivered, the file leaves every default in place."""
    assert load(SHIPPED, environ={}) == config.Properties()


def entries(text: str) -> dict[str, tuple[str, str]]:
    """Default and explanation by name, from a file in which every property is a comment."""
    found = {}
    for block in re.split(r"\n\n+", text):
        match = re.search(r"^#([a-z][^ =]*) =(?: (.*))?$", block, re.MULTILINE)
        credential = re.search(r"^# Credential: (.*)$", block, re.MULTILINE)
        lines = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
        if match:
            found[match[1]] = (match[2] or "", " ".join(lines))
        elif credential:
            found[credential[1]] = ("", " ".join(lines[:-1]))
    return found


def test_the_shipped_file_and_the_code_agree() -> None:
    """The file lists every property and no other, with its default, its meaning and what is
    allowed, in the same words as the code.
    """
    expected = {
        name: (one.default_text(), f"{one.meaning} Allowed: {one.kind.allowed}.")
        for name, one in catalogue().items()
    }
    assert entries(SHIPPED.read_text("utf-8")) == expected


def test_the_shipped_file_can_be_used_line_by_line(write: Write) -> None:
    """Taking the # away in front of every property gives a file that is accepted."""
    text = re.sub(r"^#(?=sales\.order)", "", SHIPPED.read_text("utf-8"), flags=re.MULTILINE)
    path = write(text.replace("<ID>", "LONDON"))
    names = {entry.key for entry in _pairs(path)}
    secrets = sum(one.secret for one in catalogue().values())
    assert len(names) == len(catalogue()) - secrets
    effective = load(path, environ={})
    assert effective.database == config.Database()
    assert effective.warehouse == {"LONDON": config.Warehouse()}


def _pairs(path: Path) -> list[Any]:
    return [
        one
        for one in javaproperties.parse(path.read_text("utf-8"))
        if isinstance(one, javaproperties.KeyValue)
    ]


# What a file may say.


def test_a_value_of_the_file_counts(write: Write) -> None:
    """All three separators of Java properties, continued lines, escapes, spaces around values."""
    path = write(
        "# a comment\n! another\n"
        "sales.order.request.extract.fraudcheckrequired=true  \n"
        "sales.order.database.name : orders\\u00e9\n"
        "sales.order.database.host db1,\\\n    db2\n"
        "sales.order.directory.out = /srv/größe\n"
        "sales.order.warehouse.LONDON.envelope = CMS_CBC\n"
        "sales.order.request.extract.mode = scheduled\n"
        "sales.order.request.extract.schedule = 0 6  * * mon-fri ;0 12 * * sat;\n"
    )
    properties = load(path, environ={})
    assert properties.request_extract.fraudcheckrequired is True
    assert properties.database.name == "ordersé"
    assert properties.database.host == "db1,db2"
    assert properties.directory.out == Path("/srv/größe")
    assert properties.envelope_of("LONDON") == "CMS_CBC"
    assert properties.envelope_of("LEEDS") == "CMS_GCM"
    assert properties.request_extract.schedule == ("0 6 * * mon-fri", "0 12 * * sat")


def test_a_byte_order_mark_is_no_part_of_the_first_name(write: Write) -> None:
    """Editors that write one must not break the first property."""
    path = write("\ufeffsales.order.database.port = 6543\n")
    assert load(path, environ={}).database.port == "6543"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("log.level", "inof", "debug, info, warning or error"),
        ("request.extract.fraudcheckrequired", "yes", "true or false"),
        ("request.extract.fraudcheckrequired", "", "true or false"),
        ("database.port", "0", Ports().allowed),
        ("database.port", "5432x", Ports().allowed),
        ("database.port", "5432,", Ports().allowed),
        ("database.host", "", Hosts().allowed),
        ("dispatch.interval", "0s", "a number with a unit (ms, s, m, h or d) from 10ms to 60s"),
        ("dispatch.interval", "2m", "a number with a unit (ms, s, m, h or d) from 10ms to 60s"),
        ("dispatch.interval", "1", "a number with a unit (ms, s, m, h or d) from 10ms to 60s"),
        (
            "load.from.generic.maxbytes",
            "64mb",
            "a number with a unit (B, kB, MB, KiB or MiB) from 1kB to 1000MB",
        ),
        ("directory.out", "out", "an absolute path"),
        ("request.extract.schedule", "0 0 * * 1", Times().allowed),
        ("request.extract.schedule", "soon", Times().allowed),
        ("warehouse.LONDON.envelope", "PGP", "CMS_GCM or CMS_CBC"),
    ],
)
def test_a_bad_value_is_told_with_line_name_and_what_is_allowed(
    write: Write, name: str, value: str, allowed: str
) -> None:
    """File and line, name and value, and what is allowed."""
    path = write(f"# first\nsales.order.database.name = a\\\n  b\nsales.order.{name} = {value}\n")
    assert problems(path) == [f"{path}:4: sales.order.{name} = {value}: allowed is {allowed}"]


@pytest.mark.parametrize("hosts", ["db1,", "db1,,db2", "host=db1,db2", "db1,pg://db2"])
def test_each_of_several_hosts_is_one(write: Write, hosts: str) -> None:
    """None may be missing, and none be a connection string; the text may hold a password."""
    path = write(f"sales.order.database.host = {hosts}\n")
    assert problems(path) == [
        f"{path}:1: sales.order.database.host = (not shown): allowed is {Hosts().allowed}"
    ]


def test_several_hosts_have_one_port_or_each_its_own(write: Write) -> None:
    """As many ports as hosts, or one; blanks around them do not count."""
    path = write("sales.order.database.host = db1, db2\nsales.order.database.port = 1, 2\n")
    database = load(path, environ={}).database
    assert (database.host, database.port) == ("db1,db2", "1,2")
    path = write("sales.order.database.host = db1,db2,db3\nsales.order.database.port = 1,2\n")
    [problem] = problems(path)
    assert problem.startswith(f"{path}:1, {path}:2: ")
    assert problem.endswith("one port for all hosts, or one for each: 3, not 2")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("sales.order.database.prot", "did you mean sales.order.database.port?"),
        ("sales.order.database.pasword", f"did you mean {SECRET}?"),
        ("SALES.ORDER.LOG.LEVEL", "`cmp-orders config show` lists what there is"),
        ("sales.order.warehouse.LONDON.envelop", "sales.order.warehouse.<ID>.envelope?"),
        ("sales.order.warehouse.<ID>.envelope", "sales.order.warehouse.<ID>.envelope?"),
        ("sales.order.warehouse.london.envelope", "sales.order.warehouse.<ID>.envelope?"),
        ("\x1b[31mnonsense", "`cmp-orders config show` lists what there is"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(write: Write, name: str, nearest: str) -> None:
    """A misspelt name stops the start; its value is not repeated, for it may be a secret."""
    path = write(f"\n{name} = hunter2\n")
    [problem] = problems(path)
    assert problem.startswith(f"{path}:2: ")
    assert "is no property of this release" in problem
    assert nearest in problem
    assert "hunter2" not in problem
    assert problem.isprintable()


def test_a_name_that_stands_twice_is_refused(write: Write) -> None:
    """Java would silently take the last one."""
    path = write("sales.order.database.port = 1\n\nsales.order.database.port = 2\n")
    assert problems(path) == [
        f"{path}:3: sales.order.database.port stands in line 1 already; keep one"
    ]


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    """Latin-1, as Java itself once wrote it, is not guessed at."""
    path = tmp_path / "latin.properties"
    path.write_bytes("# x\nsales.order.database.name = é\n".encode("latin-1"))
    assert problems(path) == [f"{path}:2: a byte that is not UTF-8; save the file as UTF-8"]


def test_a_broken_escape_is_told_with_its_line(write: Write) -> None:
    """The rest of the file is not guessed at either."""
    path = write("# x\nsales.order.database.name = \\u00g1\n")
    [problem] = problems(path)
    assert problem.startswith(f"{path}:2: \\u must be followed by four hexadecimal digits")


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    """A wrong path must not mean a start with defaults."""
    path = tmp_path / "none.properties"
    assert problems(path) == [f"{path}: cannot be read: No such file or directory"]


def test_all_problems_are_told_at_once(write: Write) -> None:
    """An operator mends the file in one go."""
    path = write("a = 1\nsales.order.log.level = x\nsales.order.dispatch.interval = y\n")
    found = problems(path, SALES_ORDER_DATABASE_PORT="z", SALES_ORDER_NONSENSE="1")
    assert len(found) == 5


# Rules between properties.


def test_the_mode_scheduled_needs_times(write: Write) -> None:
    """Without times the daemon would never take an order."""
    path = write("sales.order.request.extract.mode = scheduled\n")
    [problem] = problems(path)
    assert problem == (
        f"{path}:1: sales.order.request.extract.mode = scheduled: needs "
        "sales.order.request.extract.schedule to say when"
    )


FRAUD = "sales.order.request.extract.fraud"


@pytest.mark.parametrize(
    ("setting", "allowed"),
    [
        ("checker = http", "an http.url that says where"),
        ("http.url = http://example.com/", "https://, or http:// on this host alone"),
        ("http.url = https://user:secret@example.com/", "without user and password"),
        ("http.url = ftp://127.0.0.1/", "https://"),
        ("http.url = https://", "https://"),
        ("http.url = nonsense", "https://"),
        ("http.url = http://[::1", "https://"),
        ("http.certificates = ca.pem", "an absolute path"),
        ("http.timeout = 21s", "all http.attempts together take at most 1m"),
        ("keep = 3d", "at least as long as shared.window"),
        ("weight.nameplaceholder = -1", "a whole number from 0 to 1000"),
        ("checker = maybe", "none, rules or http"),
    ],
    ids=range(12),
)
def test_the_fraud_check_can_work_with_its_properties(
    write: Write, setting: str, allowed: str
) -> None:
    """A checker that could not check, or orders sent where others can read them, stop the start."""
    with pytest.raises(ConfigError) as refused:
        load(write(f"{FRAUD}.{setting}\n"), environ={})
    [problem] = refused.value.problems
    assert allowed in problem
    assert ":1: " in problem


@pytest.mark.parametrize(
    "url", ["https://check.example.com/orders", "http://127.0.0.1:8089/", "http://localhost/x",
            "http://[::1]:1/"]
)  # fmt: skip
def test_where_the_fraud_check_may_ask(write: Write, url: str) -> None:
    """Over TLS anywhere, without it on this host alone."""
    properties = load(write(f"{FRAUD}.checker = http\n{FRAUD}.http.url = {url}\n"), environ={})
    assert properties.request_extract_fraud.http_url == url


def test_each_rule_has_its_weight() -> None:
    """Every rule of the fraud check has a property, whose default is the rule's own weight."""
    assert config.Fraud().weights == {rule: rule.weight for rule in Rule}


@pytest.mark.parametrize("inside", ["/srv/out", "/srv/out/in", "/srv"])
def test_the_two_trees_lie_apart(write: Write, inside: str) -> None:
    """One inside the other would hand a partner's files to the other direction."""
    path = write(f"sales.order.directory.out = /srv/out\nsales.order.directory.in = {inside}\n")
    [problem] = problems(path)
    assert f"{path}:1" in problem
    assert f"{path}:2" in problem
    assert "neither is inside the other" in problem


# Where a value comes from.


def test_the_environment_counts_before_the_file(write: Write) -> None:
    """And what neither has keeps its default; `describe` tells which it was."""
    path = write("sales.order.database.port = 1\nsales.order.database.name = here\n")
    properties = load(path, environ={"SALES_ORDER_DATABASE_PORT": "2"})
    assert (properties.database.port, properties.database.name) == ("2", "here")
    told = {one.name: one for one in describe(properties)}
    port = told["sales.order.database.port"]
    assert (port.value, port.default) == ("2", "5432")
    assert port.where == "environment SALES_ORDER_DATABASE_PORT"
    assert told["sales.order.database.name"].where == f"{path}:2"
    assert told["sales.order.database.host"].where == "default"


def test_a_bad_value_of_the_environment_is_told_even_over_a_good_one(write: Write) -> None:
    """The place named is that of the value that counted."""
    path = write("sales.order.database.port = 1\n")
    [problem] = problems(path, SALES_ORDER_DATABASE_PORT="x")
    place = "environment SALES_ORDER_DATABASE_PORT"
    assert problem.startswith(f"{place}: sales.order.database.port = x: ")


def test_every_property_has_a_variable_of_its_own() -> None:
    """Capitals and underscores do not make two names one."""
    variables = [one.variable for one in catalogue().values()]
    assert len(set(variables)) == len(variables)


def test_an_unknown_variable_of_ours_is_refused() -> None:
    """A misspelt variable would silently change nothing."""
    [problem] = problems(None, SALES_ORDER_DATABASE_PROT="hunter2")
    assert problem == (
        "environment: SALES_ORDER_DATABASE_PROT is no property of this release; "
        "did you mean SALES_ORDER_DATABASE_PORT?"
    )


def test_a_warehouse_can_be_set_in_the_environment() -> None:
    """Its id stands in the variable as it is."""
    properties = load(None, environ={"SALES_ORDER_WAREHOUSE_LON_1_ENVELOPE": "CMS_CBC"})
    assert properties.envelope_of("LON_1") == "CMS_CBC"
    told = {one.name: one.value for one in describe(properties)}
    assert told["sales.order.warehouse.LON_1.envelope"] == "CMS_CBC"
    assert told["sales.order.warehouse.<ID>.envelope"] == "CMS_GCM"


# Secrets.


def test_a_secret_comes_from_a_credential_and_is_shown_nowhere(tmp_path: Path) -> None:
    """A file of exactly the property's name; one newline at its end is no part of it."""
    (tmp_path / SECRET).write_text("hunter2 \n")
    properties = load(None, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert properties.database.password is not None
    assert properties.database.password.get_secret_value() == "hunter2 "
    told = {one.name: one for one in describe(properties)}
    assert told[SECRET].value == "(set, not shown)"
    assert told[SECRET].where == f"credential {tmp_path / SECRET}"
    assert "hunter2" not in f"{properties!r} {properties} {describe(properties)}"


def test_a_secret_in_the_file_or_the_environment_stops_the_start(write: Write) -> None:
    """Others read these; the value is not repeated."""
    path = write(f"{SECRET} = hunter2\n")
    found = problems(path, SALES_ORDER_DATABASE_PASSWORD="hunter2")
    assert [problem.split(": ")[0] for problem in found] == ["environment", f"{path}:1"]
    assert all("taken only from a credential" in problem for problem in found)
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize("name", ["host", "name", "user"])
@pytest.mark.parametrize(
    "text", ["postgresql://us:hunter2@db/orders", "host=db password=hunter2", "//us:hunter2@db="]
)
def test_a_connection_string_is_refused_and_not_shown(write: Write, name: str, text: str) -> None:
    """The database's client would take it, and with it a password from a file that others read."""
    [problem] = problems(write(f"sales.order.database.{name} = {text}\n"))
    assert "without = and ://" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe"])
def test_a_credential_that_is_no_line_of_text_is_told_without_it(
    tmp_path: Path, content: bytes
) -> None:
    """An empty or binary file is a mistake, not a password."""
    (tmp_path / SECRET).write_bytes(content)
    [problem] = problems(None, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert str(tmp_path / SECRET) in problem
    assert "lines" not in problem


# Values.


@pytest.mark.parametrize(
    ("text", "value"),
    [("0s", 0), ("250ms", 0.25), ("1.5s", 1.5), ("90 s", 90), ("15m", 900), ("2h", 7200)],
)
def test_durations_are_seconds(text: str, value: float) -> None:
    """A number and its unit, with at most one space between them."""
    assert Duration("0s", "1d").read(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"), [("1kB", 1000), ("1KiB", 1024), ("1.5MB", 1_500_000), ("8MiB", 8 << 20)]
)
def test_sizes_are_bytes(text: str, value: int) -> None:
    """By thousands without an i, by 1,024 with it."""
    assert Size("1B", "1000MB").read(text) == value


@pytest.mark.parametrize("text", ["1d", "1h", "15m", "90s", "250ms", "0s"])
def test_a_duration_is_shown_as_it_was_written(text: str) -> None:
    """In the largest unit without a fraction."""
    kind = Duration("0s", "1d")
    assert kind.show(kind.read(text)) == text


@pytest.mark.parametrize("text", ["-1s", "1e3s", "s", "1 week", "٣s", "1s 2s", "inf s"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """Nothing is guessed at."""
    kinds: list[Quantity] = [Duration("0s", "1d"), Size("1B", "1MB")]
    for kind in kinds:
        with pytest.raises(ValueError, match=r"^$"):
            kind.read(text)


@pytest.mark.parametrize("text", ["٣", "+1", " 1", "1_000", "1.0"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    """Digits alone."""
    with pytest.raises(ValueError, match=r"^$"):
        Number(1, 10).read(text)


def test_properties_cannot_be_changed() -> None:
    """What was checked at the start stays so."""
    properties = config.Properties()
    with pytest.raises(ValueError, match="frozen"):
        properties.database.port = "1"  # type: ignore[misc]
