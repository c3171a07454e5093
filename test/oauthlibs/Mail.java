import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Properties;
import javax.mail.Folder;
import javax.mail.Session;
import javax.mail.Store;
import javax.mail.Transport;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeMessage;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Reads and sends mail by JavaMail, with a token: protocol, port, authority, person, token. */
public class Mail {
	public static void main(String[] given) throws Exception {
		String protocol = given[0], person = given[3], token = given[4];
		int port = Integer.parseInt(given[1]);
		KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
		trusted.load(null, null);
		try (FileInputStream in = new FileInputStream(given[2])) {
			trusted.setCertificateEntry("authority", CertificateFactory.getInstance("X.509").generateCertificate(in));
		}
		TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		managers.init(trusted);
		SSLContext tls = SSLContext.getInstance("TLS");
		tls.init(null, managers.getTrustManagers(), null);
		String at = "mail." + protocol + ".";
		Properties all = new Properties();
		all.put(at + "ssl.socketFactory", tls.getSocketFactory());
		all.put(at + "ssl.checkserveridentity", "true");
		all.put(at + "auth.mechanisms", "XOAUTH2");
		all.put(at + "auth", "true");
		all.put(at + "connectiontimeout", "20000");
		all.put(at + "timeout", "20000");
		Session session = Session.getInstance(all);
		if (protocol.equals("smtps")) {
			MimeMessage letter = new MimeMessage(session);
			letter.setFrom(new InternetAddress(person));
			letter.setRecipient(MimeMessage.RecipientType.TO, new InternetAddress(person));
			letter.setSubject("from JavaMail");
			letter.setText("hello");
			try (Transport out = session.getTransport(protocol)) {
				out.connect("localhost", port, person, token);
				out.sendMessage(letter, letter.getAllRecipients());
			}
			return;
		}
		try (Store store = session.getStore(protocol)) {
			store.connect("localhost", port, person, token);
			Folder inbox = store.getFolder("INBOX");
			inbox.open(Folder.READ_ONLY);
			System.out.println(inbox.getMessageCount() + " messages");
		}
	}
}
