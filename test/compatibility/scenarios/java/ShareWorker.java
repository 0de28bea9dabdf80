import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A worker at a queue: {@code ShareWorker BROKER TOPIC GROUP SLOW-MS}. What a record is called says how it ends: `poison` is
 * always released, `refuse` rejected, `slow` takes longer than its lock the first time, the rest is accepted at once.
 */
public final class ShareWorker {
    private static volatile boolean stopping;

    private ShareWorker() {}

    public static void main(String[] arguments) throws Exception {
        Properties properties = Programs.properties(arguments, arguments.length);
        properties.put("group.id", arguments[2]);
        properties.put("share.acknowledgement.mode", "explicit");
        properties.put("max.poll.records", "10");
        long slowMs = Long.parseLong(arguments[3]);
        Thread main = Thread.currentThread();
        KafkaShareConsumer<String, String> consumer = new KafkaShareConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopping = true;
            try {
                main.join();
            } catch (InterruptedException ignored) {
                // The process ends anyway.
            }
        }));
        consumer.subscribe(List.of(arguments[1]));
        Programs.tell("ready");
        while (!stopping) {
            var records = consumer.poll(Duration.ofMillis(200));
            records.forEach(each -> Programs.tell("delivered", each.value(), each.deliveryCount().orElse((short) 0)));
            for (ConsumerRecord<String, String> each : records) work(consumer, each, slowMs);
        }
        consumer.close();
        Programs.tell("left");
    }

    private static void work(KafkaShareConsumer<String, String> consumer, ConsumerRecord<String, String> each, long slowMs) throws Exception {
        int delivery = each.deliveryCount().orElse((short) 0);
        if (each.value().startsWith("slow") && delivery == 1) Thread.sleep(slowMs);
        AcknowledgeType how = each.value().startsWith("poison") ? AcknowledgeType.RELEASE
            : each.value().startsWith("refuse") ? AcknowledgeType.REJECT : AcknowledgeType.ACCEPT;
        consumer.acknowledge(each, how);
        Programs.tell("acknowledges", each.value());
        boolean settled = consumer.commitSync().values().stream().allMatch(java.util.Optional::isEmpty);
        Programs.tell(settled ? how.toString().toLowerCase() : "late", each.value(), delivery);
    }
}
