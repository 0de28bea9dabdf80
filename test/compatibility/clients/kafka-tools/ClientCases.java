import static java.util.concurrent.TimeUnit.SECONDS;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

/** The Java clients themselves, where no tool does what they can do. */
final class ClientCases {
    private static final Duration POLL = Duration.ofMillis(100);

    private ClientCases() {}

    static KafkaConsumer<String, String> consumer(Object... pairs) {
        var properties = AdminCases.properties("auto.offset.reset", "earliest");
        for (int index = 0; index < pairs.length; index += 2) properties.put(pairs[index], pairs[index + 1]);
        return Suite.closing(new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer()));
    }

    static List<TopicPartition> partitions(String topic, int count) {
        return IntStream.range(0, count).mapToObj(index -> new TopicPartition(topic, index)).toList();
    }

    static long endOffset(String topic, String isolation) {
        try (KafkaConsumer<String, String> reader = consumer("isolation.level", isolation)) {
            return reader.endOffsets(partitions(topic, 1)).values().iterator().next();
        }
    }

    /** The values in a topic, up to the end that this isolation level sees. */
    static List<String> readAll(String topic, int count, String isolation) {
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<String, String> reader = consumer("isolation.level", isolation)) {
            List<TopicPartition> all = partitions(topic, count);
            reader.assign(all);
            reader.seekToBeginning(all);
            Map<TopicPartition, Long> ends = reader.endOffsets(all);
            long deadline = System.nanoTime() + SECONDS.toNanos(20);
            while (all.stream().anyMatch(each -> reader.position(each) < ends.get(each))) {
                if (System.nanoTime() > deadline) throw new AssertionError("the end is not reached");
                reader.poll(POLL).forEach(each -> values.add(each.value()));
            }
        }
        return values;
    }

    private static void readUntil(KafkaConsumer<String, String> reader, List<String> values, int count) throws Exception {
        Suite.until(count + " records", () -> {
            reader.poll(POLL).forEach(each -> values.add(each.value()));
            return values.size() >= count;
        });
    }

    private static KafkaProducer<String, String> transactional(String id) {
        KafkaProducer<String, String> made = AdminCases.producer("transactional.id", id, "max.block.ms", "20000");
        made.initTransactions();
        return made;
    }

    private static void send(KafkaProducer<String, String> sender, String topic, String... values) throws Exception {
        for (String value : values) sender.send(new ProducerRecord<>(topic, 0, "key", value)).get(20, SECONDS);
    }

    static void add() {
        Suite.add("Java producer: transactions of version 2 bump the epoch with each end", () -> {
            String topic = AdminCases.topic(1);
            KafkaProducer<String, String> made = transactional(Suite.unique("id"));
            List<String> expected = new ArrayList<>();
            for (int index = 0; index < 10; index++) {
                made.beginTransaction();
                send(made, topic, "value-" + index);
                if (index % 3 == 2) {
                    made.abortTransaction();
                } else {
                    made.commitTransaction();
                    expected.add("value-" + index);
                }
            }
            Suite.equal(readAll(topic, 1, "read_committed"), expected);
            Suite.equal(readAll(topic, 1, "read_uncommitted").size(), 10);
            var producers = AdminCases.admin().describeProducers(partitions(topic, 1)).all().get(20, SECONDS);
            var state = producers.values().iterator().next().activeProducers().get(0);
            Suite.check(state.producerEpoch() >= 9, "epoch " + state.producerEpoch() + ": not bumped with each end");
        });
        Suite.add("Java producer: the older of two with one transactional id is fenced", () -> {
            String topic = AdminCases.topic(1);
            String id = Suite.unique("id");
            KafkaProducer<String, String> older = transactional(id);
            older.beginTransaction();
            send(older, topic, "older");
            KafkaProducer<String, String> newer = transactional(id);
            newer.beginTransaction();
            send(newer, topic, "newer");
            boolean fenced = false;
            try {
                older.commitTransaction();
            } catch (KafkaException expected) {
                fenced = true;
            }
            Suite.check(fenced, "the older one committed");
            newer.commitTransaction();
            Suite.equal(readAll(topic, 1, "read_committed"), List.of("newer"));
        });
        for (String protocol : GroupCases.PROTOCOLS) {
            Suite.add("Java consumer, " + protocol + ": consume, transform and produce in transactions", () -> {
                String from = AdminCases.topic(1);
                String to = AdminCases.topic(1);
                String group = Suite.unique("group");
                AdminCases.send(from, 50, "value", 1);
                KafkaConsumer<String, String> reader = consumer("group.id", group, "group.protocol", protocol, "enable.auto.commit", "false", "max.poll.records", "7");
                KafkaProducer<String, String> made = transactional(Suite.unique("id"));
                reader.subscribe(List.of(from));
                int moved = 0;
                int turn = 0;
                while (moved < 50) {
                    var batch = reader.poll(POLL);
                    if (batch.isEmpty()) continue;
                    made.beginTransaction();
                    for (ConsumerRecord<String, String> each : batch) made.send(new ProducerRecord<>(to, each.key(), each.value().toUpperCase()));
                    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                    for (TopicPartition each : reader.assignment()) offsets.put(each, new OffsetAndMetadata(reader.position(each)));
                    made.sendOffsetsToTransaction(offsets, reader.groupMetadata());
                    if (turn++ % 3 == 1) {
                        made.abortTransaction();
                        for (TopicPartition each : batch.partitions()) reader.seek(each, batch.records(each).get(0).offset());
                    } else {
                        made.commitTransaction();
                        moved += batch.count();
                    }
                }
                List<String> expected = readAll(from, 1, "read_committed").stream().map(String::toUpperCase).toList();
                Suite.equal(readAll(to, 1, "read_committed"), expected);
                var committed = AdminCases.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(20, SECONDS);
                Suite.equal(committed.get(new TopicPartition(from, 0)).offset(), 50L);
            });
            Suite.add("Java consumer, " + protocol + ": partitions that are added and topics that are made are found", () -> {
                String prefix = Suite.unique("found");
                var admin = AdminCases.admin();
                admin.createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(prefix + "-a", 1, (short) 1))).all().get(20, SECONDS);
                KafkaConsumer<String, String> reader = consumer("group.id", Suite.unique("group"), "group.protocol", protocol, "metadata.max.age.ms", "500");
                if (protocol.equals("consumer")) reader.subscribe(new SubscriptionPattern(prefix + "-.*"));
                else reader.subscribe(java.util.regex.Pattern.compile(prefix + "-.*"));
                Suite.until("one", () -> reader.poll(POLL) != null && reader.assignment().size() == 1);
                admin.createPartitions(Map.of(prefix + "-a", NewPartitions.increaseTo(2))).all().get(20, SECONDS);
                Suite.until("two", () -> reader.poll(POLL) != null && reader.assignment().size() == 2);
                admin.createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(prefix + "-b", 1, (short) 1))).all().get(20, SECONDS);
                Suite.until("three", () -> reader.poll(POLL) != null && reader.assignment().size() == 3);
            });
            Suite.add("Java consumer, " + protocol + ": commitSync with metadata, committed, position, offsetsForTimes", () -> {
                String topic = AdminCases.topic(1);
                TopicPartition part = new TopicPartition(topic, 0);
                AdminCases.send(topic, 10, "value", 1);
                KafkaConsumer<String, String> reader = consumer("group.id", Suite.unique("group"), "group.protocol", protocol, "enable.auto.commit", "false");
                reader.subscribe(List.of(topic));
                List<String> values = new ArrayList<>();
                readUntil(reader, values, 10);
                Suite.equal(reader.currentLag(part).orElse(-1), 0L);
                reader.commitSync(Map.of(part, new OffsetAndMetadata(7, "noted")));
                Suite.equal(reader.committed(Set.of(part)).get(part), new OffsetAndMetadata(7, "noted"));
                Suite.equal(reader.position(part), 10L);
                Suite.equal(reader.offsetsForTimes(Map.of(part, 1L)).get(part).offset(), 0L);
            });
        }
        Suite.add("Java consumer: from classic to the consumer protocol while it runs", () -> {
            String topic = AdminCases.topic(4);
            String group = Suite.unique("group");
            String cooperative = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
            KafkaConsumer<String, String> old = consumer("group.id", group, "group.protocol", "classic", "partition.assignment.strategy", cooperative, "session.timeout.ms", "6000", "heartbeat.interval.ms", "500");
            old.subscribe(List.of(topic));
            Suite.until("four", () -> old.poll(POLL) != null && old.assignment().size() == 4);
            KafkaConsumer<String, String> fresh = consumer("group.id", group, "group.protocol", "consumer");
            fresh.subscribe(List.of(topic));
            Suite.until("two each", () -> old.poll(POLL) != null && fresh.poll(POLL) != null && old.assignment().size() == 2 && fresh.assignment().size() == 2);
            Set<TopicPartition> both = new HashSet<>(old.assignment());
            both.addAll(fresh.assignment());
            Suite.equal(both.size(), 4);
            old.close();
            Suite.until("four again", () -> fresh.poll(POLL) != null && fresh.assignment().size() == 4);
        });
        Suite.add("Java share consumer: accept, release and reject, one by one", () -> {
            String topic = AdminCases.topic(1);
            String group = GroupCases.shareGroup();
            AdminCases.send(topic, 3, "value", 1);
            KafkaShareConsumer<String, String> reader = shareConsumer(group);
            reader.subscribe(List.of(topic));
            Map<String, Integer> deliveries = new HashMap<>();
            Suite.until("value-1 twice", () -> {
                for (ConsumerRecord<String, String> each : reader.poll(POLL)) {
                    int count = deliveries.merge(each.value(), 1, Integer::sum);
                    Suite.equal((int) each.deliveryCount().orElse((short) -1), count);
                    boolean again = each.value().equals("value-1") && count == 1;
                    AcknowledgeType how = again ? AcknowledgeType.RELEASE : each.value().equals("value-2") ? AcknowledgeType.REJECT : AcknowledgeType.ACCEPT;
                    reader.acknowledge(each, how);
                }
                reader.commitSync().values().forEach(error -> Suite.check(error.isEmpty(), error));
                return deliveries.getOrDefault("value-1", 0) == 2;
            });
            Suite.equal(deliveries, Map.of("value-0", 1, "value-1", 2, "value-2", 1));
        });
        Suite.add("Java share consumer: renew keeps the lock of a slow record", () -> {
            String topic = AdminCases.topic(1);
            String group = GroupCases.shareGroup();
            AdminCases.send(topic, 1, "slow", 1);
            KafkaShareConsumer<String, String> reader = shareConsumer(group);
            reader.subscribe(List.of(topic));
            List<ConsumerRecord<String, String>> held = new ArrayList<>();
            Suite.until("one", () -> {
                reader.poll(POLL).forEach(held::add);
                return !held.isEmpty();
            });
            reader.acknowledge(held.get(0), AcknowledgeType.RENEW);
            reader.commitSync().values().forEach(error -> Suite.check(error.isEmpty(), error));
            reader.poll(POLL);
            reader.acknowledge(held.get(0), AcknowledgeType.ACCEPT);
            reader.commitSync().values().forEach(error -> Suite.check(error.isEmpty(), error));
        });
        Suite.add("admin client: listOffsets of every kind", () -> {
            String topic = AdminCases.topic(1);
            TopicPartition part = new TopicPartition(topic, 0);
            AdminCases.send(topic, 10, "value", 1);
            for (var expected : Map.of(OffsetSpec.earliest(), 0L, OffsetSpec.latest(), 10L, OffsetSpec.forTimestamp(1), 0L, OffsetSpec.earliestLocal(), 0L).entrySet()) {
                ListOffsetsResult found = AdminCases.admin().listOffsets(Map.of(part, expected.getKey()));
                Suite.equal(found.partitionResult(part).get(20, SECONDS).offset(), expected.getValue());
            }
        });
        Suite.add("admin client: incrementalAlterConfigs appends and subtracts", () -> {
            String topic = AdminCases.topic(1);
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            var append = new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND);
            AdminCases.admin().incrementalAlterConfigs(Map.of(resource, List.of(append))).all().get(20, SECONDS);
            var subtract = new AlterConfigOp(new ConfigEntry("cleanup.policy", "delete"), AlterConfigOp.OpType.SUBTRACT);
            AdminCases.admin().incrementalAlterConfigs(Map.of(resource, List.of(subtract))).all().get(20, SECONDS);
            var config = AdminCases.admin().describeConfigs(List.of(resource)).all().get(20, SECONDS).get(resource);
            Suite.equal(config.get("cleanup.policy").value(), "compact");
        });
        Suite.add("admin client: a topic is described and deleted by its id", () -> {
            String topic = AdminCases.topic(2);
            var admin = AdminCases.admin();
            Uuid id = admin.describeTopics(List.of(topic)).allTopicNames().get(20, SECONDS).get(topic).topicId();
            var described = admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get(20, SECONDS);
            Suite.equal(described.get(id).name(), topic);
            admin.deleteTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(id))).all().get(20, SECONDS);
        });
    }

    private static KafkaShareConsumer<String, String> shareConsumer(String group) {
        var properties = AdminCases.properties("group.id", group, "share.acknowledgement.mode", "explicit");
        return Suite.closing(new KafkaShareConsumer<>(properties, new StringDeserializer(), new StringDeserializer()));
    }
}
