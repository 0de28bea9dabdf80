import static java.util.concurrent.TimeUnit.SECONDS;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Tools of administrators: topics, configs, records, the cluster, transactions. */
final class AdminCases {
    static final String TOPICS = "org.apache.kafka.tools.TopicCommand";
    static final String CONFIGS = "kafka.admin.ConfigCommand";
    static final String GET_OFFSETS = "org.apache.kafka.tools.GetOffsetShell";
    static final String TRANSACTIONS = "org.apache.kafka.tools.TransactionsCommand";

    private AdminCases() {}

    static Tools.Ran tool(String name, String... rest) throws Exception {
        return Tools.ok(name, with(rest));
    }

    static Tools.Ran refused(String name, String... rest) throws Exception {
        Tools.Ran ran = Tools.run(name, with(rest));
        Suite.check(ran.status() != 0, "not refused: " + ran.output());
        return ran;
    }

    static String[] with(String... rest) {
        String[] all = new String[rest.length + 2];
        all[0] = "--bootstrap-server";
        all[1] = Suite.broker;
        System.arraycopy(rest, 0, all, 2, rest.length);
        return all;
    }

    static Properties properties(Object... pairs) {
        Properties made = new Properties();
        made.put("bootstrap.servers", Suite.broker);
        for (int index = 0; index < pairs.length; index += 2) made.put(pairs[index], pairs[index + 1]);
        return made;
    }

    static Admin admin() {
        return Suite.closing(Admin.create(properties()));
    }

    static String topic(int partitions) throws Exception {
        String name = Suite.unique("tools");
        admin().createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get(20, SECONDS);
        return name;
    }

    static KafkaProducer<String, String> producer(Object... pairs) {
        return Suite.closing(new KafkaProducer<>(properties(pairs), new StringSerializer(), new StringSerializer()));
    }

    static void send(String topic, int count, String prefix, int partitions) throws Exception {
        try (KafkaProducer<String, String> sender = new KafkaProducer<>(properties(), new StringSerializer(), new StringSerializer())) {
            for (int index = 0; index < count; index++) {
                sender.send(new ProducerRecord<>(topic, index % partitions, "key-" + index, prefix + "-" + index));
            }
        }
    }

    static Path file(String text) throws Exception {
        Path made = Files.createTempFile("suite", ".json");
        Suite.closing(() -> Files.deleteIfExists(made));
        return Files.writeString(made, text);
    }

    static void add() {
        Suite.add("kafka-topics: create, list, describe, alter, delete", () -> {
            String name = Suite.unique("topic");
            tool(TOPICS, "--create", "--topic", name, "--partitions", "3", "--config", "retention.ms=1234567").shows("Created topic");
            tool(TOPICS, "--list").shows(name);
            tool(TOPICS, "--describe", "--topic", name).shows("PartitionCount: 3", "ReplicationFactor: 1", "retention.ms=1234567");
            tool(TOPICS, "--alter", "--topic", name, "--partitions", "5");
            tool(TOPICS, "--describe", "--topic", name).shows("PartitionCount: 5", "Partition: 4");
            tool(TOPICS, "--create", "--topic", name, "--if-not-exists");
            refused(TOPICS, "--create", "--topic", name).shows("already exists");
            tool(TOPICS, "--describe", "--under-replicated-partitions").lacks(name);
            tool(TOPICS, "--describe", "--unavailable-partitions").lacks(name);
            tool(TOPICS, "--delete", "--topic", name);
            tool(TOPICS, "--list").lacks(name);
        });
        Suite.add("kafka-topics: what is wrong is refused", () -> {
            refused(TOPICS, "--create", "--topic", "no/slashes").shows("contains characters other than");
            refused(TOPICS, "--create", "--topic", Suite.unique("topic"), "--partitions", "0");
            refused(TOPICS, "--create", "--topic", Suite.unique("topic"), "--config", "retention.ms=soon");
            refused(TOPICS, "--describe", "--topic", Suite.unique("missing")).shows("does not exist");
        });
        Suite.add("kafka-configs: topics", () -> {
            String name = topic(1);
            String[] entity = {"--entity-type", "topics", "--entity-name", name};
            configs(entity, "--alter", "--add-config", "cleanup.policy=[compact,delete],retention.ms=5000000").shows("Completed updating");
            configs(entity, "--describe").shows("retention.ms=5000000", "cleanup.policy=compact,delete", "DYNAMIC_TOPIC_CONFIG");
            configs(entity, "--alter", "--delete-config", "retention.ms");
            configs(entity, "--describe").lacks("retention.ms=5000000");
            configs(entity, "--describe", "--all").shows("max.message.bytes=", "DEFAULT_CONFIG");
            refused(CONFIGS, join(entity, "--alter", "--add-config", "no.such.config=1"));
        });
        Suite.add("kafka-configs: brokers", () -> {
            String id = String.valueOf(admin().describeCluster().controller().get().id());
            configs(new String[] {"--entity-type", "brokers", "--entity-name", id}, "--describe", "--all").shows("num.partitions=", "sensitive=");
        });
        Suite.add("kafka-configs: groups", () -> {
            String[] entity = {"--entity-type", "groups", "--entity-name", Suite.unique("group")};
            configs(entity, "--alter", "--add-config", "consumer.session.timeout.ms=50000,share.auto.offset.reset=earliest");
            configs(entity, "--describe").shows("consumer.session.timeout.ms=50000", "share.auto.offset.reset=earliest");
        });
        Suite.add("kafka-configs: quotas of clients", () -> {
            String[] entity = {"--entity-type", "clients", "--entity-name", Suite.unique("client")};
            configs(entity, "--alter", "--add-config", "producer_byte_rate=1000000");
            configs(entity, "--describe").shows("producer_byte_rate=1000000");
        });
        Suite.add("kafka-get-offsets: earliest, latest, of the largest timestamp, by time", () -> {
            String name = topic(2);
            send(name, 10, "value", 2);
            tool(GET_OFFSETS, "--topic", name).shows(name + ":0:5", name + ":1:5");
            tool(GET_OFFSETS, "--topic", name, "--time", "earliest").shows(name + ":0:0");
            tool(GET_OFFSETS, "--topic", name, "--time", "max-timestamp", "--partitions", "0").shows(name + ":0:");
            tool(GET_OFFSETS, "--topic", name, "--time", "1000").shows(name + ":1:0");
        });
        Suite.add("kafka-delete-records", () -> {
            String name = topic(1);
            send(name, 10, "value", 1);
            Path offsets = file("{\"partitions\":[{\"topic\":\"" + name + "\",\"partition\":0,\"offset\":7}],\"version\":1}");
            tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", offsets.toString()).shows("low_watermark: 7");
            tool(GET_OFFSETS, "--topic", name, "--time", "earliest").shows(name + ":0:7");
        });
        Suite.add("kafka-log-dirs", () -> {
            String name = topic(1);
            tool("org.apache.kafka.tools.LogDirsCommand", "--describe", "--topic-list", name).shows("\"" + name + "-0\"");
        });
        Suite.add("kafka-features: describe", () ->
            tool("org.apache.kafka.tools.FeatureCommand", "describe").shows("transaction.version", "group.version"));
        Suite.add("kafka-metadata-quorum: status and replication", () -> {
            tool("org.apache.kafka.tools.MetadataQuorumCommand", "describe", "--status").shows("LeaderId:", "CurrentVoters:");
            tool("org.apache.kafka.tools.MetadataQuorumCommand", "describe", "--replication").shows("Leader");
        });
        Suite.add("kafka-cluster: id and endpoints", () -> {
            String[] server = {"--bootstrap-server", Suite.broker};
            Tools.ok("org.apache.kafka.tools.ClusterTool", join(new String[] {"cluster-id"}, server)).shows("Cluster ID:");
            Tools.ok("org.apache.kafka.tools.ClusterTool", join(new String[] {"list-endpoints"}, server)).shows("127.0.0.1");
        });
        Suite.add("kafka-broker-api-versions", () ->
            tool("org.apache.kafka.tools.BrokerApiVersionsCommand").shows("Produce(0): 0 to 13", "Fetch(1)").lacks("ERROR"));
        Suite.add("kafka-leader-election", () -> {
            String name = topic(1);
            tool("org.apache.kafka.tools.LeaderElectionCommand", "--election-type", "preferred", "--topic", name, "--partition", "0")
                .shows("Valid replica already elected");
        });
        Suite.add("kafka-reassign-partitions: list, generate, execute what is so already", () -> {
            String reassign = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
            String name = topic(1);
            tool(reassign, "--list").shows("No partition reassignments found");
            String id = String.valueOf(admin().describeCluster().controller().get().id());
            Path topics = file("{\"topics\":[{\"topic\":\"" + name + "\"}],\"version\":1}");
            tool(reassign, "--generate", "--topics-to-move-json-file", topics.toString(), "--broker-list", id).shows("Proposed partition reassignment");
            Path plan = file("{\"version\":1,\"partitions\":[{\"topic\":\"" + name + "\",\"partition\":0,\"replicas\":[" + id + "]}]}");
            tool(reassign, "--execute", "--reassignment-json-file", plan.toString()).shows("Successfully started");
            tool(reassign, "--verify", "--reassignment-json-file", plan.toString()).shows("is completed");
        });
        Suite.add("kafka-client-metrics: list", () -> tool("org.apache.kafka.tools.ClientMetricsCommand", "--list"));
        Suite.add("kafka-acls: list", () -> tool("org.apache.kafka.tools.AclCommand", "--list"));
        Suite.add("kafka-transactions: list, describe, describe-producers", () -> {
            Open open = openTransaction();
            tool(TRANSACTIONS, "list").shows(open.id(), "Ongoing");
            tool(TRANSACTIONS, "describe", "--transactional-id", open.id()).shows("Ongoing", open.topic() + "-0");
            tool(TRANSACTIONS, "describe-producers", "--topic", open.topic(), "--partition", "0").shows("CurrentTransactionStartOffset");
            open.producer().commitTransaction();
            Suite.until("complete", () -> tool(TRANSACTIONS, "list").output().matches("(?s).*" + open.id() + "\\s.*CompleteCommit.*"));
        });
        Suite.add("kafka-transactions: find-hanging finds nothing", () -> {
            String id = String.valueOf(admin().describeCluster().controller().get().id());
            tool(TRANSACTIONS, "find-hanging", "--broker-id", id);
        });
        Suite.add("kafka-transactions: abort one that is open", () -> {
            Open open = openTransaction();
            tool(TRANSACTIONS, "abort", "--topic", open.topic(), "--partition", "0", "--start-offset", "0");
            Suite.until("nothing left open", () ->
                tool(TRANSACTIONS, "describe-producers", "--topic", open.topic(), "--partition", "0").output().contains("None"));
            Suite.equal(ClientCases.readAll(open.topic(), 1, "read_committed"), List.of());
        });
        Suite.add("kafka-transactions: forceTerminateTransaction", () -> {
            Open open = openTransaction();
            tool(TRANSACTIONS, "forceTerminateTransaction", "--transactionalId", open.id());
            Suite.until("terminated", () -> ClientCases.endOffset(open.topic(), "read_committed") > 0);
            Suite.equal(ClientCases.readAll(open.topic(), 1, "read_committed"), List.of());
        });
        Suite.add("admin client: fenceProducers", () -> {
            Open open = openTransaction();
            admin().fenceProducers(Set.of(open.id())).all().get(20, SECONDS);
            try {
                open.producer().commitTransaction();
            } catch (org.apache.kafka.common.KafkaException expected) {
                Suite.equal(ClientCases.readAll(open.topic(), 1, "read_committed"), List.of());
                return;
            }
            throw new AssertionError("not fenced");
        });
        Suite.add("admin client: describeConfigs of a topic with documentation and synonyms", () -> {
            String name = topic(1);
            var resource = new org.apache.kafka.common.config.ConfigResource(org.apache.kafka.common.config.ConfigResource.Type.TOPIC, name);
            var options = new org.apache.kafka.clients.admin.DescribeConfigsOptions().includeDocumentation(true).includeSynonyms(true);
            var config = admin().describeConfigs(List.of(resource), options).all().get(20, SECONDS).get(resource);
            for (var entry : config.entries()) Suite.check(entry.documentation() != null && entry.type() != null, entry);
            Suite.check(!config.get("max.message.bytes").synonyms().isEmpty(), "no synonyms");
        });
    }

    private record Open(String topic, String id, KafkaProducer<String, String> producer) {}

    private static Open openTransaction() throws Exception {
        Open open = new Open(topic(1), Suite.unique("id"), null);
        KafkaProducer<String, String> made = producer("transactional.id", open.id(), "max.block.ms", "20000");
        made.initTransactions();
        made.beginTransaction();
        made.send(new ProducerRecord<>(open.topic(), 0, "key", "open")).get(20, SECONDS);
        return new Open(open.topic(), open.id(), made);
    }

    private static Tools.Ran configs(String[] entity, String... rest) throws Exception {
        return tool(CONFIGS, join(entity, rest));
    }

    static String[] join(String[] some, String... more) {
        String[] all = new String[some.length + more.length];
        System.arraycopy(some, 0, all, 0, some.length);
        System.arraycopy(more, 0, all, some.length, more.length);
        return all;
    }
}
