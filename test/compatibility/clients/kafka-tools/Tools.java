import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.utils.Exit;

/**
 * The command line tools of Apache Kafka. Most run within this process, which saves them the start of a virtual machine;
 * they print to a buffer and exit by an exception. Those that stay get a process of their own.
 */
final class Tools {
    record Ran(int status, String output) {
        /** Fails the case unless the tool ended well and printed this. */
        Ran shows(String... parts) {
            for (String part : parts) {
                if (!output.contains(part)) throw new AssertionError("no '" + part + "' in: " + output);
            }
            return this;
        }

        Ran lacks(String part) {
            if (output.contains(part)) throw new AssertionError("'" + part + "' in: " + output);
            return this;
        }
    }

    private static final class Exited extends Error {
        Exited(int status) {
            super("exited with " + status, null, false, false);
        }
    }

    private static final PrintStream STANDARD_OUTPUT = System.out;
    private static final ByteArrayOutputStream PRINTED = new ByteArrayOutputStream();
    /** What a tool wants to do when its process ends. */
    private static final List<Runnable> HOOKS = new ArrayList<>();
    private static volatile Integer status;

    private Tools() {}

    /** Once, before any tool is loaded: some remember the standard output that they found. */
    static void prepare() {
        PrintStream all = new PrintStream(new OutputStream() {
            @Override
            public synchronized void write(int each) {
                PRINTED.write(each);
            }

            @Override
            public synchronized void write(byte[] bytes, int from, int length) {
                PRINTED.write(bytes, from, length);
            }
        }, true, StandardCharsets.UTF_8);
        System.setOut(all);
        System.setErr(all);
        Exit.Procedure exit = (code, message) -> {
            if (status == null) status = code;
            if (message != null) System.out.println(message);
            throw new Exited(code);
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
    }

    /** A line for whoever runs the suite. */
    static void print(String line) {
        STANDARD_OUTPUT.println(line);
        STANDARD_OUTPUT.flush();
    }

    static Ran run(String tool, String... arguments) throws Exception {
        return ran(tool, null, arguments);
    }

    /** Fails the case when the tool fails. */
    static Ran ok(String tool, String... arguments) throws Exception {
        Ran ran = run(tool, arguments);
        if (ran.status() != 0) throw new AssertionError(tool + " exited with " + ran.status() + ": " + ran.output());
        return ran;
    }

    static Ran withInput(String input, String tool, String... arguments) throws Exception {
        Ran ran = ran(tool, input, arguments);
        if (ran.status() != 0) throw new AssertionError(tool + " exited with " + ran.status() + ": " + ran.output());
        return ran;
    }

    private static synchronized Ran ran(String tool, String input, String... arguments) throws Exception {
        PRINTED.reset();
        HOOKS.clear();
        status = null;
        java.io.InputStream before = System.in;
        if (input != null) System.setIn(new java.io.ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException error) {
            if (!(error.getCause() instanceof Exited)) {
                if (status == null) status = 1;
                System.out.println(error.getCause());
            }
        } finally {
            System.setIn(before);
        }
        HOOKS.forEach(Runnable::run);
        return new Ran(status == null ? 0 : status, PRINTED.toString(StandardCharsets.UTF_8));
    }

    /** A tool in a process of its own, whose output goes to a file. */
    static final class Running implements AutoCloseable {
        private final Process process;
        private final Path output;

        private Running(Process process, Path output) {
            this.process = process;
            this.output = output;
        }

        String output() throws IOException {
            return Files.readString(output);
        }

        void stop() throws InterruptedException {
            process.destroy(); // As Ctrl-C does.
            if (!process.waitFor(15, TimeUnit.SECONDS)) throw new AssertionError("does not stop");
        }

        void kill() throws InterruptedException {
            process.destroyForcibly().waitFor();
        }

        @Override
        public void close() throws IOException, InterruptedException {
            kill();
            Files.deleteIfExists(output);
        }
    }

    /** One that does its last work when its process ends, to its end. */
    static Ran alone(String tool, String... arguments) throws IOException, InterruptedException {
        try (Running running = start(tool, arguments)) {
            if (!running.process.waitFor(40, TimeUnit.SECONDS)) throw new AssertionError("does not end: " + running.output());
            return new Ran(running.process.exitValue(), running.output());
        }
    }

    static Running start(String tool, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
            System.getProperty("java.home") + File.separator + "bin" + File.separator + "java",
            "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx128m", "-cp", System.getProperty("java.class.path"), tool));
        command.addAll(List.of(arguments));
        Path output = Files.createTempFile("tool", ".out");
        return new Running(new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile()).start(), output);
    }
}
