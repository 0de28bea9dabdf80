import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A member of a group, until it is told to stop: {@code Member BROKER TOPIC GROUP NAME=VALUE…}. Tells every record that it
 * gets, with its generation, and only then commits.
 */
public final class Member {
    private static volatile boolean stopping;

    private Member() {}

    public static void main(String[] arguments) throws Exception {
        Properties properties = Programs.properties(arguments, 3);
        properties.putIfAbsent("auto.offset.reset", "earliest");
        properties.put("group.id", arguments[2]);
        properties.put("enable.auto.commit", "false");
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopping = true;
            consumer.wakeup();
            try {
                main.join();
            } catch (InterruptedException ignored) {
                // The process ends anyway.
            }
        }));
        consumer.subscribe(List.of(arguments[1]), new Told(consumer));
        try {
            while (!stopping) step(consumer);
        } catch (org.apache.kafka.common.errors.WakeupException expected) {
            // Told to stop.
        } finally {
            consumer.close();
            Programs.tell("left");
        }
    }

    private static void step(KafkaConsumer<String, String> consumer) {
        var records = consumer.poll(Duration.ofMillis(100));
        int generation = consumer.groupMetadata().generationId();
        records.forEach(each -> Programs.tell("record", generation, each.partition(), each.offset(), each.value()));
        if (records.isEmpty()) return;
        try {
            consumer.commitSync();
        } catch (org.apache.kafka.common.errors.WakeupException stop) {
            throw stop;
        } catch (KafkaException refused) {
            // Another one has the partition by now, or the broker is away for too long: what was told is told again.
            Programs.tell("refused", refused.getClass().getSimpleName());
        }
    }

    private record Told(KafkaConsumer<?, ?> consumer) implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            Programs.tell("assigned", consumer.assignment().size());
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            Programs.tell("revoked", partitions.size());
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            Programs.tell("lost", partitions.size());
        }
    }
}
