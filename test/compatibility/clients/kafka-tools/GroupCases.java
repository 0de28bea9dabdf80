import java.nio.file.Path;
import java.util.List;

/** Tools that consume, and those for groups of all kinds. */
final class GroupCases {
    static final String GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    static final String SHARE_GROUPS = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";
    static final String CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    static final String CONSOLE_PRODUCER = "org.apache.kafka.tools.ConsoleProducer";
    static final String CONSOLE_SHARE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
    static final List<String> PROTOCOLS = List.of("classic", "consumer");

    private GroupCases() {}

    private static Tools.Ran tool(String name, String... rest) throws Exception {
        return AdminCases.tool(name, rest);
    }

    /** A member that stays, until the case ends. */
    private static Tools.Running member(String topic, String group, String protocol) throws Exception {
        return Suite.closing(Tools.start(CONSOLE_CONSUMER, AdminCases.with("--topic", topic, "--group", group,
            "--from-beginning", "--command-property", "group.protocol=" + protocol)));
    }

    /** A group that has read everything and has no members any more. */
    private static String emptyGroup(String topic, int records, String protocol) throws Exception {
        String group = Suite.unique("group");
        tool(CONSOLE_CONSUMER, "--topic", topic, "--group", group, "--from-beginning", "--max-messages", String.valueOf(records),
            "--command-property", "group.protocol=" + protocol);
        return group;
    }

    private static String describe(String group, String... more) throws Exception {
        return Tools.run(GROUPS, AdminCases.with(AdminCases.join(new String[] {"--describe", "--group", group}, more))).output();
    }

    static void add() {
        Suite.add("console producer and consumer", () -> {
            String topic = AdminCases.topic(1);
            Tools.withInput("one\ntwo\nthree\n", CONSOLE_PRODUCER, AdminCases.with("--topic", topic));
            tool(CONSOLE_CONSUMER, "--topic", topic, "--from-beginning", "--max-messages", "3").shows("one\ntwo\nthree");
        });
        Suite.add("console producer and consumer: keys, headers, partitions, offsets, compression", () -> {
            String topic = AdminCases.topic(2);
            Tools.withInput("h:v|key:value\n", CONSOLE_PRODUCER, AdminCases.with("--topic", topic, "--compression-codec", "zstd",
                "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
                "--reader-property", "parse.headers=true", "--reader-property", "headers.delimiter=|"));
            tool(CONSOLE_CONSUMER, "--topic", topic, "--from-beginning", "--max-messages", "1",
                "--formatter-property", "print.key=true", "--formatter-property", "print.headers=true",
                "--formatter-property", "print.offset=true").shows("Offset:0", "h:v", "key", "value");
            AdminCases.send(topic, 20, "more", 2);
            tool(CONSOLE_CONSUMER, "--topic", topic, "--partition", "1", "--offset", "5", "--max-messages", "1").shows("more-");
        });
        for (String protocol : PROTOCOLS) {
            Suite.add("console consumer in a group, " + protocol + ": goes on where it committed", () -> {
                String topic = AdminCases.topic(1);
                AdminCases.send(topic, 10, "before", 1);
                String group = Suite.unique("group");
                String[] flags = {"--topic", topic, "--group", group, "--from-beginning", "--max-messages", "10", "--command-property", "group.protocol=" + protocol};
                tool(CONSOLE_CONSUMER, flags).shows("before-0", "before-9");
                AdminCases.send(topic, 10, "after", 1);
                tool(CONSOLE_CONSUMER, flags).shows("after-0", "after-9").lacks("before");
            });
            Suite.add("kafka-consumer-groups, " + protocol + ": list, describe offsets, members and state", () -> {
                String topic = AdminCases.topic(2);
                String group = Suite.unique("group");
                AdminCases.send(topic, 10, "value", 2);
                member(topic, group, protocol);
                Suite.until("read and committed", () -> describe(group).matches("(?s).*" + topic + "\\s+1\\s+5\\s+5\\s+0.*"));
                String members = describe(group, "--members", "--verbose");
                Suite.check(members.contains(topic + ":0,1"), members);
                String state = describe(group, "--state");
                Suite.check(state.contains("Stable") && state.contains(protocol.equals("classic") ? "range" : "uniform"), state);
                tool(GROUPS, "--list").shows(group);
                tool(GROUPS, "--list", "--state", "stable").shows(group, "Stable");
                tool(GROUPS, "--list", "--state", "empty").lacks(group);
                tool(GROUPS, "--list", "--type", protocol).shows(group);
                tool(GROUPS, "--list", "--type", protocol.equals("classic") ? "consumer" : "classic").lacks(group);
                Tools.run(GROUPS, AdminCases.with("--delete", "--group", group)).shows("The group is not empty");
                Tools.run(GROUPS, AdminCases.with("--reset-offsets", "--to-earliest", "--group", group, "--topic", topic, "--execute")).shows("inactive");
            });
            Suite.add("kafka-consumer-groups, " + protocol + ": reset offsets in every way", () -> {
                String topic = AdminCases.topic(1);
                AdminCases.send(topic, 10, "value", 1);
                String group = emptyGroup(topic, 10, protocol);
                String[] reset = {"--reset-offsets", "--group", group, "--topic", topic};
                tool(GROUPS, AdminCases.join(reset, "--to-earliest", "--dry-run")).shows(topic);
                Suite.check(describe(group).matches("(?s).*" + topic + "\\s+0\\s+10\\s+10.*"), describe(group));
                tool(GROUPS, AdminCases.join(reset, "--to-offset", "4", "--execute"));
                Suite.check(describe(group).matches("(?s).*" + topic + "\\s+0\\s+4\\s+10\\s+6.*"), describe(group));
                tool(GROUPS, AdminCases.join(reset, "--shift-by", "2", "--execute"));
                Suite.check(describe(group).matches("(?s).*" + topic + "\\s+0\\s+6\\s+10\\s+4.*"), describe(group));
                tool(GROUPS, AdminCases.join(reset, "--to-earliest", "--execute"));
                Suite.check(describe(group).matches("(?s).*" + topic + "\\s+0\\s+0\\s+10\\s+10.*"), describe(group));
                tool(GROUPS, AdminCases.join(reset, "--to-latest", "--execute"));
                Suite.check(describe(group).matches("(?s).*" + topic + "\\s+0\\s+10\\s+10\\s+0.*"), describe(group));
                tool(GROUPS, AdminCases.join(reset, "--to-datetime", "2020-01-01T00:00:00.000", "--execute"));
                Suite.check(describe(group).matches("(?s).*" + topic + "\\s+0\\s+0\\s+10\\s+10.*"), describe(group));
                Path plan = AdminCases.file("\"" + topic + "\",0,3\n");
                tool(GROUPS, "--reset-offsets", "--group", group, "--from-file", plan.toString(), "--execute");
                Suite.check(describe(group).matches("(?s).*" + topic + "\\s+0\\s+3\\s+10\\s+7.*"), describe(group));
            });
            Suite.add("kafka-consumer-groups, " + protocol + ": delete offsets, delete the group", () -> {
                String topic = AdminCases.topic(1);
                AdminCases.send(topic, 5, "value", 1);
                String group = emptyGroup(topic, 5, protocol);
                tool(GROUPS, "--delete-offsets", "--group", group, "--topic", topic).shows("Successful");
                Suite.check(!describe(group).contains(topic), "still there");
                String other = emptyGroup(topic, 5, protocol);
                tool(GROUPS, "--delete", "--group", other).shows("successful");
                tool(GROUPS, "--list").lacks(other);
            });
            Suite.add("VerifiableProducer and VerifiableConsumer, " + protocol, () -> {
                String topic = AdminCases.topic(3);
                Tools.alone("org.apache.kafka.tools.VerifiableProducer", AdminCases.with("--topic", topic, "--max-messages", "500", "--acks", "-1")).shows("\"sent\":500,\"acked\":500");
                Tools.alone("org.apache.kafka.tools.VerifiableConsumer", AdminCases.with("--topic", topic, "--group-id", Suite.unique("group"),
                    "--group-protocol", protocol, "--max-messages", "500", "--reset-policy", "earliest", "--verbose")).shows("\"name\":\"partitions_assigned\"", "\"value\":\"499\"", "offsets_committed");
            });
            Suite.add("VerifiableConsumer, " + protocol + ": three members share the partitions, one is killed", () -> {
                String topic = AdminCases.topic(6);
                String group = Suite.unique("group");
                String[] flags = AdminCases.with("--topic", topic, "--group-id", group, "--group-protocol", protocol, "--reset-policy", "earliest", "--verbose");
                String[] all = protocol.equals("classic") ? AdminCases.join(flags, "--session-timeout", "6000") : flags;
                List<Tools.Running> members = List.of(start(all), start(all), start(all));
                Suite.until("two each", () -> lines(describe(group, "--members")).filter(line -> line.startsWith(group) && line.matches(".*\\s2\\s*")).count() == 3);
                AdminCases.send(topic, 300, "value", 6);
                Suite.until("all records", () -> count(members) == 300);
                members.get(0).kill();
                Suite.until("three each", () -> lines(describe(group, "--members")).filter(line -> line.startsWith(group) && line.matches(".*\\s3\\s*")).count() == 2);
            });
        }
        Suite.add("kafka-groups: list of all kinds", () -> {
            String topic = AdminCases.topic(1);
            AdminCases.send(topic, 1, "value", 1);
            String classic = emptyGroup(topic, 1, "classic");
            String consumer = emptyGroup(topic, 1, "consumer");
            Tools.Ran all = tool("org.apache.kafka.tools.GroupsCommand", "--list").shows(classic, consumer);
            Suite.check(all.output().matches("(?s).*" + consumer + "\\s+Consumer\\s+consumer.*"), all.output());
            tool("org.apache.kafka.tools.GroupsCommand", "--list", "--group-type", "consumer").shows(consumer).lacks(classic);
        });
        Suite.add("kafka-streams-groups: list", () -> tool("org.apache.kafka.tools.streams.StreamsGroupCommand", "--list"));
        Suite.add("console share consumer: what was produced is delivered", () -> {
            String topic = AdminCases.topic(1);
            String group = shareGroup();
            AdminCases.send(topic, 10, "value", 1);
            tool(CONSOLE_SHARE_CONSUMER, "--topic", topic, "--group", group, "--max-messages", "10").shows("value-0", "value-9");
        });
        Suite.add("kafka-share-groups: list, describe offsets, members and state", () -> {
            String topic = AdminCases.topic(1);
            String group = shareGroup();
            AdminCases.send(topic, 10, "value", 1);
            Tools.Running member = Suite.closing(Tools.start(CONSOLE_SHARE_CONSUMER, AdminCases.with("--topic", topic, "--group", group)));
            Suite.until("delivered", () -> member.output().contains("value-9"));
            tool(SHARE_GROUPS, "--list").shows(group);
            tool(SHARE_GROUPS, "--describe", "--group", group, "--state").shows("Stable");
            tool(SHARE_GROUPS, "--describe", "--group", group, "--members").shows(topic);
            Suite.until("acknowledged", () -> tool(SHARE_GROUPS, "--describe", "--group", group).output().matches("(?s).*" + topic + "\\s+0\\s+10\\s.*"));
        });
        Suite.add("kafka-share-groups: reset offsets, delete offsets, delete the group", () -> {
            String topic = AdminCases.topic(1);
            String group = shareGroup();
            AdminCases.send(topic, 5, "value", 1);
            String[] read = {"--topic", topic, "--group", group, "--max-messages", "5"};
            tool(CONSOLE_SHARE_CONSUMER, read).shows("value-4");
            tool(SHARE_GROUPS, "--reset-offsets", "--to-earliest", "--group", group, "--topic", topic, "--execute").shows(topic);
            tool(CONSOLE_SHARE_CONSUMER, read).shows("value-0", "value-4");
            tool(SHARE_GROUPS, "--delete-offsets", "--group", group, "--topic", topic).shows("Successful");
            tool(SHARE_GROUPS, "--delete", "--group", group).shows("successful");
            tool(SHARE_GROUPS, "--list").lacks(group);
        });
        Suite.add("VerifiableShareConsumer", () -> {
            String topic = AdminCases.topic(2);
            AdminCases.send(topic, 200, "value", 2);
            tool("org.apache.kafka.tools.VerifiableShareConsumer", "--topic", topic, "--group-id", Suite.unique("share"), "--max-messages", "200",
                "--acknowledgement-mode", "sync", "--offset-reset-strategy", "earliest").shows("records_consumed", "offsets_acknowledged");
        });
        Suite.add("kafka-producer-perf-test and kafka-consumer-perf-test", () -> {
            String topic = AdminCases.topic(2);
            Tools.ok("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", "20000", "--record-size", "100",
                "--throughput", "-1", "--bootstrap-server", Suite.broker).shows("20000 records sent");
            tool("org.apache.kafka.tools.ConsumerPerformance", "--topic", topic, "--num-records", "20000").shows("20000");
        });
        Suite.add("kafka-producer-perf-test with transactions", () -> {
            String topic = AdminCases.topic(1);
            Tools.ok("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", "5000", "--record-size", "100",
                "--throughput", "-1", "--transactional-id", Suite.unique("id"), "--transaction-duration-ms", "100",
                "--bootstrap-server", Suite.broker).shows("5000 records sent");
        });
        Suite.add("TransactionalMessageCopier: a topic is copied exactly once", () -> {
            String from = AdminCases.topic(1);
            String to = AdminCases.topic(1);
            AdminCases.send(from, 200, "value", 1);
            Tools.ok("org.apache.kafka.tools.TransactionalMessageCopier", "--broker-list", Suite.broker, "--transactional-id", Suite.unique("id"),
                "--consumer-group", Suite.unique("group"), "--input-topic", from, "--input-partition", "0", "--output-topic", to,
                "--max-messages", "200", "--transaction-size", "30", "--enable-random-aborts").shows("\"totalProcessed\":200");
            Suite.equal(ClientCases.readAll(to, 1, "read_committed"), ClientCases.readAll(from, 1, "read_committed"));
        });
    }

    static String shareGroup() throws Exception {
        String group = Suite.unique("share");
        tool(AdminCases.CONFIGS, "--entity-type", "groups", "--entity-name", group, "--alter", "--add-config", "share.auto.offset.reset=earliest");
        return group;
    }

    private static Tools.Running start(String[] flags) throws Exception {
        return Suite.closing(Tools.start("org.apache.kafka.tools.VerifiableConsumer", flags));
    }

    private static java.util.stream.Stream<String> lines(String text) {
        return text.lines();
    }

    private static long count(List<Tools.Running> members) throws Exception {
        long all = 0;
        for (Tools.Running member : members) all += member.output().lines().filter(line -> line.contains("\"name\":\"record_data\"")).count();
        return all;
    }
}
