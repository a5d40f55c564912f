/* ns_uts: host name and domain name. */
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"

extern const struct kind kind_ns_uts;

RECORDS_BEGIN
struct uts_rec {
	char hostname[72]; /* 64 at most, then zeros */
	char domainname[72];
};
RECORDS_END
static_assert(sizeof(struct uts_rec) == 144, "image format");

static int ns_uts_dump(struct dump *d, struct err *err)
{
	struct dump_task *task = dump_ns_task(d, NAMESPACE_UTS);
	auto_script struct script script = SCRIPT_NONE;
	const struct utsname *names;
	struct uts_rec rec = { .hostname = "" };
	uint64_t at;
	int r;

	if (!task) /* nobody sees them */
		return 0;
	script_init(&script, &task->threads[0].remote);
	at = script_out(&script, sizeof(*names));
	(void)script_syscall(&script, "get host name", 0, SYS_uname, at);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	names = script_output(&script, at, sizeof(*names), err);
	if (!names)
		return err->code;
	memcpy(rec.hostname, names->nodename, strnlen(names->nodename, 64));
	memcpy(rec.domainname, names->domainname, strnlen(names->domainname, 64));
	dump_record(d, dump_ns_id(d), &kind_ns_uts, &rec, sizeof(rec));
	return 0;
}

static int ns_uts_check(const void *body, size_t length, struct err *err)
{
	const struct uts_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "ns_uts: %zu bytes", length);
	if (strnlen(rec->hostname, sizeof(rec->hostname)) > 64 ||
	    strnlen(rec->domainname, sizeof(rec->domainname)) > 64)
		return err_set(err, ERR_DAMAGED, "ns_uts: name too long");
	return 0;
}

/* What a bundle says counts. */
static const char *chosen(struct restore *rs, const char *what, const char *saved,
			  const char *bundle)
{
	if (!bundle)
		return saved;
	if (strcmp(saved, bundle) != 0)
		restore_note(rs, "%s %s: it is %s in the bundle", what, saved, bundle);
	return bundle;
}

static int ns_uts_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct uts_rec *rec = record->body;
	const struct bound *bound = plan_facts(rs->plan)->bound;
	const char *hostname = rec->hostname;
	const char *domainname = rec->domainname;

	if (bound && !namespace_find(rs->image, record->id)) {
		hostname = chosen(rs, "host name", hostname, bound->hostname);
		domainname = chosen(rs, "domain name", domainname, bound->domainname);
	}
	if (sethostname(hostname, strlen(hostname)) < 0)
		return err_set(err, -errno, "set host name");
	if (setdomainname(domainname, strlen(domainname)) < 0)
		return err_set(err, -errno, "set domain name");
	return 0;
}

const struct kind kind_ns_uts = {
	.name = "ns_uts",
	.summary = "host name and domain name",
	.tag = TAG('N', 'U', 'T', 'S'),
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.namespace = NAMESPACE_UTS,
	.dump = ns_uts_dump,
	.check = ns_uts_check,
	.restore = ns_uts_restore,
};
