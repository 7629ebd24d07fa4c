package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// help is the whole of --help.
func help(f *pflag.FlagSet) string {
	return fmt.Sprintf(`scp_rdma sends files and directory trees to another host at the speed of its NICs.

Usage:
  scp_rdma [flags] SRC... HOST:[PATH]    send
  scp_rdma -s [-o DIR] [-p PORT]         receive into DIR, until stopped
  scp_rdma version                       say which version this is

Where it goes: everything lies under the server's DIR; a leading / in PATH means DIR.
  HOST:        SRC's base name, in DIR
  HOST:dir/    SRC's base name, in dir, which is made with its parents
  HOST:name    SRC becomes name; an existing directory of that name: into it
  -T HOST:name exactly name, always
  Several SRC need a directory. dir/ is dir; dir/., ., .. and / are their contents.
  HOST is a name, an IPv4 address, [IPv6] or [fe80::1%%eth0]; a SRC with a colon is written ./a:b.
  A file called version is sent as ./version, or with its HOST: behind it.

Kept: bytes, permission bits, mtimes, symlinks, hard links, holes, empty and read-only
directories. A file gets its name when all of it has arrived. Devices, sockets and fifos are skipped.

Examples:
  scp_rdma -s -o /srv/incoming
  scp_rdma model.safetensors server:
  scp_rdma -j 8 -d eth2,eth3 checkpoints/. server:run7/

Flags:
%s
How many streams: without -j one per core of this host, at least 2, at most 8, and at least one per rail.

Exit codes (the highest of 1 to 6 that applies wins; take any other as failure):
%s`, f.FlagUsagesWrapped(100), exitTable())
}
