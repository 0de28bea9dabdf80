import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.utils.AppInfoParser;

/** The Apache Kafka tools and the Java clients: {@code Suite BROKER [PART OF A NAME]…}. */
public final class Suite {
    interface Case {
        void run() throws Exception;
    }

    static final class Skip extends RuntimeException {
        Skip(String reason) {
            super(reason);
        }
    }

    private static final int CASE_S_MAX = 60;
    private static final int REASON_LENGTH_MAX = 200;
    private static final Random RANDOM = new Random();
    private static final Map<String, Case> CASES = new LinkedHashMap<>();
    /** What is open and must be closed when the case ends. */
    private static final Deque<AutoCloseable> OPEN = new ArrayDeque<>();

    static String broker;

    private Suite() {}

    static void add(String name, Case body) {
        CASES.put(name, body);
    }

    static <T extends AutoCloseable> T closing(T resource) {
        OPEN.push(resource);
        return resource;
    }

    static String unique(String what) {
        return what + "-" + Long.toString(RANDOM.nextLong(1L << 40), 36);
    }

    static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(String.valueOf(what));
    }

    static void equal(Object found, Object expected) {
        if (!found.equals(expected)) throw new AssertionError(found + " instead of " + expected);
    }

    static void until(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(40);
        while (!condition.call()) {
            if (System.nanoTime() > deadline) throw new AssertionError(what + ": not within 40 s");
            Thread.sleep(50);
        }
    }

    public static void main(String[] arguments) throws Exception {
        broker = arguments[0];
        List<String> only = List.of(arguments).subList(1, arguments.length);
        java.io.PrintStream remarks = System.err;
        Tools.prepare();
        AdminCases.add();
        GroupCases.add();
        ClientCases.add();
        Tools.print("version\t" + AppInfoParser.getVersion());
        ExecutorService executor = Executors.newCachedThreadPool(work -> {
            Thread thread = new Thread(work);
            thread.setDaemon(true);
            return thread;
        });
        for (Map.Entry<String, Case> each : CASES.entrySet()) {
            if (!only.isEmpty() && only.stream().noneMatch(each.getKey()::contains)) continue;
            long began = System.nanoTime();
            Future<?> running = executor.submit(() -> {
                each.getValue().run();
                return null;
            });
            try {
                running.get(CASE_S_MAX, TimeUnit.SECONDS);
                Tools.print("pass\t" + each.getKey());
            } catch (TimeoutException late) {
                running.cancel(true);
                Tools.print("fail\t" + each.getKey() + "\ttakes more than " + CASE_S_MAX + " s");
            } catch (java.util.concurrent.ExecutionException error) {
                Throwable cause = error.getCause();
                String word = cause instanceof Skip ? "skip" : "fail";
                Tools.print(word + "\t" + each.getKey() + "\t" + line(String.valueOf(cause.getMessage())));
                StringWriter trace = new StringWriter();
                cause.printStackTrace(new PrintWriter(trace));
                remarks.println(each.getKey() + ": " + trace);
            }
            while (!OPEN.isEmpty()) {
                try {
                    OPEN.pop().close();
                } catch (Exception error) {
                    remarks.println(each.getKey() + ": closing: " + error);
                }
            }
            remarks.println((System.nanoTime() - began) / 1_000_000 + " ms " + each.getKey());
        }
        Runtime.getRuntime().halt(0);
    }

    private static String line(String text) {
        String flat = text.replaceAll("\\s+", " ");
        return flat.substring(0, Math.min(flat.length(), REASON_LENGTH_MAX));
    }
}
