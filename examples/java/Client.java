import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Publishes, consumes or reads, and comes back when a connection ends. It needs Java 17 and nothing else.
 *
 * <pre>
 * java Client.java produce TOPIC MESSAGE...
 * java Client.java consume TOPIC SUBSCRIPTION
 * java Client.java read TOPIC
 * </pre>
 *
 * TOPIC is persistent/TENANT/NAMESPACE/NAME, percent-encoded. The server is ws://localhost:8080 unless PULSEGATE_URL names another, and a token is
 * taken from PULSEGATE_TOKEN.
 */
public class Client {
    static final String SERVER = env("PULSEGATE_URL", "ws://localhost:8080").replaceAll("/+$", "");
    static final String TOKEN = env("PULSEGATE_TOKEN", "");
    static final long LONGEST_WAIT = 30_000; // milliseconds
    static final long PATIENCE = 15; // seconds without a word of the server
    /** Refusals and ends after which another try cannot work. */
    static final Set<Integer> FOR_GOOD = Set.of(400, 401, 403, 404, 4006);

    static HttpClient http;

    /** What is done in an open session. */
    interface Session {
        /** Called with the open socket. */
        default void opened(WebSocket ws) {}

        /** Called with each message; true ends the session. */
        boolean message(WebSocket ws, String frame);
    }

    /** Collects the parts of messages, hands them on, and completes with the code that the session ended with. */
    static class Frames implements WebSocket.Listener {
        final CompletableFuture<Integer> end = new CompletableFuture<>();
        final Session session;
        final StringBuilder parts = new StringBuilder();
        volatile boolean heard; // something since the last ping

        Frames(Session session) {
            this.session = session;
        }

        /** Waits for the end. Java does not always notice that a connection is broken, so the server has to answer pings. */
        int awaitEnd(WebSocket ws) throws InterruptedException {
            while (true) {
                heard = false;
                ws.sendPing(ByteBuffer.allocate(0));
                try {
                    return end.get(PATIENCE, TimeUnit.SECONDS);
                } catch (TimeoutException e) {
                    if (!heard) {
                        System.out.println("lost: nothing was heard for " + PATIENCE + " seconds");
                        ws.abort();
                        return 0;
                    }
                } catch (ExecutionException e) {
                    throw new CompletionException(e.getCause());
                }
            }
        }

        @Override
        public CompletionStage<?> onPong(WebSocket ws, ByteBuffer payload) {
            heard = true;
            ws.request(1);
            return null;
        }

        @Override
        public void onOpen(WebSocket ws) {
            session.opened(ws);
            ws.request(1);
        }

        @Override
        public CompletionStage<?> onText(WebSocket ws, CharSequence part, boolean last) {
            heard = true;
            parts.append(part);
            if (last) {
                String frame = parts.toString();
                parts.setLength(0);
                if (session.message(ws, frame)) {
                    ws.sendClose(WebSocket.NORMAL_CLOSURE, "");
                }
            }
            ws.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
            System.out.println("closed: " + code + " " + reason);
            end.complete(code);
            return null;
        }

        @Override
        public void onError(WebSocket ws, Throwable error) {
            System.out.println("lost: " + error.getMessage());
            end.complete(0);
        }
    }

    /** Opens sessions until one is closed by this side. After each that fails it waits a random time, which grows. */
    static void keepTrying(Supplier<String> path, Session session) throws InterruptedException {
        for (int failures = 0;; failures++) {
            int code = 0;
            try {
                Frames frames = new Frames(session);
                WebSocket.Builder builder = http.newWebSocketBuilder().connectTimeout(Duration.ofSeconds(10));
                if (!TOKEN.isEmpty()) {
                    builder.header("Authorization", "Bearer " + TOKEN);
                }
                WebSocket ws = builder.buildAsync(URI.create(SERVER + path.get()), frames).join();
                failures = 0;
                code = frames.awaitEnd(ws);
            } catch (CompletionException e) {
                if (e.getCause() instanceof WebSocketHandshakeException refused) {
                    code = refused.getResponse().statusCode();
                    System.out.println("refused: " + code + " " + reason(path.get()));
                } else {
                    System.out.println("lost: " + e.getCause());
                }
            }
            if (code == WebSocket.NORMAL_CLOSURE) {
                return;
            }
            if (FOR_GOOD.contains(code)) {
                System.exit(1);
            }
            if (code == 1012) { // another server is there already
                continue;
            }
            long most = Math.min(LONGEST_WAIT, 500L << Math.min(failures, 10));
            Thread.sleep(ThreadLocalRandom.current().nextLong(most));
        }
    }

    /** Asks once more for what was refused, as Java's WebSocket does not keep the body, in which the server says why. */
    static String reason(String path) throws InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(SERVER.replaceFirst("^ws", "http") + path))
                .timeout(Duration.ofSeconds(10))
                .header("Connection", "Upgrade").header("Upgrade", "websocket")
                .header("Sec-WebSocket-Version", "13").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        if (!TOKEN.isEmpty()) {
            request.header("Authorization", "Bearer " + TOKEN);
        }
        try {
            return field(http.send(request.build(), HttpResponse.BodyHandlers.ofString()).body(), "reason");
        } catch (IOException e) { // it works meanwhile, or the server is gone
            return "";
        }
    }

    static void produce(String topic, String[] texts) throws InterruptedException {
        Map<String, String> waiting = new LinkedHashMap<>(); // what is not answered yet, by its context
        for (int i = 0; i < texts.length; i++) {
            waiting.put(String.valueOf(i), texts[i]);
        }
        int[] failed = {0};
        keepTrying(() -> "/ws/v2/producer/" + topic, new Session() {
            @Override
            public void opened(WebSocket ws) {
                failed[0] = 0;
                CompletableFuture<WebSocket> sent = CompletableFuture.completedFuture(ws); // one at a time
                for (Map.Entry<String, String> e : new LinkedHashMap<>(waiting).entrySet()) {
                    String payload = Base64.getEncoder().encodeToString(e.getValue().getBytes(StandardCharsets.UTF_8));
                    String frame = "{\"payload\":\"" + payload + "\",\"context\":\"" + e.getKey() + "\"}";
                    sent = sent.thenCompose(w -> w.sendText(frame, true));
                }
            }

            @Override
            public boolean message(WebSocket ws, String frame) {
                if (field(frame, "result").equals("ok")) {
                    String text = waiting.remove(field(frame, "context"));
                    System.out.println("published: " + text + " as " + field(frame, "messageId"));
                } else {
                    failed[0]++;
                    System.out.println("failed: " + field(frame, "errorMsg"));
                }
                return waiting.size() == failed[0];
            }
        });
        System.exit(failed[0] == 0 ? 0 : 1);
    }

    /** Sends one text at a time, as Java's WebSocket wants it, without waiting: who waits in a listener may wait for ever when the connection breaks. */
    static class Answers {
        CompletableFuture<WebSocket> sent = CompletableFuture.completedFuture(null);

        void send(WebSocket ws, String frame) {
            // What could not be sent is told to onError; it must not keep later ones, perhaps of the next connection, from being sent.
            sent = sent.handle((before, error) -> ws).thenCompose(w -> w.sendText(frame, true));
        }
    }

    static void consume(String topic, String subscription) throws InterruptedException {
        Answers answers = new Answers();
        String path = "/ws/v2/consumer/" + topic + "/" + encode(subscription) + "?subscriptionInitialPosition=Earliest";
        keepTrying(() -> path, (ws, frame) -> {
            System.out.println("received: " + payload(frame));
            // What is not acknowledged when a connection ends comes again with the next.
            answers.send(ws, "{\"messageId\":\"" + field(frame, "messageId") + "\"}");
            return false;
        });
    }

    static void read(String topic) throws InterruptedException {
        Answers answers = new Answers();
        String[] last = {"earliest"};
        keepTrying(() -> "/ws/v2/reader/" + topic + "?messageId=" + encode(last[0]), (ws, frame) -> {
            System.out.println("read: " + payload(frame));
            last[0] = field(frame, "messageId"); // the next session goes on behind it
            answers.send(ws, "{\"messageId\":\"" + last[0] + "\"}"); // there is room for one more
            return false;
        });
    }

    /** A field's text, enough for this example; a program of yours uses a JSON library. */
    static String field(String frame, String name) {
        Matcher m = Pattern.compile("\"" + name + "\":\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(frame);
        return m.find() ? m.group(1).replaceAll("\\\\(.)", "$1") : "";
    }

    static String payload(String frame) {
        return new String(Base64.getDecoder().decode(field(frame, "payload")), StandardCharsets.UTF_8);
    }

    static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    static String env(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    public static void main(String[] args) throws InterruptedException {
        // For reason: an HTTP client may else not ask for an upgrade itself.
        System.setProperty("jdk.httpclient.allowRestrictedHeaders", "connection,upgrade");
        http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        if (args.length > 2 && args[0].equals("produce")) {
            produce(args[1], Arrays.copyOfRange(args, 2, args.length));
        } else if (args.length == 3 && args[0].equals("consume")) {
            consume(args[1], args[2]);
        } else if (args.length == 2 && args[0].equals("read")) {
            read(args[1]);
        } else {
            System.err.println("java Client.java produce TOPIC MESSAGE... | consume TOPIC SUBSCRIPTION | read TOPIC");
            System.exit(2);
        }
    }
}
