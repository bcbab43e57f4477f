import java.io.FileInputStream;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.util.HexFormat;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSession;
import javax.net.ssl.TrustManagerFactory;

/**
 * Fetches a URL through a proxy.
 *
 * Arguments: proxy (host:port), URL, file of the authority to trust, SHA-256 of the server's
 * certificate in hex. The content goes to standard output; what went wrong to standard error.
 */
class Fetch {
    public static void main(String[] args) throws Exception {
        String[] proxy = args[0].split(":");
        HttpClient client = HttpClient.newBuilder()
                .proxy(ProxySelector.of(new InetSocketAddress(proxy[0], Integer.parseInt(proxy[1]))))
                .sslContext(trusting(args[2]))
                .build();
        HttpResponse<byte[]> answer = client.send(HttpRequest.newBuilder(URI.create(args[1])).build(),
                HttpResponse.BodyHandlers.ofByteArray());
        if (answer.statusCode() != 200) {
            System.err.println(answer.statusCode() + " " + answer.headers().map() + "\n" + new String(answer.body()));
            System.exit(1);
        }
        if (answer.sslSession().isPresent() && !args[3].equals(leaf(answer.sslSession().get()))) {
            System.err.println("the certificate is not the pinned one");
            System.exit(1);
        }
        System.out.write(answer.body());
        System.out.flush();
        System.exit(0);
    }

    static SSLContext trusting(String authority) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream in = new FileInputStream(authority)) {
            store.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }

    static String leaf(SSLSession session) throws Exception {
        byte[] encoded = session.getPeerCertificates()[0].getEncoded();
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(encoded));
    }
}
