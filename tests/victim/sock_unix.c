/* Unix sockets: pairs, listening, accepted, names of all kinds, shut down, left alone. */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "victim.h"

static socklen_t address_of(const char *name, struct sockaddr_un *address)
{
	size_t length = strlen(name);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, name, length);
	if (name[0] != '@')
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
	address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int bound(int type, const char *name)
{
	struct sockaddr_un address;
	socklen_t size = address_of(name, &address);
	int fd = socket(AF_UNIX, type, 0);

	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0);
	return fd;
}

static int connected_with(int type, const char *name)
{
	struct sockaddr_un address;
	socklen_t size = address_of(name, &address);
	int fd = socket(AF_UNIX, type, 0);

	EXPECT(fd >= 0 && connect(fd, (struct sockaddr *)&address, size) == 0);
	return fd;
}

static int accepted_by(int listener)
{
	int fd = accept(listener, NULL, NULL);

	EXPECT(fd >= 0);
	return fd;
}

static void expect_name(int fd, const char *name)
{
	struct sockaddr_un expected, found = { .sun_family = 0 };
	socklen_t expected_size = address_of(name, &expected), size = sizeof(found);

	EXPECT(getsockname(fd, (struct sockaddr *)&found, &size) == 0);
	EXPECT(size == (name[0] ? expected_size : 2));
	EXPECT(memcmp(&expected, &found, size) == 0);
}

static void expect_talk(int from, int to)
{
	char back[8];

	EXPECT(send(from, "hello", 5, 0) == 5);
	EXPECT(recv(to, back, sizeof(back), 0) == 5 && memcmp(back, "hello", 5) == 0);
	EXPECT(send(to, "world", 5, 0) == 5);
	EXPECT(recv(from, back, sizeof(back), 0) == 5 && memcmp(back, "world", 5) == 0);
}

static void expect_reachable(int listener, int type, const char *name)
{
	int client = connected_with(type, name);

	expect_talk(client, accepted_by(listener));
}

static void expect_end(int fd)
{
	char byte;

	EXPECT(recv(fd, &byte, 1, MSG_DONTWAIT) == 0);
}

static void expect_nothing(int fd)
{
	char byte;

	EXPECT(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

struct pairs {
	int plain[2], packets[2], half[2], dead;
};

static struct pairs make_pairs(void)
{
	struct pairs pairs;
	int dying[2];

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs.plain) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pairs.packets) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs.half) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, dying) == 0);
	EXPECT(fcntl(pairs.plain[0], F_SETFL, O_NONBLOCK) == 0);
	EXPECT(shutdown(pairs.half[0], SHUT_WR) == 0);
	EXPECT(send(dying[0], "last", 4, 0) == 4 && close(dying[0]) == 0);
	pairs.dead = dying[1];
	return pairs;
}

static void check_pairs(const struct pairs *pairs)
{
	char back[8];

	EXPECT(fcntl(pairs->plain[0], F_GETFL) & O_NONBLOCK);
	EXPECT(!(fcntl(pairs->plain[1], F_GETFL) & O_NONBLOCK));
	expect_talk(pairs->plain[0], pairs->plain[1]);
	expect_talk(pairs->packets[0], pairs->packets[1]);
	expect_end(pairs->half[1]);
	expect_nothing(pairs->half[0]);
	EXPECT(send(pairs->half[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	EXPECT(send(pairs->half[1], "back", 4, 0) == 4);
	EXPECT(recv(pairs->half[0], back, sizeof(back), 0) == 4);
	EXPECT(recv(pairs->dead, back, sizeof(back), 0) == 4 && memcmp(back, "last", 4) == 0);
	expect_end(pairs->dead);
	EXPECT(send(pairs->dead, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
}

/* A listening socket, a connection accepted from it, and one that waits. */
struct service {
	const char *name;
	int listener, client, accepted, waiting;
};

static struct service make_service(int type, const char *name)
{
	struct service service = { .name = name, .listener = bound(type, name) };

	EXPECT(listen(service.listener, 5) == 0);
	service.client = connected_with(type, name);
	service.accepted = accepted_by(service.listener);
	service.waiting = connected_with(type, name);
	return service;
}

static void check_service(const struct service *service, int type, bool is_reachable)
{
	int accepted;

	expect_name(service->listener, service->name);
	expect_name(service->accepted, service->name);
	expect_name(service->client, "");
	expect_talk(service->client, service->accepted);
	accepted = accepted_by(service->listener);
	expect_talk(service->waiting, accepted);
	if (is_reachable)
		expect_reachable(service->listener, type, service->name);
}

/* Whoever listened is gone; of one connection, the client too. */
struct left {
	int accepted, client, named_client, named_accepted, orphan;
};

static struct left make_left(void)
{
	struct sockaddr_un address;
	socklen_t size = address_of("@left-client", &address);
	int listener = bound(SOCK_STREAM, "@left");
	struct left left;
	int client;

	EXPECT(listen(listener, 5) == 0);
	left.client = connected_with(SOCK_STREAM, "@left");
	left.accepted = accepted_by(listener);
	left.named_client = socket(AF_UNIX, SOCK_STREAM, 0);
	EXPECT(bind(left.named_client, (struct sockaddr *)&address, size) == 0);
	size = address_of("@left", &address);
	EXPECT(connect(left.named_client, (struct sockaddr *)&address, size) == 0);
	left.named_accepted = accepted_by(listener);
	client = connected_with(SOCK_STREAM, "@left");
	left.orphan = accepted_by(listener);
	EXPECT(close(client) == 0 && close(listener) == 0);
	return left;
}

static void check_left(const struct left *left)
{
	expect_name(left->accepted, "@left");
	expect_name(left->named_client, "@left-client");
	expect_name(left->orphan, "@left");
	expect_talk(left->client, left->accepted);
	expect_talk(left->named_client, left->named_accepted);
	expect_end(left->orphan);
	/* The name is free. */
	EXPECT(close(bound(SOCK_STREAM, "@left")) == 0);
}

/* Names of files, in the directory of the test: one that is there, one that is not any more, one
 * from the directory where the program was, one as long as can be. */
struct files {
	struct service there, deleted, relative;
	int datagrams, sender;
	char dir[PATH_MAX], there_name[108], deleted_name[108];
};

static void make_files(struct files *files)
{
	(void)snprintf(files->dir, sizeof(files->dir), "%s", victim_dir());
	EXPECT(snprintf(files->there_name, 108, "%s/there", files->dir) < 108);
	EXPECT(snprintf(files->deleted_name, 108, "%s/deleted", files->dir) < 108);
	files->there = make_service(SOCK_STREAM, files->there_name);
	files->deleted = make_service(SOCK_STREAM, files->deleted_name);
	EXPECT(unlink(files->deleted_name) == 0);
	EXPECT(chdir(files->dir) == 0 && mkdir("below", 0700) == 0 && chdir("below") == 0);
	files->relative = make_service(SOCK_SEQPACKET, "../relative");
	files->datagrams = bound(SOCK_DGRAM, "./datagrams");
	files->sender = connected_with(SOCK_DGRAM, "datagrams");
	EXPECT(chmod("datagrams", 0620) == 0);
}

static void check_files(struct files *files)
{
	struct stat st;

	check_service(&files->there, SOCK_STREAM, true);
	check_service(&files->deleted, SOCK_STREAM, false);
	check_service(&files->relative, SOCK_SEQPACKET, true);
	EXPECT(access(files->deleted_name, F_OK) < 0);
	EXPECT(send(files->sender, "x", 1, 0) == 1);
	EXPECT(recv(files->datagrams, files->dir, 8, MSG_DONTWAIT) == 1);
	EXPECT(send(connected_with(SOCK_DGRAM, "datagrams"), "y", 1, 0) == 1);
	EXPECT(stat("datagrams", &st) == 0 && (st.st_mode & 07777) == 0620);
	expect_name(files->datagrams, "./datagrams");
}

/* What others see of us: who listens, who connected, who made a pair. */
struct known {
	int pair[2], listener, to_child, from_child;
	pid_t child;
};

static void expect_peer(int fd, pid_t pid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	EXPECT(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
	EXPECT(peer.pid == pid && peer.uid == geteuid() && peer.gid == getegid());
}

static struct known make_known(void)
{
	struct known known = { .listener = bound(SOCK_STREAM, "@known") };
	int ready[2];
	char byte;

	EXPECT(listen(known.listener, 1) == 0 && pipe(ready) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, known.pair) == 0);
	known.child = fork();
	EXPECT(known.child >= 0);
	if (known.child == 0) {
		int fd = connected_with(SOCK_STREAM, "@known");

		EXPECT(write(ready[1], "x", 1) == 1);
		EXPECT(recv(fd, &byte, 1, 0) == 1);
		expect_peer(fd, getppid());
		_exit(0);
	}
	EXPECT(read(ready[0], &byte, 1) == 1);
	known.from_child = accepted_by(known.listener);
	return known;
}

static void check_known(const struct known *known)
{
	int status;

	expect_peer(known->pair[0], getpid());
	expect_peer(known->from_child, known->child);
	expect_peer(known->listener, getpid());
	EXPECT(send(known->from_child, "x", 1, 0) == 1);
	EXPECT(waitpid(known->child, &status, 0) == known->child && status == 0);
}

/* ---- variants ---- */

/* Somebody waits whose words have already been sent. */
static void be_unread(void)
{
	int listener = bound(SOCK_STREAM, "@unread");
	int quiet, loud;

	EXPECT(listen(listener, 5) == 0);
	quiet = connected_with(SOCK_STREAM, "@unread");
	loud = connected_with(SOCK_STREAM, "@unread");
	EXPECT(send(loud, "words", 5, 0) == 5);
	wait_for_restore();
	expect_talk(quiet, accepted_by(listener));
}

static void be_deserted(void)
{
	int listener = bound(SOCK_STREAM, "@deserted");

	EXPECT(listen(listener, 5) == 0);
	EXPECT(close(connected_with(SOCK_STREAM, "@deserted")) == 0);
	wait_for_restore();
	expect_end(accepted_by(listener));
}

static void be_urgent(void)
{
	int pair[2];

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	EXPECT(send(pair[0], "!", 1, MSG_OOB) == 1);
	wait_for_restore();
}

/* Outside of the container: its own directory is in the victim's. */
static void be_server(void)
{
	char name[108], byte;
	int listener, fd;

	EXPECT(snprintf(name, sizeof(name), "%s/socket", victim_dir()) < 108);
	listener = bound(SOCK_STREAM, name);
	EXPECT(listen(listener, 5) == 0);
	victim_write("ready", "");
	fd = accepted_by(listener);
	EXPECT(send(fd, "welcome", 7, 0) == 7);
	victim_wait_file("go");
	/* It has ended without having read all. */
	EXPECT(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0 && errno != EAGAIN);
}

static void be_client(void)
{
	char name[108], back[16];
	int fd;

	EXPECT(snprintf(name, sizeof(name), "%s/out/socket", victim_dir()) < 108);
	fd = connected_with(SOCK_STREAM, name);
	EXPECT(recv(fd, back, 7, MSG_WAITALL | MSG_PEEK) == 7);
	wait_for_restore();
	/* What had come is there; more does not come. */
	EXPECT(recv(fd, back, sizeof(back), 0) == 7 && memcmp(back, "welcome", 7) == 0);
	expect_end(fd);
	EXPECT(send(fd, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
}

static void be_receiver(void)
{
	char name[108], back[16];
	int fd;

	EXPECT(snprintf(name, sizeof(name), "%s/socket", victim_dir()) < 108);
	fd = bound(SOCK_DGRAM, name);
	wait_for_restore();
	EXPECT(recv(fd, back, sizeof(back), 0) == 6 && memcmp(back, "before", 6) == 0);
	EXPECT(recv(fd, back, sizeof(back), 0) == 5 && memcmp(back, "after", 5) == 0);
}

static void be_sender(void)
{
	char name[108];
	int fd;

	EXPECT(snprintf(name, sizeof(name), "%s/out/socket", victim_dir()) < 108);
	fd = connected_with(SOCK_DGRAM, name);
	EXPECT(send(fd, "before", 6, 0) == 6);
	wait_for_restore();
	EXPECT(send(fd, "after", 5, 0) == 5);
}

static const struct {
	const char *name;
	void (*be)(void);
} variants[] = {
	{ "unread", be_unread }, { "deserted", be_deserted }, { "urgent", be_urgent },
	{ "server", be_server }, { "client", be_client },     { "receiver", be_receiver },
	{ "sender", be_sender },
};

/* With the files of its names, it cannot be restored twice at the same time. */
static void be_all(bool has_files)
{
	struct known known = make_known();
	struct files files;
	struct pairs pairs = make_pairs();
	struct service abstract = make_service(SOCK_STREAM, "@abstract");
	struct service packets = make_service(SOCK_SEQPACKET, "@packets");
	struct left left = make_left();
	int alone = socket(AF_UNIX, SOCK_STREAM, 0);
	int waits_for_nobody = bound(SOCK_STREAM, "@bound");

	EXPECT(alone >= 0);
	if (has_files)
		make_files(&files);
	wait_for_restore();

	if (has_files)
		check_files(&files);
	check_known(&known);
	check_pairs(&pairs);
	check_service(&abstract, SOCK_STREAM, true);
	check_service(&packets, SOCK_SEQPACKET, true);
	check_left(&left);
	expect_name(alone, "");
	expect_name(waits_for_nobody, "@bound");
	EXPECT(listen(waits_for_nobody, 1) == 0);
	expect_reachable(waits_for_nobody, SOCK_STREAM, "@bound");
}

int main(int argc, char **argv)
{
	const char *variant = argc > 1 ? argv[1] : "";
	bool is_known = false;

	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		if (strcmp(variant, variants[i].name) != 0)
			continue;
		variants[i].be();
		is_known = true;
	}
	if (!is_known)
		be_all(strcmp(variant, "nameless") != 0);
	victim_done();
}
