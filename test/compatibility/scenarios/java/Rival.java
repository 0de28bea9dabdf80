import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * One of two producers that fight over a transactional id: {@code Rival BROKER TOPIC TRANSACTIONAL-ID NAME RECORDS}. Begins
 * anew whenever it is fenced. Tells of every transaction how it ended.
 */
public final class Rival {
    private Rival() {}

    public static void main(String[] arguments) throws Exception {
        int records = Integer.parseInt(arguments[4]);
        int number = 0;
        while (true) {
            Properties properties = Programs.properties(arguments, arguments.length);
            properties.put("transactional.id", arguments[2]);
            properties.put("transaction.timeout.ms", "10000");
            properties.put("max.block.ms", "10000");
            KafkaProducer<String, String> producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
            try {
                producer.initTransactions();
                while (true) transaction(producer, arguments, number++, records);
            } catch (KafkaException fenced) {
                Programs.tell("begins", "anew", fenced.getClass().getSimpleName());
            }
            producer.close(Duration.ofSeconds(5));
            Thread.sleep(150);
        }
    }

    /** Throws when the producer is of no use any more. */
    private static void transaction(KafkaProducer<String, String> producer, String[] arguments, int number, int records) throws Exception {
        try {
            producer.beginTransaction();
            for (int index = 0; index < records; index++) {
                producer.send(new ProducerRecord<>(arguments[1], index % 3, null, arguments[3] + "-" + number + "-" + index));
                Thread.sleep(2);
            }
            producer.commitTransaction();
        } catch (TimeoutException unsure) {
            Programs.tell("unknown", number);
            throw unsure;
        } catch (ProducerFencedException fenced) {
            Programs.tell("fenced", number);
            throw fenced;
        } catch (KafkaException error) {
            // What the other one did may be noticed by an error that only ends this transaction.
            Programs.tell("fenced", number, error.getClass().getSimpleName());
            producer.abortTransaction();
            return;
        }
        Programs.tell("committed", number);
    }
}
