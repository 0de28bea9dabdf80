import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** An idempotent producer of numbers, in turn to each partition: {@code Numbers BROKER TOPIC PARTITIONS COUNT PAUSE-MICROS}. */
public final class Numbers {
    private Numbers() {}

    public static void main(String[] arguments) throws Exception {
        int partitions = Integer.parseInt(arguments[2]);
        int count = Integer.parseInt(arguments[3]);
        long pauseNs = Long.parseLong(arguments[4]) * 1_000;
        Properties properties = Programs.properties(arguments, arguments.length);
        properties.put("enable.idempotence", "true");
        properties.put("batch.size", "2000");
        properties.put("request.timeout.ms", "3000");
        properties.put("delivery.timeout.ms", "60000");
        AtomicInteger acknowledged = new AtomicInteger();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; number < count; number++) {
                int sent = number;
                producer.send(new ProducerRecord<>(arguments[1], number % partitions, null, String.valueOf(number)), (done, error) -> {
                    if (error != null) Programs.tell("failed", sent, error);
                    else if (acknowledged.incrementAndGet() % 100 == 0) Programs.tell("acknowledged", acknowledged);
                });
                long until = System.nanoTime() + pauseNs;
                while (System.nanoTime() < until) Thread.onSpinWait();
            }
        }
        Programs.tell("sent", acknowledged);
    }
}
