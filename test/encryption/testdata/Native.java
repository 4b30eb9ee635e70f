import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.pulsar.client.api.*;

/**
 * Pulsar's own client with keys from a directory.
 *
 *   produce URL DIRECTORY PREFIX TEXT...    to the topics PREFIX-batched, -single and -onekey
 *   consume URL DIRECTORY COUNT TOPIC...    prints one line for each message
 */
public class Native {
    record Keys(Path dir) implements CryptoKeyReader {
        private EncryptionKeyInfo read(String file) {
            try {
                var info = new EncryptionKeyInfo();
                info.setKey(Files.readAllBytes(dir.resolve(file)));
                return info;
            } catch (Exception e) {
                throw new RuntimeException(e);
            }
        }

        public EncryptionKeyInfo getPublicKey(String name, Map<String, String> metadata) {
            return read(name + ".pub.pem");
        }

        public EncryptionKeyInfo getPrivateKey(String name, Map<String, String> metadata) {
            return read(name + ".key.pem");
        }
    }

    public static void main(String[] args) throws Exception {
        try (var client = PulsarClient.builder().serviceUrl(args[1]).build()) {
            var keys = new Keys(Path.of(args[2]));
            if (args[0].equals("produce")) {
                produce(client, keys, args[3] + "-batched", true, args, "k1", "k2");
                produce(client, keys, args[3] + "-single", false, args, "k1", "k2");
                produce(client, keys, args[3] + "-onekey", false, args, "k1");
                return;
            }
            for (int i = 4; i < args.length; i++) {
                consume(client, keys, args[i], Integer.parseInt(args[3]));
            }
        }
    }

    static void produce(PulsarClient client, Keys keys, String topic, boolean batching, String[] args, String... names) throws Exception {
        var builder = client.newProducer().topic(topic).cryptoKeyReader(keys).enableBatching(batching)
            .batchingMaxPublishDelay(1, TimeUnit.SECONDS).compressionType(CompressionType.LZ4);
        for (var name : names) {
            builder.addEncryptionKey(name);
        }
        try (var producer = builder.create()) {
            for (int i = 4; i < args.length; i++) {
                producer.newMessage().key("key").property("p", "v").value(args[i].getBytes()).sendAsync();
            }
            producer.flush();
        }
    }

    static void consume(PulsarClient client, Keys keys, String topic, int count) throws Exception {
        try (var consumer = client.newConsumer().topic(topic).subscriptionName("native").cryptoKeyReader(keys)
                .subscriptionInitialPosition(SubscriptionInitialPosition.Earliest).subscribe()) {
            for (int i = 0; i < count; i++) {
                var message = consumer.receive(30, TimeUnit.SECONDS);
                System.out.println("> " + topic + " " + (message == null ? "nothing came" : new String(message.getData()) + " p=" + message.getProperty("p")));
                if (message == null) {
                    return;
                }
                consumer.acknowledge(message);
            }
        }
    }
}
