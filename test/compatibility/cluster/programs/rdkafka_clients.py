"""librdkafka's clients as workers of a history: producers of every kind, consumers with assignments and in groups, and
chains that read and write in transactions. Prints an event a line (checker/history.ts); ends when its input does.

    rdkafka_clients.py '{"bootstrap": ..., "base": 1000, "topics": {"plain": 4, ...}, "roles": ["idempotent", ...], ...}'
"""

import faulthandler
import json
import os
import random
import signal
import sys
import threading
import time
from functools import partial

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

# Tells where every thread is, before a worker that does not end is killed.
faulthandler.register(signal.SIGUSR1)

CONFIG = json.loads(sys.argv[1])
TOPICS = CONFIG["topics"]
VALUES_PER_CLIENT = 2**24
# A chain ends when it has been given nothing for so long, or has not caught up so long after the others stopped.
QUIET_SECONDS = 8
CATCH_UP_SECONDS = 75
PAUSE = CONFIG.get("pauseMs", 40) / 1000

stopping = threading.Event()
stopped_at = None
output = threading.Lock()
next_client = CONFIG["base"]


def is_late():
    """Whether the others stopped so long ago that nobody waits for a chain any more."""
    return stopping.is_set() and time.monotonic() - stopped_at > CATCH_UP_SECONDS


def now():
    return time.monotonic_ns() // 1000


def emit(event):
    with output:
        sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
        sys.stdout.flush()


def trouble(client, what):
    emit({"f": "trouble", "at": now(), "client": client, "what": what})


class Client:
    """One producer or consumer object of a history."""

    def __init__(self, name, **more):
        global next_client
        with output:
            self.number = next_client
            next_client += 1
        self.count = 0
        self.op = 0
        self.is_assigned = False
        emit({"f": "client", "at": now(), "client": self.number, "name": f"librdkafka {name} {self.number}", **more})

    def tell(self, f, **fields):
        emit({"f": f, "at": now(), "client": self.number, **fields})

    def value(self):
        value = self.number * VALUES_PER_CLIENT + self.count
        self.count += 1
        return value

    def send(self, producer, topic, partition, chance, txn=None, key=None):
        value = self.value()
        more = {} if txn is None else {"txn": txn}
        self.tell("send", type="invoke", value=value, partition=f"{topic}/{partition}", **more)

        def told(error, message):
            if error is None:
                self.tell("send", type="ok", value=value, offset=message.offset())
            else:
                # Also of what was purged from the queue: it may wait there to be sent once more.
                self.tell("send", type="info", value=value)

        padding = chance.choice([0, 0, 100, 100, 400, 3000])
        producer.produce(topic, f"{value} ".ljust(padding, "x"), key=key, partition=partition, on_delivery=told)

    def polled(self, messages, txn=None):
        """The records; errors are dealt with here."""
        records, good = {}, []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
                pair = [message.offset(), int(message.value().split(b" ", 1)[0])]
                if message.leader_epoch() is not None:
                    pair.append(message.leader_epoch())
                records.setdefault(f"{message.topic()}/{message.partition()}", []).append(pair)
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                trouble(self.number, f"{message.topic()}/{message.partition()}: {error.str()}")
        if records:
            self.tell("poll", records=records, **({} if txn is None else {"txn": txn}))
        return good

    def next_op(self):
        self.op += 1
        return self.op


def common(**more):
    return {
        "bootstrap.servers": CONFIG["bootstrap"],
        "broker.address.family": "v4",
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "topic.metadata.refresh.interval.ms": 10000,
        "log_level": 0,
        **more,
    }


def idempotent(chance, index):
    while not stopping.is_set():
        client = Client("idempotent producer", ordered=True)
        producer = Producer(common(**{"enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 60000}))
        fatal = False
        while not stopping.is_set() and not fatal:
            for _ in range(chance.randint(1, 5)):
                partition = chance.randrange(TOPICS["plain"])
                try:
                    client.send(producer, "plain", partition, chance)
                except BufferError:
                    client.tell("send", type="fail", value=client.number * VALUES_PER_CLIENT + client.count - 1)
                    producer.poll(0.5)
                except KafkaException:
                    client.tell("send", type="fail", value=client.number * VALUES_PER_CLIENT + client.count - 1)
                    fatal = True
                    break
            producer.poll(PAUSE)
        producer.flush(60)


def end_transaction(client, producer, txn, chance):
    """Whether the producer may go on."""
    commit = chance.random() < 0.75
    client.tell("end", type="invoke", txn=txn, commit=commit)
    deadline = time.monotonic() + 90
    while True:
        try:
            if commit:
                producer.commit_transaction(30)
            else:
                producer.abort_transaction(30)
            client.tell("end", type="ok", txn=txn, commit=commit)
            return True
        except KafkaException as failure:
            error = failure.args[0]
            if error.retriable() and time.monotonic() < deadline:
                continue
            if error.txn_requires_abort() and commit:
                client.tell("end", type="fail", txn=txn, commit=True)
                commit = False
                client.tell("end", type="invoke", txn=txn, commit=False)
                continue
            client.tell("end", type="info", txn=txn, commit=commit)
            return False


def transactional_producer(name, is_over):
    config = {"transactional.id": name, "transaction.timeout.ms": 30000, "message.timeout.ms": 30000, "linger.ms": 2}
    producer = Producer(common(**config))
    while not is_over():
        try:
            producer.init_transactions(30)
            return producer
        except KafkaException as failure:
            if not failure.args[0].retriable():
                return None
    return None


def transactional(chance, index):
    while not stopping.is_set():
        client = Client("transactional producer", ordered=True)
        producer = transactional_producer(f"librdkafka-{index}", stopping.is_set)
        going = producer is not None
        txn = 0
        while going and not stopping.is_set():
            try:
                producer.begin_transaction()
                for _ in range(chance.randint(1, 6)):
                    client.send(producer, "txn", chance.randrange(TOPICS["txn"]), chance, txn)
                    producer.poll(chance.choice([0, 0, 0.01, 0.05]))
            except (KafkaException, BufferError):
                pass  # It is aborted below, or the producer is done with.
            going = end_transaction(client, producer, txn, chance)
            txn += 1
            stopping.wait(PAUSE)
        if not going:
            stopping.wait(0.5)


def on_assign_of(client, consumer, group=None):
    def on_assign(_, partitions):
        client.is_assigned = True
        names = [f"{each.topic}/{each.partition}" for each in partitions]
        client.tell("assign", partitions=names)
        if group is None or not partitions:
            return
        op = client.next_op()
        client.tell("committed", type="invoke", op=op, group=group)
        try:
            offsets = {
                f"{each.topic}/{each.partition}": max(each.offset, -1)
                for each in consumer.committed(partitions, timeout=10)
                if each.error is None
            }
            client.tell("committed", type="ok", op=op, group=group, offsets=offsets)
        except KafkaException:
            client.tell("committed", type="info", op=op, group=group)

    return on_assign


def group(chance, index, protocol):
    """Reads in a group, commits, and now and then leaves and comes back."""
    name = f"group-{protocol}"
    isolation = "read_committed" if protocol == "consumer" else "read_uncommitted"
    config = {"group.id": name, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    more = {"group.protocol": protocol, "isolation.level": isolation}
    if protocol == "classic":
        more["session.timeout.ms"] = 10000
    while not stopping.is_set():
        client = Client(f"{protocol} member", isolation=isolation)
        consumer = Consumer(common(**config, **more))
        consumer.subscribe(["plain", "txn"], on_assign=on_assign_of(client, consumer, name))
        leaves_at = time.monotonic() + chance.uniform(15, 60)
        commits_at = time.monotonic() + 1
        position = {}
        while not stopping.is_set() and time.monotonic() < leaves_at:
            for message in client.polled(consumer.consume(200, 0.2)):
                position[(message.topic(), message.partition())] = message.offset() + 1
            if position and time.monotonic() >= commits_at:
                commit(client, consumer, name, position)
                position = {}
                commits_at = time.monotonic() + 1
        consumer.close()


def commit(client, consumer, name, position):
    offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in position.items()]
    op = client.next_op()
    told = {f"{topic}/{partition}": offset for (topic, partition), offset in position.items()}
    client.tell("commit", type="invoke", op=op, group=name, offsets=told)
    try:
        answers = consumer.commit(offsets=offsets, asynchronous=False)
        done = all(each.error is None for each in answers)
        client.tell("commit", type="ok" if done else "info", op=op, group=name)
    except KafkaException:
        client.tell("commit", type="info", op=op, group=name)


def classic_group(chance, index):
    group(chance, index, "classic")


def consumer_group(chance, index):
    group(chance, index, "consumer")


def assigned(chance, index):
    """Reads everything all the time, from where it likes."""
    isolation = ["read_committed", "read_uncommitted"][index % 2]
    client = Client("reader", isolation=isolation)
    config = {"group.id": f"assigned-{index}", "enable.auto.commit": False, "auto.offset.reset": "error"}
    consumer = Consumer(common(**config, **{"isolation.level": isolation, "fetch.wait.max.ms": 200}))
    partitions = [(topic, partition) for topic in ("plain", "txn") for partition in range(TOPICS[topic])]
    position = dict.fromkeys(partitions, 0)

    def assign():
        client.tell("assign")
        consumer.assign([TopicPartition(topic, partition, position[(topic, partition)]) for topic, partition in partitions])

    assign()
    anew_at = time.monotonic() + chance.uniform(10, 40)
    while not stopping.is_set():
        for message in client.polled(consumer.consume(500, 0.2)):
            position[(message.topic(), message.partition())] = message.offset() + 1
        if time.monotonic() > anew_at:
            position = {each: chance.randint(max(0, offset - 200), offset) for each, offset in position.items()}
            assign()
            anew_at = time.monotonic() + chance.uniform(10, 40)
    consumer.close()


class StuckError(Exception):
    """A call that should have ended by itself long ago."""


STUCK = []


def guarded(call, seconds):
    """send_offsets_to_transaction of librdkafka 2.16 may forget its timeout, and itself, when the group's coordinator dies
    while it is asked. Whoever waits for it goes on without it."""
    failures = []

    def work():
        try:
            call()
        except KafkaException as failure:
            failures.append(failure)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        STUCK.append(call)  # Its producer must not be closed: that would wait for the call.
        raise StuckError
    if failures:
        raise failures[0]


def chain(chance, index):
    """Reads committed records in a group and writes one for each, both in one transaction."""
    # Also one that failed when the others had stopped begins anew: what it had read is left to do.
    while not is_late():
        quiet_since = None
        client = Client("chain", isolation="read_committed", ordered=True)
        producer = transactional_producer(f"chain-{index}", is_late)
        if producer is None:
            continue
        config = {"group.id": "chain", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        more = {"isolation.level": "read_committed", "session.timeout.ms": 10000, "fetch.wait.max.ms": 100}
        consumer = Consumer(common(**config, **more))
        consumer.subscribe(["txn"], on_assign=on_assign_of(client, consumer))
        txn = 0
        going = True
        while going:
            # After the others have stopped it goes on until there is nothing left.
            messages = consumer.consume(20, 0.3)
            good = [message for message in messages if message.error() is None]
            if good:
                quiet_since = None
            elif stopping.is_set():
                if client.is_assigned:
                    quiet_since = quiet_since or time.monotonic()
                quiet = quiet_since is not None and time.monotonic() - quiet_since > QUIET_SECONDS
                if quiet or is_late():
                    consumer.close()
                    return
            if not good:
                continue
            client.polled(messages, txn)
            try:
                producer.begin_transaction()
                for message in good:
                    key = message.value().split(b" ", 1)[0]
                    client.send(producer, "out", int(key) % TOPICS["out"], chance, txn, key)
                ends = {}
                for message in good:
                    ends[(message.topic(), message.partition())] = message.offset() + 1
                offsets = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
                metadata = consumer.consumer_group_metadata()
                guarded(partial(producer.send_offsets_to_transaction, offsets, metadata, 20), 30)
                client.tell("end", type="invoke", txn=txn, commit=True)
                commit_or_raise(producer)
                client.tell("end", type="ok", txn=txn, commit=True)
            except (KafkaException, BufferError, StuckError):
                # Whatever it was: a new producer fences this one and finds out where the group is.
                going = False
            txn += 1
        consumer.close()
        stopping.wait(0.5)


def commit_or_raise(producer):
    deadline = time.monotonic() + 60
    while True:
        try:
            return producer.commit_transaction(30)
        except KafkaException as failure:
            if not failure.args[0].retriable() or time.monotonic() > deadline:
                raise


def final(chance, index):
    """Reads every partition from its beginning to its end, and ends."""
    client = Client("final reader", isolation="read_committed")
    config = {"group.id": "final", "enable.auto.commit": False, "auto.offset.reset": "error", "enable.partition.eof": True}
    consumer = Consumer(common(**config, **{"isolation.level": "read_committed"}))
    left = {(topic, partition) for topic, count in TOPICS.items() for partition in range(count)}
    client.tell("assign")
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in left])
    deadline = time.monotonic() + CONFIG.get("finalSeconds", 60)
    while left and time.monotonic() < deadline:
        messages = consumer.consume(1000, 0.5)
        client.polled(messages)
        inputs = [int(message.key()) for message in messages if message.error() is None and message.topic() == "out"]
        if inputs:
            emit({"f": "processed", "at": now(), "client": client.number, "inputs": inputs})
        for message in messages:
            if message.error() is not None and message.error().code() == KafkaError._PARTITION_EOF:
                left.discard((message.topic(), message.partition()))
    for topic, partition in sorted(left):
        trouble(client.number, f"{topic}/{partition} was not read to its end in time")
    consumer.close()


ROLES = {
    "idempotent": idempotent,
    "transactional": transactional,
    "assigned": assigned,
    "classic": classic_group,
    "consumer": consumer_group,
    "chain": chain,
    "final": final,
}


def run(role, index):
    try:
        ROLES[role](random.Random(f"{CONFIG['seed']} {role} {index}"), index)
    except Exception as failure:  # noqa: BLE001: a worker that dies must not go unnoticed.
        trouble(CONFIG["base"], f"{role} {index} died: {failure!r}")


threads = [threading.Thread(target=run, args=(role, index)) for index, role in enumerate(CONFIG["roles"])]
for thread in threads:
    thread.start()
if CONFIG["roles"] != ["final"]:
    sys.stdin.read()
    stopped_at = time.monotonic()
    stopping.set()
for thread in threads:
    thread.join()
sys.stdout.flush()
os._exit(0)  # Without waiting for what is stuck.
