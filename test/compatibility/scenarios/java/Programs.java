import java.util.Properties;

/** What the programs of the scenarios share: settings as arguments, and one line for whatever they tell. */
final class Programs {
    private Programs() {}

    /** From {@code NAME=VALUE} arguments; the first argument of all is the broker. */
    static Properties properties(String[] arguments, int from) {
        Properties made = new Properties();
        made.put("bootstrap.servers", arguments[0]);
        made.put("retry.backoff.ms", "50");
        made.put("reconnect.backoff.max.ms", "200");
        for (int index = from; index < arguments.length; index++) {
            String[] pair = arguments[index].split("=", 2);
            made.put(pair[0], pair[1]);
        }
        return made;
    }

    /** Words with spaces between, in one write: a process that is killed tells a line wholly or not at all. */
    static synchronized void tell(Object... words) {
        StringBuilder line = new StringBuilder();
        for (Object word : words) line.append(line.isEmpty() ? "" : " ").append(word);
        byte[] bytes = line.append('\n').toString().getBytes(java.nio.charset.StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}
