"""The limits of the generic files, for whoever else has to keep them: the database's CHECKs first.

The schemas state the same numbers for partners; a test compares the two, number by number.
Lengths count Unicode code points, which is what PostgreSQL's `char_length` counts too.
"""

from __future__ import annotations

from typing import Final

# Ids and counts. An id fits a bigint; the round figure is what a short pattern can express.
ID_MIN: Final = 1
ID_MAX: Final = 8_999_999_999_999_999_999
ID_LENGTH: Final = 19
FILE_SEQUENCE_MAX: Final = 99_999_999
RECORDS_MAX: Final = 100_000
LINES_MAX: Final = 100_000
UNITS_MAX: Final = 100_000
QUANTITY_MAX: Final = 1_000_000

# The head of a file.
INTERFACE_LENGTH: Final = 20
WAREHOUSE_ID_LENGTH: Final = 32
WAREHOUSE_NAME_LENGTH: Final = 200
EXTERNAL_FILE_NAME_LENGTH: Final = 20
DATE_TIME_LENGTH_MIN: Final = 20
DATE_TIME_LENGTH: Final = 32

# An order of a request.
NAME_LENGTH: Final = 200
EMAIL_LENGTH: Final = 254
PHONE_LENGTH: Final = 50
DELIVERY_METHOD_LENGTH: Final = 64
DELIVERY_INSTRUCTIONS_LENGTH: Final = 1_000
ADDRESS_LINES_MAX: Final = 10
ADDRESS_LINE_LENGTH: Final = 200
TOWN_LENGTH: Final = 100
COUNTY_LENGTH: Final = 100
POST_CODE_LENGTH: Final = 20
COUNTRY_LENGTH: Final = 2
PRODUCT_CODE_LENGTH: Final = 64
DESCRIPTION_LENGTH: Final = 200
UNIT_PRICE_LENGTH: Final = 23
UNIT_PRICE_DIGITS: Final = 12
UNIT_PRICE_SCALE: Final = 10
CURRENCY_LENGTH: Final = 3
LINE_ATTRIBUTES_MAX: Final = 20

# A record of a dispatch.
DISPATCH_ID_LENGTH: Final = 64
CARRIER_LENGTH: Final = 100
TRACKING_NUMBERS_MAX: Final = 100
TRACKING_NUMBER_LENGTH: Final = 100
REASON_LENGTH: Final = 1_000
ATTRIBUTE_NAME_LENGTH: Final = 40
ATTRIBUTE_VALUE_LENGTH: Final = 100
UNIT_ATTRIBUTES_MAX: Final = 23  # serialNumber, imei, iccid and 20 others
ERRORS_MAX: Final = 100
ERROR_ID_LENGTH: Final = 100
ERROR_MESSAGE_LENGTH: Final = 1_000

# An acknowledgement.
CODE_LENGTH: Final = 64
FILE_NAME_LENGTH: Final = 64
SHA256_LENGTH: Final = 64

# The same syntax and meaning in JSON Schema, in Python's re and in PostgreSQL's `~`, but for a
# newline at the end, which Python's `$` lets pass: there use re.fullmatch.
ID_PATTERN: Final = r"^([1-9][0-9]{0,17}|[1-8][0-9]{18})$"
WAREHOUSE_ID_PATTERN: Final = r"^[A-Z0-9][A-Z0-9_-]{0,31}$"
COUNTRY_PATTERN: Final = r"^[A-Z]{2}$"
CURRENCY_PATTERN: Final = r"^[A-Z]{3}$"
UNIT_PRICE_PATTERN: Final = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,10})?$"
DISPATCH_ID_PATTERN: Final = r"^[\x21-\x7e]+$"
ATTRIBUTE_NAME_PATTERN: Final = r"^[a-z][A-Za-z0-9]{0,39}$"
EXTERNAL_FILE_NAME_PATTERN: Final = r"^([a-zA-Z0-9._-])+$"
CODE_PATTERN: Final = r"^[A-Z][A-Z0-9_]*$"
FILE_NAME_PATTERN: Final = r"^[A-Za-z0-9._-]*$"
SHA256_PATTERN: Final = r"^[0-9a-f]{64}$"
