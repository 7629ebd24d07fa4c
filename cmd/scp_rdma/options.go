package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"scp_rdma/localfs"
)

// options is what the flags say.
type options struct {
	server    bool
	dir       string
	port      uint16
	bind      string
	once      bool
	grace     time.Duration
	allow     []string
	recursive bool
	streams   int
	rails     []string
	exact     bool
	follow    bool
	ipv4      bool
	ipv6      bool
	owner     bool
	numeric   bool
	xattr     bool
	unchecked bool
	transport string
	verbose   int
	quiet     bool
	version   bool
}

const (
	defaultPort  = 1777
	defaultGrace = 10 * time.Second
	maxStreams   = 64
)

// errPortNotPreserve is for the habit of scp's -p.
var errPortNotPreserve = errors.New("-p is the port; modes and times are always kept")

// portValue is a flag that is a port.
type portValue uint16

// String implements pflag.Value.
func (p *portValue) String() string { return strconv.Itoa(int(*p)) }

// Type implements pflag.Value.
func (*portValue) Type() string { return "PORT" }

// Set implements pflag.Value.
func (p *portValue) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return errPortNotPreserve
	}
	*p = portValue(n)
	return nil
}

// addFlags declares every flag. Flags after the first argument count too, as in GNU's tools.
func (o *options) addFlags(f *pflag.FlagSet) {
	o.port = defaultPort
	f.BoolVarP(&o.server, "server", "s", false, "receive files, until stopped")
	f.StringVarP(&o.dir, "output", "o", ".", "with -s: put everything under `DIR`; made if missing")
	f.VarP((*portValue)(&o.port), "port", "p", "server's port; 0 with -s: any that is free")
	f.StringVar(&o.bind, "bind", "", "with -s: listen on this local `ADDR` only")
	f.BoolVar(&o.once, "once", false, "with -s: end after the first session")
	f.DurationVar(&o.grace, "grace", defaultGrace, "with -s: let running sessions end for so long when stopped")
	f.StringSliceVar(&o.allow, "allow", nil, "with -s: keep what clients ask for of `owner,special,xattr` (xattr: user.* only; xattr-all: every name, needs root)")
	f.BoolVarP(&o.recursive, "recursive", "r", false, "accepted for habit's sake: directories are always sent whole")
	f.IntVarP(&o.streams, "streams", "j", 0, "`N` streams, 1 to 64 (default: one per core, at least 2, at most 8, and at least one per rail)")
	f.StringSliceVarP(&o.rails, "device", "d", nil, "send over these rails: `RAIL,...`, interfaces or local addresses (default: the way the kernel takes)")
	f.BoolVarP(&o.exact, "no-target-directory", "T", false, "the destination is exactly this name, never a directory to put it in")
	f.BoolVarP(&o.follow, "follow", "L", false, "send what symlinks point to")
	f.BoolVarP(&o.ipv4, "ipv4", "4", false, "reach HOST by IPv4 only")
	f.BoolVarP(&o.ipv6, "ipv6", "6", false, "reach HOST by IPv6 only")
	f.BoolVar(&o.owner, "owner", false, "ask the server to keep owners and groups, by name")
	f.BoolVar(&o.numeric, "numeric-ids", false, "with --owner: by number")
	f.BoolVar(&o.xattr, "xattr", false, "ask the server to keep extended attributes")
	f.BoolVar(&o.unchecked, "no-checksum", false, "leave it to the transport to find corrupted bytes")
	f.StringVar(&o.transport, "transport", "auto", "`NAME` of the transport: auto or "+strings.Join(transportNames(), ", "))
	f.CountVarP(&o.verbose, "verbose", "v", "say more; -vv and -vvv more still")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing but errors")
	f.BoolVar(&o.version, "version", false, "say which version this is")
}

// check finds flags that make no sense, alone or together.
func (o *options) check(f *pflag.FlagSet) error {
	if o.streams < 0 || o.streams > maxStreams || f.Changed("streams") && o.streams == 0 {
		return usagef("-j %d: the number of streams is 1 to %d", o.streams, maxStreams)
	}
	if o.ipv4 && o.ipv6 {
		return usagef("-4 and -6 leave no address")
	}
	if o.grace < 0 {
		return usagef("--grace %v: a time can't be negative", o.grace)
	}
	only := map[bool][]string{
		true:  {"output", "bind", "once", "grace", "allow"},
		false: {"streams", "device", "no-target-directory", "follow", "owner", "numeric-ids", "xattr", "no-checksum", "recursive"},
	}
	for _, name := range only[!o.server] {
		if f.Changed(name) {
			return usagef("--%s %s", name, map[bool]string{true: "is for sending, -s receives", false: "is for receiving: it needs -s"}[o.server])
		}
	}
	if !o.server && o.port == 0 {
		return usagef("-p 0: the server's port is 1 to 65535")
	}
	if o.numeric && !o.owner {
		return usagef("--numeric-ids needs --owner")
	}
	_, err := o.grants()
	return err
}

// grants is what --allow gives clients.
func (o *options) grants() (localfs.SinkOptions, error) {
	var g localfs.SinkOptions
	known := map[string]func(){
		"owner": func() { g.Owner = true }, "special": func() { g.Special = true },
		"xattr": func() { g.Xattr = true }, "xattr-all": func() { g.Xattr, g.AllXattr = true, true },
	}
	for _, name := range o.allow {
		set, ok := known[name]
		if !ok {
			return g, usagef("--allow %s: one of owner, special, xattr, xattr-all", quote(name))
		}
		set()
	}
	return g, nil
}

// network is what to dial or listen on.
func (o *options) network() string {
	switch {
	case o.ipv4:
		return "tcp4"
	case o.ipv6:
		return "tcp6"
	}
	return ""
}

// flagError turns pflag's words into ours.
func flagError(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, errPortNotPreserve.Error()):
		return usageError{errPortNotPreserve.Error()}
	case strings.Contains(text, "shorthand flag: 'P'"):
		return usagef("-P is not known: the port is -p")
	default:
		return usagef("%s (--help tells all)", text)
	}
}

// unique drops what stands twice.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
