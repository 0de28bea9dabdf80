"""librdkafka's clients as the cases want them, closed when the case ends."""

import sys
import time

from cases import equal, unique, until
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKER = sys.argv[1]
# What librdkafka sends to a broker that it believes to be old, without asking for its versions.
OLD = {"api.version.request": False, "broker.version.fallback": "1.0.0"}
CLASSIC = {"group.protocol": "classic"}
COOPERATIVE = {"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky"}
CONSUMER = {"group.protocol": "consumer"}


def producer(**config):
    more = {key.replace("_", "."): value for key, value in config.items()}
    return Producer({"bootstrap.servers": BROKER, "linger.ms": 5, **more})


ADMIN = AdminClient({"bootstrap.servers": BROKER})


def admin():
    """One for all: what is asked of a client ends with it."""
    return ADMIN


def topic(partitions=1, **config):
    """A new one, its name."""
    name = unique("confluent")
    admin().create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(20)
    return name


def send(name, values, made=None, **arguments):
    """Produces and waits: the offsets, by partition."""
    made = made or producer()
    failed, offsets = [], {}

    def told(error, message):
        if error:
            failed.append(error)
        else:
            offsets.setdefault(message.partition(), []).append(message.offset())

    for value in values:
        made.produce(name, value, on_delivery=told, **arguments)
    equal(made.flush(20), 0)
    equal(failed, [])
    return offsets


def values(count, prefix="value"):
    return [f"{prefix}-{index}" for index in range(count)]


class Member:
    """A consumer that has subscribed, and what it has read so far."""

    def __init__(self, closing, topics, group, config, **more):
        classic = config.get("group.protocol", "classic") == "classic"
        sessions = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 300} if classic else {}
        settings = {"bootstrap.servers": BROKER, "group.id": group, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100}
        self.consumer = Consumer({**settings, **sessions, **config, **more})
        self.messages = []
        self.assignments = 0
        self.closed = False
        self.consumer.subscribe(topics, on_assign=self._assigned)
        closing.append(self.close)

    def _assigned(self, _consumer, _partitions):
        self.assignments += 1

    def poll(self, seconds=0.1):
        message = self.consumer.poll(seconds)
        while message is not None:
            if message.error():
                raise AssertionError(message.error())
            self.messages.append(message)
            message = self.consumer.poll(0)
        return self

    def values(self):
        return [(message.value() or b"").decode() for message in self.messages]

    def partitions(self):
        return sorted(each.partition for each in self.consumer.assignment())

    def read(self, count, seconds=30):
        until(f"{count} records", lambda: len(self.poll().messages) >= count, seconds)
        self.poll(0.3)  # One too many would come now.
        return self.values()

    def close(self):
        if not self.closed:
            self.closed = True
            self.consumer.close()


def assigned(members, counts, seconds=30):
    """Until the members hold that many partitions each, in any order, none of them twice."""

    def settled():
        for member in members:
            member.poll(0.05)
        return sorted(len(member.partitions()) for member in members) == sorted(counts)

    until(f"assignments of {counts} partitions", settled, seconds)
    held = [partition for member in members for partition in member.partitions()]
    equal(len(held), len(set(held)))


def read_all(closing, name, isolation="read_committed", partitions=1, seconds=10):
    """What is in a topic now, without a group, up to the end that this isolation level sees."""
    consumer = Consumer(
        {
            "bootstrap.servers": BROKER,
            "group.id": unique("none"),
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
        }
    )
    closing.append(consumer.close)
    consumer.assign([TopicPartition(name, index, 0) for index in range(partitions)])
    found, ended, deadline = [], 0, time.monotonic() + seconds
    while ended < partitions:
        if time.monotonic() > deadline:
            raise AssertionError(f"the end of {name} is not reached within {seconds} s")
        message = consumer.poll(0.2)
        if message is None:
            continue
        if not message.error():
            found.append(message.value().decode())
        elif message.error().name() == "_PARTITION_EOF":
            ended += 1
        else:
            raise AssertionError(message.error())
    return found


def committed(group, name, partition=0):
    """The offset that a group committed, or None."""
    request = [ConsumerGroupTopicPartitions(group, [TopicPartition(name, partition)])]
    answer = admin().list_consumer_group_offsets(request)[group].result(20)
    offset = answer.topic_partitions[0].offset
    return offset if offset >= 0 else None
