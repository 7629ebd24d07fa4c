package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"scp_rdma/localfs"
	"scp_rdma/modes"
	"scp_rdma/wire"
)

// metaOptions are what is changed of metadata on the way, and what is made of a transfer once
// it is done.
type metaOptions struct {
	modes  chmodValue
	chown  chownValue
	acls   bool
	remove bool   // sources, once they are there
	report string // file; "": none
	sum    string
}

// stdoutName means stdout, or stdin, where a file is named.
const stdoutName = "-"

func (m *metaOptions) flags(f *pflag.FlagSet) {
	f.Var(&m.modes, "chmod", "give files and directories other modes, as rsync does: `MODES` like D755,F644 or u=rwX,go-w")
	f.Var(&m.chown, "chown", "give everything this owner, `USER:GROUP`, USER or :GROUP, by name (of the receiving host) or number; as --owner, if the server allows it")
	f.BoolVarP(&m.acls, "acls", "A", false, "keep ACLs, by the names of users and groups, if the server allows it")
	f.BoolVar(&m.remove, "remove-source-files", false, "once all is done, remove the files and symlinks that were sent and are as they were sent; with it each is on the server's disk and was read back from there first (--fsync, --verify), and what was there already goes only if --checksum compared it")
	f.StringVar(&m.report, "report", "", "write to `FILE` (-: stdout) the checksum of each file that is there then, for xxh128sum -c or scp_rdma verify at the destination; costs the receiver one more read of each")
	f.StringVar(&m.sum, "report-sum", sumXXH128, "with --report: `SUM` is xxh128, or sha256, which takes more time")
}

const (
	sumXXH128 = "xxh128"
	sumSHA256 = "sha256"
)

// check finds flags that make no sense together.
func (m *metaOptions) check(f *pflag.FlagSet, o *options) error {
	switch {
	case m.sum != sumXXH128 && m.sum != sumSHA256:
		return usagef("--report-sum %s: it takes %s, %s", quote(m.sum), sumXXH128, sumSHA256)
	case f.Changed("report-sum") && m.report == "":
		return usagef("--report-sum says which checksums --report has: it needs it")
	case f.Changed("report") && m.report == "":
		return usagef("--report: an empty name is no file")
	case m.report != "" && (o.dry || o.list):
		return usagef("--report tells what was copied: with -n and --list nothing is")
	case m.report == stdoutName && o.json:
		return usagef("--report - and --json both want stdout: name a file")
	case m.remove && o.follow:
		return usagef("--remove-source-files and -L exclude each other: what symlinks point to is not removed")
	case m.remove && o.list:
		return usagef("--remove-source-files is for sending")
	}
	return nil
}

// digest is the checksum that a report needs.
func (m *metaOptions) digest() wire.SumKind {
	switch {
	case m.report == "":
		return wire.SumNone
	case m.sum == sumSHA256:
		return wire.SumSHA256
	}
	return wire.SumXXH128
}

// chmodValue is --chmod. More of them are one after the other.
type chmodValue struct {
	text  string
	modes modes.Changes
}

// String implements pflag.Value.
func (c *chmodValue) String() string { return c.text }

// Type implements pflag.Value.
func (*chmodValue) Type() string { return "MODES" }

// Set implements pflag.Value.
func (c *chmodValue) Set(text string) error {
	if c.text != "" {
		text = c.text + "," + text
	}
	m, err := modes.Parse(text, umask())
	if err != nil {
		return usagef("--chmod: %v", err)
	}
	c.text, c.modes = text, m
	return nil
}

// change is what a mode becomes; nil: they stay.
func (c *chmodValue) change() func(mode uint32, dir bool) uint32 {
	if c.text == "" {
		return nil
	}
	return c.modes.Apply
}

// umask is this process's. Asking the system for it would change it for a moment, for all
// threads; /proc only tells it.
func umask() uint32 {
	text, err := os.ReadFile("/proc/self/status")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if digits, ok := strings.CutPrefix(line, "Umask:"); ok {
				if n, err := strconv.ParseUint(strings.TrimSpace(digits), 8, 12); err == nil {
					return uint32(n)
				}
			}
		}
	}
	old := unix.Umask(0)
	unix.Umask(old)
	return uint32(old)
}

// chownValue is --chown.
type chownValue localfs.Chown

// maxOwner bounds a name, bytes: what a message has room for.
const maxOwner = 128

// String implements pflag.Value.
func (c *chownValue) String() string {
	if c.Group == "" {
		return c.User
	}
	return c.User + ":" + c.Group
}

// Type implements pflag.Value.
func (*chownValue) Type() string { return "USER:GROUP" }

// Set implements pflag.Value.
func (c *chownValue) Set(text string) error {
	user, group, _ := strings.Cut(text, ":")
	if user == "" && group == "" || len(user) > maxOwner || len(group) > maxOwner || strings.Contains(group, ":") || !plain(text) {
		return usagef("--chown %s: it takes USER:GROUP, USER or :GROUP", quote(text))
	}
	c.User, c.Group = user, group
	return nil
}

// granted is the owner that everything gets on this host.
func (c *chownValue) granted() localfs.Chown {
	return localfs.Chown{User: c.User, Group: c.Group, Granted: true}
}
