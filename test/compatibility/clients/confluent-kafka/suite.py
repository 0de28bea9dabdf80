"""librdkafka through confluent-kafka: `suite.py BROKER [PART OF A NAME]…`"""

import sys

import admin_cases  # noqa: F401
import cases
import consumer_cases  # noqa: F401
import producer_cases  # noqa: F401
import share_cases  # noqa: F401
from confluent_kafka import libversion, version

cases.run(f"{version() if isinstance(version(), str) else version()[0]} (librdkafka {libversion()[0]})", sys.argv[2:])
