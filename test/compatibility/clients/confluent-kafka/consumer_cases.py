"""Consumers: with groups of both protocols, and with partitions of their own."""

import time

from cases import case, equal, raises, unique, until
from clients import (
    BROKER,
    CLASSIC,
    CONSUMER,
    COOPERATIVE,
    OLD,
    Member,
    assigned,
    committed,
    producer,
    read_all,
    send,
    topic,
    values,
)
from confluent_kafka import Consumer, TopicPartition

KINDS = {"eager": CLASSIC, "cooperative-sticky": COOPERATIVE, "consumer protocol": CONSUMER}


def every_kind(name):
    """A case for every kind of group."""

    def register(function):
        for kind, config in KINDS.items():
            case(f"group, {kind}: {name}", config)(function)
        return function

    return register


@every_kind("members share the partitions, come and go")
@case("group, as with a broker of 1.0.0: members share the partitions, come and go", {**CLASSIC, **OLD})
def share(closing, config):
    name, group = topic(6), unique("group")
    members = [Member(closing, [name], group, config) for _ in range(2)]
    assigned(members, [3, 3])
    members.append(Member(closing, [name], group, config))
    assigned(members, [2, 2, 2])
    members[0].close()
    assigned(members[1:], [3, 3])
    send(name, values(300))
    found = lambda: [value for member in members[1:] for value in member.poll().values()]  # noqa: E731
    until("all records", lambda: len(found()) >= 300)
    equal(sorted(found()), sorted(values(300)))


@every_kind("a member that comes back goes on where it committed")
def resume(closing, config):
    name, group = topic(), unique("group")
    send(name, values(20, "before"))
    first = Member(closing, [name], group, config)
    equal(first.read(20), values(20, "before"))
    first.close()
    send(name, values(20, "after"))
    equal(Member(closing, [name], group, config).read(20), values(20, "after"))


@every_kind("offsets are committed by hand, with metadata, and read back")
def by_hand(closing, config):
    name, group = topic(2), unique("group")
    member = Member(closing, [name], group, config, **{"enable.auto.commit": False})
    assigned([member], [2])
    member.consumer.commit(offsets=[TopicPartition(name, 1, 7, "by hand")], asynchronous=False)
    none, seven = member.consumer.committed([TopicPartition(name, 0), TopicPartition(name, 1)], 10)
    equal((none.offset, seven.offset, seven.metadata), (-1001, 7, "by hand"))
    send(name, values(10), partition=0)
    member.read(10)
    member.consumer.commit(asynchronous=False)
    equal(committed(group, name, 0), 10)


@every_kind("a static member that comes back keeps its partitions")
def static(closing, config):
    name, group = topic(4), unique("group")
    first = Member(closing, [name], group, config, **{"group.instance.id": "one"})
    second = Member(closing, [name], group, config, **{"group.instance.id": "two"})
    assigned([first, second], [2, 2])
    before, assignments = second.partitions(), first.assignments
    second.close()  # A static member does not leave.
    again = Member(closing, [name], group, config, **{"group.instance.id": "two"})
    assigned([first, again], [2, 2])
    equal(again.partitions(), before)
    equal(first.assignments, assignments)


@every_kind("the older of two members with one instance id is fenced")
def fenced(closing, config):
    name, group = topic(2), unique("group")
    older = Member(closing, [name], group, config, **{"group.instance.id": "same"})
    assigned([older], [2])
    newer = Member(closing, [name], group, config, **{"group.instance.id": "same"})
    if config is CONSUMER:
        # There the newer one has to wait until the older has left.
        raises(["UNRELEASED_INSTANCE_ID", "_FATAL", "AssertionError"], lambda: until("refused", lambda: newer.poll() and False, 5))
        return

    def both():
        newer.poll(0.05)
        older.poll(0.05)

    raises(["FENCED_INSTANCE_ID", "_FATAL", "AssertionError"], lambda: until("fenced", both, 15))
    assigned([newer], [2])


@every_kind("a member that does not poll for too long loses its partitions")
def silent(closing, config):
    name, group = topic(4), unique("group")
    sooner = {"max.poll.interval.ms": 6000}
    stays, silent_one = [Member(closing, [name], group, config, **sooner) for _ in range(2)]
    assigned([stays, silent_one], [2, 2])
    until("all four", lambda: len(stays.poll().partitions()) == 4)


@every_kind("partitions that are added are consumed")
def grows(closing, config):
    from clients import admin
    from confluent_kafka.admin import NewPartitions

    name, group = topic(1), unique("group")
    member = Member(closing, [name], group, config, **{"topic.metadata.refresh.interval.ms": 500, "metadata.max.age.ms": 1000})
    assigned([member], [1])
    admin().create_partitions([NewPartitions(name, 3)])[name].result(20)
    assigned([member], [3])


@every_kind("a regular expression subscribes to topics, also to new ones")
def pattern(closing, config):
    first = topic()
    prefix = unique("pattern")
    send(f"{prefix}-a", ["a"])
    member = Member(closing, [f"^{prefix}-.*"], unique("group"), config, **{"topic.metadata.refresh.interval.ms": 500})
    member.read(1)
    send(f"{prefix}-b", ["b"])
    equal(sorted(member.read(2)), ["a", "b"])
    send(first, ["not this"])


@case("group, eager: range, roundrobin and both are chosen among members", CLASSIC)
def strategies(closing, config):
    name, group = topic(4), unique("group")
    both = Member(closing, [name], group, config, **{"partition.assignment.strategy": "range,roundrobin"})
    one = Member(closing, [name], group, config, **{"partition.assignment.strategy": "roundrobin"})
    assigned([both, one], [2, 2])
    # Nothing in common with them.
    other = Member(closing, [name], group, COOPERATIVE)
    raises(["AssertionError", "INCONSISTENT_GROUP_PROTOCOL"], lambda: until("joined", lambda: other.poll().partitions(), 5))


@case("group, consumer protocol: the assignor of the server is chosen: uniform", "uniform")
@case("group, consumer protocol: the assignor of the server is chosen: range", "range")
def remote_assignor(closing, assignor):
    name, group = topic(4), unique("group")
    members = [Member(closing, [name], group, CONSUMER, **{"group.remote.assignor": assignor}) for _ in range(2)]
    assigned(members, [2, 2])
    if assignor == "range":
        equal(sorted(member.partitions() for member in members), [[0, 1], [2, 3]])


@case("group: from classic to the consumer protocol and back, member by member")
def upgrade(closing):
    name, group = topic(4), unique("group")
    send(name, values(20))
    old = Member(closing, [name], group, COOPERATIVE)
    equal(sorted(old.read(20)), sorted(values(20)))
    new = Member(closing, [name], group, CONSUMER)
    assigned([old, new], [2, 2])
    old.close()
    assigned([new], [4])
    back = Member(closing, [name], group, COOPERATIVE)
    assigned([new, back], [2, 2])
    new.close()
    assigned([back], [4])
    send(name, values(20, "after"))
    equal(sorted(back.read(20)), sorted(values(20, "after")))


def alone(closing, **config):
    settings = {"bootstrap.servers": BROKER, "group.id": unique("alone"), "enable.auto.commit": False, "fetch.wait.max.ms": 100}
    consumer = Consumer({**settings, **config})
    closing.append(consumer.close)
    return consumer


@case("consumer: partitions of its own, watermarks, seek, pause and resume")
def by_itself(closing):
    name = topic(2)
    send(name, values(10), partition=1)
    consumer = alone(closing)
    part = TopicPartition(name, 1, 0)
    consumer.assign([part])
    equal(consumer.get_watermark_offsets(part, 10), (0, 10))
    next_offset = lambda: until("a record", lambda: consumer.poll(0.2)).offset()  # noqa: E731
    equal(next_offset(), 0)
    consumer.seek(TopicPartition(name, 1, 8))
    equal([next_offset(), next_offset()], [8, 9])
    consumer.pause([part])
    consumer.seek(TopicPartition(name, 1, 5))
    equal(consumer.poll(0.5), None)
    consumer.resume([part])
    consumer.seek(TopicPartition(name, 1, 5))
    equal(next_offset(), 5)


@case("consumer: offsets by time")
def by_time(closing):
    name = topic()
    for second in range(5):
        send(name, [f"at-{second}"], timestamp=1_600_000_000_000 + second * 1000)
    consumer = alone(closing)
    ask = lambda time_ms: consumer.offsets_for_times([TopicPartition(name, 0, time_ms)], 10)[0].offset  # noqa: E731
    equal([ask(1_600_000_000_000), ask(1_600_000_002_500), ask(1_700_000_000_000)], [0, 3, -1])


@case("consumer: what starts out of range begins as auto.offset.reset says", "earliest", [0])
@case("consumer: what starts out of range ends as auto.offset.reset says", "error", None)
def out_of_range(closing, reset, expected):
    name = topic()
    send(name, values(3))
    consumer = alone(closing, **{"auto.offset.reset": reset})
    consumer.assign([TopicPartition(name, 0, 1000)])
    message = until("something", lambda: consumer.poll(0.2))
    if expected is None:
        equal(message.error().name(), "_AUTO_OFFSET_RESET")
    else:
        equal([message.offset()], expected)


@case("consumer: a topic that is deleted and made again is read from its beginning")
def made_again(closing):
    from clients import admin
    from confluent_kafka.admin import NewTopic

    name = topic()
    send(name, values(5, "old"))
    client = admin()
    client.delete_topics([name])[name].result(20)
    until("made again", lambda: not client.create_topics([NewTopic(name, 1, 1)])[name].exception(20))
    until("sent", lambda: send(name, values(3, "new"), producer()))
    equal(read_all(closing, name), values(3, "new"))


@case("consumer: an old fetch, as with a broker of 0.11.0")
def old_fetch(closing):
    name = topic()
    send(name, values(10))
    consumer = alone(closing, **{"api.version.request": False, "broker.version.fallback": "0.11.0"})
    consumer.assign([TopicPartition(name, 0, 0)])
    deadline, found = time.monotonic() + 15, []
    while len(found) < 10 and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message and not message.error():
            found.append(message.value().decode())
    equal(found, values(10))
