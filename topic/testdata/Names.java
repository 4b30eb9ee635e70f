import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.pulsar.common.naming.TopicName;

/** Answers each full name on standard input with what Pulsar takes it for. */
public class Names {
    public static void main(String[] args) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new StringBuilder();
        for (String line; (line = in.readLine()) != null;) {
            try {
                TopicName n = TopicName.get(line);
                out.append(n.getPartitionIndex()).append('\t').append(n.getPartitionedTopicName()).append('\t')
                    .append(n.getNamespace()).append('\t').append(n.getTenant()).append('\t')
                    .append(n.getCluster() == null ? "" : n.getCluster()).append('\t').append(n.isPersistent());
            } catch (RuntimeException e) {
                out.append("refused");
            }
            out.append('\n');
        }
        System.out.write(out.toString().getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }
}
