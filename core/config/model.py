"""Every module property: its name, default, meaning and what is allowed.

A field's dotted name is `sales.order.`, its group and itself, with a dot for each underscore.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PrivateAttr, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from core.config.fraud import Fraud
from core.config.group import Group
from core.config.kinds import (
    Choice,
    Duration,
    Flag,
    Folder,
    Hosts,
    Number,
    Place,
    Ports,
    Secret,
    Size,
    Times,
)

Look = Annotated[
    float,
    Duration("10ms", "60s"),
    Field(
        description="How often the daemon looks for work when nothing has told it that there is "
        "some. A notification or a file event wakes it at once; looking anyway is what makes a "
        "lost one harmless, so keep it short."
    ),
]


class Database(Group):
    """The connection to PostgreSQL, which holds everything that must not be lost."""

    host: Annotated[str, Hosts()] = Field(
        "/run/postgresql",
        description="The directory of the server's socket, or a host name. A server and its "
        "standbys: all of them with commas between them; the one that takes writes is used, at "
        "first and after each promotion.",
    )
    port: Annotated[str, Ports()] = Field(
        "5432",
        description="The server's port; of several hosts the port of all, or each one's with "
        "commas between them.",
    )
    name: Annotated[str, Place()] = Field("sales_orders", description="The database.")
    user: Annotated[str, Place(empty=True)] = Field(
        "",
        description="The role to connect as. Empty: the daemon's own role, which has the rights "
        "that this daemon needs and no other; leave it so.",
    )
    password: Annotated[SecretStr | None, Secret()] = Field(
        None,
        description="The role's password, where the server asks for one: only as a credential of "
        "this name, never in this file or the environment.",
    )
    statementtimeout: Annotated[float, Duration("1s", "1h")] = Field(
        60.0,
        description="A statement that takes longer is cancelled and its work tried again. Keep it "
        "below a third of the units' WatchdogSec.",
    )
    locktimeout: Annotated[float, Duration("100ms", "1h")] = Field(
        10.0, description="Waiting longer for a row that another process holds is given up."
    )
    idletimeout: Annotated[float, Duration("1s", "1h")] = Field(
        120.0,
        description="The server ends a session that sits idle in a transaction for longer, so "
        "that a process that hangs gives back what it has locked.",
    )

    @model_validator(mode="after")
    def _port_for_each(self) -> Self:
        hosts, ports = len(self.host.split(",")), len(self.port.split(","))
        if ports not in {1, hosts}:
            raise ValueError(f"one port for all hosts, or one for each: {hosts}, not {ports}")
        return self


class Directory(Group):
    """The two trees of generic files; each may be on a file system of its own."""

    out: Annotated[Path, Folder()] = Field(
        Path("/var/lib/sales-orders/out"),
        description="The tree of request files. A partner takes its files from the directory of "
        "its warehouse in here; work and archive beside it are ours alone.",
    )
    in_: Annotated[Path, Folder()] = Field(
        Path("/var/lib/sales-orders/in"),
        description="The tree of dispatch files. A partner drops its files into the directory of "
        "its warehouse in here; work, archive and quarantine beside it are ours alone.",
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.out.is_relative_to(self.in_) or self.in_.is_relative_to(self.out):
            raise ValueError("two directories of which neither is inside the other")
        return self


class Trust(Group):
    """Whose signature is believed, and whom a file is encrypted to."""

    directory: Annotated[Path, Folder()] = Field(
        Path("/etc/sales-orders/trust"),
        description="Certificates: our own in own/, each warehouse's in a directory of its name. "
        "Private keys are credentials and do not belong here.",
    )


class Log(Group):
    """How the daemons tell what they do."""

    format: Annotated[str, Choice(("auto", "journal", "json", "console"))] = Field(
        "auto",
        description="auto: the journal's own fields under systemd, colours on a terminal, one JSON "
        "object a line anywhere else.",
    )
    level: Annotated[str, Choice(("debug", "info", "warning", "error"))] = Field(
        "info", description="The least important line that is still written."
    )


class Daemon(Group):
    """What every daemon does alike."""

    stoptime: Annotated[float, Duration("1s", "1h")] = Field(
        30.0,
        description="How long a daemon may take to stop. Past half of it the work in hand is "
        "cancelled and rolled back. Keep it below the unit's TimeoutStopSec.",
    )
    backoffmax: Annotated[float, Duration("100ms", "1h")] = Field(
        3.0,
        description="The longest pause between two tries while the database is away, a disk full "
        "or a directory not writable: about so long after its end the work goes on.",
    )
    attempts: Annotated[int, Number(1, 100)] = Field(
        3,
        description="How often a batch or file is tried that ends the process each time, before it "
        "is set aside for an operator.",
    )


class RequestExtract(Group):
    """Request Extract: generates orders and puts them in batches."""

    fraudcheckrequired: Annotated[bool, Flag()] = Field(
        False,  # noqa: FBT003  # a default
        description="true: a fraud check is required. Every order of a request file is marked so "
        "and carries its contact details, so that the warehouse checks before the goods move; and "
        "what sales.order.request.extract.fraud.checker names checks each order before it is "
        "batched. false: neither is done.",
    )
    mode: Annotated[str, Choice(("triggered", "scheduled"))] = Field(
        "triggered",
        description="triggered: orders are taken as they come. scheduled: at the times of "
        "sales.order.request.extract.schedule.",
    )
    schedule: Annotated[tuple[str, ...], Times()] = Field(
        (),
        description="When to take orders in the mode scheduled, in the host's time zone: minute, "
        "hour, day, month, day of the week.",
    )
    schedule_grace: Annotated[float, Duration("0s", "1d")] = Field(
        900.0,
        description="A time that was missed by no more than this, since the daemon was not "
        "running, is caught up with at its start.",
    )
    interval: Look = 1.0
    batch_maxwait: Annotated[float, Duration("0s", "1h")] = Field(
        0.0,
        description="How long the mode triggered gathers orders for a fuller batch, counted from "
        "the oldest of them. 0s: not at all.",
    )
    batch_maxorders: Annotated[int, Number(1, 100_000)] = Field(
        5000, description="The most orders in one batch."
    )
    batch_maxlines: Annotated[int, Number(1, 10_000_000)] = Field(
        50_000,
        description="The most request lines in one batch. An order that has more of its own is a "
        "batch of its own.",
    )
    batch_maxbytes: Annotated[int, Size("1kB", "1000MB")] = Field(
        8_000_000,
        description="The most JSON in one batch, before it is encrypted, by estimate. An order "
        "that has more of its own is a batch of its own.",
    )
    unit_maxunits: Annotated[int, Number(1, 100_000)] = Field(
        10_000,
        description="The most units of one order for a warehouse of the granularity UNIT, where "
        "each is a request line; an order with more is refused.",
    )


class ExtractToGeneric(Group):
    """Extract to Generic: makes the request files and the acknowledgements."""

    interval: Look = 1.0
    acknowledgement_maxuntaken: Annotated[int, Number(1, 1_000_000)] = Field(
        1000,
        description="The most acknowledgements that lie untaken in a warehouse's directory. "
        "Further ones wait until the partner has taken some, so that nobody can fill the disk by "
        "sending files.",
    )


class LoadFromGeneric(Group):
    """Load from Generic: takes in the dispatch files."""

    interval: Look = 1.0
    maxbytes: Annotated[int, Size("1kB", "1000MB")] = Field(
        16_000_000,
        description="The largest file that is read; a larger one goes to quarantine. A file takes "
        "up to thirty times its size in memory while it is loaded.",
    )
    quarantine_maxfiles: Annotated[int, Number(1, 1_000_000)] = Field(
        1000,
        description="The most files kept in a warehouse's quarantine. When it is full, files of "
        "that warehouse stay where they were dropped until an operator has looked.",
    )


class Dispatch(Group):
    """Dispatch: applies what the warehouses answered."""

    interval: Look = 1.0


Age = Annotated[float, Duration("1s", "3650d")]


class Probe(Group):
    """The targets of `cmp-orders probe run`: past one it warns, past the other it is severe."""

    generation_warning: Age = Field(
        600.0, description="Warns when an order awaits generation for so long."
    )
    generation_severe: Age = Field(
        3600.0, description="Severe when an order awaits generation for so long."
    )
    batching_warning: Age = Field(
        600.0, description="Warns when a request that nobody holds awaits a batch for so long."
    )
    batching_severe: Age = Field(
        3600.0, description="Severe when a request that nobody holds awaits a batch for so long."
    )
    referred_warning: Age = Field(
        14_400.0,
        description="Warns when an order that is held for fraud awaits a person for so long.",
    )
    referred_severe: Age = Field(
        86_400.0,
        description="Severe when an order that is held for fraud awaits a person for so long.",
    )
    sealing_warning: Age = Field(
        600.0, description="Warns when a batch awaits its sealing for so long."
    )
    sealing_severe: Age = Field(
        3600.0, description="Severe when a batch awaits its sealing for so long."
    )
    publishing_warning: Age = Field(
        600.0, description="Warns when a sealed file awaits its publication for so long."
    )
    publishing_severe: Age = Field(
        3600.0, description="Severe when a sealed file awaits its publication for so long."
    )
    taking_warning: Age = Field(
        14_400.0,
        description="Warns when a published file has not been taken by the partner for so long.",
    )
    taking_severe: Age = Field(
        86_400.0,
        description="Severe when a published file has not been taken by the partner for so long.",
    )
    answer_warning: Age = Field(
        259_200.0,
        description="Warns when a line that was taken by the partner is open for so long.",
    )
    answer_severe: Age = Field(
        604_800.0,
        description="Severe when a line that was taken by the partner is open for so long.",
    )
    loading_warning: Age = Field(
        600.0, description="Warns when a file that a partner dropped is not loaded for so long."
    )
    loading_severe: Age = Field(
        3600.0, description="Severe when a file that a partner dropped is not loaded for so long."
    )
    applying_warning: Age = Field(
        600.0, description="Warns when a loaded dispatch batch is not applied for so long."
    )
    applying_severe: Age = Field(
        3600.0, description="Severe when a loaded dispatch batch is not applied for so long."
    )
    transaction_warning: Age = Field(
        600.0,
        description="Warns when a transaction in the database is open for so long: it keeps "
        "tables from being tidied.",
    )
    transaction_severe: Age = Field(
        3600.0,
        description="Severe when a transaction in the database is open for so long: it keeps "
        "tables from being tidied.",
    )
    errors_warning: Annotated[int, Number(1, 1_000_000)] = Field(
        1, description="Warns when so many batches are at Error."
    )
    errors_severe: Annotated[int, Number(1, 1_000_000)] = Field(
        10, description="Severe when so many batches are at Error."
    )
    quarantine_warning: Annotated[int, Number(1, 1_000_000)] = Field(
        1, description="Warns when so many files are in quarantine."
    )
    quarantine_severe: Annotated[int, Number(1, 1_000_000)] = Field(
        10, description="Severe when so many files are in quarantine."
    )
    space_warning: Annotated[int, Size("1kB", "1000000000MB")] = Field(
        2_000_000_000, description="Warns when a tree has fewer bytes free than this."
    )
    space_severe: Annotated[int, Size("1kB", "1000000000MB")] = Field(
        500_000_000, description="Severe when a tree has fewer bytes free than this."
    )
    keys_warning: Age = Field(
        2_592_000.0,
        description="Warns when the last certificate of a use, ours or a partner's, is valid no "
        "longer than this.",
    )
    keys_severe: Age = Field(
        604_800.0,
        description="Severe when the last certificate of a use, ours or a partner's, is valid no "
        "longer than this.",
    )


class Retention(Group):
    """How long what is settled is kept (cmp-orders purge)."""

    months: Annotated[int, Number(0, 1200)] = Field(
        0,
        description="Orders that have been Complete or Cancelled for so many months are removed at "
        "night, with what they hold of customers. 0: they are kept for ever.",
    )


LATE = Duration("0s", "365d")


class Stock(Group):
    """What is reserved when orders are submitted, of products that are kept in stock."""

    split: Annotated[bool, Flag()] = Field(
        True,  # noqa: FBT003  # a default
        description="true: an order that no warehouse can serve whole is served by several, each "
        "item by one. false: an order is served by one warehouse, or stays New.",
    )


class Overdue(Group):
    """What counts as late. Each is told once, and again after the pause; 0s switches it off."""

    taken: Annotated[float, LATE] = Field(
        3600.0,
        description="A file that a partner has not taken for so long is late (FILE_NOT_TAKEN). 0s: "
        "never.",
    )
    acknowledgement: Annotated[float, LATE] = Field(
        14400.0,
        description="A request file that a partner has not acknowledged for so long is late "
        "(FILE_NOT_ACKNOWLEDGED): only of partners that are to acknowledge, see "
        "sales.order.warehouse.<ID>.acknowledgements. 0s: never.",
    )
    dispatch: Annotated[float, LATE] = Field(
        259200.0,
        description="Orders that a warehouse has neither dispatched nor put on back-order for so "
        "long are late (DISPATCH_OVERDUE). 0s: never.",
    )
    cancellation: Annotated[float, LATE] = Field(
        14400.0,
        description="A cancellation that a warehouse has not answered for so long is late "
        "(CANCELLATION_OVERDUE). 0s: never.",
    )
    backorder: Annotated[float, LATE] = Field(
        1209600.0,
        description="A back-order that is older is late (BACK_ORDER_OVERDUE). 0s: never.",
    )
    pause: Annotated[float, Duration("1m", "365d")] = Field(
        86400.0, description="How long after it was told what is late is told again."
    )
    interval: Annotated[float, Duration("1s", "1d")] = Field(
        60.0, description="How often it is looked for."
    )


class Warehouse(Group):
    """One warehouse; <ID> is its id as in the table of warehouses, such as LONDON."""

    envelope: Annotated[str, Choice(("CMS_GCM", "CMS_CBC"))] = Field(
        "CMS_GCM",
        description="How files from and to this warehouse are encrypted: CMS_GCM is AES-256-GCM "
        "with RSA-OAEP; CMS_CBC is AES-CBC with PKCS #1 v1.5, older and weaker, for a partner "
        "whose software knows nothing else.",
    )
    acknowledgements: Annotated[str, Choice(("none", "ours", "theirs", "both"))] = Field(
        "none",
        description="Which acknowledgements are agreed with this warehouse. ours: we acknowledge "
        "its files, and what became of their records. theirs: it acknowledges ours, and one that "
        "is late is told. none: neither; a partner whose software takes every file for a request "
        "would choke on the first. What it sends of its own accord is taken in all the same.",
    )


class Properties(BaseSettings):
    """The effective module properties, read-only.

    Made by `core.config.load`; made directly it takes what it is given and defaults, and looks at
    neither files nor the environment.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    database: Database = Database()
    directory: Directory = Directory()
    trust: Trust = Trust()
    log: Log = Log()
    daemon: Daemon = Daemon()
    request_extract: RequestExtract = RequestExtract()
    request_extract_fraud: Fraud = Fraud()
    extract_to_generic: ExtractToGeneric = ExtractToGeneric()
    load_from_generic: LoadFromGeneric = LoadFromGeneric()
    dispatch: Dispatch = Dispatch()
    probe: Probe = Probe()
    retention: Retention = Retention()
    overdue: Overdue = Overdue()
    stock: Stock = Stock()
    warehouse: dict[str, Warehouse] = Field({}, description="By the warehouse's id.")

    _origin: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _scheduled_when(self) -> Self:
        extract = self.request_extract
        if extract.mode == "scheduled" and not extract.schedule:
            raise ValueError(
                "sales.order.request.extract.mode = scheduled: needs "
                "sales.order.request.extract.schedule to say when"
            )
        return self

    @property
    def checks_fraud(self) -> bool:
        """Whether orders are checked for fraud before they are batched."""
        required = self.request_extract.fraudcheckrequired
        return required and self.request_extract_fraud.checker != "none"

    def envelope_of(self, warehouse: str) -> str:
        """CMS_GCM or CMS_CBC: the name of the envelope's profile for this warehouse."""
        return self.warehouse.get(warehouse, Warehouse()).envelope

    def acknowledges(self, warehouse: str) -> bool:
        """Whether we acknowledge this warehouse's files."""
        agreed = self.warehouse.get(warehouse, Warehouse()).acknowledgements
        return agreed in ("ours", "both")

    def is_acknowledged_by(self, warehouse: str) -> bool:
        """Whether this warehouse is to acknowledge our files."""
        agreed = self.warehouse.get(warehouse, Warehouse()).acknowledgements
        return agreed in ("theirs", "both")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller passes in and nothing else: `load` brings its own sources."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    def origin_of(self, name: str) -> str:
        """Where the value of a property comes from: file and line, environment, "default"."""
        return self._origin.get(name, "default")

    def remember_origin(self, origin: dict[str, str]) -> Self:
        """Keep where each value came from, for `describe`."""
        self._origin.update(origin)
        return self
