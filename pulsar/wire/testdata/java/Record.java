import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.apache.pulsar.client.api.*;

// Does with the Java client what makes it write commands of all kinds. TestRecord runs it with the broker's URL.
public class Record {
    static final String TOPIC = "persistent://public/default/of-java";

    public static void main(String[] args) throws Exception {
        try (PulsarClient client = PulsarClient.builder().serviceUrl(args[0]).build()) {
            Consumer<byte[]> consumer = client.newConsumer().topic(TOPIC).subscriptionName("s").subscriptionType(SubscriptionType.Key_Shared)
                .keySharedPolicy(KeySharedPolicy.autoSplitHashRange())
                .consumerName("c").property("a", "b").subscriptionProperties(Map.of("c", "d")).priorityLevel(3)
                .enableBatchIndexAcknowledgment(true).isAckReceiptEnabled(true).negativeAckRedeliveryDelay(1, TimeUnit.MILLISECONDS)
                .subscriptionInitialPosition(SubscriptionInitialPosition.Earliest).acknowledgmentGroupTime(0, TimeUnit.MILLISECONDS).subscribe();
            MessageId last = null;
            for (int i = 0; i < 4; i++) {
                ProducerBuilder<byte[]> b = client.newProducer().topic(TOPIC).enableBatching(i == 1 || i == 2)
                    .batchingMaxMessages(2).batchingMaxPublishDelay(1, TimeUnit.SECONDS);
                if (i == 1) b = b.compressionType(CompressionType.LZ4).producerName("named-java").property("x", "y").batcherBuilder(BatcherBuilder.KEY_BASED);
                if (i == 3) b = b.enableChunking(true).chunkMaxMessageSize(300).compressionType(CompressionType.SNAPPY);
                try (Producer<byte[]> p = b.create()) {
                    p.newMessage().value("plain".getBytes()).sendAsync();
                    p.newMessage().value("full".getBytes()).key("key").orderingKey(new byte[]{1, 2}).property("p", "q").eventTime(1000).sequenceId(100).sendAsync();
                    p.newMessage().value("x".repeat(i == 3 ? 5000 : 1000).getBytes()).disableReplication().sendAsync();
                    p.newMessage().value(null).keyBytes(new byte[]{3}).sendAsync();
                    if (i == 0) p.newMessage().value("later".getBytes()).deliverAfter(1, TimeUnit.MILLISECONDS).sendAsync();
                    last = p.newMessage().value(new byte[0]).key("").send();
                }
                for (int n = 0; n < (i == 0 ? 6 : 5); n++) {
                    Message<byte[]> m = consumer.receive(20, TimeUnit.SECONDS);
                    if (m == null) throw new IllegalStateException("message " + n + " of producer " + i + " is missing");
                    if (n == 0 && i != 3) consumer.negativeAcknowledge(m);
                    else consumer.acknowledge(m);
                }
                consumer.redeliverUnacknowledgedMessages();
                if (i != 3) consumer.acknowledge(consumer.receive(20, TimeUnit.SECONDS));
            }
            consumer.seek(last);
            consumer.seek(System.currentTimeMillis());
            try (Reader<byte[]> reader = client.newReader().topic(TOPIC).startMessageId(MessageId.earliest).create()) {
                while (reader.hasMessageAvailable()) reader.readNext();
            }
            try (Producer<String> p = client.newProducer(Schema.STRING).topic(TOPIC + "-schema").accessMode(ProducerAccessMode.Exclusive).create();
                 Consumer<String> c = client.newConsumer(Schema.STRING).topic(TOPIC + "-schema").subscriptionName("f").subscriptionType(SubscriptionType.Failover).subscribe()) {
                p.send("text");
                c.acknowledgeCumulative(c.receive());
            }
            try (Producer<byte[]> p = client.newProducer().topic("persistent://public/default/parts").create();
                 Consumer<byte[]> c = client.newConsumer().topicsPattern(Pattern.compile("persistent://public/default/.*")).subscriptionName("p").subscribe()) {
                p.send(new byte[1]);
            }
            consumer.unsubscribe();
        }
        System.exit(0);
    }
}
