package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/wire"
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
	streams   int // 0: the engine chooses; so it is with
	perRail   int // streams of each rail, in place of that; 0: not said
	slots     int // of each stream, and their
	size      int64
	rails     []string
	ibPort    int // 0: any
	gidIndex  int // -1: the best
	class     int // traffic class; -1: not given
	sl        int // service level; -1: not given
	pkey      pkeyValue
	connect   connectValue
	cmPorts   cmPorts
	showRails bool
	progress  string // "": a line
	direct    string
	exact     bool
	follow    bool
	ipv4      bool
	ipv6      bool
	owner     bool
	numeric   bool
	xattr     bool
	meta      metaOptions
	unchecked bool
	encrypt   bool
	noEncrypt bool

	ssh                                      bool   // the other end is started by ssh
	rsh                                      string // which is this command
	remotePath                               string // where scp_rdma is there
	ports                                    portsValue
	servesSSH                                bool // this end was started by a client
	portGiven                                bool // for this host, and not for all
	safeLinks                                bool
	deletes                                  bool
	dry                                      bool
	list                                     bool
	maxDelete                                int64
	limit                                    int64 // bytes a second; 0: none
	update, existing, ignoreExisting, backup bool
	suffix                                   string
	selection                                selection
	targets                                  targets
	user                                     string
	noLandlock                               bool
	metrics                                  metricsValue

	transport string
	verbose   int
	quiet     bool
	version   bool

	key        string // file; "": where it lies by default
	noAuth     bool
	keygen     bool
	pages      pages
	devices    bool
	bench      bool
	seconds    secondsValue
	html       string
	json       bool
	wait       time.Duration
	retryFor   time.Duration
	fsync      bool
	checksum   bool
	ignore     bool // times
	within     time.Duration
	verify     bool
	stateDir   string
	clean      bool
	checkList  bool // verify LIST
	timeout    time.Duration
	authorized string
	limits     limits

	config     string // the file of settings; "": the usual ones
	showConfig bool
	logFormat  string
	words      []string // the command line, as run takes it
	quota      quotaOptions
	inForce
}

const (
	defaultPort  = 1777
	defaultGrace = 10 * time.Second
	defaultWait  = 5 * time.Minute
	// defaultTimeout: hosts under memory pressure stand still for many seconds. It is
	// what transports wait for a peer by themselves, too.
	defaultTimeout = 30 * time.Second
	// minTimeout is more than the second after which a peer gives a sign of life.
	minTimeout = 2 * time.Second
	// cleanAge: what an interrupted transfer left is gone on from for so long.
	cleanAge   = 7 * 24 * time.Hour
	maxStreams = engine.MaxStreams
)

// flagGroup is flags that belong together: a heading of --help, and the
// judgement which of them make sense with -s.
type flagGroup struct {
	title string
	side  side
	flags *pflag.FlagSet
}

// side says who a flag is for.
type side uint8

const (
	both side = iota
	sender
	receiver
)

// groups declares every flag there is.
func (o *options) groups() []flagGroup {
	return []flagGroup{
		{"Flags for transfers", sender, o.sendFlags()},
		{"Flags for servers", receiver, o.serveFlags()},
		{"Limits of a server (a client over one is told, and waits)", receiver, o.limitFlags()},
		{"Flags for both", both, o.commonFlags()},
	}
}

// addFlags adds the flags of all groups.
func (o *options) addFlags(f *pflag.FlagSet) {
	for _, g := range o.groups() {
		f.AddFlagSet(g.flags)
	}
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "tc" { // as perftest and NCCL call it
			name = "traffic-class"
		}
		return pflag.NormalizedName(name)
	})
}

func newFlagSet() *pflag.FlagSet {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.SortFlags = false
	return f
}

func (o *options) sendFlags() *pflag.FlagSet {
	f := newFlagSet()
	f.IntVarP(&o.streams, "streams", "j", 0, "`N` streams, 1 to 64 (0 or none: chosen, see below)")
	f.IntVar(&o.perRail, "streams-per-rail", 0, "`N` streams on each rail, in place of -j (0 or none: chosen)")
	f.IntVar(&o.slots, "slots", 0, "`K` slots for each stream (0 or none: chosen); scp_rdma bench HOST finds what is best")
	sizeVar(f, &o.size, "size", 0, "slots of `SIZE` bytes each, 4K to 16M (0 or none: chosen)")
	o.targets.flag(f)
	o.progressFlag(f)
	f.BoolVar(&o.showRails, "rails", false, "show which rail was joined with which of the server's, and what each carried")
	f.BoolVarP(&o.exact, "no-target-directory", "T", false, "the destination is exactly this name, never a directory to put SRC into")
	f.BoolVarP(&o.follow, "follow", "L", false, "send what symlinks point to")
	f.BoolVarP(&o.recursive, "recursive", "r", false, "no effect: directories are always sent whole")
	f.BoolVar(&o.fsync, "fsync", false, "end only when all is on the server's disk, and give no file its name before it is: for power cuts; slow for small files")
	f.BoolVar(&o.checksum, "checksum", false, "compare what the server has by contents, not by size and time")
	f.BoolVar(&o.ignore, "ignore-times", false, "send also what looks the same")
	f.DurationVar(&o.within, "modify-window", 0, "take times for equal that differ by no more than `DUR`, like 2s for FAT")
	f.BoolVarP(&o.update, "update", "u", false, "leave files alone that are newer at the destination")
	f.BoolVar(&o.existing, "existing", false, "update what is there, and make nothing new")
	f.BoolVar(&o.ignoreExisting, "ignore-existing", false, "leave alone what is there, and only make what isn't")
	f.BoolVar(&o.list, "list", false, "show what a host has: scp_rdma --list HOST:PATH..., with all that is in directories")
	f.BoolVarP(&o.dry, "dry-run", "n", false, "send nothing and change nothing: say what would be sent, and with --delete how much would go")
	f.BoolVar(&o.deletes, "delete", false, "once all has arrived, delete from the directories that were copied what SRC does not have; not what filter rules leave out, and nothing at all if anything could not be copied")
	f.Int64Var(&o.maxDelete, "max-delete", -1, "with --delete: no more than `N` entries (-1: any number)")
	f.BoolVarP(&o.backup, "backup", "b", false, "what is replaced keeps its name with --suffix behind it")
	f.StringVar(&o.suffix, "suffix", "~", "with --backup: `TEXT` behind the name")
	f.BoolVar(&o.verify, "verify", false, "have the server read each file back from its disk, and compare, before it gets its name")
	f.Var(ruleValue{o.selection.rules.Exclude, "PATTERN"}, "exclude", "leave out what matches `PATTERN`, by the rules of rsync: the first that matches counts, of these, of")
	f.Var(ruleValue{o.selection.rules.Include, "PATTERN"}, "include", "which take in what matches `PATTERN`, and of")
	f.Var(ruleValue{o.selection.readRules, "FILE"}, "filter-from", "which read rules from `FILE`, a line each: + PATTERN, - PATTERN")
	f.StringVar(&o.selection.from, "files-from", "", "of the one SRC send what `FILE` lists, a path below it to a line, with the directories on the way (-: stdin)")
	f.BoolVarP(&o.selection.zero, "from0", "0", false, "with --files-from: names end with NUL, not with a line")
	f.BoolVarP(&o.selection.oneFS, "one-file-system", "x", false, "don't enter directories where another file system is mounted")
	f.BoolVar(&o.owner, "owner", false, "keep owners and groups, by name, if the server allows it")
	f.BoolVar(&o.numeric, "numeric-ids", false, "with --owner and --acls: by number")
	f.BoolVar(&o.xattr, "xattr", false, "keep extended attributes, if the server allows it")
	o.meta.flags(f)
	f.DurationVar(&o.wait, "wait", defaultWait, "if the server is busy, ask again for `DUR` (0: give up at once)")
	f.DurationVar(&o.retryFor, "retry-for", engine.DefaultRetryFor, "once every stream or the server is gone, try for `DUR` to find it again and go on (0: not at all)")
	f.StringVar(&o.direct, "direct", "auto", "read large files without the page cache: `HOW` is always, never, or auto: what the cache does not hold of files on local disks")
	f.BoolVar(&o.ssh, "ssh", false, "have ssh start the other end on HOST for this transfer, as user@HOST: does: no daemon and no key is needed there, PATH is as in scp, and --encrypt is on")
	f.StringVarP(&o.rsh, "rsh", "e", defaultSSH, "with ssh: `CMD` in its place, as in -e 'ssh -p 2222 -J gate'")
	f.StringVar(&o.remotePath, "remote-path", defaultProgram, "with ssh: `FILE` is scp_rdma there")
	f.Var(&o.ports, "port-range", "with ssh: the other end listens on one of `PORTS`, like 5000-5010 (none: any that is free)")
	f.BoolVar(&o.noEncrypt, "no-encrypt", false, "with ssh: leave contents in the clear, which is faster; the rest is always encrypted")
	f.BoolVar(&o.unchecked, "no-checksum", false, "leave it to the transport to find damaged bytes; half files don't survive a reboot of the server then")
	return f
}

func (o *options) serveFlags() *pflag.FlagSet {
	f := newFlagSet()
	f.BoolVarP(&o.server, "server", "s", false, "serve, until stopped: receive files, and send those that are asked for")
	f.StringVarP(&o.dir, "output", "o", ".", "everything lies under `DIR`, which is made if it is missing")
	f.StringVar(&o.bind, "bind", "", "listen on this local `ADDR` only")
	f.StringVar(&o.authorized, "authorized", "", "take the keys in `FILE`, a line each: NAME KEY [dir=SUB] [rights=write,...] [quota=SIZE]; KEY is the text of a key file; SIGHUP reads it again")
	f.BoolVar(&o.once, "once", false, "end after the first session")
	f.DurationVar(&o.grace, "grace", defaultGrace, "once stopped, let running sessions end for `DUR`, like 90s or 5m")
	f.Var(&o.metrics, "metrics", "show what the server does, to people and to Prometheus, over HTTP at `ADDR`: a port, which is on loopback then, or ADDRESS:PORT; who reaches it may read it, and none but this host's users sees names of files")
	f.Var(&o.cmPorts, "cm-port", "take connections of rdma_cm, by which iWARP is connected, at `PORT`, or the first free one of FIRST-LAST, as a firewall lets through: TCP for iWARP (none: any that is free)")
	f.StringVar(&o.user, "user", "", "become the user `NAME` once the port is open and the key is read; needs root")
	f.BoolVar(&o.noLandlock, "no-landlock", false, "don't have the kernel confine this server to DIR, its state and what it reads of the system (Landlock, Linux 5.19)")
	f.StringSliceVar(&o.allow, "allow", nil, "what clients may set beyond the usual, `LIST` of: owner; special (setuid, setgid and sticky bits); xattr (user.* only); xattr-all (every name, needs root); acl (ACLs); delete (what they no longer have)")
	return f
}

func (o *options) commonFlags() *pflag.FlagSet {
	f := newFlagSet()
	o.port = defaultPort
	f.VarP((*portValue)(&o.port), "port", "p", "the server's port (with -s, 0: any that is free)")
	f.BoolVarP(&o.ipv4, "ipv4", "4", false, "IPv4 only")
	f.BoolVarP(&o.ipv6, "ipv6", "6", false, "IPv6 only")
	f.StringSliceVarP(&o.rails, "device", "d", nil, "use these rails: `RAIL,...` are RDMA devices (mlx5_0, mlx5_0:PORT, mlx5_0:PORT:GID-INDEX), or interfaces or local addresses for tcp (none: every RDMA device that can be used, else memory if HOST is this one, else the way that the kernel takes to HOST)")
	f.IntVarP(&o.ibPort, "ib-port", "i", 0, "`PORT` of RDMA devices that -d doesn't give one (none: each that is up)")
	f.IntVarP(&o.gidIndex, "gid-index", "g", -1, "GID `INDEX` of RDMA devices that -d doesn't give one (none: chosen; scp_rdma devices shows it)")
	f.IntVar(&o.class, "traffic-class", -1, "send RoCE with traffic class `N`, as the lossless class of the fabric asks for, such as 106; each end says its own (none: what the host has set for the port, else 0); --tc for short")
	f.IntVar(&o.sl, "sl", -1, "service level `N` of InfiniBand, 0 to 15, or the priority in VLAN tags of RoCE, 0 to 7; each end says its own (none: 0, or with rdma_cm what the subnet manager has for the path)")
	f.Var(&o.pkey, "pkey", "partition of InfiniBand: `KEY` like 0x8001, or a row of the port's P_Key table like 1; each end says its own (none: the first row)")
	f.Var(&o.connect, "connect", "connect RDMA's queue pairs `HOW`: oob (out of band, over this session's control connection), cm (by rdma_cm), auto (rdma_cm for iWARP, which knows no other, oob else); a server follows its clients unless it is told")
	f.StringVar(&o.key, "key-file", "", "the key is in `FILE` (none: $SCP_RDMA_KEY_FILE, else scp_rdma/key in $XDG_CONFIG_HOME or ~/.config)")
	f.StringVar(&o.stateDir, "state-dir", "", "remember in `DIR` what has to outlive a server, or a transfer that fetches (none: $SCP_RDMA_STATE_DIR, else scp_rdma in $XDG_STATE_HOME or ~/.local/state)")
	f.BoolVar(&o.noAuth, "no-auth", false, "no keys: whoever reaches the server may write, and any server may pose as it; only on a closed network, and needed on both ends")
	f.BoolVar(&o.encrypt, "encrypt", false, "encrypt the contents of files too, over whatever carries them (AES-GCM); with -s: take nothing else")
	f.BoolVar(&o.safeLinks, "safe-links", false, "skip symlinks that lead out of the SRC they are in; with -s: refuse those that lead out of a transfer's destination")
	f.BoolVar(&o.servesSSH, "over-ssh", false, "what ssh starts there: receive from the client at the other end of stdin and stdout, once")
	sizeVar(f, &o.limit, "limit", 0, "no more than `SIZE` bytes a second, like 50M; with -s: in all sessions together, both ways (0 or none: as fast as it goes)")
	f.DurationVar(&o.timeout, "timeout", defaultTimeout, "give a peer up that is dead or frozen for `DUR`, 2s or more: not even the sign of life came that each side gives every second; a slow disk gives it too, and is waited for")
	f.StringVar(&o.transport, "transport", transportAuto, "`NAME` of what carries the bytes: "+strings.Join(append([]string{transportAuto}, transportNames()...), ", ")+
		" (in this build: "+strings.Join(builtIn(), ", ")+"; shm is memory that both ends share on one host)")
	f.CountVarP(&o.verbose, "verbose", "v", "log more to stderr: -v info, -vv debug, -vvv trace")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing but errors")
	f.StringVar(&o.logFormat, "log-format", "text", "the log on stderr is `FORMAT`: text, or json, in which every line is an object of JSON")
	f.StringVar(&o.config, "config", "", "settings are in `FILE` alone, or with none in none (none: $SCP_RDMA_CONFIG, else scp_rdma/config.yaml in $XDG_CONFIG_HOME or ~/.config, then "+systemConfig+")")
	o.quota.addFlags(f)
	f.BoolVar(&o.showConfig, "show-config", false, "show what is in force and where it comes from, like scp_rdma config [HOST]")
	f.BoolVar(&o.version, "version", false, "say which version this is")
	f.BoolVar(&o.keygen, "keygen", false, "make a key file, like scp_rdma keygen")
	f.BoolVar(&o.devices, "devices", false, "tell what RDMA devices there are, like scp_rdma devices")
	f.BoolVar(&o.clean, "clean", false, "remove what interrupted transfers left below -o a week ago or earlier, like scp_rdma clean")
	o.pages.addFlags(f)
	f.BoolVar(&o.checkList, "verify-list", false, "compare files with a list of checksums, like scp_rdma verify LIST [DIR]")
	f.BoolVar(&o.json, "json", false, "as JSON, for programs: devices, bench, verify, --list, and of a transfer a line for each event (docs/json.md)")
	f.BoolVar(&o.bench, "bench", false, "measure from memory to memory, like scp_rdma bench HOST")
	o.seconds = secondsValue(benchTurn)
	f.Var(&o.seconds, "seconds", "with bench: measure each point for `T` seconds")
	f.StringVar(&o.html, "html", "", "with bench: write a page with drawings to `FILE`")
	f.BoolP("help", "h", false, "show this page")
	return f
}

// grants is what --allow gives clients.
func (o *options) grants() (localfs.SinkOptions, error) {
	var g localfs.SinkOptions
	for _, name := range o.allow {
		switch name {
		case "owner":
			g.Owner = true
		case "special":
			g.Special = true
		case "xattr":
			g.Xattr = true
		case "acl":
			g.ACL = true
		case "delete":
			g.Delete = true
		case "xattr-all":
			g.Xattr, g.AllXattr = true, true
		default:
			return g, usagef("--allow %s: it takes %s", quote(name), strings.Join(grantable(), ", "))
		}
	}
	return g, nil
}

// grantable are the names that --allow takes.
func grantable() []string { return []string{"owner", "special", "xattr", "xattr-all", "acl", "delete"} }

// directNames are the ways to read large files, as --direct has them.
func directNames() []string { return []string{"auto", "always", "never"} }

// directs are the ways to read large files.
func directs() map[string]localfs.Direct {
	return map[string]localfs.Direct{"auto": localfs.DirectAuto, "always": localfs.DirectAlways, "never": localfs.DirectNever}
}

// choose is which entries are wanted.
func (o *options) choose() (c wire.Choose) {
	for _, b := range []struct {
		on  bool
		bit wire.Choose
	}{{o.update, wire.ChooseOlder}, {o.existing, wire.ChooseThere}, {o.ignoreExisting, wire.ChooseMissing}} {
		if b.on {
			c |= b.bit
		}
	}
	return c
}

// backups is what stands behind the names of what is replaced; "": nothing is kept.
func (o *options) backups() string {
	if !o.backup {
		return ""
	}
	return o.suffix
}

// limiter is --limit; nil: none.
func (o *options) limiter() *engine.Limiter {
	if o.limit == 0 {
		return nil
	}
	return engine.NewLimiter(o.limit)
}

// deletion is what goes at the destination.
func (o *options) deletion(clean func() bool) engine.Delete {
	return engine.Delete{Wanted: o.deletes, Max: o.maxDelete, Filter: o.selection.rules.Lines(), Clean: clean}
}

// compare is how the server shall know files that it has.
func (o *options) compare() wire.Compare {
	switch {
	case o.checksum:
		return wire.CompareContents
	case o.ignore:
		return wire.CompareNever
	}
	return wire.CompareTimes
}

// network is what to dial or listen on.
func (o *options) network() string {
	switch {
	case o.ipv4:
		return "tcp4"
	case o.ipv6:
		return "tcp6"
	}
	return "tcp"
}

// retry is --retry-for as the engine takes it, for which 0 is what is usual.
func (o *options) retry() time.Duration {
	if o.retryFor == 0 {
		return -1
	}
	return o.retryFor
}

// portValue is a flag that is a port.
type portValue uint16

// String implements pflag.Value.
func (p *portValue) String() string { return strconv.Itoa(int(*p)) }

// Type implements pflag.Value.
func (*portValue) Type() string { return "PORT" }

// Set implements pflag.Value. What is no number at all is the habit of scp's -p.
func (p *portValue) Set(s string) error {
	if strings.Trim(s, "0123456789") != "" || s == "" {
		return usagef(portHabit)
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return usagef("-p %s: a port is 1 to 65535", s)
	}
	*p = portValue(n)
	return nil
}
