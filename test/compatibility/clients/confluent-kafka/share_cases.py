"""Share consumers (KIP-932): queues whose records are acknowledged one by one."""

from cases import case, equal, unique, until
from clients import BROKER, admin, send, topic, values
from confluent_kafka import AcknowledgeType, ShareConsumer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource


def share_group(**config):
    """A new one that begins at the earliest record."""
    name = unique("share")
    resource = ConfigResource(ConfigResource.Type.GROUP, name)
    for key, value in {"share.auto.offset.reset": "earliest", **config}.items():
        resource.add_incremental_config(ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET))
    admin().incremental_alter_configs([resource])[resource].result(20)
    return name


def join(closing, group, name, mode="explicit"):
    consumer = ShareConsumer({"bootstrap.servers": BROKER, "group.id": group, "share.acknowledgement.mode": mode})
    consumer.subscribe([name])
    closing.append(consumer.close)
    return consumer


def polled(consumer, seconds=0.3):
    return [message for message in consumer.poll(seconds) if not message.error()]


def texts(messages):
    return [message.value().decode() for message in messages]


def all_of(consumer, count, how=AcknowledgeType.ACCEPT):
    """Acknowledges until so many were polled; what they were."""
    found = []

    def more():
        batch = polled(consumer)
        for message in batch:
            consumer.acknowledge(message, how)
        if batch:
            consumer.commit_sync(10)
        found.extend(batch)
        return len(found) >= count

    until(f"{count} records", more)
    return found


@case("share group: records are delivered and accepted, implicitly")
def implicit(closing):
    name, group = topic(), share_group()
    send(name, values(20))
    consumer, found = join(closing, group, name, "implicit"), []
    until("20 records", lambda: found.extend(polled(consumer)) or len(found) >= 20)
    equal(sorted(texts(found)), sorted(values(20)))
    equal(polled(consumer, 1), [])


@case("share group: records are accepted one by one")
def explicit(closing):
    name, group = topic(), share_group()
    send(name, values(20))
    equal(sorted(texts(all_of(join(closing, group, name), 20))), sorted(values(20)))


@case("share group: what is released comes again, what is rejected does not")
def released(closing):
    name, group = topic(), share_group()
    send(name, ["released"])
    consumer = join(closing, group, name)
    equal(texts(all_of(consumer, 1, AcknowledgeType.RELEASE)), ["released"])
    equal(texts(all_of(consumer, 1, AcknowledgeType.REJECT)), ["released"])
    equal(polled(consumer, 1), [])


@case("share group: a record is dead after its delivery limit")
def delivery_limit(closing):
    name, group = topic(), share_group(**{"share.delivery.count.limit": "2"})
    send(name, ["poison"])
    consumer = join(closing, group, name)
    for _ in range(2):
        equal(texts(all_of(consumer, 1, AcknowledgeType.RELEASE)), ["poison"])
    send(name, ["fine"])
    equal(texts(all_of(consumer, 1)), ["fine"])


@case("share group: two members share one partition")
def two_members(closing):
    name, group = topic(), share_group()
    consumers = [join(closing, group, name) for _ in range(2)]
    for consumer in consumers:
        polled(consumer, 1)
    sent, found = [], []

    def more():
        sent.append(f"value-{len(sent)}")
        send(name, sent[-1:])
        for consumer in consumers:
            batch = polled(consumer, 0.1)
            for message in batch:
                consumer.acknowledge(message)
            found.extend(texts(batch))
        return len(found) >= 20

    until("20 records", more)
    equal(len(found), len(set(found)))


@case("share group: what a member that left had not acknowledged goes to another")
def left_behind(closing):
    name, group = topic(), share_group()
    send(name, values(5))
    first = ShareConsumer({"bootstrap.servers": BROKER, "group.id": group, "share.acknowledgement.mode": "explicit"})
    first.subscribe([name])
    until("some", lambda: polled(first))
    first.close()
    equal(sorted(texts(all_of(join(closing, group, name), 5))), values(5))


@case("share group: the lock of a record that is not acknowledged times out")
def lock_timeout(closing):
    name, group = topic(), share_group(**{"share.record.lock.duration.ms": "3000"})
    send(name, ["slow"])
    slow = join(closing, group, name)
    until("taken", lambda: polled(slow))
    equal(texts(all_of(join(closing, group, name), 1)), ["slow"])
