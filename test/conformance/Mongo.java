import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;

/** Stands in for the MongoDB that the suite keeps its logs in: in memory, and gone with the process. */
public class Mongo extends MemoryBackend {
	/** What the suite's driver wants of a server, at least. */
	record Version(List<Integer> getVersionArray, int getWireVersion) implements MongoVersion {}

	/** The suite asks for one parameter when it starts, which the library does not know. */
	@Override
	public Document handleMessage(MongoMessage message) {
		if (message.getDocument().containsKey("getParameter")) {
			return new Document("featureCompatibilityVersion", new Document("version", "6.0")).append("ok", 1.0);
		}
		return super.handleMessage(message);
	}

	public static void main(String[] args) throws InterruptedException {
		Mongo backend = new Mongo();
		backend.version(new Version(List.of(6, 0, 0), 17));
		new MongoServer(backend).bind("127.0.0.1", Integer.parseInt(args[0]));
		Thread.currentThread().join();
	}
}
