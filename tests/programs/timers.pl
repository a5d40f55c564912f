#!/usr/bin/perl
# Signals and timers: an interval timer ticks, a child is stopped by a signal and reaped by a
# handler.
use strict;
use warnings;
use Time::HiRes qw(setitimer getitimer ITIMER_REAL sleep);
use POSIX qw(:sys_wait_h);

my $dir = $ENV{VICTIM_DIR} or die "VICTIM_DIR is not set\n";

sub announce {
	my ($name, $text) = @_;
	open(my $file, '>', "$dir/$name.draft") or die;
	print $file $text;
	close($file);
	rename("$dir/$name.draft", "$dir/$name") or die;
}

sub expect {
	my ($is_true, $text) = @_;
	return if $is_true;
	announce('result', "timers.pl: $text");
	exit 1;
}

my ($ticks, $status, $users) = (0, undef, 0);
$SIG{ALRM} = sub { $ticks++ };
$SIG{USR1} = sub { $users++ };
$SIG{CHLD} = sub { $status = $? if waitpid(-1, WNOHANG) > 0 };
setitimer(ITIMER_REAL, 0.01, 0.01);

my $child = fork();
expect(defined $child, 'fork');
if ($child == 0) {
	setitimer(ITIMER_REAL, 0);
	$SIG{TERM} = sub { exit 9 };
	sleep(1) while 1;
}

announce('ready', '');
sleep(0.01) until -e "$dir/go";

my $before = $ticks;
sleep(0.01) for 1 .. 20;
expect($ticks > $before, 'the timer has stopped');
expect(getitimer(ITIMER_REAL) > 0, 'the timer is not armed');
kill('USR1', $$);
expect($users == 1, 'SIGUSR1 is not handled');
kill('TERM', $child);
sleep(0.01) until defined $status;
expect($status >> 8 == 9, "the child ended with status $status");
announce('result', 'ok');
