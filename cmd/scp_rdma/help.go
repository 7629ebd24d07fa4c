package main

import (
	"fmt"
	"strings"
)

// helpWidth is for the plainest terminal.
const helpWidth = 80

// help is the whole of --help.
func help() string { return helpUsage() + helpRest() }

// helpUsage shows what can be done.
func helpUsage() string {
	return `scp_rdma copies files and directory trees between hosts at the speed of their NICs.

Usage:
  scp_rdma [flags] SRC... HOST:[PATH]             send, to a server that runs there
  scp_rdma [flags] HOST:[PATH]... DST             fetch from there
  scp_rdma [flags] - HOST:NAME                    send what comes from stdin
  scp_rdma [flags] HOST:NAME -                    fetch one file to stdout
  scp_rdma [flags] SRC... user@HOST:[PATH]        send, and have ssh start the server;
                                                  fetching too
  scp_rdma [flags] SRC... --to HOST:[PATH],...    send to several at once
  scp_rdma -s [-o DIR] [-p PORT] [--bind ADDR]    serve DIR, until stopped
  scp_rdma keygen [--key-file FILE]               make a key
  scp_rdma devices [--json] [HOST]                RDMA devices, used or why not;
                                                  HOST's too, and what joins them
  scp_rdma bench [flags] HOST                     how fast from memory to memory,
                                                  and with which settings
  scp_rdma verify LIST [DIR]                      compare the files in DIR with a list
                                                  of checksums, as --report writes it
  scp_rdma clean [-o DIR]                         remove what interrupted transfers
                                                  left there a week ago or earlier
  scp_rdma quota --authorized FILE [--reset NAME] what was stored under keys that
                                                  have a quota; begin one anew
  scp_rdma config [-s] [--json] [HOST]            the settings in force, and from
                                                  which file and line each is
  scp_rdma completion bash|zsh|fish               for that shell, to be sourced
  scp_rdma man                                    the manual page: man -l -
  scp_rdma version | help

Examples:
  scp_rdma -s -o /srv/incoming                    on the other host
  scp_rdma model.bin server:                      /srv/incoming/model.bin
  scp_rdma photos server:2026/                    /srv/incoming/2026/photos
  scp_rdma run7/. server:run8                     run7's contents, in run8
  scp_rdma 'server:run7/*.ckpt' server:log here/  fetch: patterns are the server's
  scp_rdma -j 8 -d eth2,eth3 dump.tar server:     8 streams over two NICs
  tar c . | scp_rdma - server:backup.tar          ./- is a file called -
  scp_rdma ./a:b '[fe80::1%eth0]:'                a colon in a name; IPv6

`
}

// helpRest tells how, and all flags.
func helpRest() string {
	return fmt.Sprintf(`Where it goes: everything lies under the server's DIR; a leading / in PATH is DIR.
With user@HOST: or --ssh PATH is as in scp: from the home, / is the host's root.
  HOST:         SRC's base name, in DIR
  HOST:dir/     SRC's base name, in dir, which is made with its parents
  HOST:name     SRC becomes name; if that is an existing directory, it goes into it
  -T HOST:name  SRC becomes exactly name, always
  Several SRC need a directory. dir/ is dir; dir/., ., .. and / are their contents.
  HOST is a name, an IPv4 address, [IPv6] or [fe80::1%%eth0]. The first colon
  before any slash ends it; a SRC with a colon in its name is written ./a:b.
  Fetching, the same holds of DST on this host. PATH may have patterns (* ? [...]) in
  it, which the server expands; a file that has the very name goes before.
  A SRC called as a command is, such as version or clean, is written ./version where
  it stands alone; with a HOST: behind it, it is sent.

Keys: both ends hold the same file, ~/.config/scp_rdma/key; no flag is needed. The
server makes it at its first start, clients get a copy by hand. Nothing is done for
a client that does not prove that it has the key, nor for a server that doesn't.
Over ssh each transfer has a key of its own, and --encrypt is on.

Settings: every flag but those about one run can stand in a file, by its long name,
below client: or server:; hosts: gives names to hosts, with flags of their own:
  hosts: {gpu7: {address: 10.0.0.7, port: 1888, device: [mlx5_0]}}
  client: {streams: 8}
Flags win over the user's file, that wins over /etc/scp_rdma/config.yaml. scp_rdma
config shows what is in force.

What is kept: bytes, permission bits, modification times, symlinks, hard links,
holes, empty and read-only directories; always, without a flag. Existing files are
replaced. A file gets its name only when all of it has arrived. Devices, sockets
and fifos are skipped with a warning.

Owners, special bits, attributes and ACLs: where the server allows it, and the summary
says what was dropped.

What is copied: --exclude, --include and --filter-from take rsync's patterns: foo
anywhere, /foo where SRC lies, foo/ a directory; * ? [a-z] within a name, ** across
slashes. The first rule that matches decides.

%s
When it breaks off: the same command goes on. Files that are there with the same size
and time are skipped, half files of 8 MiB or more are gone on from; they lie beside
their place as .scp_rdma.*.part and .journal until then.

%s
Streams: without -j, one for each core of this host, but at least 2 and at most 8,
and at least one for each rail; over TCP at least 4, and more over a long way: 12 if a
round trip takes 20 ms. Where the rails carry more than that, and there are cores,
one for each 12 Gbit/s. Each rail has its part of them by what it carries (its port,
or its PCIe slot); one that is less than a sixteenth of the fastest, and is not named
by -d, carries once the others are gone. Slots are 1 MiB, with many streams less.

%s
Exit codes (the highest of 1 to 7 that applies wins; newer versions may have
more: take any code that is not listed as a failure):
%s`, helpStreams, flagTable(), helpSeeing, exitTable())
}

// helpStreams tells of stdin and stdout.
const helpStreams = `Streams of - : what comes from stdin gets its name at its end, if it got that far; a
program that fails at the other end of the pipe ends it too (set -o pipefail). What
goes to stdout is verified and in order; a file that changes meanwhile is an error.
Neither can begin anew when it breaks off, but a fetch goes on if the server is lost
and found again. The summary goes to stderr then.
`

// flagTable is every flag under its heading.
func flagTable() string {
	var flags strings.Builder
	for _, g := range (&options{}).groups() {
		fmt.Fprintf(&flags, "%s:\n%s\n", g.title, g.flags.FlagUsagesWrapped(helpWidth))
	}
	return strings.TrimSuffix(flags.String(), "\n")
}

// helpSeeing tells what a person sees, and of signals.
const helpSeeing = `On a terminal a progress line is shown, with --progress also each rail and stream, in
colours without NO_COLOR; elsewhere stdout gets the summary and stderr what went
wrong, nothing else. SIGUSR1 (kill -USR1) has a transfer say in a line on stderr how
far it is, and a server of each session, with -q too. With -v the summary says where
the time went. The first SIGINT or SIGTERM ends a transfer cleanly and lets a
server's running sessions end; the second ends at once. SIGHUP has a server read its
settings and the list of --authorized again.
`
