// A JVM whose threads allocate, share and check objects, with a collector at work beside them, while
// they are saved and restored.
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.UUID;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;

final class Allocate {
    private static final int PRODUCERS = 2;
    private static final Path DIR = Path.of(System.getenv("VICTIM_DIR"));

    private record Parcel(long number, byte[] content, byte[] digest) {}

    private static final ArrayBlockingQueue<Parcel> queue = new ArrayBlockingQueue<>(16);
    private static final AtomicLongArray steps = new AtomicLongArray(PRODUCERS + 1);

    private static void announce(String name, String text) throws IOException {
        Path draft = DIR.resolve(name + "." + UUID.randomUUID());
        Files.writeString(draft, text);
        try {
            Files.createLink(DIR.resolve(name), draft);
        } catch (FileAlreadyExistsException exception) {
            // another copy was first
        }
        if (name.equals("result")) {
            Files.move(draft, Path.of(draft + ".all"));
        } else {
            Files.delete(draft);
        }
    }

    private static void end(String text) {
        try {
            announce("result", text);
        } catch (IOException exception) {
            exception.printStackTrace();
        }
        Runtime.getRuntime().halt(text.equals("ok") ? 0 : 1);
    }

    private static byte[] digest(byte[] content) throws Exception {
        return MessageDigest.getInstance("SHA-256").digest(content);
    }

    private interface Work {
        void step(long number) throws Exception;
    }

    private static void start(int place, Work work) {
        Thread thread = new Thread(() -> {
            try {
                for (long number = 0;; number++) {
                    work.step(number);
                    steps.incrementAndGet(place);
                }
            } catch (Throwable error) {
                error.printStackTrace();
                end("Allocate: " + error);
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private static void startProducer(int place) {
        // What survives a while, so that collections have something to move.
        ArrayDeque<byte[]> kept = new ArrayDeque<>();
        start(place, number -> {
            byte[] content = new byte[1000 + (int) (number * 7919 % 50000)];
            for (int i = 0; i < content.length; i += 100) {
                content[i] = (byte) (number + i);
            }
            kept.add(content);
            if (kept.size() > 500) {
                kept.poll();
            }
            queue.put(new Parcel(number, content, digest(content)));
        });
    }

    private static void startConsumer() {
        start(PRODUCERS, number -> {
            Parcel parcel = queue.poll(60, TimeUnit.SECONDS);
            if (parcel == null || !MessageDigest.isEqual(digest(parcel.content), parcel.digest)) {
                throw new IllegalStateException("a parcel is damaged: " + parcel);
            }
        });
    }

    private static void awaitSteps(long count) throws InterruptedException {
        long[] before = new long[steps.length()];
        for (int i = 0; i < before.length; i++) {
            before[i] = steps.get(i);
        }
        for (int i = 0; i < before.length; i++) {
            while (steps.get(i) < before[i] + count) {
                Thread.sleep(10);
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i < PRODUCERS; i++) {
            startProducer(i);
        }
        startConsumer();
        awaitSteps(1000);
        announce("ready", "");
        while (!Files.exists(DIR.resolve("go"))) {
            Thread.sleep(10);
        }
        awaitSteps(100);
        end("ok");
    }
}
