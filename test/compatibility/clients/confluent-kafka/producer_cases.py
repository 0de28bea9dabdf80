"""Producers: plain, idempotent and transactional."""

import time

from cases import case, equal, raises, unique, until
from clients import BROKER, OLD, Member, committed, producer, read_all, send, topic, values
from confluent_kafka import KafkaException, Producer, TopicPartition


@case("producer: many records to many partitions")
@case("producer: many records to many partitions, as with a broker of 1.0.0", OLD)
def many(closing, config={}):
    name = topic(4)
    offsets = send(name, values(2000), producer(**config))
    equal(sum(len(each) for each in offsets.values()), 2000)
    equal(sorted(read_all(closing, name, partitions=4)), sorted(values(2000)))


@case("producer: keys, headers, timestamps, null values")
def shapes(closing):
    name = topic()
    made = producer()
    made.produce(name, "one", key="k", headers=[("trace", b"abc"), ("trace", b"again"), ("none", None)], timestamp=1234567890123)
    made.produce(name, None, key="gone")
    made.produce(name, "")
    equal(made.flush(20), 0)
    member = Member(closing, [name], unique("shapes"), {})
    member.read(3)
    first, second, third = member.messages
    equal(first.headers(), [("trace", b"abc"), ("trace", b"again"), ("none", None)])
    equal(first.timestamp(), (1, 1234567890123))
    equal((second.key(), second.value()), (b"gone", None))
    equal((third.key(), third.value()), (None, b""))


@case("producer: batches compressed with gzip", "gzip")
@case("producer: batches compressed with snappy", "snappy")
@case("producer: batches compressed with lz4", "lz4")
@case("producer: batches compressed with zstd", "zstd")
def compressed(closing, codec):
    name = topic()
    send(name, values(1000, "a text that compresses well"), producer(compression_type=codec))
    equal(read_all(closing, name), values(1000, "a text that compresses well"))


@case("producer: acks 0 and 1")
def acknowledgements(closing):
    name = topic()
    send(name, values(10, "one"), producer(acks=1))
    send(name, values(10, "none"), producer(acks=0))
    until("20 records", lambda: len(read_all(closing, name)) == 20)


@case("producer: a record that is too large is refused")
def too_large(closing):
    name = topic(**{"max.message.bytes": "10000"})
    told = []
    made = producer()
    made.produce(name, b"x" * 20_000, on_delivery=lambda error, _: told.append(error))
    made.flush(20)
    equal(told[0].name(), "MSG_SIZE_TOO_LARGE")


@case("producer: a record without a key is refused by a compacted topic")
def compacted(closing):
    name = topic(**{"cleanup.policy": "compact"})
    told = []
    made = producer()
    made.produce(name, "no key", on_delivery=lambda error, _: told.append(error))
    made.flush(20)
    equal(told[0].name(), "INVALID_RECORD")


@case("idempotent producer: every record once and in order")
def idempotent(closing):
    name = topic()
    made = producer(enable_idempotence=True, batch_num_messages=50)
    equal(send(name, values(2000), made)[0], list(range(2000)))
    equal(read_all(closing, name), values(2000))


def transactional(id=None, **config):
    made = producer(transactional_id=id or unique("id"), **config)
    made.init_transactions(20)
    return made


@case("transactions: what is committed is read, what is aborted is not")
@case("transactions: what is committed is read, what is aborted is not, as with a broker of 1.0.0", OLD)
def transactions(closing, config={}):
    name = topic(2)
    made = transactional(**config)
    for word, finish in [("kept", made.commit_transaction), ("dropped", made.abort_transaction), ("again", made.commit_transaction)]:
        made.begin_transaction()
        send(name, values(20, word), made)
        finish(20)
    equal(sorted(read_all(closing, name, partitions=2)), sorted(values(20, "kept") + values(20, "again")))
    equal(len(read_all(closing, name, "read_uncommitted", partitions=2)), 60)


@case("transactions: an open one holds back what comes after it")
def open_transaction(closing):
    name = topic()
    made = transactional()
    made.begin_transaction()
    send(name, ["open"], made)
    send(name, ["after"])
    equal(read_all(closing, name), [])
    equal(read_all(closing, name, "read_uncommitted"), ["open", "after"])
    made.commit_transaction(20)
    until("both", lambda: read_all(closing, name) == ["open", "after"])


@case("transactions: empty ones are fine")
def empty(closing):
    made = transactional()
    for finish in (made.commit_transaction, made.abort_transaction):
        made.begin_transaction()
        finish(20)


def consume_and_send(closing, config):
    """Some records read by a member: the member, a producer, the name of the group."""
    name, group = topic(), unique("group")
    send(name, values(20))
    member = Member(closing, [name], group, config, **{"enable.auto.commit": False})
    equal(member.read(20), values(20))
    return name, group, member


@case("transactions: offsets are committed with the records, classic group", {"group.protocol": "classic"})
@case("transactions: offsets are committed with the records, consumer group", {"group.protocol": "consumer"})
def offsets_in_transaction(closing, config):
    name, group, member = consume_and_send(closing, config)
    out = topic()
    made = transactional()
    made.begin_transaction()
    send(out, values(5, "out"), made)
    position = member.consumer.position(member.consumer.assignment())
    made.send_offsets_to_transaction(position, member.consumer.consumer_group_metadata(), 20)
    equal(committed(group, name), None)
    made.commit_transaction(20)
    until("the offset", lambda: committed(group, name) == 20)
    made.begin_transaction()
    made.send_offsets_to_transaction([TopicPartition(name, 0, 7)], member.consumer.consumer_group_metadata(), 20)
    made.abort_transaction(20)
    equal(committed(group, name), 20)
    equal(read_all(closing, out), values(5, "out"))


@case("transactions: a member of an old generation cannot commit offsets", {"group.protocol": "classic"})
def old_generation(closing, config):
    name, group, member = consume_and_send(closing, config)
    metadata = member.consumer.consumer_group_metadata()
    member.close()
    again = Member(closing, [name], group, config)
    again.read(20)
    made = transactional()
    made.begin_transaction()
    raises(
        ["ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "_FENCED", "FENCED_INSTANCE_ID", "STALE_MEMBER_EPOCH"],
        lambda: made.send_offsets_to_transaction([TopicPartition(name, 0, 3)], metadata, 20),
    )
    made.abort_transaction(20)


@case("transactions: the older of two producers with one id is fenced")
def fenced(closing):
    name, id = topic(), unique("id")
    older = transactional(id)
    older.begin_transaction()
    send(name, ["older"], older)
    newer = transactional(id)
    newer.begin_transaction()
    send(name, ["newer"], newer)
    raises(["_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"], lambda: older.commit_transaction(20))
    newer.commit_transaction(20)
    equal(read_all(closing, name), ["newer"])


@case("transactions: one that is left open is aborted after its timeout")
def timeout(closing):
    name = topic()
    made = transactional(transaction_timeout_ms=2000)
    made.begin_transaction()
    send(name, ["forgotten"], made)
    send(name, ["after"])
    until("the abort", lambda: read_all(closing, name) == ["after"], 20)
    # Newer brokers let the producer abort and go on, older ones fence it.
    try:
        made.commit_transaction(20)
        raise AssertionError("committed after its timeout")
    except KafkaException:
        pass


@case("transactions: a timeout beyond the broker's limit is refused")
def timeout_limit(closing):
    made = Producer(
        {
            "bootstrap.servers": BROKER,
            "transactional.id": unique("id"),
            "transaction.timeout.ms": 2_000_000,
        }
    )
    raises(["INVALID_TRANSACTION_TIMEOUT"], lambda: made.init_transactions(10))


@case("transactions: many small ones in a row")
def many_small(closing):
    name = topic()
    made = transactional()
    began = time.monotonic()
    for index in range(30):
        made.begin_transaction()
        send(name, [f"value-{index}"], made)
        made.commit_transaction(20)
    equal(read_all(closing, name), values(30))
    if time.monotonic() - began > 25:
        raise AssertionError("30 transactions take more than 25 s")


@case("transactions: consume, transform and produce across two groups of partitions")
def chain(closing):
    source, out, group = topic(2), topic(2), unique("group")
    send(source, values(50))
    consumer = Member(closing, [source], group, {}, **{"enable.auto.commit": False})
    made = transactional()
    moved = 0
    while moved < 50:
        consumer.poll()
        batch, consumer.messages = consumer.messages, []
        if not batch:
            continue
        made.begin_transaction()
        send(out, [message.value().decode().upper() for message in batch], made)
        position = consumer.consumer.position(consumer.consumer.assignment())
        made.send_offsets_to_transaction(position, consumer.consumer.consumer_group_metadata(), 20)
        made.commit_transaction(20)
        moved += len(batch)
    equal(sorted(read_all(closing, out, partitions=2)), sorted(each.upper() for each in values(50)))
    equal((committed(group, source, 0) or 0) + (committed(group, source, 1) or 0), 50)
