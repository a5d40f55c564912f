/* ns_uts: names of the longest kind. */
#include <sys/utsname.h>

#include "victim.h"

int main(void)
{
	char host[65];
	char domain[65];
	struct utsname names;

	(void)memset(host, 'h', 64);
	(void)memset(domain, 'd', 64);
	host[64] = domain[64] = '\0';
	EXPECT(sethostname(host, 64) == 0 && setdomainname(domain, 64) == 0);
	wait_for_restore();
	EXPECT(uname(&names) == 0);
	EXPECT(strcmp(names.nodename, host) == 0 && strcmp(names.domainname, domain) == 0);
	victim_done();
}
