import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Consumes, transforms and produces under exactly-once: {@code Chain BROKER SOURCE OUT GROUP TRANSACTIONAL-ID PROTOCOL}.
 * Ends with whatever goes wrong; whoever runs it starts it again.
 */
public final class Chain {
    private Chain() {}

    public static void main(String[] arguments) {
        try {
            run(arguments);
        } catch (Throwable error) {
            Programs.tell("ended", error.getClass().getSimpleName(), String.valueOf(error.getMessage()).replace('\n', ' '));
            Runtime.getRuntime().halt(1);
        }
    }

    private static void run(String[] arguments) throws Exception {
        String out = arguments[2];
        Properties reading = Programs.properties(arguments, arguments.length);
        reading.put("group.id", arguments[3]);
        reading.put("group.protocol", arguments[5]);
        if (arguments[5].equals("classic")) reading.putAll(Map.of("session.timeout.ms", "3000", "heartbeat.interval.ms", "300"));
        reading.put("isolation.level", "read_committed");
        reading.put("auto.offset.reset", "earliest");
        reading.put("enable.auto.commit", "false");
        reading.put("max.poll.records", "20");
        Properties writing = Programs.properties(arguments, arguments.length);
        writing.put("transactional.id", arguments[4]);
        writing.put("transaction.timeout.ms", "5000");
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(reading, new StringDeserializer(), new StringDeserializer());
        KafkaProducer<String, String> producer = new KafkaProducer<>(writing, new StringSerializer(), new StringSerializer());
        producer.initTransactions();
        Programs.tell("ready");
        consumer.subscribe(List.of(arguments[1]));
        while (true) {
            var records = consumer.poll(Duration.ofMillis(100));
            if (records.isEmpty()) continue;
            producer.beginTransaction();
            for (ConsumerRecord<String, String> each : records) {
                producer.send(new ProducerRecord<>(out, each.partition(), each.key(), "out of " + each.value()));
            }
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (TopicPartition each : records.partitions()) {
                var some = records.records(each);
                offsets.put(each, new OffsetAndMetadata(some.get(some.size() - 1).offset() + 1));
            }
            Thread.sleep(8); // So that a kill at random mostly hits a transaction.
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            producer.commitTransaction();
            Programs.tell("moved", records.count());
        }
    }
}
