package main

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"scp_rdma/transport"
)

// portHabit is for the habit of scp's -p.
const portHabit = "-p is the port; modes and times are always kept"

// minLimit, bytes a second: a frame of 1 MiB takes 16 s then.
const minLimit = 64 << 10

// check finds flags that make no sense, alone or together.
func (o *options) check(f *pflag.FlagSet) error {
	if err := errors.Join(o.checkSides(f), o.checkStreams(), o.checkTimes(), o.checkDeeds(f), o.checkPages(), o.checkQuota(), o.meta.check(f, o)); err != nil {
		return err
	}
	switch {
	case o.ipv4 && o.ipv6:
		return usagef("-4 and -6 together leave no address")
	case o.quiet && o.verbose > 0:
		return usagef("-q and -v contradict each other")
	case !o.server && o.port == 0:
		return usagef("-p 0: a port is 1 to 65535")
	case f.Changed("numeric-ids") && o.numeric && !o.owner && !o.meta.acls:
		return usagef("--numeric-ids says how --owner and --acls work: it needs one of them")
	case o.noAuth && (o.key != "" || o.authorized != ""):
		return usagef("--no-auth does without keys: it excludes --key-file and --authorized")
	case o.authorized != "" && o.key != "":
		return usagef("--authorized lists the keys that are taken: it excludes --key-file")
	case o.checksum && o.ignore:
		return usagef("--checksum and --ignore-times contradict each other")
	case f.Changed("state-dir") && o.stateDir == "":
		return usagef("--state-dir: an empty name is no directory")
	case f.Changed("key-file") && o.key == "" || f.Changed("authorized") && o.authorized == "":
		return usagef("an empty name is no file of keys")
	case !slices.Contains(directNames(), o.direct):
		return usagef("--direct %s: it takes %s", quote(o.direct), strings.Join(directNames(), ", "))
	case o.dir == "":
		return usagef("-o: an empty name is no directory")
	case slices.Contains(o.rails, ""):
		return usagef("-d: an empty name is no rail")
	case f.Changed("ib-port") && (o.ibPort < 1 || o.ibPort > 255):
		return usagef("-i %d: a port is 1 to 255", o.ibPort)
	case f.Changed("gid-index") && (o.gidIndex < 0 || o.gidIndex > 255):
		return usagef("-g %d: a GID index is 0 to 255", o.gidIndex)
	case f.Changed("traffic-class") && (o.class < 0 || o.class > 255):
		return usagef("--traffic-class %d: it takes 0 to 255", o.class)
	case len(o.rails) > 0 && o.transport == nameSHM:
		return usagef("-d is for RDMA devices and interfaces, --transport shm uses none")
	}
	if err := o.checkLimits(); err != nil {
		return err
	}
	if err := o.checkRDMA(); err != nil {
		return err
	}
	if err := checkTransport(o.transport); err != nil {
		return err
	}
	g, err := o.grants()
	if err == nil && g.AllXattr && os.Geteuid() != 0 {
		return usagef("--allow xattr-all: only root may set all attributes; without root: --allow xattr")
	}
	return err
}

// checkDeeds finds two that are asked for at once, and what only one of them takes.
func (o *options) checkDeeds(f *pflag.FlagSet) error {
	switch {
	case o.servesSSH && (o.server || o.keygen || o.devices || o.clean || o.bench):
		return usagef("--over-ssh is what a client starts by ssh: it does nothing else")
	case o.encrypt && o.noEncrypt:
		return usagef("--encrypt and --no-encrypt contradict each other")
	case o.keygen && o.server:
		return usagef("keygen makes a key, -s makes its own by itself")
	case o.devices && (o.server || o.keygen):
		return usagef("devices only looks: it excludes -s and keygen")
	case o.clean && (o.server || o.keygen || o.devices):
		return usagef("clean only removes what is left over: it excludes -s, keygen and devices")
	case o.bench && (o.server || o.keygen || o.devices || o.clean):
		return usagef("bench only measures: it excludes -s, keygen, devices and clean")
	case o.checkList && (o.server || o.keygen || o.devices || o.clean || o.bench):
		return usagef("verify only compares: it excludes -s, keygen, devices, clean and bench")
	case o.limit != 0 && o.limit < minLimit:
		return usagef("--limit %d: it takes 64K or more", o.limit)
	case f.Changed("max-delete") && (!o.deletes || o.maxDelete < 0):
		return usagef("--max-delete N: it takes 0 or more, and needs --delete")
	case o.deletes && o.selection.from != "":
		return usagef("--delete and --files-from exclude each other: what a list does not name is not gone")
	case o.deletes && o.selection.oneFS:
		return usagef("--delete and -x exclude each other: what is mounted at SRC is not gone")
	case f.Changed("suffix") && !o.backup:
		return usagef("--suffix says how --backup names what it keeps: it needs it")
	case o.suffix == "" || strings.Contains(o.suffix, "/"):
		return usagef("--suffix %s: it is a part of a name", quote(o.suffix))
	case o.selection.zero && o.selection.from == "":
		return usagef("--from0 says how --files-from is written: it needs it")
	case o.json && !o.showConfig && !o.quota.show && (o.server || o.keygen || o.clean):
		return usagef("--json is for transfers, --list, devices, bench, verify, quota and config")
	case o.showConfig && (o.servesSSH || o.keygen || o.devices || o.clean || o.bench):
		return usagef("config only shows what is in force: it excludes keygen, devices, clean and bench")
	case !slices.Contains(logFormats(), o.logFormat):
		return usagef("--log-format %s: it takes %s", quote(o.logFormat), strings.Join(logFormats(), " or "))
	case !o.bench && (f.Changed("html") || f.Changed("seconds")):
		return usagef("--html and --seconds are for bench")
	}
	return nil
}

// checkTimes finds those that aren't any.
func (o *options) checkTimes() error {
	for _, t := range []struct {
		flag string
		d    time.Duration
	}{{"grace", o.grace}, {"wait", o.wait}, {"retry-for", o.retryFor}, {"modify-window", o.within}} {
		if t.d < 0 {
			return usagef("--%s %v: a time can't be negative", t.flag, t.d)
		}
	}
	if o.timeout < minTimeout {
		return usagef("--timeout %v: it takes %v or more, for a peer gives a sign of life each second", o.timeout, minTimeout)
	}
	return nil
}

// checkSides finds flags of the other side.
func (o *options) checkSides(f *pflag.FlagSet) error {
	wrong, why := receiver, "is for servers: it needs -s"
	if o.server {
		wrong, why = sender, "is for transfers, -s serves"
	}
	for _, g := range (&options{}).groups() {
		if g.side != wrong {
			continue
		}
		var found *pflag.Flag
		g.flags.VisitAll(func(fl *pflag.Flag) {
			if found == nil && fl.Name != "server" && f.Changed(fl.Name) && !(o.clean && fl.Name == "output") && !(o.quota.show && slices.Contains([]string{"authorized", "user"}, fl.Name)) {
				found = fl
			}
		})
		if found != nil {
			return usagef("%s %s", dashed(found), why)
		}
	}
	return nil
}

// dashed is a flag as people write it: the short form if there is one.
func dashed(f *pflag.Flag) string {
	if f.Shorthand != "" {
		return "-" + f.Shorthand
	}
	return "--" + f.Name
}

// flagError turns pflag's words into ours.
func flagError(err error) error {
	var usage usageError
	var invalid *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &usage): // from a value of ours
		return usage
	case errors.As(err, &missing) && missing.GetFlag().Name == "port":
		return usagef(portHabit)
	case errors.As(err, &missing):
		return usagef("%s needs a value (--help tells all)", dashed(missing.GetFlag()))
	case errors.As(err, &invalid):
		return usagef("%s %s: %s", dashed(invalid.GetFlag()), quote(invalid.GetValue()), expected(invalid.GetFlag().Name))
	case errors.As(err, &unknown) && strings.HasPrefix(unknown.GetSpecifiedShortnames(), "P"):
		return usagef("-P is not known: the port is -p")
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return usagef("-%s is not known (--help tells all)", quote(unknown.GetSpecifiedShortnames()))
	case errors.As(err, &unknown):
		return usagef("--%s is not known (--help tells all)", quote(unknown.GetSpecifiedName()))
	}
	return usagef("%s (--help tells all)", quote(err.Error()))
}

// checkStreams says whether streams and their slots can be as they shall.
func (o *options) checkStreams() error {
	switch {
	case o.streams < 0 || o.streams > maxStreams:
		return usagef("-j %d: it takes 1 to %d streams", o.streams, maxStreams)
	case o.perRail < 0 || o.perRail > maxStreams:
		return usagef("--streams-per-rail %d: it takes 1 to %d streams", o.perRail, maxStreams)
	case o.perRail > 0 && o.bench:
		return usagef("--streams-per-rail is for transfers: bench takes -j, and tries several where it is not said")
	case o.perRail > 0 && o.streams > 0:
		return usagef("-j says how many streams there are, --streams-per-rail how many on each rail: say one of them")
	case o.slots < 0 || o.slots > transport.MaxSlots:
		return usagef("--slots %d: it takes 1 to %d", o.slots, transport.MaxSlots)
	case o.size != 0 && (o.size < transport.MinSlotSize || o.size > transport.MaxSlotSize || o.size%transport.MinSlotSize != 0):
		return usagef("--size %d: it takes 4K to 16M, in steps of 4K", o.size)
	}
	return nil
}

// expected says what a flag takes, for values that can't be read at all.
func expected(name string) string {
	switch name {
	case "streams", "streams-per-rail":
		return "it takes a number, 1 to 64"
	case "slots":
		return "it takes a number, 1 to 1024"
	case "sl":
		return "it takes a number up to 15"
	case "ib-port", "gid-index", "traffic-class":
		return "it takes a number up to 255"
	case "grace", "wait", "retry-for", "handshake-timeout", "timeout", "modify-window":
		return "it takes a time like 90s or 5m"
	}
	return "it can't have this value"
}
