"""The admin client."""

from cases import case, equal, raises, unique, until
from clients import BROKER, CLASSIC, CONSUMER, Member, admin, assigned, committed, send, topic, values
from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ConsumerGroupType,
    ElectionType,
    IsolationLevel,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)


@case("admin: topics are created, listed, described and deleted")
def topics(closing):
    client, name = admin(), unique("topic")
    client.create_topics([NewTopic(name, 3, 1)])[name].result(20)
    described = client.describe_topics(TopicCollection([name]))[name].result(20)
    equal((described.name, len(described.partitions), described.is_internal), (name, 3, False))
    equal([len(each.isr) for each in described.partitions], [1, 1, 1])
    assert name in client.list_topics(timeout=10).topics
    raises(["TOPIC_ALREADY_EXISTS"], lambda: client.create_topics([NewTopic(name, 3, 1)])[name].result(20))
    client.delete_topics([name])[name].result(20)
    raises(["UNKNOWN_TOPIC_OR_PART"], lambda: client.delete_topics([name])[name].result(20))


@case("admin: what is only validated is not created; what is wrong is refused")
def validated(closing):
    client, name = admin(), unique("topic")
    client.create_topics([NewTopic(name, 1, 1)], validate_only=True)[name].result(20)
    assert name not in client.list_topics(timeout=10).topics
    refused = lambda new: client.create_topics([new])[new.topic].result(20)  # noqa: E731
    raises(["TOPIC_EXCEPTION"], lambda: refused(NewTopic("no spaces", 1, 1)))
    raises(["INVALID_PARTITIONS"], lambda: refused(NewTopic(unique("topic"), 0, 1)))
    raises(["INVALID_CONFIG"], lambda: refused(NewTopic(unique("topic"), 1, 1, config={"retention.ms": "soon"})))
    raises(["INVALID_CONFIG"], lambda: refused(NewTopic(unique("topic"), 1, 1, config={"no.such.config": "1"})))


@case("admin: partitions are added, and not taken away")
def partitions(closing):
    client, name = admin(), topic(1)
    client.create_partitions([NewPartitions(name, 4)])[name].result(20)
    equal(len(client.list_topics(name, timeout=10).topics[name].partitions), 4)
    raises(["INVALID_PARTITIONS"], lambda: client.create_partitions([NewPartitions(name, 2)])[name].result(20))


def described(resource):
    return admin().describe_configs([resource])[resource].result(20)


@case("admin: configs of a topic are altered, all at once")
def alter(closing):
    name = topic(**{"max.message.bytes": "50000"})
    resource = ConfigResource(ConfigResource.Type.TOPIC, name, set_config={"retention.ms": "1234567"})
    admin().alter_configs([resource])[resource].result(20)
    found = described(resource)
    equal((found["retention.ms"].value, found["max.message.bytes"].is_default), ("1234567", True))


@case("admin: configs of a topic are altered, incrementally")
def incremental(closing):
    name = topic(**{"max.message.bytes": "50000", "retention.ms": "99999"})
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    resource.add_incremental_config(ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND))
    resource.add_incremental_config(ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE))
    resource.add_incremental_config(ConfigEntry("segment.bytes", "10000000", incremental_operation=AlterConfigOpType.SET))
    admin().incremental_alter_configs([resource])[resource].result(20)
    found = described(resource)
    equal(sorted(found["cleanup.policy"].value.split(",")), ["compact", "delete"])
    equal((found["retention.ms"].is_default, found["segment.bytes"].value), (True, "10000000"))
    equal(found["max.message.bytes"].value, "50000")


@case("admin: configs of the broker are described")
def broker_configs(closing):
    id = next(iter(admin().list_topics(timeout=10).brokers))
    found = described(ConfigResource(ConfigResource.Type.BROKER, str(id)))
    assert found["num.partitions"].value == "1", found["num.partitions"]
    assert len(found) > 20, len(found)


@case("admin: configs of a group are set and described")
def group_configs(closing):
    resource = ConfigResource(ConfigResource.Type.GROUP, unique("group"))
    entry = ConfigEntry("consumer.session.timeout.ms", "50000", incremental_operation=AlterConfigOpType.SET)
    resource.add_incremental_config(entry)
    admin().incremental_alter_configs([resource])[resource].result(20)
    equal(described(resource)["consumer.session.timeout.ms"].value, "50000")


@case("admin: the cluster is described")
def cluster(closing):
    found = admin().describe_cluster(include_authorized_operations=True).result(20)
    equal([f"{node.host}:{node.port}" for node in found.nodes], [BROKER])
    assert found.controller.id == found.nodes[0].id and found.cluster_id


@case("admin: offsets are listed: earliest, latest, by time, of the largest timestamp")
def offsets(closing):
    name = topic()
    for second in (1, 3, 2):
        send(name, [f"at-{second}"], timestamp=1_600_000_000_000 + second * 1000)
    part = TopicPartition(name, 0)

    def ask(spec, **more):
        return admin().list_offsets({part: spec}, **more)[part].result(20).offset

    equal(ask(OffsetSpec.earliest()), 0)
    equal(ask(OffsetSpec.latest()), 3)
    equal(ask(OffsetSpec.latest(), isolation_level=IsolationLevel.READ_COMMITTED), 3)
    equal(ask(OffsetSpec.max_timestamp()), 1)
    equal(ask(OffsetSpec.for_timestamp(1_600_000_002_500)), 1)


@case("admin: records are deleted up to an offset, or all")
def delete_records(closing):
    client, name = admin(), topic()
    send(name, values(10))
    delete = lambda offset: client.delete_records([TopicPartition(name, 0, offset)])  # noqa: E731
    equal(next(iter(delete(7).values())).result(20).low_watermark, 7)
    equal(next(iter(delete(-1).values())).result(20).low_watermark, 10)
    raises(["OFFSET_OUT_OF_RANGE"], lambda: next(iter(delete(100).values())).result(20))


@case("admin: leaders are elected where needed, which is nowhere")
def elect(closing):
    name = topic()
    part = TopicPartition(name, 0)
    for kind in (ElectionType.PREFERRED, ElectionType.UNCLEAN):
        error = admin().elect_leaders(kind, [part]).result(20)[part]
        equal(error and error.args[0].name() if hasattr(error, "args") else error.name(), "ELECTION_NOT_NEEDED")


def listed(**filters):
    return {each.group_id: each for each in admin().list_consumer_groups(**filters).result(20).valid}


@case("admin: groups are listed, by state and by type")
def list_groups(closing):
    name, classic, consumer, left = topic(), unique("classic"), unique("consumer"), unique("left")
    assigned([Member(closing, [name], classic, CLASSIC)], [1])
    assigned([Member(closing, [name], consumer, CONSUMER)], [1])
    gone = Member(closing, [name], left, CLASSIC)
    assigned([gone], [1])
    send(name, values(1))
    gone.read(1)
    gone.close()
    everything = listed()
    equal({classic, consumer, left} - everything.keys(), set())
    equal(everything[classic].type, ConsumerGroupType.CLASSIC)
    equal(everything[consumer].type, ConsumerGroupType.CONSUMER)
    until("stable", lambda: listed()[consumer].state == ConsumerGroupState.STABLE)
    assert left not in listed(states={ConsumerGroupState.STABLE})
    assert left in listed(states={ConsumerGroupState.EMPTY})
    only = listed(types={ConsumerGroupType.CONSUMER})
    assert consumer in only and classic not in only


@case("admin: groups are described, classic", CLASSIC)
@case("admin: groups are described, consumer protocol", CONSUMER)
def describe_group(closing, config):
    name, group = topic(4), unique("group")
    member = Member(closing, [name], group, config, **{"group.instance.id": "static", "client.id": "suite"})
    assigned([member], [4])
    describe = lambda: admin().describe_consumer_groups([group])[group].result(20)  # noqa: E731
    until("stable", lambda: member.poll() and describe().state == ConsumerGroupState.STABLE)
    found = describe()
    equal(found.type, ConsumerGroupType.CONSUMER if config is CONSUMER else ConsumerGroupType.CLASSIC)
    equal(found.partition_assignor, "uniform" if config is CONSUMER else "range")
    equal([(each.client_id, each.group_instance_id) for each in found.members], [("suite", "static")])
    equal(sorted(each.partition for each in found.members[0].assignment.topic_partitions), [0, 1, 2, 3])
    equal(found.members[0].host.lstrip("/"), "127.0.0.1")


@case("admin: groups that are not there are described as dead or not found")
def describe_missing(closing):
    group = unique("missing")
    try:
        found = admin().describe_consumer_groups([group])[group].result(20)
        equal(found.state, ConsumerGroupState.DEAD)
    except Exception as error:  # noqa: BLE001
        equal(error.args[0].name(), "GROUP_ID_NOT_FOUND")


@case("admin: groups are deleted, when they have no members")
def delete_group(closing):
    name, group = topic(), unique("group")
    member = Member(closing, [name], group, CLASSIC)
    assigned([member], [1])
    delete = lambda: admin().delete_consumer_groups([group])[group].result(20)  # noqa: E731
    raises(["NON_EMPTY_GROUP"], delete)
    member.close()
    delete()
    raises(["GROUP_ID_NOT_FOUND"], delete)
    assert group not in listed()


@case("admin: offsets of a group are altered and listed")
def alter_offsets(closing):
    name, group = topic(2), unique("group")
    offsets = [TopicPartition(name, 0, 3), TopicPartition(name, 1, 5, "noted")]
    admin().alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, offsets)])[group].result(20)
    equal((committed(group, name, 0), committed(group, name, 1)), (3, 5))
    found = admin().list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], require_stable=True)[group].result(20)
    equal(sorted((each.partition, each.offset, each.metadata) for each in found.topic_partitions)[1], (1, 5, "noted"))


@case("admin: offsets of a group with members are not altered")
def alter_offsets_of_members(closing):
    name, group = topic(), unique("group")
    assigned([Member(closing, [name], group, CLASSIC)], [1])
    request = [ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 3)])]
    raises(["UNKNOWN_MEMBER_ID"], lambda: offsets_error(admin().alter_consumer_group_offsets(request)[group].result(20)))


def offsets_error(answer):
    for each in answer.topic_partitions:
        if each.error:
            raise type("Refused", (Exception,), {})(each.error)


@case("admin: access control lists are described")
def acls(closing):
    wanted = AclBindingFilter(
        ResourceType.TOPIC, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    equal(admin().describe_acls(wanted).result(10), [])


@case("admin: SCRAM credentials are described")
def scram(closing):
    equal(admin().describe_user_scram_credentials().result(10), {})
