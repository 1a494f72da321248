"""The fraud check that the module properties ask for; apart, as its libraries take time to load."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import ConfigError
from core.domain.fraud import Shared, Thresholds
from core.screening import Checker, Rules, Screening, Service, ServiceSettings, Settings

if TYPE_CHECKING:
    from core.config import Properties


def screening(properties: Properties) -> Screening | None:
    """The fraud check that the properties ask for; None for none.

    ConfigError if the service's certificates cannot be used.
    """
    if not properties.checks_fraud:
        return None
    fraud = properties.request_extract_fraud
    checker: Checker = rules(properties) if fraud.checker == "rules" else _service(properties)
    return Screening(checker, pass_when_away=fraud.http_away == "pass")


def rules(properties: Properties) -> Rules:
    """The fraud check's rules as the properties weigh them."""
    fraud = properties.request_extract_fraud
    return Rules(
        Settings(
            fraud.weights,
            Thresholds(fraud.refer, fraud.reject),
            Shared(fraud.shared_names, fraud.shared_window),
        )
    )


def _service(properties: Properties) -> Service:
    fraud = properties.request_extract_fraud
    # It tells of each retry in its own words; what comes of them is told as an event.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    settings = ServiceSettings(
        url=fraud.http_url,
        token=fraud.http_token.get_secret_value() if fraud.http_token else None,
        certificates=Path(fraud.http_certificates) if fraud.http_certificates else None,
        timeout=fraud.http_timeout,
        attempts=fraud.http_attempts,
        orders=fraud.http_orders,
        rest=properties.daemon.backoffmax,
    )
    try:
        return Service(settings)
    except (OSError, ssl.SSLError) as error:
        name = "sales.order.request.extract.fraud.http.certificates"
        allowed = "a file of certificates in PEM that can be read"
        problem = f"{name} = {fraud.http_certificates}: allowed is {allowed}"
        raise ConfigError([f"{properties.origin_of(name)}: {problem}"]) from error
